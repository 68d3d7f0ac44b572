//! From proposals to log entries, on the leader.
//!
//! openraft puts one entry on disk at a time and waits for it. So what arrives while entries are on their way is
//! put together into the next one: a lone command goes at once, and the busier it gets the more commands share one
//! sync of each disk. The order of arrival is the order in the entry.
//!
//! The same gathering serves [`super::forward`], where what is put together is a call to the leader.

use std::sync::Arc;

use berth_model::command::Reply;
use berth_model::id::Revision;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::Raft;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::debug;

use super::TypeConfig;
use super::proposal::Proposal;
use crate::limits::{ENTRIES_IN_FLIGHT, ENTRY_BYTES, ENTRY_COMMANDS, PROPOSALS_IN_FLIGHT};

/// Where proposals go. Clones go to the same place.
#[derive(Clone)]
pub(crate) struct Submitter {
    submissions: mpsc::UnboundedSender<Submission>,
    admission: Arc<Semaphore>,
}

/// What was proposed and how to say what became of it.
pub(super) struct Submission {
    envelope: Bytes,
    answer: oneshot::Sender<Answer>,
    /// Given back when the outcome is known, however long that takes and whether or not anybody still waits.
    _admitted: Admitted,
}

/// The right to make one proposal.
pub(crate) struct Admitted(#[expect(dead_code, reason = "held, never looked at")] OwnedSemaphorePermit);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// No log took it, nor will: it may be proposed again.
    NotProposed,
    /// Like that, because too many proposals are under way.
    Overloaded,
    /// Some log may have taken it. It may have been applied, or be applied later, or never.
    Unknown,
}

/// What became of a command and the revision at which it did, or why that is not known.
pub(crate) type Answer = Result<(Revision, Reply), Refusal>;

/// What a submitter's task works on.
pub(super) type Submissions = mpsc::UnboundedReceiver<Submission>;

/// How much is put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Batches under way at a time.
    pub(super) in_flight: usize,
    /// Commands of one batch.
    pub(super) commands: usize,
}

/// For log entries.
const ENTRIES: Bounds = Bounds { in_flight: ENTRIES_IN_FLIGHT, commands: ENTRY_COMMANDS };

/// The room for all proposals of one controller.
pub(super) fn admission() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(PROPOSALS_IN_FLIGHT))
}

/// A submitter that takes of the room there is, and what its task works on.
pub(super) fn channel(admission: Arc<Semaphore>) -> (Submitter, Submissions) {
    // Bounded by the permits that every submission holds.
    let (submissions, receiver) = mpsc::unbounded_channel();
    (Submitter { submissions, admission }, receiver)
}

/// Makes entries of what is submitted until the last [`Submitter`] is gone.
pub(super) async fn run(raft: Raft<TypeConfig>, submissions: Submissions) {
    pump(submissions, ENTRIES, |batch| write(raft.clone(), batch)).await;
}

/// Puts together what waits and sends it on, a bounded number of batches at a time.
pub(super) async fn pump<F>(mut submissions: Submissions, bounds: Bounds, send: impl Fn(Vec<Submission>) -> F)
where
    F: Future<Output = ()>,
{
    let mut in_flight = FuturesUnordered::new();
    let mut carried = None;
    loop {
        tokio::select! {
            biased;
            // Cancel-safe: a future that is not ready stays in the set.
            Some(()) = in_flight.next() => {}
            // Cancel-safe: nothing is taken unless it is returned.
            first = next(&mut carried, &mut submissions), if in_flight.len() < bounds.in_flight => match first {
                Some(first) => {
                    let (batch, beyond) = gather(first, &mut submissions, bounds.commands);
                    carried = beyond;
                    in_flight.push(send(batch));
                }
                None => break,
            },
        }
    }
    while in_flight.next().await.is_some() {}
}

async fn next(carried: &mut Option<Submission>, submissions: &mut Submissions) -> Option<Submission> {
    match carried.take() {
        Some(carried) => Some(carried),
        None => submissions.recv().await,
    }
}

/// As much as fits into one batch, and what was taken and did not fit. A large command is alone in its batch. What nobody waits for any more is left out: its
/// proposer was told that the outcome is unknown, and this makes it none.
fn gather(
    first: Submission,
    submissions: &mut Submissions,
    commands: usize,
) -> (Vec<Submission>, Option<Submission>) {
    let mut bytes = first.envelope.len();
    let mut batch = vec![first];
    while batch.len() < commands {
        let Ok(next) = submissions.try_recv() else { break };
        if next.answer.is_closed() {
            continue;
        }
        if bytes + next.envelope.len() > ENTRY_BYTES {
            return (batch, Some(next));
        }
        bytes += next.envelope.len();
        batch.push(next);
    }
    (batch, None)
}

/// Writes one entry and answers those whose commands are in it.
async fn write(raft: Raft<TypeConfig>, batch: Vec<Submission>) {
    let proposal = Proposal::new(envelopes(&batch));
    let accepted = proposal.accepted();
    match raft.client_write(proposal).await {
        Ok(written) => {
            let revision = written.log_id.index;
            answer_each(batch, written.data.0.into_iter().map(|reply| Ok((revision, reply))));
        }
        Err(error) => {
            let refusal = if accepted.get() { Refusal::Unknown } else { Refusal::NotProposed };
            debug!(%error, ?refusal, "a log entry was not written");
            refuse_all(batch, refusal);
        }
    }
}

/// What a batch proposes.
pub(super) fn envelopes(batch: &[Submission]) -> Vec<Bytes> {
    batch.iter().map(|submission| submission.envelope.clone()).collect()
}

/// Answers in the order of the batch. Who is left without an answer learns that the outcome is unknown.
pub(super) fn answer_each(batch: Vec<Submission>, answers: impl IntoIterator<Item = Answer>) {
    for (submission, answer) in batch.into_iter().zip(answers) {
        // Whoever proposed it may have stopped waiting.
        drop(submission.answer.send(answer));
    }
}

/// Tells all of them the same.
pub(super) fn refuse_all(batch: Vec<Submission>, refusal: Refusal) {
    answer_each(batch, std::iter::repeat(Err(refusal)));
}

// === impl Submitter ===

impl Submitter {
    /// Room for one more proposal; nothing when there are too many already.
    pub(crate) fn admit(&self) -> Option<Admitted> {
        Arc::clone(&self.admission).try_acquire_owned().ok().map(Admitted)
    }

    /// How many proposals are under way.
    pub(crate) fn in_flight(&self) -> usize {
        PROPOSALS_IN_FLIGHT.saturating_sub(self.admission.available_permits())
    }

    /// Proposes a command. Dropping the future leaves the outcome unknown.
    pub(crate) async fn submit(&self, envelope: Bytes, admitted: Admitted) -> Answer {
        let (answer, answered) = oneshot::channel();
        let submission = Submission { envelope, answer, _admitted: admitted };
        self.submissions.send(submission).map_err(|_stopped| Refusal::NotProposed)?;
        // The task answers everything it takes; if it is gone, whether it took this one is not known.
        answered.await.unwrap_or(Err(Refusal::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submit(submitter: &Submitter, bytes: usize) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        let admitted = submitter.admit().unwrap();
        let envelope = vec![0; bytes].into();
        submitter.submissions.send(Submission { envelope, answer, _admitted: admitted }).ok().unwrap();
        answered
    }

    fn sizes(batch: &[Submission]) -> Vec<usize> {
        batch.iter().map(|submission| submission.envelope.len()).collect()
    }

    #[test]
    fn an_entry_takes_what_waits_in_order_and_within_its_bounds() {
        let (submitter, mut submissions) = channel(admission());
        let _waiting = [1, 2, ENTRY_BYTES - 3, 4].map(|bytes| submit(&submitter, bytes));
        let first = submissions.try_recv().unwrap();
        let (batch, beyond) = gather(first, &mut submissions, ENTRY_COMMANDS);
        assert_eq!(sizes(&batch), [1, 2, ENTRY_BYTES - 3]);
        assert_eq!(beyond.map(|beyond| beyond.envelope.len()), Some(4));
    }

    #[test]
    fn an_entry_holds_a_bounded_number_of_commands() {
        let (submitter, mut submissions) = channel(admission());
        let _waiting: Vec<_> = (0..9).map(|_| submit(&submitter, 1)).collect();
        let first = submissions.try_recv().unwrap();
        let (batch, beyond) = gather(first, &mut submissions, 7);
        assert_eq!((batch.len(), beyond.is_none()), (7, true));
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_left_out() {
        let (submitter, mut submissions) = channel(admission());
        let _first = submit(&submitter, 1);
        drop(submit(&submitter, 2));
        let _third = submit(&submitter, 3);
        let first = submissions.try_recv().unwrap();
        assert_eq!(sizes(&gather(first, &mut submissions, 9).0), [1, 3]);
    }

    #[tokio::test]
    async fn batches_under_way_are_bounded_and_the_rest_gathers() {
        let (submitter, submissions) = channel(admission());
        let waiting: Vec<_> = (0..10).map(|_| submit(&submitter, 1)).collect();
        drop(submitter);
        let sizes = parking_lot::Mutex::new(Vec::new());
        pump(submissions, Bounds { in_flight: 2, commands: 4 }, async |batch| {
            sizes.lock().push(batch.len());
            tokio::task::yield_now().await;
            refuse_all(batch, Refusal::NotProposed);
        })
        .await;
        assert_eq!(sizes.into_inner(), [4, 4, 2]);
        for answered in waiting {
            assert_eq!(answered.await, Ok(Err(Refusal::NotProposed)));
        }
    }

    #[test]
    fn proposals_in_flight_are_bounded() {
        let (submitter, _submissions) = channel(admission());
        let admitted: Vec<_> = (0..PROPOSALS_IN_FLIGHT).map(|_| submitter.admit().unwrap()).collect();
        assert!(submitter.admit().is_none());
        assert_eq!(submitter.in_flight(), PROPOSALS_IN_FLIGHT);
        drop(admitted);
        assert!(submitter.admit().is_some());
    }
}
