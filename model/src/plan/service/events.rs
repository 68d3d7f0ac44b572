//! The texts of service events, and whether one was recorded already. Source: ECS service event messages.

use std::time::Duration;

use crate::id::DeploymentId;
use crate::plan::placement::gist;
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
