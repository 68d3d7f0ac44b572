//! What the containers of one task need next.
//!
//! [`next_step`] is the whole of the decision: an agent gathers what it observes, asks, carries the step out, and asks
//! again when anything has changed. It keeps nothing between two calls, so an agent that was restarted in the middle of
//! a launch goes on exactly where the containers are.
//!
//! What holds true: a container is created only when everything it depends on is satisfied, containers are stopped in
//! the reverse order, nothing is launched once the task is stopping, and a container under an operation is left alone.

/// The state the controller wants a task in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DesiredStatus {
    /// Launch what is not running.
    Running,
    /// Stop what is running, launch nothing.
    Stopped,
}

/// What has to be true of another container before one is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It exists: enough for its volumes to be mounted.
    Create,
    /// It has been started.
    Start,
    /// It has run to its end, with any exit code.
    Complete,
    /// It has run to its end and exited with 0.
    Success,
    /// Its health check passes.
    Healthy,
}

/// One edge of the order in which containers start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Position of the container that is waited for.
    pub on: usize,
    /// What is waited for.
    pub condition: Condition,
}

/// When a container that exited is started again in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    /// A run shorter than this is not repeated.
    pub period_ms: i64,
    /// Exit codes that mean the container is done.
    pub ignored_exit_codes: Vec<i32>,
}

/// One container as its definition wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// The task stops when this container does.
    pub essential: bool,
    /// What has to hold before it is created.
    pub depends_on: Vec<Dependency>,
    /// How long dependents wait for this container to complete, succeed or become healthy.
    pub start_timeout_ms: Option<i64>,
    /// Whether it is started again when it exits.
    pub restart_policy: Option<RestartPolicy>,
}

/// The task as the controller wants it.
#[derive(Clone, Copy, Debug)]
pub struct Desired<'a> {
    /// Whether it is to run.
    pub status: DesiredStatus,
    /// Its containers, in the order of the task definition.
    pub containers: &'a [Container],
}

/// How far a container has come. It only moves forward, but for a restart in place and for one that is made anew because
/// the ports of the host that were chosen for it went to somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Nothing has been done for it.
    #[default]
    Waiting,
    /// Its image is on the host.
    Pulled,
    /// It exists and was never started.
    Created,
    /// It runs.
    Running,
    /// It ended, or it will never be launched.
    Stopped,
}

/// What the container's health check says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It has not said anything, or there is none.
    #[default]
    Unknown,
    /// It passes.
    Healthy,
    /// It failed as often as it may.
    Unhealthy,
}

/// One container as the agent sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How far it has come.
    pub stage: Stage,
    /// The operation that is under way on it.
    pub busy: Option<Action>,
    /// What its health check says.
    pub health: Health,
    /// It could not be pulled, created or started.
    pub failed: bool,
    /// With what it exited, when that is known.
    pub exit_code: Option<i32>,
    /// When it was started last.
    pub started_at_ms: Option<i64>,
    /// When it ended last.
    pub exited_at_ms: Option<i64>,
}

/// The task as the agent sees it, position by position.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// Its containers, in the order of the task definition.
    pub containers: &'a [Seen],
    /// A [`Step::Stop`] was given and recorded.
    pub stopping: bool,
    /// The present.
    pub now_ms: i64,
}

/// Something to do to one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get its image.
    Pull,
    /// Create it.
    Create,
    /// Start it, for the first time or again.
    Start,
    /// Ask it to end, and end it when it does not.
    Stop,
    /// Give up a container that never started.
    Discard,
}

/// Why a task has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// It is wanted.
    Desired,
    /// This essential container ended.
    EssentialExited(usize),
    /// This essential container could not be launched.
    FailedToStart(usize),
    /// What this container depends on can never be.
    Unresolvable(usize),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something changes or this moment comes.
    Wait {
        /// When a start timeout runs out.
        until_ms: Option<i64>,
    },
    /// Carry these out, all at once.
    Act(Vec<(usize, Action)>),
    /// Record that the task is stopping, and why; then ask again.
    Stop(StopCause),
    /// Every container has ended: so has the task.
    Finish,
}

/// The next step of one task.
#[must_use]
pub fn next_step(desired: Desired<'_>, observed: Observed<'_>) -> Step {
    if observed.stopping {
        return stop_step(desired.containers, observed.containers);
    }
    if let Some(cause) = stop_cause(desired, observed) {
        return Step::Stop(cause);
    }
    let acts = indexed(desired, observed).filter_map(|(at, container, seen)| {
        launch_action(container, seen, observed).map(|action| (at, action))
    });
    let acts: Vec<_> = acts.collect();
    if acts.is_empty() { Step::Wait { until_ms: next_timeout(desired, observed) } } else { Step::Act(acts) }
}

/// Whether every dependency points at another container of the task and none waits for itself over others.
#[must_use]
pub fn can_be_ordered(containers: &[Container]) -> bool {
    let in_range = |container: &Container| container.depends_on.iter().all(|edge| edge.on < containers.len());
    if !containers.iter().all(in_range) {
        return false;
    }
    let mut ordered = vec![false; containers.len()];
    // Each round orders at least one more container, or what is left is a cycle.
    for _ in 0..containers.len() {
        for (at, container) in containers.iter().enumerate() {
            ordered[at] = ordered[at] || container.depends_on.iter().all(|edge| ordered[edge.on]);
        }
    }
    ordered.into_iter().all(|is_ordered| is_ordered)
}

/// Whether this container is started again although it ended.
#[must_use]
pub fn restarts(container: &Container, seen: &Seen) -> bool {
    let (Some(policy), Some(code)) = (&container.restart_policy, seen.exit_code) else { return false };
    let (Some(started), Some(exited)) = (seen.started_at_ms, seen.exited_at_ms) else { return false };
    seen.stage == Stage::Stopped
        && !seen.failed
        && !policy.ignored_exit_codes.contains(&code)
        && exited.saturating_sub(started) >= policy.period_ms
}

fn indexed<'a>(
    desired: Desired<'a>,
    observed: Observed<'a>,
) -> impl Iterator<Item = (usize, &'a Container, &'a Seen)> {
    desired
        .containers
        .iter()
        .zip(observed.containers)
        .enumerate()
        .map(|(at, (container, seen))| (at, container, seen))
}

fn stop_cause(desired: Desired<'_>, observed: Observed<'_>) -> Option<StopCause> {
    if desired.status == DesiredStatus::Stopped {
        return Some(StopCause::Desired);
    }
    let ended = |container: &Container, seen: &Seen| {
        container.essential && seen.stage == Stage::Stopped && !restarts(container, seen)
    };
    let essential = indexed(desired, observed).find(|(_, container, seen)| ended(container, seen));
    if let Some((at, _, seen)) = essential {
        return Some(if seen.failed { StopCause::FailedToStart(at) } else { StopCause::EssentialExited(at) });
    }
    indexed(desired, observed)
        .find(|(_, container, seen)| {
            seen.stage < Stage::Created
                && container.depends_on.iter().any(|edge| hopeless(*edge, desired, observed))
        })
        .map(|(at, _, _)| StopCause::Unresolvable(at))
}

fn launch_action(container: &Container, seen: &Seen, observed: Observed<'_>) -> Option<Action> {
    if seen.busy.is_some() {
        return None;
    }
    match seen.stage {
        Stage::Waiting => Some(Action::Pull),
        Stage::Pulled => {
            let ready = container.depends_on.iter().all(|edge| satisfied(*edge, observed));
            ready.then_some(Action::Create)
        }
        Stage::Created => Some(Action::Start),
        Stage::Running => None,
        Stage::Stopped => restarts(container, seen).then_some(Action::Start),
    }
}

fn satisfied(edge: Dependency, observed: Observed<'_>) -> bool {
    let Some(target) = observed.containers.get(edge.on) else { return false };
    let ended = target.stage == Stage::Stopped && !target.failed;
    match edge.condition {
        Condition::Create => ended || matches!(target.stage, Stage::Created | Stage::Running),
        Condition::Start => ended || target.stage == Stage::Running,
        Condition::Complete => ended,
        Condition::Success => ended && target.exit_code == Some(0),
        Condition::Healthy => target.stage == Stage::Running && target.health == Health::Healthy,
    }
}

/// Whether this dependency is not satisfied and never will be.
fn hopeless(edge: Dependency, desired: Desired<'_>, observed: Observed<'_>) -> bool {
    let (Some(container), Some(target)) = (desired.containers.get(edge.on), observed.containers.get(edge.on))
    else {
        return true;
    };
    if satisfied(edge, observed) {
        return false;
    }
    let over = target.stage == Stage::Stopped && !restarts(container, target);
    over || deadline(edge, container, target).is_some_and(|deadline| deadline <= observed.now_ms)
}

/// When dependents give this container up.
fn deadline(edge: Dependency, container: &Container, target: &Seen) -> Option<i64> {
    match edge.condition {
        Condition::Create | Condition::Start => None,
        Condition::Complete | Condition::Success | Condition::Healthy => {
            Some(target.started_at_ms?.saturating_add(container.start_timeout_ms?))
        }
    }
}

fn next_timeout(desired: Desired<'_>, observed: Observed<'_>) -> Option<i64> {
    indexed(desired, observed)
        .filter(|(_, _, seen)| seen.stage < Stage::Created)
        .flat_map(|(_, container, _)| &container.depends_on)
        .filter(|edge| !satisfied(**edge, observed))
        .filter_map(|edge| {
            deadline(*edge, desired.containers.get(edge.on)?, observed.containers.get(edge.on)?)
        })
        .min()
}

fn stop_step(containers: &[Container], seen: &[Seen]) -> Step {
    if seen.iter().all(|seen| seen.stage == Stage::Stopped) {
        return Step::Finish;
    }
    let acts: Vec<_> = seen
        .iter()
        .enumerate()
        .filter_map(|(at, _)| stop_action(at, containers, seen).map(|action| (at, action)))
        .collect();
    if acts.is_empty() { Step::Wait { until_ms: None } } else { Step::Act(acts) }
}

fn stop_action(at: usize, containers: &[Container], seen: &[Seen]) -> Option<Action> {
    match (seen[at].stage, seen[at].busy) {
        (Stage::Stopped, _) => None,
        // A pull may take hours, and nothing that exists depends on how it ends.
        (Stage::Waiting, None | Some(Action::Pull)) | (Stage::Pulled | Stage::Created, None) => {
            Some(Action::Discard)
        }
        (Stage::Running, None) => {
            let needed = containers.iter().zip(seen).any(|(container, seen)| {
                seen.stage != Stage::Stopped && container.depends_on.iter().any(|edge| edge.on == at)
            });
            (!needed).then_some(Action::Stop)
        }
        (Stage::Waiting | Stage::Pulled | Stage::Created | Stage::Running, Some(_)) => None,
    }
}

#[cfg(test)]
mod tests;
