//! One disk, over its life, and answers of several.

use std::path::Path;
use std::time::Duration;

use berth_model::log::Position;
use berth_model::time::Timestamp;
use berth_process::entropy::Entropy;
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::peer::v1 as pb;

use super::sweep::Expiry;
use super::writer::Change;
use super::{Disk, merge};

pub(super) const GROUP: u64 = 7;
pub(super) const MIB: u64 = 1 << 20;

/// A disk whose writer runs until it is dropped.
pub(super) struct Running {
    pub(super) disk: Disk,
    shutdown: Shutdown,
}

impl Running {
    pub(super) fn open(dir: &Path, most_bytes: u64) -> Self {
        let (disk, writer) = Disk::open(dir, most_bytes).expect("it opens");
        let shutdown = Shutdown::new();
        let writing = writer.run(shutdown.token().clone(), Entropy::seeded(1));
        shutdown.spawn("writer", OnError::Log, writing);
        Self { disk, shutdown }
    }

    pub(super) async fn close(self) {
        self.shutdown.drain(Duration::from_secs(10)).await.expect("it ends");
    }

    pub(super) async fn put(&self, stream: &str, events: &[(i64, &str)]) {
        self.disk.store(batch(stream, events)).await.expect("stored");
    }

    pub(super) async fn messages(&self, request: pb::ReadLogEventsRequest) -> Vec<String> {
        texts(&self.disk.read(request).await.expect("read"))
    }
}

pub(super) fn batch(stream: &str, events: &[(i64, &str)]) -> pb::StoreLogsRequest {
    let event = |(at, message): &(i64, &str)| pb::LogEvent {
        key: Some(Position { order: 1, origin: 1, ..Position::at(*at) }.to_message()),
        ingested_at_ms: 100,
        message: (*message).to_owned(),
    };
    pb::StoreLogsRequest {
        group_id: GROUP,
        stream: stream.to_owned(),
        at_ms: 100,
        events: events.iter().map(event).collect(),
        ..Default::default()
    }
}

pub(super) fn all() -> pb::ReadLogEventsRequest {
    pb::ReadLogEventsRequest { group_id: GROUP, limit: 10_000, ..Default::default() }
}

pub(super) fn texts(answer: &pb::ReadLogEventsResponse) -> Vec<String> {
    answer.events.iter().filter_map(|found| found.event.as_ref()).map(|event| event.message.clone()).collect()
}

#[tokio::test]
async fn events_are_read_in_the_order_of_their_times_whatever_they_came_in() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::open(dir.path(), 64 * MIB);
    running.put("a", &[(30, "three"), (10, "one")]).await;
    running.put("b", &[(20, "two ERROR")]).await;
    running.put("a", &[(30, "three"), (10, "one")]).await;
    assert_eq!(
        running.messages(all()).await,
        ["one", "two ERROR", "three"],
        "what is sent twice is there once"
    );
    let down = pb::ReadLogEventsRequest { descending: true, limit: 2, ..all() };
    assert_eq!(running.messages(down).await, ["three", "two ERROR"]);
    let of_a = pb::ReadLogEventsRequest { streams: vec!["a".into()], ..all() };
    assert_eq!(running.messages(of_a).await, ["one", "three"]);
    let prefixed = pb::ReadLogEventsRequest { stream_prefix: "b".into(), ..all() };
    assert_eq!(running.messages(prefixed).await, ["two ERROR"]);
    let (from, until) = (Some(Position::at(10).to_message()), Some(Position::at(30).to_message()));
    assert_eq!(
        running.messages(pb::ReadLogEventsRequest { from, until, ..all() }).await,
        ["one", "two ERROR"]
    );
    let filtered = pb::ReadLogEventsRequest { filter_pattern: "ERROR".into(), ..all() };
    assert_eq!(running.messages(filtered).await, ["two ERROR"]);
    let page = running.disk.read(pb::ReadLogEventsRequest { limit: 2, ..all() }).await.unwrap();
    assert!(page.is_partial);
    let next = page.reached.as_ref().map(|at| Position::from_message(at).next().to_message());
    let rest = running.disk.read(pb::ReadLogEventsRequest { from: next, ..all() }).await.unwrap();
    assert_eq!((texts(&rest), rest.is_partial), (vec!["three".to_owned()], false));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let running = Running::open(dir.path(), 64 * MIB);
        assert_eq!(running.messages(all()).await.len(), round);
        running.put("a", &[(i64::try_from(round).unwrap(), "kept")]).await;
        running.close().await;
    }
}

#[tokio::test]
async fn a_full_archive_drops_the_oldest_and_keeps_within_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::open(dir.path(), 16 * MIB);
    let entropy = Entropy::seeded(2);
    let most = 24 * MIB;
    let mut last = 0;
    for round in 0..60 {
        // Random, or it would shrink to nothing.
        let texts: Vec<String> =
            (0..256).map(|_| (0..64).map(|_| format!("{:032x}", entropy.u128())).collect()).collect();
        let events: Vec<(i64, &str)> = texts
            .iter()
            .enumerate()
            .map(|(at, text)| (round * 1_000 + i64::try_from(at).unwrap(), text.as_str()))
            .collect();
        running.put("a", &events).await;
        last = round * 1_000 + 255;
        assert!(running.disk.bytes() <= most, "{} bytes", running.disk.bytes());
    }
    let newest =
        running.disk.read(pb::ReadLogEventsRequest { descending: true, limit: 1, ..all() }).await.unwrap();
    let newest = newest.events[0].event.as_ref().and_then(|event| event.key).expect("the newest is there");
    assert_eq!(newest.timestamp_ms, last);
    let oldest = running.disk.read(pb::ReadLogEventsRequest { limit: 1, ..all() }).await.unwrap();
    let oldest = oldest.events[0].event.as_ref().and_then(|event| event.key).expect("something is there");
    assert!(oldest.timestamp_ms > 1_000, "the oldest are gone, or nothing was dropped at all");
}

#[tokio::test]
async fn what_is_too_old_or_of_no_group_leaves_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::open(dir.path(), 64 * MIB);
    running.put("a", &[(10, "old"), (1_000, "new")]).await;
    running.put("gone", &[(10, "old")]).await;
    running
        .disk
        .store(pb::StoreLogsRequest { group_id: 8, ..batch("x", &[(2_000, "of nobody")]) })
        .await
        .unwrap();
    let expiry = Expiry::new([(GROUP, Some(Timestamp::from_unix_ms(500)))]);
    for change in [Change::Expire(expiry), Change::Collect] {
        running.disk.order(change).await.unwrap();
    }
    assert_eq!(running.messages(all()).await, ["new"]);
    let list = |group_id| pb::ListLogStreamsRequest { group_id, limit: 10, ..Default::default() };
    let left = running.disk.streams(list(GROUP)).await.unwrap().streams;
    assert_eq!(left.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(left[0].first_event_ms, Some(500));
    assert!(running.disk.streams(list(8)).await.unwrap().streams.is_empty());
    assert!(running.disk.inner_is_clean(), "the events themselves are gone as well");
}

#[tokio::test]
async fn a_stream_that_is_deleted_and_made_again_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::open(dir.path(), 64 * MIB);
    running.put("a", &[(10, "before")]).await;
    let delete = pb::StoreLogsRequest { deleted: true, at_ms: 150, ..batch("a", &[]) };
    running.disk.store(delete).await.unwrap();
    running.put("a", &[(11, "late, of the stream that was")]).await;
    assert!(running.messages(all()).await.is_empty());
    running.disk.store(pb::StoreLogsRequest { at_ms: 151, ..batch("a", &[(12, "after")]) }).await.unwrap();
    assert_eq!(running.messages(all()).await, ["after"]);
}

fn found(stream: &str, at: i64, text: &str) -> pb::FoundLogEvent {
    let event = batch(stream, &[(at, text)]).events.remove(0);
    pb::FoundLogEvent { stream: stream.to_owned(), event: Some(event) }
}

fn answer(events: Vec<pb::FoundLogEvent>) -> pb::ReadLogEventsResponse {
    pb::ReadLogEventsResponse { events, ..Default::default() }
}

#[test]
fn answers_that_each_lack_something_make_one_that_lacks_nothing() {
    let one = answer(vec![found("a", 1, "1"), found("a", 3, "3")]);
    let other = answer(vec![found("a", 1, "1"), found("b", 2, "2")]);
    assert_eq!(texts(&merge::events(&all(), vec![one.clone(), other.clone()])), ["1", "2", "3"]);
    let limited = pb::ReadLogEventsRequest { limit: 2, ..all() };
    let cut = merge::events(&limited, vec![one, other]);
    assert_eq!((texts(&cut), cut.is_partial), (vec!["1".to_owned(), "2".to_owned()], true));
    assert_eq!(cut.reached.map(|at| at.timestamp_ms), Some(2));
}

#[test]
fn nothing_is_told_beyond_where_somebody_stopped_looking() {
    let reached = found("a", 2, "").event.and_then(|event| event.key);
    let stopped = pb::ReadLogEventsResponse { is_partial: true, reached, ..answer(vec![found("a", 1, "1")]) };
    let whole = answer(vec![found("a", 1, "1"), found("b", 5, "5")]);
    let merged = merge::events(&all(), vec![stopped, whole]);
    assert_eq!((texts(&merged), merged.is_partial, merged.reached), (vec!["1".to_owned()], true, reached));
}

#[test]
fn a_deletion_that_one_has_heard_of_holds_for_all() {
    let deleted = vec![pb::DeletedLogStream { stream: "a".into(), deleted_at_ms: 100 }];
    let knows = pb::ReadLogEventsResponse { deleted, ..Default::default() };
    let does_not = answer(vec![found("a", 1, "gone"), found("b", 2, "there")]);
    assert_eq!(texts(&merge::events(&all(), vec![knows, does_not])), ["there"]);
    let record = |created_at_ms, deleted_at_ms| pb::LogStreamRecord {
        name: "a".into(),
        created_at_ms,
        deleted_at_ms,
        ..Default::default()
    };
    let joined = merge::streams(vec![vec![record(50, 0)], vec![record(0, 100)]]);
    assert_eq!((joined[0].created_at_ms, joined[0].deleted_at_ms), (50, 100));
    let again = merge::streams(vec![vec![record(50, 0)], vec![record(120, 100)]]);
    assert_eq!((again[0].created_at_ms, again[0].deleted_at_ms), (120, 100));
}
