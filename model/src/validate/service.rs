//! Services: what may be asked of them.
//!
//! What a service cannot be given yet (load balancers, service discovery, …) is refused, never left
//! out without a word: a service that quietly lacks half of what it was asked for is worse than none.

use std::sync::Arc;

use berth_proto::ecs::v1 as pb;

use super::page;
use super::{Accepted, Found, Listed, check_names, name};
use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::id::ServiceKey;
use crate::limits::SERVICES_PER_DESCRIBE;
use crate::service::{Service, ServiceStatus};
use crate::state::State;

pub use create::create;
pub(super) use create::launch_type_and_strategy;
pub use update::update;

mod create;
mod daemon;
mod deployment;
mod hook;
mod rebalancing;
mod unsupported;
mod update;

/// Entries of a page of ListServices when the request does not say. Source: ECS API.
const LIST_RESULTS: usize = 10;

/// DeleteService. Deleting what is DRAINING or INACTIVE already is admitted and changes nothing.
pub fn delete(request: &pb::DeleteServiceRequest, view: &State) -> Accepted<ServiceKey> {
    let service = find(request.cluster.as_deref(), request.service.as_deref(), view)?;
    // Nobody can scale a DAEMON service to zero.
    let is_wanted =
        service.status == ServiceStatus::Active && service.desired_count > 0 && !service.is_daemon();
    if is_wanted && !request.force() {
        return Err(ApiError::invalid("The service cannot be stopped while it is scaled above 0."));
    }
    Ok((service.key.clone(), Command::DeleteService(service.key.clone())))
}

/// DescribeServices.
pub fn describe<'a>(request: &pb::DescribeServicesRequest, view: &'a State) -> Found<'a, Arc<Service>> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    name::members::<pb::ServiceField>("include", &request.include)?;
    check_names("Services", &request.services, SERVICES_PER_DESCRIBE)?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for reference in &request.services {
        let key = name::service(reference, cluster, view)?;
        match view.service(&key) {
            Some(service) => found.push(service),
            None => failures.push(super::failure(view.scope().service(&key), "MISSING", None)),
        }
    }
    Ok((found, failures))
}

/// ListServices: the ACTIVE ones.
pub fn list(request: &pb::ListServicesRequest, view: &State) -> Listed<ServiceKey> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    let launch_type = name::member::<pb::LaunchType>("launchType", request.launch_type)?;
    let scheduling =
        name::member::<pb::SchedulingStrategy>("schedulingStrategy", request.scheduling_strategy)?;
    let management = name::member::<pb::ResourceManagementType>(
        "resourceManagementType",
        request.resource_management_type,
    )?;
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, LIST_RESULTS)?;
    let matches = |service: &&Arc<Service>| {
        service.status == ServiceStatus::Active
            && launch_type.is_none_or(|wanted| service.spec.launch_type() == wanted)
            && scheduling.is_none_or(|wanted| service.spec.scheduling_strategy() == wanted)
            && management.is_none_or(|wanted| wanted == pb::ResourceManagementType::Customer)
    };
    let services = view.services_after(cluster, bounds.after_name());
    let keys = services.filter(matches).map(|service| service.key.clone());
    Ok(bounds.take(keys, |key| key.name.to_string()))
}

/// The service that a call is about, whatever its status.
fn find<'a>(
    cluster: Option<&str>,
    service: Option<&str>,
    view: &'a State,
) -> Result<&'a Arc<Service>, ApiError> {
    let cluster = &name::active_cluster(cluster, view)?.name;
    let reference = service.filter(|text| !text.is_empty());
    let reference = reference.ok_or_else(|| ApiError::invalid("Service can not be blank."))?;
    view.service(&name::service(reference, cluster, view)?).ok_or_else(ApiError::service_not_found)
}

/// ListServicesByNamespace: no namespace can be made yet, so whichever is named is not there.
pub fn no_namespace(request: &pb::ListServicesByNamespaceRequest) -> ApiError {
    let text = match request.namespace() {
        "" => return ApiError::invalid("Namespace can not be blank."),
        named => format!("Namespace not found: {named}."),
    };
    ApiError::new(Exception::NamespaceNotFound, text)
}
