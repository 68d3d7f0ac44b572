//! The stores through openraft's own suite; and below, controllers over real connections and over a simulated network.

mod cluster;
mod harness;
mod membership;
mod service;
mod simulated;
mod slow_line;

use std::sync::Arc;

use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::disk::Disk;
use super::log_store::LogStore;
use super::memory::MemoryDisk;
use super::snapshot_store::SnapshotStore;
use super::state_machine::StateMachine;
use super::{ControllerId, StorageError, TypeConfig};

struct OnDisk;

struct InMemory;

fn state_machine(snapshots: SnapshotStore) -> StateMachine {
    let (publisher, _feed) = crate::feed::channel();
    StateMachine::new(ControllerId::from(1), snapshots, None, publisher)
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError> {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::open(dir.path()).unwrap());
        let (snapshots, _newest) = SnapshotStore::open(dir.path()).unwrap();
        Ok((dir, LogStore::open(&disk).unwrap(), state_machine(snapshots)))
    }
}

impl StoreBuilder<TypeConfig, MemoryDisk, StateMachine, ()> for InMemory {
    async fn build(&self) -> Result<((), MemoryDisk, StateMachine), StorageError> {
        let disk = MemoryDisk::default();
        let (snapshots, _newest) = SnapshotStore::memory(Arc::clone(&disk.snapshot)).unwrap();
        Ok(((), disk, state_machine(snapshots)))
    }
}

#[test]
fn the_stores_on_disk_keep_what_openraft_expects_of_them() {
    Suite::test_all(OnDisk).unwrap();
}

#[test]
fn the_stores_in_memory_keep_what_openraft_expects_of_them() {
    Suite::test_all(InMemory).unwrap();
}
