//! Consensus: how the controllers agree on one order of commands, and what of it is kept on disk.
//!
//! # What do we store?
//!
//! The state itself lives in memory. It is the result of applying the log, so what has to survive is the log, what
//! this controller promised about it, and now and then a snapshot that lets the log be cut short.
//!
//! | What | Where | Why it must survive | When it is flushed |
//! |---|---|---|---|
//! | **log entries** | sled, tree `log` | An entry that this controller acknowledged counts towards the majority that committed it. Losing one can lose a write that a client was told about. | before the entry is acknowledged; entries that arrive during one flush share the next |
//! | **vote** | sled, tree `state` | Voting twice in one term makes two leaders. | before the vote is answered |
//! | **cut** (last purged entry) | sled, tree `state` | Without it a log that begins late looks like a log with a hole. | before the first entry is deleted |
//! | **committed** (a hint) | sled, tree `state` | It need not: after a start the leader tells it again. With it a restarted controller replays the log before it serves. | never on its own, along with the next flush |
//! | **snapshots** | files in `snapshots/` | The entries that a snapshot stands for are deleted. | synced and renamed before openraft hears of it |
//! | **controller id** | sled, tree `identity` | The others know this controller's promises by it. | before the first start goes on |
//!
//! The rest is derived or can be asked for again: the membership is in the log and in snapshots, the leases of
//! instances are in the leader's memory only ("liveness never enters the log").
//!
//! # What "flushed" means
//!
//! sled's own `flush()` survives a killed process but not a lost machine: it does not wait for the device. So a flush
//! here is [`disk::Disk::sync`]: sled's flush, then `fdatasync` of sled's `db` file. It happens in one place, the
//! [log writer](log_store), which owns every write to sled and answers in the order of arrival. After a failed
//! flush nobody knows what is on the device, so nothing is ever acknowledged again: openraft stops, and with it the
//! process.
//!
//! Two habits keep sled within its bounds. Values stay small, because sled puts a page of more than 128 KiB into a
//! file of its own which it never syncs: entries are cut into [parts](log_store). And only the log, the vote and the
//! id are in sled at all; snapshots are files, see [`snapshot_store`].
//!
//! # Who does what
//!
//! [`consensus::Consensus`] is the handle that the rest of the controller holds. Writes come in through
//! [`crate::proposer::Proposer`] and nowhere else, and go through [`submit`], which puts what arrives together into
//! one log entry. Entries are applied by the [`state_machine`], which publishes views and changes to
//! [`crate::feed::Feed`]. [`read_index`] makes reads linearizable, [`membership`] changes who takes part,
//! [`network`] and [`service`] are the two ends of the wire between controllers.
//!
//! The index of a log entry is the **revision** of the state it leads to. An entry may hold several commands: all of
//! them have its revision, and no view is ever published between two of them.

#![allow(clippy::result_large_err, reason = "openraft's own error types are large, and rare")]

mod compaction;
pub mod config;
pub mod consensus;
pub mod directory;
mod disk;
mod forward;
mod identity;
pub mod leadership;
mod log_store;
pub mod membership;
mod memory;
mod metrics;
mod network;
mod peers;
mod proposal;
mod read_index;
pub mod service;
mod snapshot_store;
mod state_machine;
mod storage_error;
mod submit;
#[cfg(test)]
mod tests;
mod vote_store;

pub use config::Config;
pub use consensus::{Consensus, Storage};
pub use disk::DiskError;
pub use identity::ControllerId;
pub use leadership::{Leader, Leadership};
pub use memory::MemoryDisk;
pub use snapshot_store::{FormatError, SnapshotError};

pub(crate) use peers::PeerClient;
pub(crate) use submit::{Answer, Refusal};

use proposal::{Proposal, Replies};
use snapshot_store::SnapshotIo;

openraft::declare_raft_types!(
    /// The types that openraft is instantiated with.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Replies,
        NodeId = ControllerId,
        Node = openraft::BasicNode,
        SnapshotData = SnapshotIo,
);

/// An entry of the log.
type Entry = openraft::Entry<TypeConfig>;
type LogId = openraft::LogId<ControllerId>;
type Vote = openraft::Vote<ControllerId>;
type SnapshotMeta = openraft::SnapshotMeta<ControllerId, openraft::BasicNode>;
type Snapshot = openraft::Snapshot<TypeConfig>;
type StorageError = openraft::StorageError<ControllerId>;
type StoredMembership = openraft::StoredMembership<ControllerId, openraft::BasicNode>;
type OpenRaft = openraft::Raft<TypeConfig>;
