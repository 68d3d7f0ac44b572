//! Container instances as messages.

use std::collections::BTreeSet;

use berth_model::container_instance::ContainerInstance;
use berth_model::plan::gpu;
use berth_model::resource::PortSet;
use berth_model::state::State;
use berth_proto::ecs::v1 as pb;
use pb::ContainerInstanceField;

use super::count;

/// Which members are shown beyond those that always are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Include {
    health: bool,
    tags: bool,
}

/// A container instance.
pub(crate) fn instance(
    instance: &ContainerInstance,
    view: &State,
    include: Include,
) -> pb::ContainerInstance {
    let spec = instance.spec.to_owned_message();
    pb::ContainerInstance {
        container_instance_arn: Some(view.scope().container_instance(&instance.cluster, instance.id)),
        version: Some(i64::try_from(instance.version).unwrap_or(i64::MAX)),
        remaining_resources: remaining(instance, view),
        registered_resources: registered(instance),
        status: Some(instance.status.as_str().to_owned()),
        agent_connected: Some(instance.connected),
        running_tasks_count: Some(count(instance.running_count)),
        pending_tasks_count: Some(count(instance.pending_count)),
        attributes: attributes(instance),
        registered_at: Some(instance.registered_at.to_message()),
        health_status: include.health.then(|| health(instance)),
        tags: if include.tags { spec.tags.clone() } else { Vec::new() },
        ..spec
    }
}

fn registered(instance: &ContainerInstance) -> Vec<pb::Resource> {
    let capacity = &instance.capacity;
    let mut resources = vec![
        amount("CPU", capacity.cpu_units),
        amount("MEMORY", capacity.memory_mib),
        ports("PORTS", [&capacity.reserved_tcp_ports]),
        ports("PORTS_UDP", [&capacity.reserved_udp_ports]),
    ];
    resources.extend(gpus(instance, capacity.gpu_ids.clone()));
    resources.extend(capacity.disk_mib.map(|mib| amount("DISK", mib)));
    resources
}

/// What is left of amounts, and what is taken of ports: so ECS shows them.
fn remaining(instance: &ContainerInstance, view: &State) -> Vec<pb::Resource> {
    let (capacity, held) = (&instance.capacity, &instance.held);
    let mut resources = vec![
        amount("CPU", capacity.cpu_units.saturating_sub(held.cpu_units)),
        amount("MEMORY", capacity.memory_mib.saturating_sub(held.memory_mib)),
        ports("PORTS", [&capacity.reserved_tcp_ports, &held.tcp_ports]),
        ports("PORTS_UDP", [&capacity.reserved_udp_ports, &held.udp_ports]),
    ];
    resources.extend(gpus(instance, gpu::free(view, instance.id)));
    resources.extend(capacity.disk_mib.map(|mib| amount("DISK", mib.saturating_sub(held.disk_mib))));
    resources
}

/// The ids of GPUs; nothing on an instance that has none.
fn gpus(instance: &ContainerInstance, ids: Vec<String>) -> Option<pb::Resource> {
    let has_some = !instance.capacity.gpu_ids.is_empty();
    has_some.then(|| pb::Resource { string_set_value: ids, ..resource("GPU", "STRINGSET") })
}

fn amount(name: &str, units: u32) -> pb::Resource {
    pb::Resource { integer_value: Some(count(units)), ..resource(name, "INTEGER") }
}

fn ports<const N: usize>(name: &str, sets: [&PortSet; N]) -> pb::Resource {
    let ports: BTreeSet<u16> = sets.into_iter().flat_map(PortSet::iter).collect();
    pb::Resource {
        string_set_value: ports.iter().map(ToString::to_string).collect(),
        ..resource(name, "STRINGSET")
    }
}

/// ECS fills every number that is not meant with zero.
fn resource(name: &str, kind: &str) -> pb::Resource {
    pb::Resource {
        name: Some(name.to_owned()),
        r#type: Some(kind.to_owned()),
        double_value: Some(0.0),
        long_value: Some(0),
        integer_value: Some(0),
        string_set_value: Vec::new(),
    }
}

/// Attributes of either writer, by name; an operator's wins.
fn attributes(instance: &ContainerInstance) -> Vec<pb::Attribute> {
    let both = instance.attributes.iter().chain(instance.custom_attributes.iter());
    let names: BTreeSet<&str> = both.map(|(name, _)| name).collect();
    let attribute = |name: &str| pb::Attribute {
        name: Some(name.to_owned()),
        value: instance.attribute(name).map(str::to_owned),
        ..pb::Attribute::default()
    };
    names.into_iter().map(attribute).collect()
}

fn health(instance: &ContainerInstance) -> pb::ContainerInstanceHealthStatus {
    use pb::InstanceHealthCheckState as State;
    let status = if instance.connected { State::Ok } else { State::Impaired };
    let connectivity = pb::InstanceHealthCheckResult {
        r#type: Some(pb::InstanceHealthCheckType::AgentConnectivity.into()),
        status: Some(status.into()),
        status_reason: None,
        last_updated: Some(instance.connected_at.to_message()),
        last_status_change: Some(instance.connected_at.to_message()),
    };
    pb::ContainerInstanceHealthStatus { overall_status: Some(status.into()), details: vec![connectivity] }
}

// === impl Include ===

impl Include {
    /// What is answered to a call that made or changed an instance.
    pub(crate) const ECHO: Self = Self { health: false, tags: true };

    /// What `include` asks for.
    pub(crate) fn new(fields: &[ContainerInstanceField]) -> Self {
        Self {
            health: fields.contains(&ContainerInstanceField::ContainerInstanceHealth),
            tags: fields.contains(&ContainerInstanceField::Tags),
        }
    }
}
