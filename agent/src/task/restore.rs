//! A task as an agent finds it when it comes back: from its last report and from the containers that are there.
//!
//! The containers are right about themselves; the report is right about what happened before, and about a task that
//! ended.

use std::sync::Arc;

use berth_model::task::step::Stage;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;

use super::container::Exit;
use super::report::unix_ms;
use super::{Container, Standing, Stopping, Task, Times};
use crate::manifest::DesiredTask;
use crate::runtime;

// === impl Task ===

impl Task {
    /// A task that an earlier run of this agent knew.
    #[must_use]
    pub fn restore(
        desired: Arc<DesiredTask>,
        standing: Standing,
        report: Option<&wire::TaskReport>,
        found: &[runtime::Container],
        now_ms: i64,
    ) -> Self {
        let mut task = Self::new(desired, now_ms);
        task.standing = standing;
        if let Some(report) = report {
            task.remember(report);
        }
        if !task.is_finished {
            let names: Vec<_> =
                task.desired.definition.containers.iter().map(|one| one.name().to_owned()).collect();
            for (at, name) in names.iter().enumerate() {
                let of_name = |found: &&runtime::Container| {
                    found.labels.get(runtime::label::CONTAINER_NAME) == Some(name)
                };
                // The newest, should there be two.
                let found = found
                    .iter()
                    .filter(of_name)
                    .max_by_key(|found| (found.started_at_ms, found.finished_at_ms));
                let is_checked = task.desired.definition.containers[at].health_check.is_some();
                task.update(at, |container| container.adopt(found, is_checked, now_ms));
            }
            task.is_admitted = task.containers.iter().any(|container| container.runtime_id.is_some());
            task.note_running(now_ms);
        }
        // Told again: whether the last report arrived is not known.
        task.is_dirty = report.is_some() || task.is_admitted;
        task
    }

    fn remember(&mut self, report: &wire::TaskReport) {
        let time = |at: &Option<prost_types::Timestamp>| at.as_ref().map(unix_ms);
        self.version = report.version;
        self.is_leaving = report.last_status == "DEPROVISIONING";
        self.is_finished = self.is_leaving || report.last_status == "STOPPED";
        self.address = report.address.parse().ok();
        self.times = Times {
            pull_started: time(&report.pull_started_at),
            pull_stopped: time(&report.pull_stopped_at),
            started: time(&report.started_at),
            stopping: time(&report.stopping_at),
            execution_stopped: time(&report.execution_stopped_at),
            stopped: time(&report.stopped_at),
        };
        if self.times.stopping.is_some() {
            let code = report.stop_code.and_then(|code| ecs::TaskStopCode::try_from(code).ok());
            self.stopping = Some(Stopping { code, reason: report.stopped_reason.clone() });
        }
        for reported in &report.containers {
            if let Some(at) = self.desired.definition.position(&reported.name) {
                self.update(at, |container| container.remember(reported));
            }
        }
    }
}

// === impl Container ===

impl Container {
    fn remember(&mut self, reported: &wire::ContainerReport) {
        self.runtime_id = Some(reported.runtime_id.clone()).filter(|id| !id.is_empty());
        self.image.digest.clone_from(&reported.image_digest);
        self.reason.clone_from(&reported.reason);
        self.last_log_lines.clone_from(&reported.last_log_lines);
        self.network_bindings.clone_from(&reported.network_bindings);
        self.seen.exit_code = reported.exit_code;
        self.seen.stage = match reported.last_status.as_str() {
            "STOPPED" => Stage::Stopped,
            "RUNNING" => Stage::Running,
            _ => Stage::Waiting,
        };
        self.seen.failed =
            self.seen.stage == Stage::Stopped && self.seen.exit_code.is_none() && !self.reason.is_empty();
    }

    fn adopt(&mut self, found: Option<&runtime::Container>, is_checked: bool, now_ms: i64) {
        let Some(found) = found else {
            match self.seen.stage {
                Stage::Running => {
                    self.seen.started_at_ms.get_or_insert(now_ms);
                    self.exited(&Exit::vanished(now_ms));
                }
                // Created, but never started, and gone: it is made anew.
                Stage::Waiting | Stage::Pulled | Stage::Created => self.runtime_id = None,
                Stage::Stopped => {}
            }
            return;
        };
        self.runtime_id = Some(found.runtime_id.clone());
        self.seen.started_at_ms = found.started_at_ms;
        if !found.network_bindings.is_empty() {
            self.network_bindings.clone_from(&found.network_bindings);
        }
        match found.status {
            runtime::Status::Created => self.seen.stage = Stage::Created,
            runtime::Status::Running => {
                self.seen.stage = Stage::Running;
                self.seen.failed = false;
                self.seen.exit_code = None;
                if is_checked {
                    self.seen.health = found.health;
                }
            }
            runtime::Status::Exited => {
                self.seen.stage = Stage::Running;
                self.exited(&Exit::of(found, now_ms));
            }
        }
    }
}
