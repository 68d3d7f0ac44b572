//! The deployments of a service as messages, and how many tasks each has.

use std::collections::BTreeMap;

use berth_model::arn::Scope;
use berth_model::id::DeploymentId;
use berth_model::service::{Deployment, DeploymentStatus, Rollout, Service};
use berth_model::state::State;
use berth_proto::ecs::v1 as pb;

use super::super::{count, text, time};

/// Tasks that should run, by deployment. One that was told to stop no longer counts, as one on a lost instance that was
/// replaced: its agent may never say that it is over.
#[derive(Debug, Default)]
pub(crate) struct Counts(BTreeMap<DeploymentId, Tasks>);

#[derive(Clone, Copy, Debug, Default)]
struct Tasks {
    running: usize,
    pending: usize,
}

// === impl Counts ===

impl Counts {
    /// Counts the tasks of a service.
    pub(crate) fn of(service: &Service, view: &State) -> Self {
        let mut counts: BTreeMap<DeploymentId, Tasks> = BTreeMap::new();
        for task in view.tasks_of(&service.key) {
            let Some(deployment) = task.deployment() else { continue };
            let tasks = counts.entry(deployment).or_default();
            tasks.running += usize::from(task.is_running());
            tasks.pending += usize::from(task.is_pending());
        }
        Self(counts)
    }

    /// Those that run, of all deployments.
    pub(super) fn running(&self) -> usize {
        self.0.values().map(|tasks| tasks.running).sum()
    }

    /// Those on their way to run, of all deployments.
    pub(super) fn pending(&self) -> usize {
        self.0.values().map(|tasks| tasks.pending).sum()
    }

    /// Those of one deployment: how many run, and how many are on their way to.
    pub(crate) fn running_and_pending(&self, id: DeploymentId) -> (usize, usize) {
        let tasks = self.tasks(id);
        (tasks.running, tasks.pending)
    }

    fn tasks(&self, id: DeploymentId) -> Tasks {
        self.0.get(&id).copied().unwrap_or_default()
    }
}

/// The deployments, the primary one first.
pub(super) fn deployments(
    service: &Service,
    spec: &pb::Service,
    counts: &Counts,
    scope: &Scope,
) -> Vec<pb::Deployment> {
    let message = |deployment: &Deployment| {
        let tasks = counts.tasks(deployment.id);
        // One that is being replaced wants no more than it still has.
        let desired = match deployment.status {
            DeploymentStatus::Primary => count(service.desired_count),
            DeploymentStatus::Active => count(tasks.running + tasks.pending),
        };
        pb::Deployment {
            id: Some(deployment.id.to_string()),
            status: Some(deployment.status.as_str().to_owned()),
            task_definition: Some(scope.task_definition(&deployment.task_definition)),
            desired_count: Some(desired),
            pending_count: Some(count(tasks.pending)),
            running_count: Some(count(tasks.running)),
            failed_tasks: Some(count(deployment.failed_tasks)),
            created_at: Some(deployment.created_at.to_message()),
            updated_at: Some(deployment.updated_at.to_message()),
            capacity_provider_strategy: spec.capacity_provider_strategy.clone(),
            launch_type: spec.launch_type,
            platform_version: spec.platform_version.clone(),
            platform_family: spec.platform_family.clone(),
            network_configuration: spec.network_configuration.clone(),
            rollout_state: Some(rollout(deployment.rollout).into()),
            rollout_state_reason: text(&deployment.rollout_reason),
            next_attempt_at: time(deployment.trouble.next_attempt_at),
            last_failure_reason: deployment
                .trouble
                .last_failure
                .as_ref()
                .and_then(|failure| text(&failure.reason)),
            ..pb::Deployment::default()
        }
    };
    service.deployments.iter().map(message).collect()
}

/// The revisions of a service that have tasks or are to have some.
pub(super) fn revisions(
    service: &Service,
    counts: &Counts,
    scope: &Scope,
) -> Vec<pb::ServiceCurrentRevisionSummary> {
    let known = service.deployments.iter().filter(|one| service.records.revisions.contains_key(&one.id));
    let summary = |deployment: &Deployment| {
        let tasks = counts.tasks(deployment.id);
        let requested = match deployment.status {
            DeploymentStatus::Primary => count(service.desired_count),
            DeploymentStatus::Active => count(tasks.running + tasks.pending),
        };
        pb::ServiceCurrentRevisionSummary {
            arn: Some(scope.service_revision(&service.key, deployment.id)),
            requested_task_count: Some(requested),
            running_task_count: Some(count(tasks.running)),
            pending_task_count: Some(count(tasks.pending)),
        }
    };
    known.map(summary).collect()
}

fn rollout(rollout: Rollout) -> pb::DeploymentRolloutState {
    match rollout {
        Rollout::InProgress => pb::DeploymentRolloutState::InProgress,
        Rollout::Completed => pb::DeploymentRolloutState::Completed,
        Rollout::Failed => pb::DeploymentRolloutState::Failed,
    }
}
