//! What the log keeps through openraft's own suite, through size, and through crashes.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use openraft::CommittedLeaderId;
use openraft::storage::RaftLogStorageExt;

use super::super::ControllerId;
use super::super::proposal::Proposal;
use super::*;
use crate::limits::LOG_TAIL_BYTES;

mod crash;

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1, ControllerId::from(1)), index)
}

fn entry(index: u64, bytes: usize) -> Entry {
    let envelope = Bytes::from(vec![u8::try_from(index % 251).unwrap(); bytes]);
    Entry { log_id: log_id(index), payload: EntryPayload::Normal(Proposal::new([envelope])) }
}

fn entries(range: Range<u64>, bytes: usize) -> impl Iterator<Item = Entry> + Send {
    range.map(move |index| entry(index, bytes))
}

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.log_id.index).collect()
}

fn envelope(entry: &Entry) -> Bytes {
    match &entry.payload {
        EntryPayload::Normal(proposal) => proposal.envelopes()[0].clone(),
        other => panic!("not a proposal: {other:?}"),
    }
}

/// Opens the log again.
fn open(dir: &Path) -> (Arc<Disk>, LogStore) {
    let disk = Arc::new(Disk::open(dir).unwrap());
    let store = LogStore::open(&disk).unwrap();
    (disk, store)
}

#[tokio::test]
async fn entries_are_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut store) = open(dir.path());
    store.blocking_append(entries(0..20, 100)).await.unwrap();
    store.save_vote(&Vote::new(3, ControllerId::from(7))).await.unwrap();
    store.save_committed(Some(log_id(12))).await.unwrap();
    store.purge(log_id(4)).await.unwrap();
    store.truncate(log_id(15)).await.unwrap();
    drop((store, disk));
    let (_disk, mut store) = open(dir.path());
    let state = store.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(log_id(4)), Some(log_id(14))));
    assert_eq!(indexes(&store.try_get_log_entries(..).await.unwrap()), (5..15).collect::<Vec<_>>());
    assert_eq!(store.read_vote().await.unwrap(), Some(Vote::new(3, ControllerId::from(7))));
    assert_eq!(store.read_committed().await.unwrap(), Some(log_id(12)));
}

#[tokio::test]
async fn large_entries_keep_out_of_unsynced_blob_files() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut store) = open(dir.path());
    for index in 0..8 {
        store.blocking_append([entry(index, 1_500_000)]).await.unwrap();
    }
    store.blocking_append(entries(8..200, 5_000)).await.unwrap();
    store.truncate(log_id(190)).await.unwrap();
    let blobs = std::fs::read_dir(dir.path().join("raft/blobs")).unwrap().count();
    drop((store, disk));
    let (_disk, mut store) = open(dir.path());
    let read = store.try_get_log_entries(..).await.unwrap();
    assert_eq!(indexes(&read), (0..190).collect::<Vec<_>>());
    assert!(read[..8].iter().all(|entry| envelope(entry).len() == 1_500_000));
    assert_eq!(blobs, 0);
}

#[tokio::test]
async fn a_read_joins_what_is_on_disk_and_what_is_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (_disk, mut store) = open(dir.path());
    let size = LOG_TAIL_BYTES / 8;
    for index in 0..20 {
        store
            .blocking_append([entry(index, size / 2), entry(index + 100, 0)].into_iter().take(1))
            .await
            .unwrap();
    }
    let read = store.try_get_log_entries(1..=18).await.unwrap();
    assert_eq!(indexes(&read), (1..=18).collect::<Vec<_>>());
    assert!(read.iter().all(|read| envelope(read) == envelope(&entry(read.log_id.index, size / 2))));
    assert_eq!(
        store.limited_get_log_entries(0, 20).await.unwrap().len(),
        1,
        "one entry is more than a message"
    );
    assert_eq!(store.limited_get_log_entries(19, 20).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_entry_that_was_not_written_in_full_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut store) = open(dir.path());
    store.blocking_append(entries(0..3, 30_000)).await.unwrap();
    let last_part = store.log.iter().keys().last().unwrap().unwrap();
    store.log.remove(last_part).unwrap();
    drop((store, disk));
    let (disk, mut store) = open(dir.path());
    assert_eq!(store.get_log_state().await.unwrap().last_log_id, Some(log_id(1)));
    store.blocking_append([entry(2, 10), entry(3, 10)]).await.unwrap();
    drop((store, disk));
    let (_disk, mut store) = open(dir.path());
    assert_eq!(indexes(&store.try_get_log_entries(..).await.unwrap()), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_hole_in_the_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut store) = open(dir.path());
    store.blocking_append(entries(0..5, 10)).await.unwrap();
    store.log.remove(stored::key(2)).unwrap();
    drop(store);
    assert!(matches!(LogStore::open(&disk), Err(DiskError::Hole { before: 3 })));
}

#[tokio::test]
async fn purged_entries_are_never_seen_again() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut store) = open(dir.path());
    store.blocking_append(entries(0..2_000, 10)).await.unwrap();
    store.purge(log_id(1_990)).await.unwrap();
    assert_eq!(indexes(&store.try_get_log_entries(..).await.unwrap()), (1_991..2_000).collect::<Vec<_>>());
    drop((store, disk));
    let (_disk, mut store) = open(dir.path());
    assert_eq!(
        indexes(&store.try_get_log_entries(0..3_000).await.unwrap()),
        (1_991..2_000).collect::<Vec<_>>()
    );
    assert_eq!(store.cut(), Some(log_id(1_990)));
}

/// Appending and purging go on for as long as a controller lives; the files may not.
#[tokio::test]
async fn endless_appending_and_purging_stays_within_bounds() {
    const ENTRIES: u64 = 200_000;
    const AT_ONCE: u64 = 200;
    const KEPT: u64 = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let (disk, mut store) = open(dir.path());
    let mut largest = 0;
    for start in (0..ENTRIES).step_by(usize::try_from(AT_ONCE).unwrap()) {
        store.blocking_append(entries(start..start + AT_ONCE, 120)).await.unwrap();
        if start % KEPT == 0 && start >= KEPT {
            store.purge(log_id(start - KEPT)).await.unwrap();
            largest = largest.max(disk.size_bytes().unwrap());
        }
    }
    assert!(largest < 96 << 20, "{largest} bytes for {KEPT} entries of 200 bytes");
}
