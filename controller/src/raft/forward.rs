//! Passing proposals on to the leader, on every other controller.
//!
//! A call costs more than the command in it, so what arrives while calls are on their way shares the next one, as on
//! the leader it shares a log entry.

use std::time::Duration;

use berth_proto::peer::v1::ProposeRequest;
use bytes::Bytes;
use tokio::sync::watch;
use tonic::{Code, Status};
use tracing::{debug, warn};

use super::ControllerId;
use super::leadership::{Leader, Leadership};
use super::network::{decode, encode};
use super::peers::{Peers, is_certainly_undone, request_for};
use super::submit::{
    Answer, Bounds, Refusal, Submission, Submissions, answer_each, envelopes, pump, refuse_all,
};
use crate::limits::{FORWARD_COMMANDS, FORWARDS_IN_FLIGHT};

/// What calls to the leader are made with.
pub(super) struct Forwarder {
    pub(super) id: ControllerId,
    pub(super) peers: Peers,
    pub(super) leadership: watch::Receiver<Leadership>,
    /// How long a call may take; past it the outcome of its commands is unknown.
    pub(super) timeout: Duration,
}

const CALLS: Bounds = Bounds { in_flight: FORWARDS_IN_FLIGHT, commands: FORWARD_COMMANDS };

// === impl Forwarder ===

impl Forwarder {
    /// Passes on what is submitted until the last submitter is gone.
    pub(super) async fn run(self, submissions: Submissions) {
        pump(submissions, CALLS, |batch| self.forward(batch)).await;
    }

    async fn forward(&self, batch: Vec<Submission>) {
        let (leader, term) = {
            let leadership = self.leadership.borrow();
            (leadership.leader.clone(), leadership.term)
        };
        let Some(leader) = leader.filter(|leader| leader.id != self.id) else {
            return refuse_all(batch, Refusal::NotProposed);
        };
        match self.ask(&leader, term, &envelopes(&batch)).await {
            Ok(answers) => answer_each(batch, answers),
            Err(refusal) => refuse_all(batch, refusal),
        }
    }

    /// Waits for the leader's answer as long as it can be one: when the term is over, or the time, nobody knows.
    async fn ask(&self, leader: &Leader, term: u64, envelopes: &[Bytes]) -> Result<Vec<Answer>, Refusal> {
        let mut client = self.peers.client(&leader.address);
        let request = request_for(leader.id, ProposeRequest { envelope: encode(&envelopes) });
        let mut leadership = self.leadership.clone();
        let answer = tokio::select! {
            biased;
            // Not cancel-safe, and need not be: what the leader makes of it is unknown then, and told so.
            answer = tokio::time::timeout(self.timeout, client.propose(request)) => answer,
            // Cancel-safe: as above. An error means that this controller is stopping.
            _ = leadership.wait_for(|leadership| leadership.term > term) => return Err(Refusal::Unknown),
        };
        let answer =
            answer.map_err(|_elapsed| Refusal::Unknown)?.map_err(|status| refusal(leader, &status))?;
        decode(&answer.get_ref().reply).map_err(|error| {
            warn!(leader = %leader.id, %error, "the leader's answer to proposals cannot be read");
            Refusal::Unknown
        })
    }
}

fn refusal(leader: &Leader, status: &Status) -> Refusal {
    debug!(leader = %leader.id, %status, "the leader did not take proposals");
    match status.code() {
        _ if !is_certainly_undone(status) => Refusal::Unknown,
        Code::ResourceExhausted => Refusal::Overloaded,
        _ => Refusal::NotProposed,
    }
}
