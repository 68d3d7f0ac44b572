//! The one door for writes: a command goes in, what became of it comes out.
//!
//! On the leader a command goes straight into the log. Any other controller passes it on to the leader and answers
//! when its own state has it, so whoever was told of a write finds it here.
//!
//! A proposal is made again only when it is certain that no log took it: the leader said so, or it could not even be
//! connected to. Otherwise, and when the time is over, the outcome is **unknown**: it may have been applied, or be
//! applied later. It is never taken back, because it cannot be.

use std::time::Duration;

use berth_model::command::{Command, Envelope, Outcome, Rejection, Reply};
use berth_model::id::Revision;
use berth_model::time::Timestamp;
use berth_process::backoff::Backoff;
use berth_process::telemetry;
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use crate::limits::PROPOSAL_BYTES;
use crate::raft::{Answer, Consensus, Leader, Leadership, Refusal};

/// Proposes commands. Cheap to clone.
#[derive(Clone)]
pub struct Proposer {
    consensus: Consensus,
}

/// Why a command was not carried out, or is not known to have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It was looked at and refused. A normal answer.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It may have been carried out, or be carried out later, or never.
    #[error("the outcome is unknown: no answer came in time")]
    Unknown,
    /// It was not proposed: there was no leader to take it before the time was over.
    #[error("no controller leads at the moment")]
    NoLeader,
    /// It was not proposed: too many proposals are under way.
    #[error("too many proposals are under way")]
    Overloaded,
    /// It was not proposed: it is too large.
    #[error("the command has {bytes} bytes, {PROPOSAL_BYTES} are allowed")]
    TooLarge {
        /// Its encoded size.
        bytes: usize,
    },
}

/// Between two attempts, unless the leadership changes before.
const RETRY_BASE: Duration = Duration::from_millis(10);
const RETRY_CAP: Duration = Duration::from_millis(200);

// === impl Proposer ===

impl Proposer {
    pub(crate) fn new(consensus: Consensus) -> Self {
        Self { consensus }
    }

    /// Proposes a command and waits for what becomes of it, as long as is configured. Dropping the future leaves the
    /// outcome unknown, like a deadline that passes.
    pub async fn propose(&self, command: Command) -> Result<(Revision, Outcome), ProposeError> {
        let deadline = Instant::now() + self.consensus.config().propose_timeout.get();
        self.propose_until(command, deadline).await
    }

    /// Proposes a command and waits until `deadline`.
    pub async fn propose_until(
        &self,
        command: Command,
        deadline: Instant,
    ) -> Result<(Revision, Outcome), ProposeError> {
        let envelope = self.seal(command)?;
        let (revision, reply) = self.attempt_until(envelope, deadline).await?;
        // The outcome is known; if this controller is slow to see it, the answer does not wait for ever.
        let seen = tokio::time::timeout_at(deadline, self.consensus.feed().wait_for_revision(revision)).await;
        if !matches!(seen, Ok(Ok(_))) {
            debug!(revision, "answering for a revision that this controller has not reached");
        }
        Ok((revision, reply?))
    }

    fn seal(&self, command: Command) -> Result<Bytes, ProposeError> {
        let envelope = Envelope {
            command,
            issued_at: Timestamp::from_unix_ms(self.consensus.clock().unix_ms()),
            traceparent: telemetry::traceparent(),
        };
        let bytes = rmp_serde::to_vec_named(&envelope).expect("a command always encodes into memory");
        if bytes.len() > PROPOSAL_BYTES {
            return Err(ProposeError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes.into())
    }

    async fn attempt_until(
        &self,
        envelope: Bytes,
        deadline: Instant,
    ) -> Result<(Revision, Reply), ProposeError> {
        let mut leadership = self.consensus.leadership();
        let mut backoff = Backoff::new(RETRY_BASE, RETRY_CAP, self.consensus.entropy().clone());
        let mut failure = ProposeError::NoLeader;
        while Instant::now() < deadline {
            let leader = leadership.borrow_and_update().leader.clone();
            if let Some(leader) = leader {
                failure = match self.attempt(&leader, envelope.clone(), deadline).await {
                    Ok(answered) => return Ok(answered),
                    Err(Refusal::Unknown) => return Err(ProposeError::Unknown),
                    Err(Refusal::NotProposed) => ProposeError::NoLeader,
                    Err(Refusal::Overloaded) => ProposeError::Overloaded,
                };
                debug!(leader = %leader.id, %failure, "a command is proposed again");
            }
            let pause = Instant::now() + backoff.next_delay();
            wait_for_change(&mut leadership, pause.min(deadline)).await;
        }
        Err(failure)
    }

    async fn attempt(&self, leader: &Leader, envelope: Bytes, deadline: Instant) -> Answer {
        let leads = leader.id == self.consensus.id();
        let submitter = if leads { self.consensus.submitter() } else { self.consensus.forwarder() };
        let admitted = submitter.admit().ok_or(Refusal::Overloaded)?;
        let answered = tokio::time::timeout_at(deadline, submitter.submit(envelope, admitted)).await;
        answered.unwrap_or(Err(Refusal::Unknown))
    }
}

/// Returns when the leadership changed, or at `until`.
async fn wait_for_change(leadership: &mut watch::Receiver<Leadership>, until: Instant) {
    let changed = async {
        if leadership.changed().await.is_err() {
            // This controller is stopping: nothing will change any more.
            std::future::pending::<()>().await;
        }
    };
    // Both ends mean the same: look again.
    drop(tokio::time::timeout_at(until, changed).await);
}
