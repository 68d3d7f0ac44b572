//! The outbox: reports on their way to a controller.
//!
//! Only the newest report of a task is kept, for it tells everything. A report stays until a controller has acknowledged
//! it: what a session did not get acknowledged, the next one sends again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::limits;

/// Reports and stop candidates that a controller does not have yet.
#[derive(Debug, Default)]
pub struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<String, Arc<wire::TaskReport>>,
    sent: VecDeque<Sent>,
    sequence: u64,
    candidates: Option<wire::StopCandidates>,
}

#[derive(Debug)]
struct Sent {
    sequence: u64,
    reports: Vec<Arc<wire::TaskReport>>,
}

// === impl Outbox ===

impl Outbox {
    /// Keeps reports until they are acknowledged.
    pub fn put(&self, reports: Vec<Arc<wire::TaskReport>>) {
        let mut state = self.state.lock();
        reports.into_iter().for_each(|report| state.keep(report));
        drop(state);
        self.changed.notify_one();
    }

    /// Offers tasks to be stopped, instead of those that were offered before.
    pub fn offer(&self, generation: u64, task_ids: Vec<String>) {
        let candidates = (!task_ids.is_empty()).then_some(wire::StopCandidates { generation, task_ids });
        self.state.lock().candidates = candidates;
        self.changed.notify_one();
    }

    /// A new session begins: what the last one left unacknowledged is to be sent again, from number 1.
    pub fn begin_session(&self) {
        let mut state = self.state.lock();
        state.take_back();
        state.sequence = 0;
    }

    /// Nothing was acknowledged for too long: everything is to be sent again.
    pub fn resend(&self) {
        self.state.lock().take_back();
        self.changed.notify_one();
    }

    /// The next message, when there is something to say and the controller keeps up.
    pub fn next_message(&self) -> Option<wire::agent_message::Message> {
        let mut state = self.state.lock();
        if let Some(candidates) = state.candidates.take() {
            return Some(wire::agent_message::Message::StopCandidates(candidates));
        }
        if state.waiting.is_empty() || state.sent.len() >= limits::REPORT_MESSAGES_IN_FLIGHT {
            return None;
        }
        let mut reports = Vec::new();
        while reports.len() < limits::REPORTS_PER_MESSAGE {
            let Some((_, report)) = state.waiting.pop_first() else { break };
            reports.push(report);
        }
        state.sequence += 1;
        let sequence = state.sequence;
        let tasks = reports.iter().map(|report| (**report).clone()).collect();
        state.sent.push_back(Sent { sequence, reports });
        Some(wire::agent_message::Message::Reports(wire::Reports { sequence, tasks }))
    }

    /// Everything up to this number has arrived for good: which tasks, in which versions.
    pub fn acknowledge(&self, sequence: u64) -> Vec<(String, u64)> {
        let mut state = self.state.lock();
        let mut acknowledged = Vec::new();
        while state.sent.front().is_some_and(|sent| sent.sequence <= sequence) {
            let sent = state.sent.pop_front();
            let reports = sent.into_iter().flat_map(|sent| sent.reports);
            acknowledged.extend(reports.map(|report| (report.task_id.clone(), report.version)));
        }
        drop(state);
        // There may be room for more messages now.
        self.changed.notify_one();
        acknowledged
    }

    /// Whether a message is under way without an acknowledgement.
    #[must_use]
    pub fn is_unacknowledged(&self) -> bool {
        !self.state.lock().sent.is_empty()
    }

    /// Reports that no controller has.
    #[must_use]
    pub fn backlog(&self) -> usize {
        let state = self.state.lock();
        state.waiting.len() + state.sent.iter().map(|sent| sent.reports.len()).sum::<usize>()
    }

    /// Waits until there may be something to say.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

// === impl State ===

impl State {
    fn keep(&mut self, report: Arc<wire::TaskReport>) {
        let is_newer = self.waiting.get(&report.task_id).is_none_or(|kept| kept.version < report.version);
        if is_newer {
            self.waiting.insert(report.task_id.clone(), report);
        }
    }

    fn take_back(&mut self) {
        while let Some(sent) = self.sent.pop_front() {
            sent.reports.into_iter().for_each(|report| self.keep(report));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(id: &str, version: u64) -> Arc<wire::TaskReport> {
        Arc::new(wire::TaskReport { task_id: id.to_owned(), version, ..Default::default() })
    }

    fn next(outbox: &Outbox) -> Option<(u64, Vec<(String, u64)>)> {
        match outbox.next_message()? {
            wire::agent_message::Message::Reports(reports) => {
                let tasks = reports.tasks.into_iter().map(|task| (task.task_id, task.version)).collect();
                Some((reports.sequence, tasks))
            }
            other => panic!("not reports: {other:?}"),
        }
    }

    #[test]
    fn only_the_newest_report_of_a_task_is_sent() {
        let outbox = Outbox::default();
        outbox.put(vec![report("a", 2), report("b", 1)]);
        outbox.put(vec![report("a", 3)]);
        outbox.put(vec![report("a", 1)]);
        assert_eq!(next(&outbox), Some((1, vec![("a".to_owned(), 3), ("b".to_owned(), 1)])));
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_in_the_next_session() {
        let outbox = Outbox::default();
        outbox.put(vec![report("a", 1)]);
        next(&outbox);
        outbox.put(vec![report("b", 1)]);
        next(&outbox);
        assert_eq!(outbox.acknowledge(1), [("a".to_owned(), 1)]);
        outbox.begin_session();
        assert_eq!(next(&outbox), Some((1, vec![("b".to_owned(), 1)])));
        assert_eq!(outbox.acknowledge(1), [("b".to_owned(), 1)]);
        assert!(!outbox.is_unacknowledged());
        assert_eq!(outbox.backlog(), 0);
    }

    #[test]
    fn a_newer_report_replaces_the_one_that_was_sent_in_vain() {
        let outbox = Outbox::default();
        outbox.put(vec![report("a", 1)]);
        next(&outbox);
        outbox.put(vec![report("a", 2)]);
        outbox.resend();
        assert_eq!(next(&outbox), Some((2, vec![("a".to_owned(), 2)])));
    }

    #[test]
    fn a_slow_controller_holds_up_reports_but_not_stop_candidates() {
        let outbox = Outbox::default();
        for at in 0..=limits::REPORT_MESSAGES_IN_FLIGHT {
            outbox.put(vec![report(&at.to_string(), 1)]);
            let _ = outbox.next_message();
        }
        assert_eq!(next(&outbox), None);
        outbox.offer(7, vec!["orphan".to_owned()]);
        assert!(matches!(outbox.next_message(), Some(wire::agent_message::Message::StopCandidates(_))));
        outbox.acknowledge(1);
        assert!(next(&outbox).is_some());
    }
}
