//! Deployment configurations: percentages, and the strategies that are not there yet.

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::service::DeploymentBounds;
use crate::validate::name::member;
use crate::validate::unsupported;

/// Reads a deployment configuration over the bounds in force; gives the bounds, and what is echoed.
pub(super) fn parse(
    given: Option<&pb::DeploymentConfiguration>,
    current: DeploymentBounds,
) -> Result<(DeploymentBounds, pb::DeploymentConfiguration), ApiError> {
    if let Some(given) = given {
        refuse_unsupported(given)?;
    }
    let percent = |value: Option<i32>, current: u32, member: &str| match value {
        None => Ok(current),
        Some(value) => {
            u32::try_from(value).map_err(|_| ApiError::invalid(format!("{member} must not be negative.")))
        }
    };
    let minimum = given.and_then(|given| given.minimum_healthy_percent);
    let maximum = given.and_then(|given| given.maximum_percent);
    let bounds = DeploymentBounds {
        minimum_healthy_percent: percent(minimum, current.minimum_healthy_percent, "minimumHealthyPercent")?,
        maximum_percent: percent(maximum, current.maximum_percent, "maximumPercent")?,
    };
    check(bounds)?;
    Ok((bounds, echo(bounds)))
}

fn check(bounds: DeploymentBounds) -> Result<(), ApiError> {
    if bounds.minimum_healthy_percent > 100 {
        return Err(ApiError::invalid("minimumHealthyPercent must be at most 100."));
    }
    if bounds.maximum_percent < 100 {
        return Err(ApiError::invalid("maximumPercent must be at least 100."));
    }
    if bounds.maximum_percent > i32::MAX.unsigned_abs() {
        return Err(ApiError::invalid("maximumPercent is too large."));
    }
    if bounds.minimum_healthy_percent == 100 && bounds.maximum_percent == 100 {
        let message =
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.";
        return Err(ApiError::invalid(message));
    }
    Ok(())
}

/// What ECS shows of a rolling deployment without circuit breaker.
fn echo(bounds: DeploymentBounds) -> pb::DeploymentConfiguration {
    pb::DeploymentConfiguration {
        deployment_circuit_breaker: Some(pb::DeploymentCircuitBreaker {
            enable: Some(false),
            rollback: Some(false),
            ..pb::DeploymentCircuitBreaker::default()
        }),
        maximum_percent: i32::try_from(bounds.maximum_percent).ok(),
        minimum_healthy_percent: i32::try_from(bounds.minimum_healthy_percent).ok(),
        strategy: Some(pb::DeploymentStrategy::Rolling.into()),
        bake_time_in_minutes: Some(0),
        ..pb::DeploymentConfiguration::default()
    }
}

fn refuse_unsupported(given: &pb::DeploymentConfiguration) -> Result<(), ApiError> {
    let strategy = member::<pb::DeploymentStrategy>("deploymentConfiguration.strategy", given.strategy)?;
    let early = given.early_success_criteria.as_ref();
    let asked = [
        (
            strategy.is_some_and(|strategy| strategy != pb::DeploymentStrategy::Rolling),
            "A deployment strategy other than ROLLING",
        ),
        (
            given.deployment_circuit_breaker.as_ref().is_some_and(pb::DeploymentCircuitBreaker::enable),
            "The deployment circuit breaker",
        ),
        (given.alarms.as_ref().is_some_and(pb::DeploymentAlarms::enable), "Deployment alarms"),
        (given.bake_time_in_minutes() != 0, "bakeTimeInMinutes"),
        (!given.lifecycle_hooks.is_empty(), "A deployment lifecycle hook"),
        (given.linear_configuration.is_some(), "linearConfiguration"),
        (given.canary_configuration.is_some(), "canaryConfiguration"),
        (early.is_some_and(pb::DeploymentEarlySuccessCriteria::enable), "earlySuccessCriteria"),
    ];
    match asked.into_iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(unsupported(what)),
        None => Ok(()),
    }
}
