//! What becomes of snapshots that are whole, torn, old, or on their way.

use std::fs;
use std::path::PathBuf;

use openraft::CommittedLeaderId;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;

use super::super::{ControllerId, LogId};
use super::*;

fn meta(index: u64) -> SnapshotMeta {
    let last_log_id = Some(LogId::new(CommittedLeaderId::new(2, ControllerId::from(1)), index));
    SnapshotMeta { last_log_id, snapshot_id: index.to_string(), ..SnapshotMeta::default() }
}

fn state(index: u64) -> State {
    let mut state = State::default();
    state.skip(index);
    state
}

fn open(dir: &TempDir) -> (SnapshotStore, Option<u64>) {
    let (store, newest) = SnapshotStore::open(dir.path()).unwrap();
    (store, newest.map(|(_meta, state)| state.revision()))
}

fn files(dir: &TempDir) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.path().join("snapshots")).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

async fn read(snapshot: Snapshot) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut io = snapshot.snapshot;
    tokio::io::AsyncReadExt::read_to_end(&mut io, &mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn the_newest_snapshot_is_kept_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (store, newest) = open(&dir);
    assert_eq!((newest, store.current().unwrap().is_none()), (None, true));
    for index in [5, 9] {
        store.save(meta(index), state(index)).await.unwrap();
    }
    assert_eq!(store.current().unwrap().unwrap().meta, meta(9));
    assert_eq!(files(&dir).len(), 1);
    assert_eq!(open(&dir).1, Some(9));
}

#[tokio::test]
async fn a_torn_snapshot_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    store.save(meta(5), state(5)).await.unwrap();
    let good = files(&dir).remove(0);
    let bytes = fs::read(&good).unwrap();
    let torn = good.with_file_name("00000000000000000009-0000000002.snapshot");
    fs::write(&torn, &bytes[..bytes.len() - 1]).unwrap();
    fs::write(good.with_file_name("7.tmp"), &bytes).unwrap();
    let (store, newest) = open(&dir);
    assert_eq!(newest, Some(5));
    assert_eq!(files(&dir), [good, torn], "what is no snapshot yet is gone");
    store.save(meta(6), state(6)).await.unwrap();
    assert_eq!(files(&dir).len(), 1, "the torn one goes with the next that is good");
}

#[tokio::test]
async fn a_snapshot_travels_byte_for_byte() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sender, receiver) = (open(&from).0, open(&to).0);
    let sent = read(sender.save(meta(5), state(5)).await.unwrap()).await;
    let mut io = receiver.receive().unwrap();
    io.write_all(&sent).await.unwrap();
    io.shutdown().await.unwrap();
    let installed = receiver.install(&meta(5), io).await.unwrap();
    assert_eq!(installed.revision(), 5);
    assert_eq!(read(receiver.current().unwrap().unwrap()).await, sent);
    assert_eq!(open(&to).1, Some(5));
}

#[tokio::test]
async fn what_was_not_received_in_full_leaves_nothing_behind() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sender, receiver) = (open(&from).0, open(&to).0);
    let sent = read(sender.save(meta(5), state(5)).await.unwrap()).await;
    let mut io = receiver.receive().unwrap();
    io.write_all(&sent[..sent.len() / 2]).await.unwrap();
    io.shutdown().await.unwrap();
    let refused = receiver.install(&meta(5), io).await;
    assert!(matches!(refused, Err(SnapshotError::Format(FormatError::Checksum))), "{refused:?}");
    drop(receiver.receive().unwrap());
    assert_eq!(files(&to), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn an_older_snapshot_does_not_replace_a_newer() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(&dir);
    store.save(meta(9), state(9)).await.unwrap();
    let older = store.save(meta(5), state(5)).await.unwrap();
    assert_eq!(older.meta, meta(5));
    assert_eq!(store.current().unwrap().unwrap().meta, meta(9));
    assert_eq!(open(&dir).1, Some(9));
}
