//! What a DAEMON service cannot be given: how many tasks it has and where they go follows from the instances.
//!
//! Source: ECS API, `schedulingStrategy`.

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::service::DeploymentBounds;
use crate::service::task_set::Controller;

/// The bounds of a DAEMON service that says nothing: an old task stops before the new one starts, everywhere at once.
pub(super) const BOUNDS: DeploymentBounds =
    DeploymentBounds { minimum_healthy_percent: 0, maximum_percent: 100 };

/// Task sets are of REPLICA services only.
pub(super) fn check_controller(controller: Controller) -> Result<(), ApiError> {
    match controller {
        Controller::Ecs => Ok(()),
        Controller::External => Err(ApiError::invalid(
            "The daemon scheduling strategy does not support the EXTERNAL deployment controller.",
        )),
    }
}

/// Refuses what only a REPLICA service has.
pub(super) fn check(
    desired_count: Option<i32>,
    strategy: &[pb::PlacementStrategy],
    bounds: DeploymentBounds,
) -> Result<(), ApiError> {
    let refuse = |what: &str, remove: &str| {
        let message = format!(
            "The daemon scheduling strategy does not support {what} for services. Remove the {remove} and try again."
        );
        Err(ApiError::invalid(message))
    };
    if desired_count.is_some() {
        return refuse("a desired count", "desired count value");
    }
    if !strategy.is_empty() {
        return refuse("placement strategies", "placement strategy");
    }
    if bounds.maximum_percent != BOUNDS.maximum_percent {
        return refuse("a maximumPercent other than 100", "maximumPercent value");
    }
    Ok(())
}
