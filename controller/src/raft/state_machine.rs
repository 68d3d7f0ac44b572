//! The state, as openraft drives it: entries come in their order and are applied, views and changes go out.
//!
//! All of it is in memory. What makes it durable is the log and the [snapshots](super::snapshot_store): at the start
//! the newest snapshot is read, and the log after it is applied again. A view is published after a batch of entries,
//! so nobody ever sees the state between two commands of one entry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_model::command::Envelope;
use berth_model::state::State;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, ErrorSubject, ErrorVerb, OptionalSend};
use tokio::time::Instant;

use super::proposal::{Proposal, Replies};
use super::snapshot_store::{SnapshotError, SnapshotIo, SnapshotStore};
use super::storage_error::storage_error;
use super::{ControllerId, Entry, LogId, Snapshot, SnapshotMeta, StorageError, StoredMembership, TypeConfig};
use crate::feed::{Changes, Publisher};

/// The state of one controller.
pub(super) struct StateMachine {
    id: ControllerId,
    state: State,
    applied: Option<LogId>,
    membership: StoredMembership,
    snapshots: SnapshotStore,
    publisher: Publisher,
}

/// The state as it was when a snapshot was asked for.
pub(super) struct SnapshotBuilder {
    meta: SnapshotMeta,
    state: State,
    snapshots: SnapshotStore,
}

/// A command in a committed entry that this build cannot read. Going on without it would make a state that differs
/// from the other controllers', so it stops this one.
#[derive(Debug, thiserror::Error)]
#[error("entry {index} holds a command that this build cannot read: it was made by a newer one")]
struct Unreadable {
    index: u64,
    #[source]
    source: rmp_serde::decode::Error,
}

/// How long entries are applied before other tasks of the process get a turn.
const TURN: Duration = Duration::from_millis(5);

// === impl StateMachine ===

impl StateMachine {
    /// Starts from a snapshot, or from nothing.
    pub(super) fn new(
        id: ControllerId,
        snapshots: SnapshotStore,
        newest: Option<(SnapshotMeta, State)>,
        publisher: Publisher,
    ) -> Self {
        let (meta, state) = newest.unwrap_or_default();
        publisher.replace(Arc::new(state.clone()));
        Self { id, state, applied: meta.last_log_id, membership: meta.last_membership, snapshots, publisher }
    }

    fn apply_entry(&mut self, entry: Entry, changes: &mut Vec<Changes>) -> Result<Replies, StorageError> {
        let log_id = entry.log_id;
        self.applied = Some(log_id);
        match entry.payload {
            EntryPayload::Normal(proposal) => return self.apply_proposal(log_id, &proposal, changes),
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(log_id), membership);
            }
            EntryPayload::Blank => {}
        }
        self.state.skip(log_id.index);
        Ok(Replies::default())
    }

    fn apply_proposal(
        &mut self,
        log_id: LogId,
        proposal: &Proposal,
        changes: &mut Vec<Changes>,
    ) -> Result<Replies, StorageError> {
        let revision = log_id.index;
        let mut replies = Vec::with_capacity(proposal.envelopes().len());
        let mut changed: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for bytes in proposal.envelopes() {
            let envelope: Envelope = rmp_serde::from_slice(bytes).map_err(|source| {
                storage_error(
                    ErrorSubject::Apply(log_id),
                    ErrorVerb::Read,
                    &Unreadable { index: revision, source },
                )
            })?;
            let applied = self.state.apply(revision, &envelope);
            if !applied.changes.is_empty() {
                changed.entry(applied.region).or_default().extend(applied.changes);
            }
            replies.push(applied.reply);
        }
        changes.extend(changed.into_iter().map(|(region, changes)| Changes {
            revision,
            region,
            changes: changes.into(),
        }));
        Ok(Replies(replies))
    }

    fn meta(&self) -> SnapshotMeta {
        let (index, term) = self.applied.map_or((0, 0), |applied| (applied.index, applied.leader_id.term));
        SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            // Names the one who wrote it too: another build may write the same state in other bytes.
            snapshot_id: format!("{index}-{term}-{}", self.id),
        }
    }
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Replies>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let (mut replies, mut changes) = (Vec::with_capacity(entries.len()), Vec::new());
        let mut turn = Instant::now();
        for entry in entries {
            replies.push(self.apply_entry(entry, &mut changes)?);
            if turn.elapsed() > TURN {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
        self.publisher.publish(Arc::new(self.state.clone()), changes);
        Ok(replies)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { meta: self.meta(), state: self.state.clone(), snapshots: self.snapshots.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<SnapshotIo>, StorageError> {
        self.snapshots.receive().map(Box::new).map_err(|error| snapshot_error(ErrorVerb::Write, &error))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<SnapshotIo>,
    ) -> Result<(), StorageError> {
        let installed = self.snapshots.install(meta, *snapshot).await;
        self.state = installed.map_err(|error| snapshot_error(ErrorVerb::Write, &error))?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.publisher.replace(Arc::new(self.state.clone()));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        self.snapshots.current().map_err(|error| snapshot_error(ErrorVerb::Read, &error))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let saved = self.snapshots.save(self.meta.clone(), self.state.clone()).await;
        saved.map_err(|error| snapshot_error(ErrorVerb::Write, &error))
    }
}

fn snapshot_error(verb: ErrorVerb, error: &SnapshotError) -> StorageError {
    storage_error(ErrorSubject::Snapshot(None), verb, error)
}
