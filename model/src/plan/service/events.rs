//! The texts of service events, and whether one was recorded already. Source: ECS service event messages.

use std::time::Duration;

use crate::id::DeploymentId;
use crate::plan::placement::gist;
use crate::service::rollout::TaskFailure;
use crate::service::{Deployment, Service};
use crate::time::Timestamp;

/// An event that still holds is recorded again after this long. Source: ECS developer guide, service event messages.
const REPEATED_AFTER: Duration = Duration::from_secs(6 * 3600);

pub(super) fn steady(service: &Service) -> String {
    format!("(service {}) has reached a steady state.", service.key.name)
}

pub(super) fn completed(service: &Service, deployment: DeploymentId) -> String {
    format!("(service {}) (deployment {deployment}) deployment completed.", service.key.name)
}

pub(super) fn stuck(service: &Service) -> String {
    format!(
        "(service {}) was unable to stop or start tasks during a deployment because of the service deployment \
         configuration. Update the minimumHealthyPercent or maximumPercent value and try again.",
        service.key.name
    )
}

pub(super) fn crash_loop(service: &Service) -> String {
    format!("(service {}) is unable to consistently start tasks successfully.", service.key.name)
}

/// Why the circuit breaker gives a deployment up. Source: ECS, `rolloutStateReason`.
pub(super) const BREAKER: &str = "ECS deployment circuit breaker: tasks failed to start.";

/// Why a deployment is given up of which no task could ever run.
pub(super) const NOWHERE: &str =
    "no container instance is large enough for a task, or has the attributes it requires.";

/// ECS's words for what the circuit breaker found, those of others as they are.
pub(super) fn rollout_reason(reason: &str) -> String {
    if reason == NOWHERE { format!("ECS deployment circuit breaker: {reason}") } else { reason.to_owned() }
}

pub(super) fn failed(service: &Service, deployment: DeploymentId, reason: &str) -> String {
    let reason = reason.strip_prefix("ECS deployment circuit breaker: ").unwrap_or(reason);
    format!("(service {}) (deployment {deployment}) deployment failed: {reason}", service.key.name)
}

/// What failed first, and what it said last.
pub(super) fn first_failure(service: &Service, deployment: DeploymentId, failure: &TaskFailure) -> String {
    let lines = failure.last_log_lines.join(" | ");
    let lines = if lines.is_empty() { lines } else { format!(" Last log lines: {lines}") };
    let (name, task, reason) = (&service.key.name, failure.task, &failure.reason);
    format!("(service {name}) (deployment {deployment}) first failure: (task {task}) {reason}.{lines}")
}

pub(super) fn rollback_failed(service: &Service, to: DeploymentId, reason: &str) -> String {
    let reason = reason.strip_prefix("ECS deployment circuit breaker: ").unwrap_or(reason);
    format!("(service {}) rollback to deployment {to} failed: {reason}", service.key.name)
}

pub(super) fn rolling_back(service: &Service, to: DeploymentId) -> String {
    format!("(service {}) rolling back to deployment {to}.", service.key.name)
}

/// Why the deployment that is gone back to is in progress again.
pub(super) fn rolling_back_reason(reason: &str, to: DeploymentId) -> String {
    if reason == BREAKER || reason == NOWHERE {
        format!("ECS deployment circuit breaker: rolling back to deploymentId {to}.")
    } else {
        format!("{reason} Rolling back to deploymentId {to}.")
    }
}

/// When tasks are started again after several failed in a row.
pub(super) fn next_attempt(
    service: &Service,
    deployment: &Deployment,
    at: Timestamp,
    now: Timestamp,
) -> String {
    let seconds = at.since(now).as_secs() + 1;
    let failures = deployment.crashes;
    let reason = deployment.trouble.last_failure.as_ref().map_or("", |failure| &failure.reason);
    format!(
        "(service {}) starts the next tasks in {seconds} s, after {failures} failures in a row. Last failure: {reason}",
        service.key.name
    )
}

/// Why a task stops that its service no longer wants.
pub(super) fn scaling_reason(deployment: DeploymentId) -> String {
    format!("Scaling activity initiated by (deployment {deployment})")
}

/// Why a task stops that its health check fails.
pub(super) const UNHEALTHY_REASON: &str = "Task failed container health checks";

/// Whether an event says something that is not said yet: nothing to the same effect was recorded since the deployment
/// began or the service was last steady, or only long ago. What the newest event says is never new: it would not be
/// recorded, and so asked for again and again.
pub(super) fn is_new(service: &Service, primary: &Deployment, now: Timestamp, event: &str) -> bool {
    if service.events.back().is_some_and(|newest| newest.message == event) {
        return false;
    }
    let resolved = steady(service);
    let said = gist(event);
    let recent = service
        .events
        .iter()
        .rev()
        .take_while(|earlier| earlier.message != resolved)
        .take_while(|earlier| earlier.created_at >= primary.created_at)
        .take_while(|earlier| now.since(earlier.created_at) < REPEATED_AFTER);
    !recent.map(|earlier| gist(&earlier.message)).any(|earlier| earlier == said)
}
