//! A call with log entries that outlives openraft's patience.
//!
//! openraft gives a call with entries as long as a heartbeat and then makes it again from the start. Entries that need
//! longer on their way, large ones over a slow line or to a slow disk, would never arrive. So a call that is not
//! answered in time is kept; when openraft asks for the same entries again, it gets that call's answer.

use std::time::Duration;

use berth_proto::peer::v1::RaftMessage;
use futures::future::BoxFuture;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use tokio::time::Instant;
use tonic::{Response, Status};

use super::super::{ControllerId, LogId, TypeConfig, Vote};

/// A call that was not answered in time.
pub(super) struct Pending {
    entries: Entries,
    since: Instant,
    call: Call,
}

/// What a call with entries asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entries {
    vote: Vote,
    before: Option<LogId>,
    last: LogId,
}

/// The call itself. It goes on without being polled: the connection has it.
pub(super) type Call = BoxFuture<'static, Result<Response<RaftMessage>, Status>>;

/// After this a call is as good as lost, and made again.
const PATIENCE: Duration = Duration::from_secs(10);

// === impl Entries ===

impl Entries {
    /// What this request asks; nothing for a heartbeat.
    pub(super) fn of(request: &AppendEntriesRequest<TypeConfig>) -> Option<Self> {
        let last = request.entries.last()?.log_id;
        Some(Self { vote: request.vote, before: request.prev_log_id, last })
    }

    /// What the answer to a call with these entries says about a request that may have more of them.
    pub(super) fn answer(
        &self,
        answer: AppendEntriesResponse<ControllerId>,
        asked: &Self,
    ) -> AppendEntriesResponse<ControllerId> {
        match answer {
            AppendEntriesResponse::Success if self.last != asked.last => {
                AppendEntriesResponse::PartialSuccess(Some(self.last))
            }
            answer => answer,
        }
    }
}

// === impl Pending ===

impl Pending {
    pub(super) fn new(entries: Entries, call: Call) -> Self {
        Self { entries, since: Instant::now(), call }
    }

    /// What the call asks.
    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Whether its answer will do for this request: the same leader sends the same entries, or those and more.
    pub(super) fn serves(&self, asked: &Entries) -> bool {
        let (vote, before, last) = (self.entries.vote, self.entries.before, self.entries.last);
        let begins_alike = vote == asked.vote && before == asked.before;
        begins_alike && last.index <= asked.last.index && self.since.elapsed() < PATIENCE
    }

    /// The answer, if it comes within `limit`.
    pub(super) async fn answer(&mut self, limit: Duration) -> Option<Result<Response<RaftMessage>, Status>> {
        tokio::time::timeout(limit, &mut self.call).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use openraft::{CommittedLeaderId, EntryPayload};

    use super::super::super::Entry;
    use super::*;

    fn log_id(index: u64) -> LogId {
        LogId::new(CommittedLeaderId::new(1, ControllerId::from(1)), index)
    }

    fn asked(term: u64, before: u64, last: u64) -> Entries {
        let entries =
            (before + 1..=last).map(|index| Entry { log_id: log_id(index), payload: EntryPayload::Blank });
        let request = AppendEntriesRequest {
            vote: Vote::new_committed(term, ControllerId::from(1)),
            prev_log_id: Some(log_id(before)),
            entries: entries.collect(),
            leader_commit: None,
        };
        Entries::of(&request).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_serves_who_asks_for_the_same_and_more() {
        let pending = Pending::new(asked(1, 3, 5), Box::pin(std::future::pending()));
        assert!(pending.serves(&asked(1, 3, 5)) && pending.serves(&asked(1, 3, 9)));
        assert!(!pending.serves(&asked(1, 3, 4)), "entries may have been replaced");
        assert!(!pending.serves(&asked(1, 2, 5)) && !pending.serves(&asked(2, 3, 5)));
        tokio::time::advance(PATIENCE).await;
        assert!(!pending.serves(&asked(1, 3, 5)), "it is as good as lost");
    }

    #[test]
    fn an_answer_never_says_more_than_was_sent() {
        let sent = asked(1, 3, 5);
        let answer = |asked| sent.answer(AppendEntriesResponse::Success, &asked);
        assert_eq!(answer(asked(1, 3, 5)), AppendEntriesResponse::Success);
        assert_eq!(answer(asked(1, 3, 9)), AppendEntriesResponse::PartialSuccess(Some(log_id(5))));
        let conflict = sent.answer(AppendEntriesResponse::Conflict, &asked(1, 3, 9));
        assert_eq!(conflict, AppendEntriesResponse::Conflict);
    }
}
