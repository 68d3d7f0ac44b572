//! What an agent reported, on its way into the log.
//!
//! While one proposal is under way the next reports gather, the newest of each task replacing older ones. A busy
//! instance thus costs few log entries, and a slow log slows nobody but the acknowledgement.

use std::collections::BTreeMap;

use berth_model::command::{Command, TaskReport};
use berth_model::id::{InstanceId, TaskId};
use berth_model::state::State;
use berth_model::validate::report::observed;
use berth_proto::agent::v1 as pb;

use crate::limits::REPORTS_PER_COMMAND;

/// Reports not yet proposed, and the sequence up to which the agent will be acknowledged with them.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    tasks: BTreeMap<TaskId, TaskReport>,
    sequence: u64,
}

/// A proposal and what to tell the agent once it is applied.
#[derive(Debug)]
pub(super) struct Batch {
    /// The command; none when there was nothing new to say.
    pub(super) command: Option<Command>,
    /// Everything up to here is in it.
    pub(super) sequence: u64,
}

// === impl Gathering ===

impl Gathering {
    /// Adds reports of one message. Those that cannot be read are refused one by one, with the reason.
    pub(super) fn add(&mut self, sequence: u64, reports: &[pb::TaskReport]) {
        self.sequence = self.sequence.max(sequence);
        // Version 0 is a task that its agent was told of and has nothing to say about yet.
        for report in reports.iter().filter(|report| report.version > 0) {
            match observed(report) {
                Ok(report) => self.add_one(report),
                Err(error) => {
                    tracing::warn!(task = report.task_id, %error, "an agent sent a report that makes no sense")
                }
            }
        }
    }

    fn add_one(&mut self, report: TaskReport) {
        let newest = self.tasks.entry(report.task).or_insert_with(|| report.clone());
        if report.observed.report_version > newest.observed.report_version {
            *newest = report;
        }
    }

    /// Whether there is something to propose or to acknowledge.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.sequence == 0
    }

    /// Takes out what fits into one command. What the state knows already is left out.
    pub(super) fn take(&mut self, instance: InstanceId, state: &State) -> Batch {
        let mut reports = Vec::new();
        while let Some((id, report)) = self.tasks.pop_first() {
            let known = state.task(id).map(|task| (task.observed.report_version, task.is_stopped()));
            if known.is_some_and(|(version, stopped)| !stopped && report.observed.report_version > version) {
                reports.push(report);
            }
            if reports.len() == REPORTS_PER_COMMAND {
                break;
            }
        }
        // Acknowledged only with the last part, so that an agent sends again whatever may have been lost.
        let sequence = if self.tasks.is_empty() { std::mem::take(&mut self.sequence) } else { 0 };
        let command = (!reports.is_empty()).then_some(Command::ReportTasks { instance, reports });
        Batch { command, sequence }
    }
}
