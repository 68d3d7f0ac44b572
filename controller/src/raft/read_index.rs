//! The index that a linearizable read has to wait for: one round for all that wait.
//!
//! A read that begins now must see every write that was acknowledged before. The leader knows the newest of them,
//! if it still leads, which it finds out by asking a majority; any other controller asks the leader. While one round
//! is on its way, reads gather for the next: a round only serves those who came before it began.

use std::time::Duration;

use berth_model::id::Revision;
use berth_proto::peer::v1::ReadIndexRequest;
use openraft::Raft;
use openraft::error::RaftError;
use tokio::sync::{mpsc, oneshot, watch};

use super::leadership::Leadership;
use super::peers::{Peers, request_for};
use super::{ControllerId, TypeConfig};
use crate::limits::READS_IN_FLIGHT;

/// Where reads wait. Clones wait in the same place.
#[derive(Clone)]
pub(super) struct ReadIndex(mpsc::Sender<Waiter>);

/// Why a round failed. A read may wait for the next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RoundError {
    /// Nobody leads that this controller knows of.
    #[error("there is no leader")]
    NoLeader,
    /// The leader could not be asked, or could not find out whether it still leads.
    #[error("the leader cannot tell: {0}")]
    Unconfirmed(String),
    /// This controller is stopping.
    #[error("this controller is stopping")]
    Stopping,
    /// Too many reads are waiting.
    #[error("too many reads are waiting")]
    Overloaded,
}

type Waiter = oneshot::Sender<Result<Revision, RoundError>>;

/// What a round is made with.
pub(super) struct Rounds {
    pub(super) id: ControllerId,
    pub(super) raft: Raft<TypeConfig>,
    pub(super) peers: Peers,
    pub(super) leadership: watch::Receiver<Leadership>,
    /// How long the leader may take to answer.
    pub(super) timeout: Duration,
}

/// The place to wait, and what its task works on.
pub(super) fn channel() -> (ReadIndex, mpsc::Receiver<Waiter>) {
    let (waiters, receiver) = mpsc::channel(READS_IN_FLIGHT);
    (ReadIndex(waiters), receiver)
}

// === impl ReadIndex ===

impl ReadIndex {
    /// The index to wait for, from a round that begins after this was called.
    pub(super) async fn get(&self) -> Result<Revision, RoundError> {
        let (waiter, answered) = oneshot::channel();
        self.0.try_send(waiter).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => RoundError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => RoundError::Stopping,
        })?;
        answered.await.unwrap_or(Err(RoundError::Stopping))
    }
}

// === impl Rounds ===

impl Rounds {
    /// Makes rounds while anybody waits, until the last [`ReadIndex`] is gone.
    pub(super) async fn run(self, mut waiters: mpsc::Receiver<Waiter>) {
        let mut waiting = Vec::new();
        while waiters.recv_many(&mut waiting, READS_IN_FLIGHT).await > 0 {
            let index = self.round().await;
            for waiter in waiting.drain(..) {
                // Who does not wait any more needs no answer.
                drop(waiter.send(index.clone()));
            }
        }
    }

    async fn round(&self) -> Result<Revision, RoundError> {
        let leader = self.leadership.borrow().leader.clone().ok_or(RoundError::NoLeader)?;
        if leader.id == self.id {
            return self.confirm().await;
        }
        let mut client = self.peers.client(&leader.address);
        let call = client.read_index(request_for(leader.id, ReadIndexRequest {}));
        let answered = tokio::time::timeout(self.timeout, call).await;
        let answered = answered.map_err(|_elapsed| RoundError::Unconfirmed("no answer".to_owned()))?;
        let answer = answered.map_err(|status| RoundError::Unconfirmed(status.message().to_owned()))?;
        Ok(answer.get_ref().index)
    }

    /// Asks a majority whether this controller still leads.
    async fn confirm(&self) -> Result<Revision, RoundError> {
        match self.raft.get_read_log_id().await {
            Ok((read, _applied)) => Ok(read.map_or(0, |read| read.index)),
            Err(RaftError::APIError(error)) => Err(RoundError::Unconfirmed(error.to_string())),
            Err(RaftError::Fatal(_)) => Err(RoundError::Stopping),
        }
    }
}
