//! Deployment configurations: percentages, circuit breaker, hooks, and the strategies that are not there yet.

use berth_proto::ecs::v1 as pb;

use super::hook;
use crate::error::ApiError;
use crate::service::settings::{CircuitBreaker, DeploymentSettings, EarlySuccess, Threshold};
use crate::service::{DeploymentBounds, Service};
use crate::state::State;
use crate::validate::name::member;
use crate::validate::unsupported;

/// What a deployment configuration comes to.
#[derive(Clone)]
pub(super) struct Parsed {
    pub(super) bounds: DeploymentBounds,
    pub(super) settings: DeploymentSettings,
    /// What is echoed.
    pub(super) echo: pb::DeploymentConfiguration,
}

/// Reads a deployment configuration over what is in force. Absent members stay as they are, but for the list of hooks,
/// of which nobody can see whether it is absent or empty. A service that does not exist yet begins with `defaults`.
pub(super) fn parse(
    given: Option<&pb::DeploymentConfiguration>,
    current: Option<&Service>,
    defaults: DeploymentBounds,
    view: &State,
) -> Result<Parsed, ApiError> {
    let in_force = current.map(|service| (service.bounds, service.settings.clone()));
    let (current_bounds, mut settings) =
        in_force.unwrap_or_else(|| (defaults, DeploymentSettings::default()));
    let before = current.and_then(|service| service.spec.deployment_configuration.clone());
    let mut echo = before.unwrap_or_else(echo);
    if let Some(given) = given {
        refuse_unsupported(given)?;
        if let Some(breaker) = &given.deployment_circuit_breaker {
            settings.breaker = parse_breaker(breaker)?;
            echo.deployment_circuit_breaker = Some(*breaker);
        }
        if let Some(early) = &given.early_success_criteria {
            settings.early_success = early_success(early)?;
            echo.early_success_criteria = Some(*early);
        }
        // Those that are not enabled are told of as they were given.
        if given.alarms.is_some() {
            echo.alarms.clone_from(&given.alarms);
        }
        settings.hooks = hook::parse(&given.lifecycle_hooks, view)?;
        echo.lifecycle_hooks.clone_from(&given.lifecycle_hooks);
    }
    let bounds = bounds(given, current_bounds)?;
    if let Some(early) =
        settings.early_success.filter(|early| early.healthy_percent < bounds.minimum_healthy_percent)
    {
        let (percent, minimum) = (early.healthy_percent, bounds.minimum_healthy_percent);
        return Err(ApiError::invalid(format!(
            "healthyPercent of earlySuccessCriteria is {percent} and must be at least minimumHealthyPercent, {minimum}."
        )));
    }
    echo.maximum_percent = i32::try_from(bounds.maximum_percent).ok();
    echo.minimum_healthy_percent = i32::try_from(bounds.minimum_healthy_percent).ok();
    Ok(Parsed { bounds, settings, echo })
}

fn parse_breaker(given: &pb::DeploymentCircuitBreaker) -> Result<Option<CircuitBreaker>, ApiError> {
    let mut breaker = CircuitBreaker { rollback: given.rollback(), ..CircuitBreaker::default() };
    breaker.reset_on_healthy_task = given.reset_on_healthy_task.unwrap_or(breaker.reset_on_healthy_task);
    if let Some(threshold) = &given.threshold_configuration {
        let value = threshold.value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0);
        let value =
            value.ok_or_else(|| ApiError::invalid("value of thresholdConfiguration must be at least 1."))?;
        breaker.threshold =
            match member::<pb::ThresholdType>("thresholdConfiguration.type", threshold.r#type)? {
                Some(pb::ThresholdType::Count) => Threshold::Count(value),
                Some(pb::ThresholdType::BoundedPercent) => Threshold::BoundedPercent(value),
                Some(pb::ThresholdType::UnboundedPercent) => Threshold::UnboundedPercent(value),
                None | Some(pb::ThresholdType::Unspecified) => {
                    return Err(ApiError::invalid("type of thresholdConfiguration should not be null."));
                }
            };
    }
    Ok(given.enable().then_some(breaker))
}

fn early_success(given: &pb::DeploymentEarlySuccessCriteria) -> Result<Option<EarlySuccess>, ApiError> {
    let percent = given.healthy_percent.unwrap_or(100);
    let Some(healthy_percent) = u32::try_from(percent).ok().filter(|percent| *percent <= 100) else {
        return Err(ApiError::invalid("healthyPercent must be between 0 and 100."));
    };
    let cleanup = member::<pb::ServiceRevisionCleanup>(
        "earlySuccessCriteria.sourceServiceRevisionCleanup",
        given.source_service_revision_cleanup,
    )?;
    let after_cleanup = cleanup != Some(pb::ServiceRevisionCleanup::Deferred);
    Ok(given.enable().then_some(EarlySuccess { healthy_percent, after_cleanup }))
}

/// The percentages over those in force.
fn bounds(
    given: Option<&pb::DeploymentConfiguration>,
    current: DeploymentBounds,
) -> Result<DeploymentBounds, ApiError> {
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
    Ok(bounds)
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

/// What ECS shows of a rolling deployment of which nothing was said.
fn echo() -> pb::DeploymentConfiguration {
    pb::DeploymentConfiguration {
        deployment_circuit_breaker: Some(pb::DeploymentCircuitBreaker {
            enable: Some(false),
            rollback: Some(false),
            ..pb::DeploymentCircuitBreaker::default()
        }),
        strategy: Some(pb::DeploymentStrategy::Rolling.into()),
        bake_time_in_minutes: Some(0),
        ..pb::DeploymentConfiguration::default()
    }
}

fn refuse_unsupported(given: &pb::DeploymentConfiguration) -> Result<(), ApiError> {
    let strategy = member::<pb::DeploymentStrategy>("deploymentConfiguration.strategy", given.strategy)?;
    let asked = [
        (
            strategy.is_some_and(|strategy| strategy != pb::DeploymentStrategy::Rolling),
            "A deployment strategy other than ROLLING",
        ),
        (given.alarms.as_ref().is_some_and(pb::DeploymentAlarms::enable), "Deployment alarms"),
        (given.bake_time_in_minutes() != 0, "bakeTimeInMinutes"),
        (given.linear_configuration.is_some(), "linearConfiguration"),
        (given.canary_configuration.is_some(), "canaryConfiguration"),
    ];
    match asked.into_iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(unsupported(what)),
        None => Ok(()),
    }
}
