//! UpdateService: what is absent stays, an empty list clears, and only some members start a deployment.

use std::collections::BTreeMap;

use berth_proto::ecs::v1 as pb;

use super::create::desired_count;
use super::unsupported::Extras;
use super::{daemon, deployment, rebalancing};
use crate::command::{Command, NewDeployment, ServiceUpdate};
use crate::error::ApiError;
use crate::id::ServiceKey;
use crate::service::rollout::NewRecord;
use crate::service::task_set::Controller;
use crate::service::{Service, ServiceStatus};
use crate::state::State;
use crate::task_definition::TaskDefinition;
use crate::validate::launch::{self, Launch};
use crate::validate::{Accepted, Admission, name, placement};
use crate::wire::Wire;

/// UpdateService. Of its members taskDefinition, networkConfiguration and forceNewDeployment start a deployment, the
/// first two only when they say something new.
pub fn update(
    request: &pb::UpdateServiceRequest,
    view: &State,
    admission: &mut Admission,
) -> Accepted<ServiceKey> {
    let service = super::find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    if service.status != ServiceStatus::Active {
        return Err(ApiError::service_not_active());
    }
    extras(request).check()?;
    if service.controller == Controller::External {
        check_external(request)?;
    }
    let parsed = request.deployment_configuration.as_ref();
    let parsed = parsed
        .map(|given| deployment::parse(Some(given), Some(service), service.bounds, view))
        .transpose()?;
    let current = view.task_definition(&service.task_definition);
    let definition = match request.task_definition.as_deref().filter(|text| !text.is_empty()) {
        Some(reference) => Some(name::usable_task_definition(Some(reference), view)?),
        None => current,
    };
    let spec = spec(request, service, parsed.as_ref())?;
    if service.is_daemon() {
        let bounds = parsed.as_ref().map_or(service.bounds, |parsed| parsed.bounds);
        daemon::check(request.desired_count, &spec.placement_strategy, bounds)?;
    }
    let starts = starts_deployment(request, service, &spec, definition.map(AsRef::as_ref));
    if let Some(definition) = definition.filter(|_| starts) {
        check_launch(request, &spec, definition)?;
    }
    let new_task_definition =
        definition.map_or(&service.task_definition, |definition| &definition.key).clone();
    let key = service.key.clone();
    let rules = placement::rules(&spec.placement_constraints, &spec.placement_strategy)?;
    let bounds = parsed.as_ref().map(|parsed| parsed.bounds).filter(|bounds| *bounds != service.bounds);
    if rebalancing::asked_for(request.availability_zone_rebalancing)?
        == Some(pb::AvailabilityZoneRebalancing::Enabled)
    {
        let bounds = bounds.unwrap_or(service.bounds);
        rebalancing::check(&Service { bounds, placement: rules.clone(), ..(**service).clone() })?;
    }
    let command = ServiceUpdate {
        key: key.clone(),
        generation: service.generation,
        desired_count: request.desired_count.map(desired_count).transpose()?,
        bounds,
        placement: (rules != service.placement).then_some(rules),
        spec: (spec != *service.spec).then(|| Wire::new(spec)),
        deployment: starts.then(|| NewDeployment {
            id: admission.ids.deployment(),
            task_definition: new_task_definition,
            record: Some(NewRecord { id: admission.ids.service_deployment(), images: BTreeMap::new() }),
        }),
        settings: parsed.map(|parsed| parsed.settings).filter(|settings| *settings != service.settings),
    };
    Ok((key, Command::UpdateService(Box::new(command))))
}

fn extras(request: &pb::UpdateServiceRequest) -> Extras<'_> {
    fn items<L, T>(list: Option<&L>, items: impl Fn(&L) -> &[T]) -> &[T] {
        list.map_or(&[], items)
    }
    Extras {
        scheduling: None,
        controller: request.deployment_controller.as_ref(),
        load_balancers: items(request.load_balancers.as_ref(), |list| &list.items),
        registries: items(request.service_registries.as_ref(), |list| &list.items),
        connect: request.service_connect_configuration.as_ref(),
        volumes: items(request.volume_configurations.as_ref(), |list| &list.items),
        lattice: items(request.vpc_lattice_configurations.as_ref(), |list| &list.items),
        gateways: &request.gateway_connectors,
        monitoring: request.monitoring.as_ref(),
        capacity: items(request.capacity_provider_strategy.as_ref(), |list| &list.items),
        role: None,
        grace_period_seconds: request.health_check_grace_period_seconds,
    }
}

/// What is echoed of the service after the update.
fn spec(
    request: &pb::UpdateServiceRequest,
    service: &Service,
    parsed: Option<&deployment::Parsed>,
) -> Result<pb::Service, ApiError> {
    let mut spec = service.spec.to_owned_message();
    if let Some(list) = &request.placement_constraints {
        spec.placement_constraints.clone_from(&list.items);
    }
    if let Some(list) = &request.placement_strategy {
        spec.placement_strategy.clone_from(&list.items);
    }
    if request.network_configuration.is_some() {
        spec.network_configuration = launch::echo(request.network_configuration.as_ref());
    }
    if let Some(propagate) = name::member::<pb::PropagateTags>("propagateTags", request.propagate_tags)? {
        spec.propagate_tags = Some(propagate.into());
    }
    if let Some(setting) = rebalancing::asked_for(request.availability_zone_rebalancing)? {
        spec.availability_zone_rebalancing = Some(setting.into());
    }
    if request.enable_ecs_managed_tags.is_some() {
        spec.enable_ecs_managed_tags = request.enable_ecs_managed_tags;
    }
    if request.enable_execute_command.is_some() {
        spec.enable_execute_command = request.enable_execute_command;
    }
    if request.health_check_grace_period_seconds.is_some() {
        spec.health_check_grace_period_seconds = request.health_check_grace_period_seconds;
    }
    if let Some(parsed) = parsed {
        spec.deployment_configuration = Some(parsed.echo.clone());
    }
    Ok(spec)
}

/// What belongs to the task sets of a service is changed there.
fn check_external(request: &pb::UpdateServiceRequest) -> Result<(), ApiError> {
    let given = [
        (request.task_definition.as_deref().is_some_and(|text| !text.is_empty()), "task definition"),
        (request.network_configuration.is_some(), "network configuration"),
        (request.platform_version.is_some(), "platform version"),
        (request.deployment_configuration.is_some(), "deployment configuration"),
        (request.force_new_deployment(), "deployment"),
    ];
    match given.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, what)) => Err(ApiError::invalid(format!(
            "Unable to update {what} on services with a EXTERNAL deployment controller. Use task sets instead."
        ))),
    }
}

fn starts_deployment(
    request: &pb::UpdateServiceRequest,
    service: &Service,
    spec: &pb::Service,
    definition: Option<&TaskDefinition>,
) -> bool {
    if service.controller == Controller::External {
        return false;
    }
    request.force_new_deployment()
        || definition.is_some_and(|definition| definition.key != service.task_definition)
        || spec.network_configuration != service.spec.network_configuration
        || request.platform_version.as_deref().is_some_and(|version| !version.is_empty())
}

fn check_launch(
    request: &pb::UpdateServiceRequest,
    spec: &pb::Service,
    definition: &TaskDefinition,
) -> Result<(), ApiError> {
    let launch = Launch {
        launch_type: spec.launch_type,
        platform_version: request.platform_version.as_deref(),
        network: spec.network_configuration.as_ref(),
    };
    launch.check(definition)
}
