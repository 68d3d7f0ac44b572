//! Service deployments and service revisions as messages.

use berth_model::id::DeploymentId;
use berth_model::service::Service;
use berth_model::service::rollout::{
    HookRun, HookStatus, ServiceDeployment, ServiceDeploymentStatus, ServiceRevision, Span, Stage,
};
use berth_model::service::settings::{HookAction, HookTarget};
use berth_model::state::State;
use berth_model::validate::service_deployment::status;
use berth_proto::AwsName as _;
use berth_proto::ecs::v1 as pb;

use super::service::Counts;
use super::{count, text, time};

/// One line of a list.
pub(crate) fn brief(
    service: &Service,
    deployment: &ServiceDeployment,
    view: &State,
) -> pb::ServiceDeploymentBrief {
    let (scope, key) = (view.scope(), &service.key);
    pb::ServiceDeploymentBrief {
        service_deployment_arn: Some(scope.service_deployment(key, deployment.id)),
        service_arn: Some(scope.service(key)),
        cluster_arn: Some(scope.cluster(&key.cluster)),
        started_at: Some(deployment.created_at.to_message()),
        created_at: Some(deployment.created_at.to_message()),
        finished_at: time(deployment.finished_at),
        target_service_revision_arn: Some(scope.service_revision(key, deployment.target)),
        status: Some(status(deployment.status).into()),
        status_reason: text(&deployment.status_reason),
    }
}

/// All of it.
pub(crate) fn deployment(
    service: &Service,
    deployment: &ServiceDeployment,
    view: &State,
) -> pb::ServiceDeployment {
    let (scope, key) = (view.scope(), &service.key);
    let counts = Counts::of(service, view);
    let summary = |id: DeploymentId| revision_summary(service, deployment, id, &counts, view);
    let stopped = deployment.status == ServiceDeploymentStatus::Stopped;
    let configuration = deployment.configuration.to_owned_message();
    pb::ServiceDeployment {
        service_deployment_arn: Some(scope.service_deployment(key, deployment.id)),
        service_arn: Some(scope.service(key)),
        cluster_arn: Some(scope.cluster(&key.cluster)),
        created_at: Some(deployment.created_at.to_message()),
        started_at: Some(deployment.created_at.to_message()),
        finished_at: time(deployment.finished_at),
        stopped_at: time(deployment.finished_at.filter(|_| stopped)),
        updated_at: Some(deployment.updated_at.to_message()),
        source_service_revisions: deployment.sources.iter().copied().map(summary).collect(),
        target_service_revision: Some(summary(deployment.target)),
        status: Some(status(deployment.status).into()),
        status_reason: text(&deployment.status_reason),
        lifecycle_stage: stage(deployment.stage).map(Into::into),
        lifecycle_hook_details: deployment.hooks.iter().map(|run| hook(service, run, view)).collect(),
        deployment_circuit_breaker: Some(circuit_breaker(deployment)),
        deployment_configuration: Some(configuration),
        rollback: deployment.rollback.as_ref().map(|rollback| pb::Rollback {
            reason: text(&rollback.reason),
            started_at: Some(rollback.started_at.to_message()),
            service_revision_arn: Some(scope.service_revision(key, rollback.revision)),
        }),
        // Nobody can ask for alarms yet.
        alarms: Some(pb::ServiceDeploymentAlarms {
            status: Some(pb::ServiceDeploymentRollbackMonitorsStatus::Disabled.into()),
            ..pb::ServiceDeploymentAlarms::default()
        }),
        phases: phases(deployment),
        first_failure: deployment.first_failure.as_ref().map(|failure| pb::TaskFailure {
            task_arn: Some(scope.task(&key.cluster, failure.task)),
            reason: text(&failure.reason),
            last_log_lines: failure.last_log_lines.clone(),
        }),
    }
}

/// What the service was to run at a time.
pub(crate) fn revision(service: &Service, revision: &ServiceRevision, view: &State) -> pb::ServiceRevision {
    let (scope, key) = (view.scope(), &service.key);
    let spec = revision.spec.to_owned_message();
    let definition = view.task_definition(&revision.task_definition);
    let containers =
        definition.map(|known| known.definition.container_definitions.clone()).unwrap_or_default();
    let image = |container: pb::ContainerDefinition| pb::ContainerImage {
        image_digest: revision.images.get(container.name()).cloned(),
        container_name: container.name,
        image: container.image,
    };
    pb::ServiceRevision {
        service_revision_arn: Some(scope.service_revision(key, revision.id)),
        service_arn: Some(scope.service(key)),
        cluster_arn: Some(scope.cluster(&key.cluster)),
        task_definition: Some(scope.task_definition(&revision.task_definition)),
        launch_type: spec.launch_type,
        platform_version: spec.platform_version,
        platform_family: spec.platform_family,
        load_balancers: spec.load_balancers,
        service_registries: spec.service_registries,
        network_configuration: spec.network_configuration,
        container_images: containers.into_iter().map(image).collect(),
        guard_duty_enabled: Some(false),
        created_at: Some(revision.created_at.to_message()),
        ..pb::ServiceRevision::default()
    }
}

fn revision_summary(
    service: &Service,
    deployment: &ServiceDeployment,
    id: DeploymentId,
    counts: &Counts,
    view: &State,
) -> pb::ServiceRevisionSummary {
    let (running, pending) = counts.running_and_pending(id);
    let wanted = service.primary().is_some_and(|primary| primary.id == id) && !deployment.status.is_over();
    let requested = if wanted { count(service.desired_count) } else { count(running + pending) };
    pb::ServiceRevisionSummary {
        arn: Some(view.scope().service_revision(&service.key, id)),
        requested_task_count: Some(requested),
        running_task_count: Some(count(running)),
        pending_task_count: Some(count(pending)),
        requested_test_traffic_weight: None,
        requested_production_traffic_weight: None,
    }
}

fn circuit_breaker(deployment: &ServiceDeployment) -> pb::ServiceDeploymentCircuitBreaker {
    use pb::ServiceDeploymentRollbackMonitorsStatus as Monitor;
    let status = match deployment.threshold {
        None => Monitor::Disabled,
        Some(threshold) if deployment.failures >= threshold => Monitor::Triggered,
        Some(_) if deployment.is_forward() => Monitor::Monitoring,
        Some(_) => Monitor::MonitoringComplete,
    };
    pb::ServiceDeploymentCircuitBreaker {
        status: Some(status.into()),
        failure_count: Some(count(deployment.failures)),
        threshold: Some(count(deployment.threshold.unwrap_or(0))),
    }
}

fn hook(service: &Service, run: &HookRun, view: &State) -> pb::DeploymentLifecycleHookDetail {
    let at = usize::try_from(run.hook).unwrap_or(usize::MAX);
    let is_pause = service
        .settings
        .hooks
        .get(at)
        .map_or(run.target_arn.is_empty(), |hook| hook.target == HookTarget::Pause);
    let status = match run.status {
        HookStatus::AwaitingAction => pb::DeploymentLifecycleHookStatus::AwaitingAction,
        HookStatus::InProgress => pb::DeploymentLifecycleHookStatus::InProgress,
        HookStatus::Succeeded => pb::DeploymentLifecycleHookStatus::Succeeded,
        HookStatus::Failed => pb::DeploymentLifecycleHookStatus::Failed,
        HookStatus::TimedOut => pb::DeploymentLifecycleHookStatus::TimedOut,
    };
    let target_type = match is_pause {
        true => pb::DeploymentLifecycleHookTargetType::Pause,
        false => pb::DeploymentLifecycleHookTargetType::AwsLambda,
    };
    let action = match run.on_timeout {
        HookAction::Continue => pb::DeploymentLifecycleHookAction::Continue,
        HookAction::RollBack => pb::DeploymentLifecycleHookAction::Rollback,
    };
    pb::DeploymentLifecycleHookDetail {
        hook_id: Some(run.id.to_string()),
        target_type: Some(target_type.into()),
        target_arn: text(&run.target_arn),
        status: Some(status.into()),
        expires_at: Some(run.expires_at.to_message()),
        timeout_action: Some(action.into()),
        lifecycle_stage: stage(run.stage).map(Into::into),
        task_arn: run.task.map(|task| view.scope().task(&service.key.cluster, task)),
        reason: text(&run.reason),
    }
}

/// One that only hooks know has no name here.
fn stage(stage: Stage) -> Option<pb::ServiceDeploymentLifecycleStage> {
    pb::ServiceDeploymentLifecycleStage::from_aws_name(stage.as_str())
}

fn phases(deployment: &ServiceDeployment) -> Vec<pb::DeploymentPhase> {
    let phases = deployment.phases;
    let named =
        [("pull", phases.pull), ("start", phases.start), ("settle", phases.settle), ("drain", phases.drain)];
    let mut spans: Vec<(&str, Span)> =
        named.into_iter().filter_map(|(name, span)| Some((name, span?))).collect();
    spans.sort_by_key(|(_, span)| span.from);
    let phase = |(name, span): (&str, Span)| pb::DeploymentPhase {
        name: Some(name.to_owned()),
        started_at: Some(span.from.to_message()),
        finished_at: Some(span.to.to_message()),
    };
    spans.into_iter().map(phase).collect()
}
