//! Task sets: what may be asked of them.

use berth_proto::ecs::v1 as pb;

use super::launch::{self, Launch};
use super::name::{self, member, members};
use super::{Accepted, Admission, Decided, failure, tag, unsupported};
use crate::arn::resource_part;
use crate::command::{ChangeTaskSets, Command, TaskSetChange};
use crate::error::{ApiError, Exception};
use crate::id::{DeploymentId, ServiceKey};
use crate::limits::TASK_SETS;
use crate::service::task_set::{Controller, TaskSet, TaskSetStatus};
use crate::service::{Deployment, Service, ServiceStatus};
use crate::state::State;
use crate::task_definition::TaskDefinition;
use crate::wire::Wire;

/// CreateTaskSet. The same call with the same token again gives the task set that it made.
pub fn create(
    request: &pb::CreateTaskSetRequest,
    view: &State,
    admission: &mut Admission,
) -> Decided<(ServiceKey, DeploymentId)> {
    let service = find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    let token = request.client_token.as_deref().filter(|token| !token.is_empty());
    let known = service.task_sets.iter().find(|set| token.is_some() && set.client_token.as_deref() == token);
    if let Some(known) = known {
        return Ok(((service.key.clone(), known.id()), None));
    }
    check_unsupported(request)?;
    let definition = name::usable_task_definition(request.task_definition.as_deref(), view)?;
    let launch = Launch {
        launch_type: request.launch_type,
        platform_version: request.platform_version.as_deref(),
        network: request.network_configuration.as_ref(),
    };
    launch.check(definition)?;
    if service.task_sets.len() >= TASK_SETS {
        let message = format!("At most {TASK_SETS} task sets are allowed in a service.");
        return Err(ApiError::new(Exception::LimitExceeded, message));
    }
    let set = build(request, definition, admission)?;
    let id = set.id();
    Ok(((service.key.clone(), id), Some(command(service, TaskSetChange::Create(Box::new(set))))))
}

/// DescribeTaskSets: those named, or all.
pub fn describe<'a>(
    request: &pb::DescribeTaskSetsRequest,
    view: &'a State,
) -> Result<(&'a Service, Vec<&'a TaskSet>, Vec<pb::Failure>), ApiError> {
    let service = find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    members::<pb::TaskSetField>("include", &request.include)?;
    if request.task_sets.is_empty() {
        return Ok((service, service.task_sets.iter().collect(), Vec::new()));
    }
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for reference in &request.task_sets {
        let id = parse(reference)?;
        match service.task_sets.iter().find(|set| set.id() == id) {
            Some(set) => found.push(set),
            None => failures.push(failure(view.scope().task_set(&service.key, id), "MISSING", None)),
        }
    }
    Ok((service, found, failures))
}

/// UpdateTaskSet.
pub fn update(request: &pb::UpdateTaskSetRequest, view: &State) -> Accepted<(ServiceKey, DeploymentId)> {
    let service = find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    let set = one(service, request.task_set.as_deref())?;
    let scale = request.scale.as_ref().ok_or_else(|| ApiError::invalid("scale should not be null."))?;
    let change = TaskSetChange::Scale { id: set.id(), basis_points: basis_points(Some(scale))? };
    Ok(((service.key.clone(), set.id()), command(service, change)))
}

/// UpdateServicePrimaryTaskSet.
pub fn promote(
    request: &pb::UpdateServicePrimaryTaskSetRequest,
    view: &State,
) -> Accepted<(ServiceKey, DeploymentId)> {
    let service = find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    let set = one(service, request.primary_task_set.as_deref())?;
    if set.status == TaskSetStatus::Draining {
        return Err(ApiError::invalid("A task set that is DRAINING cannot become the primary one."));
    }
    Ok(((service.key.clone(), set.id()), command(service, TaskSetChange::Promote(set.id()))))
}

/// DeleteTaskSet.
pub fn delete(request: &pb::DeleteTaskSetRequest, view: &State) -> Accepted<(ServiceKey, DeploymentId)> {
    let service = find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    let set = one(service, request.task_set.as_deref())?;
    if set.scale_basis_points > 0 && !request.force() {
        return Err(ApiError::invalid(
            "The task set cannot be deleted while it is scaled above 0. Use force.",
        ));
    }
    Ok(((service.key.clone(), set.id()), command(service, TaskSetChange::Delete(set.id()))))
}

fn command(service: &Service, change: TaskSetChange) -> Command {
    let (key, generation) = (service.key.clone(), service.generation);
    Command::ChangeTaskSets(Box::new(ChangeTaskSets { key, generation, change }))
}

/// The ACTIVE service with task sets that a call is about. Its cluster has to be named.
fn find<'a>(cluster: Option<&str>, service: Option<&str>, view: &'a State) -> Result<&'a Service, ApiError> {
    let given = |text: Option<&str>, what: &str| {
        let text = text.filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| ApiError::invalid(format!("{what} can not be blank.")))
    };
    let cluster = &name::active_cluster(Some(&given(cluster, "Cluster")?), view)?.name;
    let service = view.service(&name::service(&given(service, "Service")?, cluster, view)?);
    let service = service.ok_or_else(ApiError::service_not_found)?;
    if service.status != ServiceStatus::Active {
        return Err(ApiError::service_not_active());
    }
    if service.controller != Controller::External {
        return Err(ApiError::invalid(
            "Task sets are of services with the EXTERNAL deployment controller. The deployment controller is ECS.",
        ));
    }
    Ok(service)
}

fn one<'a>(service: &'a Service, reference: Option<&str>) -> Result<&'a TaskSet, ApiError> {
    let reference = reference.filter(|text| !text.is_empty());
    let id = parse(reference.ok_or_else(|| ApiError::invalid("Task set can not be blank."))?)?;
    let found = service.task_sets.iter().find(|set| set.id() == id);
    found.ok_or_else(|| ApiError::new(Exception::TaskSetNotFound, "The specified task set was not found."))
}

/// An id such as `ecs-svc/123…`, or an ARN that ends in one.
fn parse(reference: &str) -> Result<DeploymentId, ApiError> {
    let malformed = || ApiError::invalid(format!("Invalid task set identifier: {reference}."));
    let part = resource_part("task-set", reference).map_err(|_| malformed())?;
    let id = match part.rfind("ecs-svc/") {
        Some(at) => &part[at..],
        None => part,
    };
    id.parse().map_err(|_| malformed())
}

fn check_unsupported(request: &pb::CreateTaskSetRequest) -> Result<(), ApiError> {
    let asked = [
        (!request.load_balancers.is_empty(), "A task set with loadBalancers"),
        (!request.service_registries.is_empty(), "A task set with serviceRegistries"),
        (!request.capacity_provider_strategy.is_empty(), "A capacityProviderStrategy"),
    ];
    asked.into_iter().find(|(asked, _)| *asked).map_or(Ok(()), |(_, what)| Err(unsupported(what)))
}

fn build(
    request: &pb::CreateTaskSetRequest,
    definition: &TaskDefinition,
    admission: &mut Admission,
) -> Result<TaskSet, ApiError> {
    let now = admission.now;
    let spec = pb::TaskSet {
        external_id: request.external_id.clone(),
        started_by: None,
        launch_type: Some(pb::LaunchType::Ec2.into()),
        network_configuration: launch::echo(request.network_configuration.as_ref()),
        tags: tag::render(&tag::parse(&request.tags)?),
        ..pb::TaskSet::default()
    };
    Ok(TaskSet {
        deployment: Deployment::new(admission.ids.deployment(), definition.key.clone(), now),
        status: TaskSetStatus::Active,
        scale_basis_points: basis_points(request.scale.as_ref())?,
        stable: false,
        stable_at: now,
        client_token: request.client_token.clone().filter(|token| !token.is_empty()),
        spec: Wire::new(spec),
    })
}

/// A scale in hundredths of a percent; all of the desired count when there is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 10,000")]
fn basis_points(scale: Option<&pb::Scale>) -> Result<u32, ApiError> {
    let Some(scale) = scale else { return Ok(10_000) };
    member::<pb::ScaleUnit>("scale.unit", scale.unit)?;
    let value = scale.value.unwrap_or(100.0);
    if !(0.0..=100.0).contains(&value) {
        return Err(ApiError::invalid(format!(
            "The value of a scale must be between 0 and 100, is {value}."
        )));
    }
    Ok((value * 100.0).round() as u32)
}
