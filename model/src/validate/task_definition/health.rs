//! Health checks of containers: ranges, and the defaults that ECS echoes.

use std::ops::RangeInclusive;

use berth_proto::ecs::v1 as pb;

use super::invalid_setting;
use crate::error::ApiError;

/// A member in its range, in seconds or in tries, and what stands in for it. Source: ECS API, `HealthCheck`.
struct Member {
    name: &'static str,
    range: RangeInclusive<i32>,
    default: Option<i32>,
}

const INTERVAL: Member = Member { name: "interval", range: 5..=300, default: Some(30) };
const TIMEOUT: Member = Member { name: "timeout", range: 2..=60, default: Some(5) };
const RETRIES: Member = Member { name: "retries", range: 1..=10, default: Some(3) };
/// Off unless it is given.
const START_PERIOD: Member = Member { name: "startPeriod", range: 0..=300, default: None };

pub(super) fn normalize(container: &mut pb::ContainerDefinition) -> Result<(), ApiError> {
    let name = container.name().to_owned();
    let Some(check) = &mut container.health_check else { return Ok(()) };
    if check.command.iter().all(String::is_empty) {
        return Err(invalid_setting(&name, "The health check needs a command."));
    }
    let shell_without_command =
        matches!(check.command.as_slice(), [kind] if kind == "CMD" || kind == "CMD-SHELL");
    if shell_without_command {
        return Err(invalid_setting(
            &name,
            format!("The health check has nothing after {}.", check.command[0]),
        ));
    }
    INTERVAL.normalize(&mut check.interval, &name)?;
    TIMEOUT.normalize(&mut check.timeout, &name)?;
    RETRIES.normalize(&mut check.retries, &name)?;
    START_PERIOD.normalize(&mut check.start_period, &name)
}

// === impl Member ===

impl Member {
    fn normalize(&self, value: &mut Option<i32>, container: &str) -> Result<(), ApiError> {
        if value.is_none() {
            *value = self.default;
        }
        if value.is_none_or(|value| self.range.contains(&value)) {
            return Ok(());
        }
        let (name, low, high) = (self.name, self.range.start(), self.range.end());
        Err(invalid_setting(
            container,
            format!("The health check '{name}' must be between {low} and {high}."),
        ))
    }
}
