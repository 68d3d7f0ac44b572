//! CreateService.

use std::collections::BTreeMap;

use berth_proto::ecs::v1 as pb;

use super::unsupported::Extras;
use super::{daemon, deployment, rebalancing};
use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::id::{ClusterName, Ids, ServiceKey, ServiceName, TaskDefinitionKey};
use crate::limits::{SERVICES_PER_CLUSTER, TASKS_PER_SERVICE};
use crate::service::rollout::{NewRecord, Records};
use crate::service::task_set::Controller;
use crate::service::{Deployment, DeploymentBounds, Service, ServiceStatus};
use crate::state::State;
use crate::task_definition::TaskDefinition;
use crate::validate::launch::{self, Launch};
use crate::validate::{Accepted, Admission, capacity_provider, name, placement, tag};
use crate::wire::Wire;

/// Source: ECS API, `CreateService.clientToken`.
const TOKEN_LENGTH: usize = 36;
/// Generation of a service that nobody has updated.
const FIRST_GENERATION: u64 = 1;

/// CreateService. The same call with the same token again is admitted and changes nothing.
pub fn create(
    request: &pb::CreateServiceRequest,
    view: &State,
    admission: &mut Admission,
) -> Accepted<ServiceKey> {
    let cluster = name::active_cluster(request.cluster.as_deref(), view)?;
    if request.capacity_provider_strategy.is_empty() {
        capacity_provider::check_default(cluster, request.launch_type)?;
    }
    let cluster = cluster.name.clone();
    let key = ServiceKey { cluster, name: service_name(request.service_name())? };
    check_token(request.client_token.as_deref())?;
    if request.launch_type.is_some() && !request.capacity_provider_strategy.is_empty() {
        return Err(launch_type_and_strategy());
    }
    extras(request).check()?;
    let definition = match controller(request)? {
        Controller::Ecs => {
            let definition = name::usable_task_definition(request.task_definition.as_deref(), view)?;
            let launch = Launch {
                launch_type: request.launch_type,
                platform_version: request.platform_version.as_deref(),
                network: request.network_configuration.as_ref(),
            };
            launch.check(definition)?;
            Some(&**definition)
        }
        Controller::External => {
            check_external(request)?;
            None
        }
    };
    let service = build(request, key.clone(), definition, view, admission)?;
    let service = rebalancing::created(request.availability_zone_rebalancing, service)?;
    check_existing(view, &service)?;
    check_quota(view, &key.cluster)?;
    Ok((key, Command::CreateService(Box::new(service))))
}

/// The refusal of two ways to say where tasks run.
pub(in crate::validate) fn launch_type_and_strategy() -> ApiError {
    let what = "Specifying both a launch type and capacity provider strategy is not supported";
    ApiError::invalid(format!("{what}. Remove one and try again."))
}

/// A number of tasks that a service may want.
pub(super) fn desired_count(count: i32) -> Result<u32, ApiError> {
    let count = u32::try_from(count).map_err(|_| ApiError::invalid("desiredCount must not be negative."))?;
    if count > TASKS_PER_SERVICE {
        return Err(ApiError::invalid("Desired count exceeds limit."));
    }
    Ok(count)
}

fn service_name(text: &str) -> Result<ServiceName, ApiError> {
    if text.is_empty() {
        return Err(ApiError::invalid("Service name can not be blank."));
    }
    if name::is_name(text) {
        return Ok(ServiceName::new(text));
    }
    let rule = "1 to 255 letters, numbers, hyphens and underscores";
    Err(ApiError::invalid(format!("Invalid service name: {text:?} must have {rule}.")))
}

fn check_token(token: Option<&str>) -> Result<(), ApiError> {
    let is_valid =
        |token: &str| token.len() <= TOKEN_LENGTH && token.bytes().all(|byte| (33..=126).contains(&byte));
    if token.is_none_or(is_valid) {
        return Ok(());
    }
    Err(ApiError::invalid(format!(
        "clientToken must have at most {TOKEN_LENGTH} printable ASCII characters."
    )))
}

fn extras(request: &pb::CreateServiceRequest) -> Extras<'_> {
    Extras {
        scheduling: request.scheduling_strategy,
        controller: request.deployment_controller.as_ref(),
        load_balancers: &request.load_balancers,
        registries: &request.service_registries,
        connect: request.service_connect_configuration.as_ref(),
        volumes: &request.volume_configurations,
        lattice: &request.vpc_lattice_configurations,
        gateways: &request.gateway_connectors,
        monitoring: request.monitoring.as_ref(),
        capacity: &request.capacity_provider_strategy,
        role: request.role.as_deref(),
        grace_period_seconds: request.health_check_grace_period_seconds,
    }
}

/// Who is to deploy it.
fn controller(request: &pb::CreateServiceRequest) -> Result<Controller, ApiError> {
    let kind = request.deployment_controller.as_ref().and_then(|controller| controller.r#type);
    let kind = name::member::<pb::DeploymentControllerType>("deploymentController.type", kind)?;
    Ok(match kind {
        Some(pb::DeploymentControllerType::External) => Controller::External,
        None
        | Some(
            pb::DeploymentControllerType::Ecs
            | pb::DeploymentControllerType::CodeDeploy
            | pb::DeploymentControllerType::Unspecified,
        ) => Controller::Ecs,
    })
}

/// What belongs to the task sets of a service cannot be given to the service itself.
fn check_external(request: &pb::CreateServiceRequest) -> Result<(), ApiError> {
    let given = [
        (request.task_definition.as_deref().is_some_and(|text| !text.is_empty()), "taskDefinition"),
        (request.network_configuration.is_some(), "networkConfiguration"),
        (request.platform_version.is_some(), "platformVersion"),
        (request.deployment_configuration.is_some(), "deploymentConfiguration"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, member)) => {
            let problem = "cannot be specified for a service with the EXTERNAL deployment controller.";
            Err(ApiError::invalid(format!("{member} {problem} Its task sets have it.")))
        }
    }
}

fn build(
    request: &pb::CreateServiceRequest,
    key: ServiceKey,
    definition: Option<&TaskDefinition>,
    view: &State,
    admission: &mut Admission,
) -> Result<Service, ApiError> {
    let is_daemon = request.scheduling_strategy() == pb::SchedulingStrategy::Daemon;
    let defaults = if is_daemon { daemon::BOUNDS } else { DeploymentBounds::default() };
    let parsed = deployment::parse(request.deployment_configuration.as_ref(), None, defaults, view)?;
    let controller = controller(request)?;
    let desired_count = if is_daemon {
        daemon::check_controller(controller)?;
        daemon::check(request.desired_count, &request.placement_strategy, parsed.bounds)?;
        0
    } else {
        let missing = || {
            ApiError::invalid("desiredCount is required for services with the REPLICA scheduling strategy.")
        };
        desired_count(request.desired_count.ok_or_else(missing)?)?
    };
    let placement = placement::rules(&request.placement_constraints, &request.placement_strategy)?;
    let propagate = name::member::<pb::PropagateTags>("propagateTags", request.propagate_tags)?;
    let spec = pb::Service {
        launch_type: Some(pb::LaunchType::Ec2.into()),
        deployment_configuration: Some(parsed.echo),
        placement_constraints: request.placement_constraints.clone(),
        placement_strategy: request.placement_strategy.clone(),
        network_configuration: launch::echo(request.network_configuration.as_ref()),
        health_check_grace_period_seconds: Some(request.health_check_grace_period_seconds()),
        scheduling_strategy: Some(scheduling(is_daemon).into()),
        deployment_controller: Some(pb::DeploymentController {
            r#type: Some(match controller {
                Controller::Ecs => pb::DeploymentControllerType::Ecs.into(),
                Controller::External => pb::DeploymentControllerType::External.into(),
            }),
        }),
        tags: tag::render(&tag::parse(&request.tags)?),
        enable_ecs_managed_tags: Some(request.enable_ecs_managed_tags()),
        propagate_tags: Some(propagate.unwrap_or(pb::PropagateTags::None).into()),
        enable_execute_command: Some(request.enable_execute_command()),
        ..pb::Service::default()
    };
    let now = admission.now;
    let first = |definition: &TaskDefinition, ids: &mut Ids| {
        Deployment::new(ids.deployment(), definition.key.clone(), now)
    };
    let none = || TaskDefinitionKey { family: "".into(), revision: 0 };
    let mut service = Service {
        key,
        generation: FIRST_GENERATION,
        status: ServiceStatus::Active,
        created_at: now,
        created_by: admission.principal.clone(),
        desired_count,
        task_definition: definition.map_or_else(none, |definition| definition.key.clone()),
        bounds: parsed.bounds,
        placement,
        deployments: definition.map(|definition| first(definition, &mut admission.ids)).into_iter().collect(),
        events: imbl::Vector::new(),
        refused: None,
        steady: false,
        client_token: request.client_token.clone(),
        controller,
        task_sets: Vec::new(),
        settings: parsed.settings,
        records: Records::default(),
        spec: Wire::new(spec),
    };
    let record = NewRecord { id: admission.ids.service_deployment(), images: BTreeMap::new() };
    service.begin_record(&record, now);
    Ok(service)
}

fn scheduling(is_daemon: bool) -> pb::SchedulingStrategy {
    if is_daemon { pb::SchedulingStrategy::Daemon } else { pb::SchedulingStrategy::Replica }
}

/// A name is taken by what is ACTIVE or DRAINING, unless this is the call that took it.
fn check_existing(view: &State, wanted: &Service) -> Result<(), ApiError> {
    let Some(existing) = view.service(&wanted.key) else { return Ok(()) };
    match existing.status {
        ServiceStatus::Inactive => return Ok(()),
        ServiceStatus::Draining => {
            return Err(ApiError::invalid("Unable to Start a service that is still Draining."));
        }
        ServiceStatus::Active => {}
    }
    let same_token = existing.client_token.is_some() && existing.client_token == wanted.client_token;
    // After an update nobody knows any more what it was created with: the token alone has to do.
    let same_count = existing.is_daemon() || existing.desired_count == wanted.desired_count;
    let same_parameters = existing.generation > FIRST_GENERATION
        || (same_count
            && existing.task_definition == wanted.task_definition
            && existing.bounds == wanted.bounds
            && existing.spec == wanted.spec);
    if same_token && same_parameters {
        return Ok(());
    }
    Err(ApiError::invalid("Creation of service was not idempotent."))
}

fn check_quota(view: &State, cluster: &ClusterName) -> Result<(), ApiError> {
    let live = view.services_in(cluster).filter(|service| service.status != ServiceStatus::Inactive).count();
    if live < SERVICES_PER_CLUSTER {
        return Ok(());
    }
    let message = format!("At most {SERVICES_PER_CLUSTER} services are allowed in a cluster.");
    Err(ApiError::new(Exception::LimitExceeded, message))
}
