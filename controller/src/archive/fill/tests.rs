//! A few disks, of which some come later.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::archive::tests::{MIB, Running, all, batch, texts};

/// Controllers that are asked without a network.
#[derive(Clone, Default)]
struct Table {
    voters: Arc<Mutex<Voters>>,
    disks: Arc<Mutex<BTreeMap<String, Disk>>>,
    /// Pages until nobody answers any more.
    pages: Arc<Mutex<usize>>,
}

impl Table {
    fn of(number: u64, others: &[(u64, &Running)]) -> Self {
        let table = Self { pages: Arc::new(Mutex::new(usize::MAX)), ..Self::default() };
        let addresses = others.iter().map(|(id, _)| (*id, id.to_string())).collect();
        *table.voters.lock() = Voters { number, has_this: true, others: addresses };
        let disks = others.iter().map(|(id, running)| (id.to_string(), running.disk.clone()));
        *table.disks.lock() = disks.collect();
        table
    }
}

#[async_trait]
impl Others for Table {
    fn voters(&self) -> Voters {
        self.voters.lock().clone()
    }

    async fn page(
        &self,
        address: &str,
        request: pb::CopyLogsRequest,
    ) -> Result<pb::CopyLogsResponse, Unavailable> {
        let disk = self.disks.lock().get(address).cloned();
        let pages = self.pages.lock().checked_sub(1).ok_or_else(|| Unavailable("cut off".into()))?;
        *self.pages.lock() = pages;
        let disk = disk.ok_or_else(|| Unavailable("gone".into()))?;
        disk.page(request).await.map_err(|error| Unavailable(error.to_string()))
    }
}

fn whole(voters: u32) -> Mark {
    Mark { is_whole: true, voters, voters_since: 0 }
}

async fn opened(dir: &tempfile::TempDir, mark: Option<Mark>) -> Running {
    let running = Running::open(dir.path(), 64 * MIB);
    if let Some(mark) = mark {
        running.disk.order(Change::Mark(mark)).await.unwrap();
    }
    running
}

#[tokio::test]
async fn the_first_controller_has_everything_and_a_new_one_has_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = opened(&dir, None).await;
    assert!(!first.disk.mark().is_whole);
    round(&first.disk, &Table::of(1, &[])).await.unwrap();
    assert_eq!(first.disk.mark(), whole(1));
    first.close().await;
    let first = opened(&dir, None).await;
    assert_eq!(first.disk.mark(), whole(1), "it is written down");
    // Out of the cluster, and in again later.
    let table = Table::of(2, &[(2, &first)]);
    table.voters.lock().has_this = false;
    round(&first.disk, &table).await.unwrap();
    assert!(!first.disk.mark().is_whole);
}

#[tokio::test]
async fn one_who_replaces_another_has_what_only_one_of_the_others_has() {
    let dirs: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let one = opened(&dirs[0], Some(whole(3))).await;
    let other = opened(&dirs[1], Some(whole(3))).await;
    let new = opened(&dirs[2], None).await;
    one.put("a", &[(10, "of both"), (30, "of one")]).await;
    other.put("a", &[(10, "of both"), (20, "of the other")]).await;
    one.put("empty", &[]).await;
    other.put("gone", &[(5, "deleted where it was heard of")]).await;
    let delete = pb::StoreLogsRequest { deleted: true, at_ms: 150, ..batch("gone", &[]) };
    one.disk.store(delete).await.unwrap();

    let table = Table::of(9, &[(1, &one), (2, &other)]);
    table.disks.lock().remove("2");
    assert!(matches!(round(&new.disk, &table).await, Err(Stopped::Source(_))));
    assert!(!new.disk.mark().is_whole, "one of two is not enough");
    let table = Table::of(9, &[(1, &one), (2, &other)]);
    round(&new.disk, &table).await.unwrap();
    assert_eq!(new.disk.mark(), whole(3));
    assert_eq!(new.messages(all()).await, ["of both", "of the other", "of one"]);
    let streams = pb::ListLogStreamsRequest { group_id: 7, limit: 10, ..Default::default() };
    let streams = new.disk.streams(streams).await.unwrap().streams;
    let streams: Vec<_> =
        streams.iter().map(|it| (it.name.as_str(), it.deleted_at_ms, it.stored_bytes)).collect();
    assert_eq!(
        streams,
        [("a", 0, 25), ("empty", 0, 0), ("gone", 150, 0)],
        "counted once, though copied twice"
    );
    round(&new.disk, &table).await.unwrap();
}

#[tokio::test]
async fn what_is_written_for_the_controllers_of_before_is_refused_once_it_was_copied() {
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let old = opened(&dirs[0], Some(whole(1))).await;
    let new = opened(&dirs[1], None).await;
    let write = |membership, text| pb::StoreLogsRequest {
        membership,
        ..batch("a", &[(membership.cast_signed(), text)])
    };
    old.disk.store(write(4, "before")).await.unwrap();
    round(&new.disk, &Table::of(5, &[(1, &old)])).await.unwrap();
    let refused = old.disk.store(write(4, "late")).await;
    assert!(matches!(refused, Err(WriteError::Outdated { membership: 4, least: 5 })), "{refused:?}");
    old.disk.store(write(5, "after")).await.unwrap();
    assert_eq!(new.messages(all()).await, ["before"]);
    old.close().await;
    let old = opened(&dirs[0], None).await;
    assert!(old.disk.store(write(4, "late")).await.is_err(), "after a restart as well");
}

#[tokio::test]
async fn a_copy_that_was_cut_off_goes_on_where_it_was_and_stays_within_its_pages() {
    const EVENTS: usize = 400;
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let old = opened(&dirs[0], Some(whole(1))).await;
    let text = "x".repeat(16 << 10);
    for stream in ["a", "b", "c"] {
        let events: Vec<(i64, &str)> = (0..EVENTS).map(|at| (i64::try_from(at).unwrap(), &*text)).collect();
        for events in events.chunks(50) {
            old.put(stream, events).await;
        }
    }
    let table = Table::of(1, &[(1, &old)]);
    let (mut rounds, mut largest) = (0, 0);
    loop {
        // A process of its own each time.
        let new = opened(&dirs[1], None).await;
        if new.disk.mark().is_whole {
            let found = new.disk.read(pb::ReadLogEventsRequest { limit: 1, ..all() }).await.unwrap();
            assert_eq!(texts(&found).len(), 1);
            for stream in ["a", "b", "c"] {
                let records = pb::ListLogStreamsRequest {
                    group_id: 7,
                    prefix: stream.into(),
                    limit: 1,
                    ..Default::default()
                };
                let record = new.disk.streams(records).await.unwrap().streams.remove(0);
                assert_eq!(record.stored_bytes, u64::try_from(EVENTS * text.len()).unwrap(), "each once");
            }
            break;
        }
        let copied = new.disk.copied().remove(&1).and_then(|progress| progress.next);
        largest = largest.max(copied.map_or(0, |next| next.slice));
        *table.pages.lock() = 4;
        let _ = round(&new.disk, &table).await;
        rounds += 1;
        new.close().await;
    }
    assert!((3..12).contains(&rounds), "18 MiB came in {rounds} rounds of four pages");
    assert!(largest > 0);
}

#[tokio::test]
async fn when_voters_go_those_who_stay_copy_from_each_other() {
    let dirs: [_; 2] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let one = opened(&dirs[0], Some(whole(3))).await;
    let other = opened(&dirs[1], Some(whole(3))).await;
    other.put("a", &[(10, "known to one of those who are left")]).await;
    round(&one.disk, &Table::of(7, &[(2, &other)])).await.unwrap();
    assert_eq!((one.disk.mark(), one.messages(all()).await.len()), (whole(2), 1));
}
