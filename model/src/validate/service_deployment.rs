//! Service deployments and service revisions: what may be asked of them.

use berth_proto::ecs::v1 as pb;

use super::name::{self, member, members};
use super::page::{self, Order};
use super::{Accepted, Admission, Listed, check_names, failure, unsupported};
use crate::arn::resource_part;
use crate::command::{Command, ContinueServiceDeployment, RollBackService, StopServiceDeployment};
use crate::error::{ApiError, Exception};
use crate::id::{ClusterName, DeploymentId, HookId, ServiceDeploymentId, ServiceKey, ServiceName};
use crate::service::rollout::{
    HookStatus, NewRecord, ServiceDeployment, ServiceDeploymentStatus, ServiceRevision, StopKind,
};
use crate::service::settings::HookAction;
use crate::service::task_set::Controller;
use crate::service::{Service, ServiceStatus};
use crate::state::State;
use crate::time::Timestamp;

/// Entries of a page of ListServiceDeployments when the request does not say. Source: ECS API.
const LIST_RESULTS: usize = 20;

/// ARNs that one Describe has; a longer list is refused. Source: ECS API.
const ARNS_PER_DESCRIBE: usize = 20;

/// A part of a service that was found by its ARN.
pub struct Part<'a, T> {
    /// The service.
    pub service: &'a Service,
    /// What was found.
    pub part: &'a T,
}

/// ListServiceDeployments: newest first.
pub fn list(
    request: &pb::ListServiceDeploymentsRequest,
    view: &State,
) -> Listed<(ServiceKey, ServiceDeploymentId)> {
    let service = find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    let statuses = members::<pb::ServiceDeploymentStatus>("status", &request.status)?;
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, LIST_RESULTS)?;
    let edge = |edge: Option<&prost_types::Timestamp>| edge.map(Timestamp::from_message);
    let created = request.created_at.as_ref();
    let before = edge(created.and_then(|created| created.before.as_ref()));
    let after = edge(created.and_then(|created| created.after.as_ref()));
    let matches = |deployment: &&ServiceDeployment| {
        (statuses.is_empty() || statuses.contains(&status(deployment.status)))
            && before.is_none_or(|before| deployment.created_at < before)
            && after.is_none_or(|after| deployment.created_at > after)
    };
    let entries = service.records.deployments.iter().map(|deployment| &**deployment).filter(matches);
    // Of those of one moment the later one is the newer one.
    let entries = entries.enumerate().map(|(place, one)| (one.created_at, place, one.id));
    let key = |(at, place, _): &(Timestamp, usize, _)| format!("{:020}{place:06}", at.unix_ms());
    let page = bounds.cut(entries, Order::Descending, key);
    let items = page.items.into_iter().map(|(_, _, id)| (service.key.clone(), id)).collect();
    Ok(page::Page { items, next_token: page.next_token })
}

/// DescribeServiceDeployments.
pub fn describe<'a>(
    request: &pb::DescribeServiceDeploymentsRequest,
    view: &'a State,
) -> Result<(Vec<Part<'a, ServiceDeployment>>, Vec<pb::Failure>), ApiError> {
    check_names("serviceDeploymentArns", &request.service_deployment_arns, ARNS_PER_DESCRIBE)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in &request.service_deployment_arns {
        let (key, id) = deployment_arn(arn, view)?;
        let service = view.service(&key).map(|service| &**service);
        match service.and_then(|service| Some(Part { service, part: service.records.get(id)? })) {
            Some(part) => found.push(part),
            None => failures.push(failure(arn.clone(), "MISSING", None)),
        }
    }
    Ok((found, failures))
}

/// DescribeServiceRevisions.
pub fn describe_revisions<'a>(
    request: &pb::DescribeServiceRevisionsRequest,
    view: &'a State,
) -> Result<(Vec<Part<'a, ServiceRevision>>, Vec<pb::Failure>), ApiError> {
    check_names("serviceRevisionArns", &request.service_revision_arns, ARNS_PER_DESCRIBE)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for arn in &request.service_revision_arns {
        let (key, id) = revision_arn(arn, view)?;
        let service = view.service(&key).map(|service| &**service);
        match service.and_then(|service| Some(Part { service, part: &**service.records.revisions.get(&id)? }))
        {
            Some(part) => found.push(part),
            None => failures.push(failure(arn.clone(), "MISSING", None)),
        }
    }
    Ok((found, failures))
}

/// StopServiceDeployment. The answer is about the service deployment.
pub fn stop(
    request: &pb::StopServiceDeploymentRequest,
    view: &State,
) -> Accepted<(ServiceKey, ServiceDeploymentId)> {
    let (key, id) = deployment_arn(request.service_deployment_arn(), view)?;
    let (service, deployment) = known(&key, id, view)?;
    let kind = match member::<pb::StopServiceDeploymentStopType>("stopType", request.stop_type)? {
        Some(pb::StopServiceDeploymentStopType::Abort) => StopKind::Abort,
        Some(
            pb::StopServiceDeploymentStopType::Rollback | pb::StopServiceDeploymentStopType::Unspecified,
        )
        | None => StopKind::RollBack,
    };
    if !deployment.is_forward() {
        let message =
            format!("The service deployment {id} is {} and cannot be stopped.", name_of(deployment.status));
        let arn = view.scope().service_deployment(&key, id);
        return Err(ApiError::new(Exception::Conflict, message).about(vec![arn]));
    }
    if kind == StopKind::RollBack && service.records.last_good(deployment.target).is_none() {
        let message = "There is no earlier service revision to roll back to. Use the stop type ABORT.";
        return Err(ApiError::client(message));
    }
    Ok(((key.clone(), id), Command::StopServiceDeployment(StopServiceDeployment { key, id, kind })))
}

/// ContinueServiceDeployment. The answer is about the service deployment.
pub fn go_on(
    request: &pb::ContinueServiceDeploymentRequest,
    view: &State,
) -> Accepted<(ServiceKey, ServiceDeploymentId)> {
    let (key, id) = deployment_arn(request.service_deployment_arn(), view)?;
    let (_, deployment) = known(&key, id, view)?;
    let text = request.hook_id();
    let hook: HookId =
        text.parse().map_err(|_| ApiError::invalid(format!("Invalid hookId: {text:?} is not a UUID.")))?;
    let action = match member::<pb::DeploymentLifecycleHookAction>("action", request.action)? {
        Some(pb::DeploymentLifecycleHookAction::Rollback) => HookAction::RollBack,
        Some(
            pb::DeploymentLifecycleHookAction::Continue | pb::DeploymentLifecycleHookAction::Unspecified,
        )
        | None => HookAction::Continue,
    };
    let run = deployment.hooks.iter().find(|run| run.id == hook);
    let run = run.ok_or_else(|| ApiError::invalid(format!("The service deployment has no hook {hook}.")))?;
    if run.status != HookStatus::AwaitingAction {
        return Err(ApiError::invalid(format!("The hook {hook} does not wait for an action.")));
    }
    let command = ContinueServiceDeployment { key: key.clone(), id, hook, action };
    Ok(((key, id), Command::ContinueServiceDeployment(command)))
}

/// RollBackService: a revision by its ARN or number; without one the last that worked before the present one,
/// or the one before when none was given the time to.
pub fn roll_back(
    cluster: Option<&str>,
    service: Option<&str>,
    revision: Option<&str>,
    view: &State,
    admission: &mut Admission,
) -> Accepted<(ServiceKey, ServiceDeploymentId)> {
    let service = find(cluster, service, view)?;
    if service.status != ServiceStatus::Active {
        return Err(ApiError::service_not_active());
    }
    if service.controller != Controller::Ecs {
        return Err(unsupported("A rollback of a service with task sets"));
    }
    let current = service.primary().map(|primary| primary.id);
    let revision = match revision.filter(|text| !text.is_empty()) {
        None => current
            .and_then(|current| service.records.predecessor(current))
            .ok_or_else(|| ApiError::client("There is no earlier service revision to roll back to."))?,
        Some(text) => {
            let id = revision_number(text, &service.key, view)?;
            service.records.revisions.get(&id).map(|revision| &**revision).ok_or_else(|| {
                let name = &service.key.name;
                ApiError::invalid(format!("The service {name} has no service revision {}.", id.number()))
            })?
        }
    };
    let definition = view.task_definition(&revision.task_definition);
    if definition.is_none() {
        let message = format!("The task definition {} of the revision is gone.", revision.task_definition);
        return Err(ApiError::client(message));
    }
    let record = NewRecord { id: admission.ids.service_deployment(), images: revision.images.clone() };
    let key = service.key.clone();
    let command = RollBackService {
        key: key.clone(),
        generation: service.generation,
        revision: revision.id,
        deployment: admission.ids.deployment(),
        record: record.clone(),
    };
    Ok(((key, record.id), Command::RollBackService(Box::new(command))))
}

/// The spelling of a status in the API.
pub fn status(status: ServiceDeploymentStatus) -> pb::ServiceDeploymentStatus {
    match status {
        ServiceDeploymentStatus::Pending => pb::ServiceDeploymentStatus::Pending,
        ServiceDeploymentStatus::InProgress => pb::ServiceDeploymentStatus::InProgress,
        ServiceDeploymentStatus::StopRequested => pb::ServiceDeploymentStatus::StopRequested,
        ServiceDeploymentStatus::Stopped => pb::ServiceDeploymentStatus::Stopped,
        ServiceDeploymentStatus::Successful => pb::ServiceDeploymentStatus::Successful,
        ServiceDeploymentStatus::RollbackRequested => pb::ServiceDeploymentStatus::RollbackRequested,
        ServiceDeploymentStatus::RollbackInProgress => pb::ServiceDeploymentStatus::RollbackInProgress,
        ServiceDeploymentStatus::RollbackSuccessful => pb::ServiceDeploymentStatus::RollbackSuccessful,
        ServiceDeploymentStatus::RollbackFailed => pb::ServiceDeploymentStatus::RollbackFailed,
    }
}

fn name_of(status: ServiceDeploymentStatus) -> &'static str {
    use berth_proto::AwsName as _;
    self::status(status).aws_name()
}

fn find<'a>(cluster: Option<&str>, service: Option<&str>, view: &'a State) -> Result<&'a Service, ApiError> {
    let cluster = &name::active_cluster(cluster, view)?.name;
    let reference = service.filter(|text| !text.is_empty());
    let reference = reference.ok_or_else(|| ApiError::invalid("Service can not be blank."))?;
    let found = view.service(&name::service(reference, cluster, view)?);
    found.map(|service| &**service).ok_or_else(ApiError::service_not_found)
}

fn known<'a>(
    key: &ServiceKey,
    id: ServiceDeploymentId,
    view: &'a State,
) -> Result<(&'a Service, &'a ServiceDeployment), ApiError> {
    let service = view.service(key).map(|service| &**service);
    let found = service.and_then(|service| Some((service, service.records.get(id)?)));
    found.ok_or_else(|| {
        ApiError::new(Exception::ServiceDeploymentNotFound, "The service deployment was not found.")
    })
}

/// The service and the last part of the ARN of one of its parts.
fn parts<'a>(kind: &str, arn: &'a str, view: &State) -> Result<(ServiceKey, &'a str), ApiError> {
    let malformed = || ApiError::invalid(format!("Invalid identifier: {arn:?} is not the ARN of a {kind}."));
    if !arn.starts_with("arn:") {
        return Err(malformed());
    }
    name::check_region(arn, view)?;
    let part = resource_part(kind, arn).map_err(|_| malformed())?;
    match part.split('/').collect::<Vec<_>>().as_slice() {
        [cluster, service, id] => {
            let key = ServiceKey { cluster: ClusterName::new(cluster), name: ServiceName::new(service) };
            Ok((key, id))
        }
        _ => Err(malformed()),
    }
}

fn deployment_arn(arn: &str, view: &State) -> Result<(ServiceKey, ServiceDeploymentId), ApiError> {
    let (key, id) = parts("service-deployment", arn, view)?;
    let id =
        id.parse().map_err(|_| ApiError::invalid(format!("Invalid service deployment identifier: {id}.")))?;
    Ok((key, id))
}

fn revision_arn(arn: &str, view: &State) -> Result<(ServiceKey, DeploymentId), ApiError> {
    let (key, id) = parts("service-revision", arn, view)?;
    Ok((key, number(id)?))
}

fn revision_number(text: &str, key: &ServiceKey, view: &State) -> Result<DeploymentId, ApiError> {
    if !text.starts_with("arn:") {
        return number(text.strip_prefix("ecs-svc/").unwrap_or(text));
    }
    let (of, id) = revision_arn(text, view)?;
    if of == *key {
        return Ok(id);
    }
    Err(ApiError::invalid(format!("Invalid identifier: {text} is a revision of another service.")))
}

fn number(text: &str) -> Result<DeploymentId, ApiError> {
    format!("ecs-svc/{text}")
        .parse()
        .map_err(|_| ApiError::invalid(format!("Invalid service revision identifier: {text}.")))
}
