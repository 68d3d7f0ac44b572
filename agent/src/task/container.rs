//! One container of a task: how far it is, and what is to be said of it.

use berth_model::port_range::PortRange;
use berth_model::task::step::{Action, Health, Seen, Stage};
use berth_proto::ecs::v1 as ecs;

use crate::limits;
use crate::runtime;

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Unknown when it vanished.
    pub code: Option<i32>,
    /// It used more memory than it may.
    pub out_of_memory: bool,
    /// When.
    pub at_ms: i64,
    /// Why, when it is not a matter of its exit code.
    pub reason: String,
    /// What it wrote last, when that was looked up.
    pub last_log_lines: Vec<String>,
}

/// One container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// What the next step is decided by.
    pub seen: Seen,
    /// The runtime's id, from its creation on.
    pub runtime_id: Option<String>,
    /// The image it runs.
    pub image: runtime::Image,
    /// Why it ended or was never launched.
    pub reason: String,
    /// What it wrote last, once it ended other than it should.
    pub last_log_lines: Vec<String>,
    /// Ports of the host that lead to it.
    pub network_bindings: Vec<ecs::NetworkBinding>,
    /// How often it was started again in place, as far as this run of the agent knows.
    pub restarts: u32,
    /// How often it was removed again because ports that were chosen for it were taken.
    lost_ports: u32,
    /// An exit that was seen before the start was answered.
    early_exit: Option<Exit>,
    /// The end of the run before this one.
    last_exit_ms: Option<i64>,
}

/// Every port of a binding, in the container and on the host: one, or those of a range.
pub(crate) fn pairs(binding: &ecs::NetworkBinding) -> impl Iterator<Item = (u16, u16)> + use<> {
    let range = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<PortRange>().ok());
    let ranges = range(&binding.container_port_range).zip(range(&binding.host_port_range));
    let port = |port: i32| u16::try_from(port).ok();
    let single = port(binding.container_port()).zip(port(binding.host_port())).filter(|_| ranges.is_none());
    ranges.into_iter().flat_map(|(inside, host)| inside.ports().zip(host.ports())).chain(single)
}

// === impl Exit ===

impl Exit {
    /// A process that ended by itself or by a signal.
    #[must_use]
    pub fn with_code(code: i32, at_ms: i64) -> Self {
        Self {
            code: Some(code),
            out_of_memory: false,
            at_ms,
            reason: String::new(),
            last_log_lines: Vec::new(),
        }
    }

    /// A container that was removed behind our back.
    #[must_use]
    pub fn vanished(at_ms: i64) -> Self {
        let reason = "ContainerVanishedError: No container matching saved ID found".to_owned();
        Self { code: None, out_of_memory: false, at_ms, reason, last_log_lines: Vec::new() }
    }

    /// What the runtime says of a container that ended.
    #[must_use]
    pub fn of(container: &runtime::Container, now_ms: i64) -> Self {
        Self {
            code: container.exit_code,
            out_of_memory: container.out_of_memory,
            at_ms: container.finished_at_ms.unwrap_or(now_ms),
            reason: String::new(),
            last_log_lines: Vec::new(),
        }
    }

    fn reason(&self) -> &str {
        if self.out_of_memory {
            "OutOfMemoryError: Container killed due to memory usage"
        } else {
            &self.reason
        }
    }
}

// === impl Container ===

impl Container {
    pub(super) fn begin(&mut self, action: Action) {
        match action {
            Action::Discard => {
                self.seen.busy = None;
                self.seen.stage = Stage::Stopped;
                return;
            }
            Action::Start if self.seen.stage == Stage::Stopped => self.prepare_restart(),
            Action::Pull | Action::Create | Action::Start | Action::Stop => {}
        }
        self.seen.busy = Some(action);
    }

    pub(super) fn pulled(&mut self, image: runtime::Image) {
        if self.completes(Action::Pull) {
            self.image = image;
            self.seen.stage = Stage::Pulled;
        }
    }

    pub(super) fn created(&mut self, runtime_id: String) {
        if self.completes(Action::Create) {
            self.runtime_id = Some(runtime_id);
            self.seen.stage = Stage::Created;
        }
    }

    pub(super) fn started(&mut self, bindings: Vec<ecs::NetworkBinding>, now_ms: i64) {
        if !self.completes(Action::Start) {
            return;
        }
        self.network_bindings = bindings;
        self.seen.stage = Stage::Running;
        self.seen.exit_code = None;
        self.seen.started_at_ms = Some(now_ms);
        if let Some(exit) = self.early_exit.take() {
            self.seen.started_at_ms = Some(now_ms.min(exit.at_ms));
            self.exited(&exit);
        }
    }

    /// It is made anew, with other ports.
    pub(super) fn lost_ports(&mut self) {
        if self.completes(Action::Start) {
            self.early_exit = None;
            self.runtime_id = None;
            self.seen.stage = Stage::Pulled;
            self.lost_ports = self.lost_ports.saturating_add(1);
        }
    }

    /// Whether other ports may be chosen for it: one that ran keeps those it had.
    #[must_use]
    pub fn may_choose_ports_again(&self) -> bool {
        self.seen.started_at_ms.is_none() && self.lost_ports < limits::PORT_ATTEMPTS
    }

    pub(super) fn failed(&mut self, action: Action, reason: &str) {
        if self.completes(action) {
            self.early_exit = None;
            self.seen.stage = Stage::Stopped;
            // A container that ran once has exited; that it could not be started again changes nothing about it.
            self.seen.failed = self.seen.started_at_ms.is_none();
            self.explain(reason);
        }
    }

    pub(super) fn exited(&mut self, exit: &Exit) {
        let is_told_again = self.last_exit_ms.is_some_and(|last| exit.at_ms <= last);
        if self.seen.stage == Stage::Stopped || is_told_again {
            return;
        }
        if self.seen.busy == Some(Action::Start) {
            // The event was faster than the answer, which says whether it ran at all.
            self.early_exit = Some(exit.clone());
            return;
        }
        self.seen.busy = None;
        self.seen.stage = Stage::Stopped;
        self.seen.exit_code = exit.code;
        self.seen.exited_at_ms = Some(exit.at_ms);
        self.last_log_lines.clone_from(&exit.last_log_lines);
        self.explain(exit.reason());
    }

    fn prepare_restart(&mut self) {
        self.restarts = self.restarts.saturating_add(1);
        self.last_exit_ms = self.seen.exited_at_ms.take();
        self.seen.stage = Stage::Created;
        self.seen.health = Health::Unknown;
        self.reason.clear();
        self.last_log_lines.clear();
    }

    fn completes(&mut self, action: Action) -> bool {
        let is_expected = self.seen.busy == Some(action);
        if is_expected {
            self.seen.busy = None;
        }
        is_expected
    }

    fn explain(&mut self, reason: &str) {
        let mut end = reason.len().min(limits::REASON_BYTES);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason[..end].clone_into(&mut self.reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created() -> Container {
        let seen = Seen { stage: Stage::Created, ..Seen::default() };
        Container { seen, runtime_id: Some("id".to_owned()), ..Container::default() }
    }

    #[test]
    fn an_exit_that_is_told_before_the_start_is_answered_is_not_lost() {
        let mut container = created();
        container.begin(Action::Start);
        container.exited(&Exit::with_code(3, 90));
        assert_eq!(container.seen.stage, Stage::Created);
        container.started(Vec::new(), 100);
        assert_eq!((container.seen.stage, container.seen.exit_code), (Stage::Stopped, Some(3)));
        assert_eq!(container.seen.started_at_ms, Some(90));
    }

    #[test]
    fn an_exit_of_an_earlier_run_does_not_end_the_next() {
        let mut container = created();
        container.begin(Action::Start);
        container.started(Vec::new(), 100);
        container.exited(&Exit::with_code(1, 200));
        container.begin(Action::Start);
        container.started(Vec::new(), 300);
        container.exited(&Exit::with_code(1, 200));
        assert_eq!(container.seen.stage, Stage::Running);
        container.exited(&Exit::with_code(1, 400));
        assert_eq!(container.seen.stage, Stage::Stopped);
    }

    #[test]
    fn an_answer_to_a_pull_that_was_given_up_is_ignored() {
        let mut container = Container::default();
        container.begin(Action::Pull);
        container.begin(Action::Discard);
        container.pulled(runtime::Image::default());
        container.failed(Action::Pull, "too late");
        assert_eq!((container.seen.stage, container.seen.failed), (Stage::Stopped, false));
    }

    #[test]
    fn a_long_reason_is_cut_between_two_characters() {
        let mut container = Container::default();
        container.begin(Action::Pull);
        container.failed(Action::Pull, &"ä".repeat(limits::REASON_BYTES));
        assert_eq!(container.reason.len(), limits::REASON_BYTES);
        assert!(container.reason.ends_with('ä'));
    }
}
