//! Docker's view of a container as the agent's.

use std::collections::BTreeMap;

use berth_model::task::step::Health;
use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary,
    ContainerSummaryStateEnum, HealthStatusEnum,
};

use super::network;
use super::ranges::Published;
use crate::runtime::{Container, Listed, Status, label};

/// A container that was inspected.
pub(super) fn container(found: ContainerInspectResponse) -> Container {
    let state = found.state.unwrap_or_default();
    let status = match state.status {
        Some(ContainerStateStatusEnum::CREATED) => Status::Created,
        _ if state.running == Some(true) => Status::Running,
        _ => Status::Exited,
    };
    let ended = status == Status::Exited;
    let labels: BTreeMap<_, _> =
        found.config.and_then(|config| config.labels).unwrap_or_default().into_iter().collect();
    let ranges = labels.get(label::PORT_RANGES).map(|text| Published::of_label(text)).unwrap_or_default();
    Container {
        runtime_id: found.id.unwrap_or_default(),
        labels,
        status,
        exit_code: state.exit_code.filter(|_| ended).and_then(|code| i32::try_from(code).ok()),
        out_of_memory: state.oom_killed == Some(true),
        health: health(&state),
        started_at_ms: state.started_at.as_deref().and_then(unix_ms),
        finished_at_ms: state.finished_at.as_deref().and_then(unix_ms),
        network_bindings: network::bindings(found.network_settings, &ranges),
        pid: state.pid.filter(|pid| *pid > 0).and_then(|pid| u32::try_from(pid).ok()),
    }
}

/// A container in a list.
pub(super) fn listed(found: ContainerSummary) -> Option<Listed> {
    let status = match found.state? {
        ContainerSummaryStateEnum::CREATED => Status::Created,
        ContainerSummaryStateEnum::RUNNING
        | ContainerSummaryStateEnum::PAUSED
        | ContainerSummaryStateEnum::RESTARTING
        | ContainerSummaryStateEnum::STOPPING => Status::Running,
        ContainerSummaryStateEnum::EMPTY
        | ContainerSummaryStateEnum::EXITED
        | ContainerSummaryStateEnum::REMOVING
        | ContainerSummaryStateEnum::DEAD => Status::Exited,
    };
    Some(Listed {
        runtime_id: found.id?,
        labels: found.labels.unwrap_or_default().into_iter().collect(),
        status,
    })
}

/// Milliseconds since 1970 of a time as Docker writes it; none for its zero, the year 1.
pub(super) fn unix_ms(text: &str) -> Option<i64> {
    let time: prost_types::Timestamp = text.parse().ok()?;
    (time.seconds > 0)
        .then(|| time.seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanos) / 1_000_000))
}

fn health(state: &ContainerState) -> Health {
    match state.health.as_ref().and_then(|health| health.status) {
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        Some(HealthStatusEnum::STARTING | HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => {
            Health::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_the_zero_is_none() {
        assert_eq!(unix_ms("1970-01-01T00:00:01.250164095Z"), Some(1_250));
        assert_eq!(unix_ms("0001-01-01T00:00:00Z"), None);
        assert_eq!(unix_ms("nonsense"), None);
    }
}
