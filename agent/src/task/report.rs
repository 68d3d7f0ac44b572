//! What a task says of itself.

use berth_model::task::step::{Health, Stage};
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;

use super::{Container, Task};

// === impl Task ===

impl Task {
    /// The whole task as it is, under a version of its own; none when nothing changed since the last.
    pub fn take_report(&mut self) -> Option<wire::TaskReport> {
        if !std::mem::take(&mut self.is_dirty) {
            return None;
        }
        self.version += 1;
        Some(self.report())
    }

    /// The whole task as it is, under the version of the newest report.
    #[must_use]
    pub fn report(&self) -> wire::TaskReport {
        let names = self.desired().definition.containers.iter();
        let time = |at: Option<i64>| at.map(timestamp);
        wire::TaskReport {
            task_id: self.desired().id.clone(),
            version: self.version,
            last_status: self.last_status().to_owned(),
            containers: names
                .zip(&self.containers)
                .map(|(definition, container)| container_report(definition, container))
                .collect(),
            health_status: Some(self.health().into()),
            pull_started_at: time(self.times.pull_started),
            pull_stopped_at: time(self.times.pull_stopped),
            started_at: time(self.times.started),
            stopping_at: time(self.times.stopping),
            execution_stopped_at: time(self.times.execution_stopped),
            stopped_at: time(self.times.stopped),
            stop_code: self.stopping.as_ref().and_then(|stopping| stopping.code).map(Into::into),
            stopped_reason: self
                .stopping
                .as_ref()
                .map(|stopping| stopping.reason.clone())
                .unwrap_or_default(),
            address: self.address.map(|address| address.to_string()).unwrap_or_default(),
        }
    }

    /// ECS's status, as far as it is seen from here; controllers know of more. Without an address of its own a task is never
    /// DEPROVISIONING.
    #[must_use]
    pub fn last_status(&self) -> &'static str {
        if self.is_leaving {
            "DEPROVISIONING"
        } else if self.is_finished {
            "STOPPED"
        } else if self.stopping.is_some() {
            "STOPPING"
        } else if self.times.started.is_some() {
            "RUNNING"
        } else {
            "PENDING"
        }
    }

    /// ECS: of the essential containers with a health check, any unhealthy makes it unhealthy, any unknown unknown.
    fn health(&self) -> ecs::HealthStatus {
        let definition = &self.desired().definition;
        let checked = definition.containers.iter().zip(&definition.order).zip(&self.containers);
        let states = checked
            .filter(|((container, order), _)| order.essential && container.health_check.is_some())
            .map(|(_, container)| container.seen.health);
        let mut worst = None;
        for state in states {
            worst = Some(match (worst, state) {
                (_, Health::Unhealthy) | (Some(Health::Unhealthy), _) => Health::Unhealthy,
                (_, Health::Unknown) | (Some(Health::Unknown), _) => Health::Unknown,
                (_, Health::Healthy) => Health::Healthy,
            });
        }
        status(worst.unwrap_or_default())
    }
}

/// Milliseconds since 1970 as the wire has them.
#[must_use]
pub fn timestamp(unix_ms: i64) -> prost_types::Timestamp {
    let nanos = i32::try_from(unix_ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    prost_types::Timestamp { seconds: unix_ms.div_euclid(1_000), nanos }
}

/// The reverse of [`timestamp`].
#[must_use]
pub fn unix_ms(timestamp: &prost_types::Timestamp) -> i64 {
    timestamp.seconds.saturating_mul(1_000).saturating_add(i64::from(timestamp.nanos) / 1_000_000)
}

fn container_report(definition: &ecs::ContainerDefinition, container: &Container) -> wire::ContainerReport {
    wire::ContainerReport {
        name: definition.name().to_owned(),
        runtime_id: container.runtime_id.clone().unwrap_or_default(),
        image_digest: container.image.digest.clone(),
        last_status: match container.seen.stage {
            Stage::Waiting | Stage::Pulled | Stage::Created => "PENDING",
            Stage::Running => "RUNNING",
            Stage::Stopped => "STOPPED",
        }
        .to_owned(),
        exit_code: container.seen.exit_code,
        reason: container.reason.clone(),
        network_bindings: container.network_bindings.clone(),
        health_status: definition.health_check.as_ref().map(|_| status(container.seen.health).into()),
        last_log_lines: container.last_log_lines.clone(),
    }
}

fn status(health: Health) -> ecs::HealthStatus {
    match health {
        Health::Healthy => ecs::HealthStatus::Healthy,
        Health::Unhealthy => ecs::HealthStatus::Unhealthy,
        Health::Unknown => ecs::HealthStatus::Unknown,
    }
}
