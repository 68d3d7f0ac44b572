//! Which manifests the ledger takes, refuses, and still knows after it was killed.

use std::collections::BTreeSet;

use super::memory::Shared;
use super::*;

fn task(id: &str) -> wire::ManifestTask {
    wire::ManifestTask { task_id: id.to_owned(), desired_status: 1, ..Default::default() }
}

fn manifest(generation: u64, ids: &[&str]) -> wire::Manifest {
    wire::Manifest { generation, tasks: ids.iter().map(|id| task(id)).collect() }
}

fn delta(from: u64, to: u64, added: &[&str], removed: &[&str]) -> wire::ManifestDelta {
    wire::ManifestDelta {
        from_generation: from,
        to_generation: to,
        tasks: added.iter().map(|id| task(id)).collect(),
        removed_task_ids: removed.iter().map(|id| (*id).to_owned()).collect(),
    }
}

async fn open(store: impl Store) -> (Ledger, Remembered) {
    let entropy = Entropy::seeded(7);
    Ledger::open(Box::new(store), Arc::new(Interner::default()), &entropy).await.expect("opens")
}

fn ids(ledger: &Ledger) -> BTreeSet<String> {
    ledger.manifest().tasks.keys().cloned().collect()
}

fn verdict(verdict: &Verdict) -> (wire::manifest_reply::Verdict, bool) {
    (verdict.reply.verdict(), verdict.set.is_some())
}

use wire::manifest_reply::Verdict::{Accepted, Gap, Refused};

#[tokio::test]
async fn older_and_contradicting_manifests_are_refused() {
    let (ledger, _) = open(Shared::default()).await;
    assert_eq!(verdict(&ledger.accept(manifest(5, &["a", "b"])).await.unwrap()), (Accepted, true));
    assert_eq!(verdict(&ledger.accept(manifest(4, &[])).await.unwrap()), (Refused, false));
    assert_eq!(verdict(&ledger.accept(manifest(5, &["a"])).await.unwrap()), (Refused, false));
    assert_eq!(verdict(&ledger.accept(manifest(5, &["b", "a"])).await.unwrap()), (Accepted, true));
    assert_eq!(ids(&ledger), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
}

#[tokio::test]
async fn a_difference_is_followed_only_from_where_the_ledger_is() {
    let (ledger, _) = open(Shared::default()).await;
    ledger.accept(manifest(5, &["a", "b"])).await.unwrap();
    assert_eq!(verdict(&ledger.accept_delta(delta(6, 7, &["c"], &[])).await.unwrap()), (Gap, false));
    assert_eq!(verdict(&ledger.accept_delta(delta(5, 8, &["c"], &["a"])).await.unwrap()), (Accepted, true));
    assert_eq!(verdict(&ledger.accept_delta(delta(5, 8, &["c"], &["a"])).await.unwrap()), (Accepted, true));
    assert_eq!(verdict(&ledger.accept_delta(delta(5, 8, &["d"], &["a"])).await.unwrap()), (Refused, false));
    assert_eq!(verdict(&ledger.accept_delta(delta(5, 6, &["d"], &[])).await.unwrap()), (Refused, false));
    assert_eq!(ids(&ledger), BTreeSet::from(["b".to_owned(), "c".to_owned()]));
}

#[tokio::test]
async fn a_manifest_beyond_the_bound_is_refused() {
    let (ledger, _) = open(Shared::default()).await;
    let tasks = (0..=crate::limits::TASKS_PER_INSTANCE).map(|at| task(&at.to_string())).collect();
    let too_many = wire::Manifest { generation: 1, tasks };
    assert_eq!(verdict(&ledger.accept(too_many).await.unwrap()), (Refused, false));
}

#[tokio::test]
async fn everything_is_there_after_the_disk_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let id = {
        let (ledger, _) = open(disk::Disk::open(dir.path()).unwrap()).await;
        ledger.accept(manifest(5, &["a", "b"])).await.unwrap();
        ledger.accept_delta(delta(5, 9, &["c"], &["a"])).await.unwrap();
        let report = |id: &str, version| {
            Arc::new(wire::TaskReport { task_id: id.to_owned(), version, ..Default::default() })
        };
        ledger.record(vec![report("b", 3), report("c", 1)]).await.unwrap();
        ledger.forget(vec!["c".to_owned()]).await.unwrap();
        let image = PulledImage { reference: "web:1".to_owned(), pulled_at_ms: 1, used_at_ms: 2 };
        ledger.record_image(image).await.unwrap();
        ledger.record_controllers(vec!["c:7400".to_owned()]).await.unwrap();
        ledger.instance_id().to_owned()
    };
    let (ledger, remembered) = open(disk::Disk::open(dir.path()).unwrap()).await;
    assert_eq!(ledger.instance_id(), id);
    assert_eq!(ledger.manifest().generation, 9);
    assert_eq!(ids(&ledger), BTreeSet::from(["b".to_owned(), "c".to_owned()]));
    assert_eq!(remembered.reports.iter().map(|report| report.version).collect::<Vec<_>>(), [3]);
    assert_eq!(remembered.images[0].reference, "web:1");
    assert_eq!(remembered.controllers, ["c:7400"]);
    assert_eq!(verdict(&ledger.accept(manifest(8, &[])).await.unwrap()), (Refused, false));
    assert_eq!(verdict(&ledger.accept(manifest(9, &[])).await.unwrap()), (Refused, false));
}

/// What a killed process leaves is what was on disk: a copy of the directory, taken while the ledger is open.
#[tokio::test]
async fn an_accepted_manifest_survives_a_killed_process() {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (ledger, _) = open(disk::Disk::open(dir.path()).unwrap()).await;
    for generation in 1..20 {
        ledger.accept(manifest(generation, &["a", "b"])).await.unwrap();
    }
    copy_dir(dir.path(), copy.path());
    let (survivor, _) = open(disk::Disk::open(copy.path()).unwrap()).await;
    assert_eq!(survivor.manifest().generation, 19);
    assert_eq!(survivor.instance_id(), ledger.instance_id());
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn a_ledger_that_another_process_is_about_to_let_go_of_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let held = super::disk::Disk::open(dir.path()).unwrap();
    let (sender, opened) = std::sync::mpsc::channel();
    let path = dir.path().to_owned();
    std::thread::spawn(move || sender.send(super::disk::Disk::open(&path).is_ok()));
    assert!(opened.recv_timeout(std::time::Duration::from_millis(200)).is_err(), "it is held");
    drop(held);
    assert!(opened.recv_timeout(std::time::Duration::from_secs(10)).unwrap(), "it was let go");
}
