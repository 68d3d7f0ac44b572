//! Registration of an instance: by its agent's hello, or by RegisterContainerInstance.

use berth_proto::{agent::v1 as agent, ecs::v1 as pb};

use super::attributes;
use crate::attribute::Attributes;
use crate::command::Command;
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::error::ApiError;
use crate::id::{ClusterName, InstanceId};
use crate::network::{Addressing, Place, TASK_ENI};
use crate::resource::{Capacity, PortSet, Requirements};
use crate::state::State;
use crate::time::Timestamp;
use crate::validate::{Accepted, Admission, name, tag, unsupported};
use crate::wire::Wire;

/// RegisterContainerInstance.
pub fn register(
    request: &pb::RegisterContainerInstanceRequest,
    view: &State,
    admission: &mut Admission,
) -> Accepted<InstanceId> {
    let cluster = &name::active_cluster(request.cluster.as_deref(), view)?.name;
    if !request.platform_devices.is_empty() {
        return Err(unsupported("A container instance with platformDevices"));
    }
    let id = match request.container_instance_arn.as_deref().filter(|text| !text.is_empty()) {
        Some(reference) => name::instance(reference, cluster, view)?,
        None => InstanceId::new(admission.ids.number()),
    };
    let spec = pb::ContainerInstance {
        version_info: request.version_info.clone(),
        registered_resources: request.total_resources.clone(),
        tags: tag::render(&tag::parse(&request.tags)?),
        ..pb::ContainerInstance::default()
    };
    let attributes = attributes::of_agent(&request.attributes)?;
    offer(id, cluster, spec, (attributes, None), admission.now)
}

/// The first message of an agent's session: registers its instance, or says that it is back. `place` is what
/// [`place`] says.
pub fn from_hello(
    hello: &agent::Hello,
    place: Option<Place>,
    view: &State,
    now: Timestamp,
) -> Accepted<InstanceId> {
    let cluster = &name::active_cluster(Some(&hello.cluster), view)?.name;
    let id = id_of(hello)?;
    let spec = pb::ContainerInstance {
        ec2_instance_id: Some(hello.host_name.clone()).filter(|name| !name.is_empty()),
        version_info: hello.version_info.clone(),
        registered_resources: hello.total_resources.clone(),
        ..pb::ContainerInstance::default()
    };
    let attributes = attributes::of_agent(&hello.attributes)?;
    offer(id, cluster, spec, (attributes, place), now)
}

/// Where the instance is in the network of tasks: none when its agent cannot give tasks addresses, or none are left.
/// `whole` is the state of all regions.
pub fn place(
    hello: &agent::Hello,
    whole: &State,
    addressing: &Addressing,
) -> Result<Option<Place>, ApiError> {
    let id = id_of(hello)?;
    let is_able = hello.attributes.iter().any(|attribute| attribute.name() == TASK_ENI);
    let address = hello.address.parse().ok().filter(|_| is_able);
    Ok(address.and_then(|address| Some(Place { address, block: addressing.choose(whole, id)? })))
}

fn id_of(hello: &agent::Hello) -> Result<InstanceId, ApiError> {
    let malformed =
        |_| ApiError::invalid(format!("Invalid container instance id {:?}.", hello.container_instance_id));
    hello.container_instance_id.parse().map_err(malformed)
}

fn offer(
    id: InstanceId,
    cluster: &ClusterName,
    spec: pb::ContainerInstance,
    (mut attributes, network): (Attributes, Option<Place>),
    now: Timestamp,
) -> Accepted<InstanceId> {
    if network.is_none() {
        // Without addresses to give, it is no place for tasks that need one.
        attributes.remove(TASK_ENI);
    }
    let instance = ContainerInstance {
        id,
        cluster: cluster.clone(),
        status: InstanceStatus::Active,
        connected: true,
        connected_at: now,
        capacity: capacity(&spec.registered_resources)?,
        held: Requirements::default(),
        attributes,
        custom_attributes: Attributes::default(),
        spec: Wire::new(spec),
        registered_at: now,
        manifest_generation: 0,
        running_count: 0,
        pending_count: 0,
        version: 1,
        drain: None,
        network,
    };
    Ok((id, Command::RegisterInstance(Box::new(instance))))
}

/// What the resources come to. CPU and MEMORY must be there.
fn capacity(resources: &[pb::Resource]) -> Result<Capacity, ApiError> {
    let mut capacity = Capacity::default();
    for resource in resources {
        match resource.name() {
            "CPU" => capacity.cpu_units = amount(resource)?,
            "MEMORY" => capacity.memory_mib = amount(resource)?,
            "PORTS" => capacity.reserved_tcp_ports = ports(resource)?,
            "PORTS_UDP" => capacity.reserved_udp_ports = ports(resource)?,
            "GPU" => capacity.gpu_ids = gpu_ids(resource)?,
            "DISK" => capacity.disk_mib = Some(amount(resource)?),
            other => {
                let known = "CPU, MEMORY, PORTS, PORTS_UDP, GPU and DISK are known";
                return Err(ApiError::invalid(format!("Unknown resource {other:?}: {known}.")));
            }
        }
    }
    if capacity.cpu_units == 0 || capacity.memory_mib == 0 {
        return Err(ApiError::invalid("totalResources must have CPU and MEMORY above 0."));
    }
    Ok(capacity)
}

/// The number of a resource. The value that its type does not use is 0.
fn amount(resource: &pb::Resource) -> Result<u32, ApiError> {
    let integer = i64::from(resource.integer_value());
    let value = if integer == 0 { resource.long_value() } else { integer };
    u32::try_from(value)
        .map_err(|_| ApiError::invalid(format!("The resource {} has the value {value}.", resource.name())))
}

fn gpu_ids(resource: &pb::Resource) -> Result<Vec<String>, ApiError> {
    let mut ids = resource.string_set_value.clone();
    ids.sort();
    ids.dedup();
    if ids.len() != resource.string_set_value.len() || ids.iter().any(String::is_empty) {
        return Err(ApiError::invalid("The ids of GPUs must not be empty, and each must be there once."));
    }
    Ok(ids)
}

fn ports(resource: &pb::Resource) -> Result<PortSet, ApiError> {
    let port = |text: &String| {
        let malformed = |_| ApiError::invalid(format!("{text:?} in {} is not a port.", resource.name()));
        text.parse::<u16>().map_err(malformed)
    };
    resource.string_set_value.iter().map(port).collect()
}
