//! What an instance offers: resources without what the host keeps for itself, and attributes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use berth_model::resource::{Capacity, PortSet};
use berth_proto::ecs::v1 as ecs;

use crate::runtime::Host;

mod gpu;

/// CPU units of a core.
const CPU_UNITS_PER_CORE: u32 = 1_024;

/// What the operator says of the instance.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the host, for people.
    pub host_name: String,
    /// Availability zone; none when there are no zones.
    pub zone: Option<String>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, String>,
    /// Instead of what the host has.
    pub cpu_units: Option<u32>,
    /// Instead of what the host has.
    pub memory_mib: Option<u32>,
    /// What the host keeps for itself.
    pub reserved_cpu_units: u32,
    /// What the host keeps for itself.
    pub reserved_memory_mib: u32,
    /// Instead of what the host has.
    pub disk_mib: Option<u32>,
    /// What the host keeps for itself.
    pub reserved_disk_mib: u32,
    /// What the host keeps for itself.
    pub reserved_ports: BTreeSet<u16>,
    /// What the host keeps for itself.
    pub reserved_ports_udp: BTreeSet<u16>,
}

/// What an instance offers.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the host, for people.
    pub host_name: String,
    /// Without what the host keeps for itself.
    pub capacity: Capacity,
    /// What the operator said, what the host is, and what its runtime can do.
    pub attributes: Vec<ecs::Attribute>,
    /// Of the agent and of the runtime.
    pub version_info: ecs::VersionInfo,
}

// === impl Inventory ===

impl Inventory {
    /// What this host offers.
    #[must_use]
    pub fn new(declared: &Declared, host: &Host) -> Self {
        let cpu_units = declared.cpu_units.unwrap_or_else(|| host.cpus.saturating_mul(CPU_UNITS_PER_CORE));
        let memory_mib =
            declared.memory_mib.unwrap_or_else(|| u32::try_from(host.memory_mib).unwrap_or(u32::MAX));
        let host_disk_mib = host.disk_mib.map(|mib| u32::try_from(mib).unwrap_or(u32::MAX));
        let disk_mib = declared.disk_mib.or(host_disk_mib);
        Self {
            cluster: declared.cluster.clone(),
            host_name: declared.host_name.clone(),
            capacity: Capacity {
                cpu_units: cpu_units.saturating_sub(declared.reserved_cpu_units),
                memory_mib: memory_mib.saturating_sub(declared.reserved_memory_mib),
                reserved_tcp_ports: declared.reserved_ports.iter().copied().collect(),
                reserved_udp_ports: declared.reserved_ports_udp.iter().copied().collect(),
                gpu_ids: gpu::ids(Path::new(gpu::FOLDER)),
                disk_mib: disk_mib.map(|mib| mib.saturating_sub(declared.reserved_disk_mib)),
            },
            attributes: attributes(declared, host),
            version_info: ecs::VersionInfo {
                agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
                agent_hash: None,
                docker_version: Some(host.version.clone()),
            },
        }
    }

    /// The resources as ECS has them.
    #[must_use]
    pub fn resources(&self) -> Vec<ecs::Resource> {
        let amount = |name: &str, amount: u32| ecs::Resource {
            name: Some(name.to_owned()),
            r#type: Some("INTEGER".to_owned()),
            integer_value: Some(i32::try_from(amount).unwrap_or(i32::MAX)),
            ..Default::default()
        };
        let ports = |name: &str, ports: &PortSet| ecs::Resource {
            name: Some(name.to_owned()),
            r#type: Some("STRINGSET".to_owned()),
            string_set_value: ports.iter().map(|port| port.to_string()).collect(),
            ..Default::default()
        };
        let mut resources = vec![
            amount("CPU", self.capacity.cpu_units),
            amount("MEMORY", self.capacity.memory_mib),
            ports("PORTS", &self.capacity.reserved_tcp_ports),
            ports("PORTS_UDP", &self.capacity.reserved_udp_ports),
        ];
        if !self.capacity.gpu_ids.is_empty() {
            resources.push(ecs::Resource {
                name: Some("GPU".to_owned()),
                r#type: Some("STRINGSET".to_owned()),
                string_set_value: self.capacity.gpu_ids.clone(),
                ..Default::default()
            });
        }
        resources.extend(self.capacity.disk_mib.map(|mib| amount("DISK", mib)));
        resources
    }
}

fn attributes(declared: &Declared, host: &Host) -> Vec<ecs::Attribute> {
    let own = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let mut attributes: BTreeMap<String, Option<String>> = BTreeMap::from([
        ("ecs.os-type".to_owned(), own(&host.os_type)),
        ("ecs.os-family".to_owned(), own(&host.os_type.to_uppercase())),
        ("ecs.cpu-architecture".to_owned(), own(&host.cpu_architecture)),
    ]);
    if let Some(zone) = &declared.zone {
        attributes.insert("ecs.availability-zone".to_owned(), own(zone));
    }
    attributes.extend(host.capabilities.iter().map(|name| (name.clone(), None)));
    let drivers = host.log_drivers.iter().map(String::as_str).chain(["none"]);
    attributes.extend(
        drivers.map(|driver| (format!("com.amazonaws.ecs.capability.logging-driver.{driver}"), None)),
    );
    attributes.extend(
        host.volume_drivers.iter().map(|driver| (format!("ecs.capability.docker-plugin.{driver}"), None)),
    );
    attributes.extend(declared.attributes.iter().map(|(name, value)| (name.clone(), own(value))));
    attributes
        .into_iter()
        .map(|(name, value)| ecs::Attribute { name: Some(name), value, ..Default::default() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            cpus: 2,
            memory_mib: 4_096,
            disk_mib: Some(20_480),
            os_type: "linux".to_owned(),
            cpu_architecture: "x86_64".to_owned(),
            log_drivers: vec!["json-file".to_owned()],
            ..Host::default()
        }
    }

    #[test]
    fn what_the_host_keeps_is_not_offered() {
        let declared = Declared {
            reserved_cpu_units: 48,
            reserved_memory_mib: 96,
            reserved_disk_mib: 480,
            reserved_ports: BTreeSet::from([22]),
            ..Declared::default()
        };
        let resources = Inventory::new(&declared, &host()).resources();
        assert_eq!((resources[0].integer_value(), resources[1].integer_value()), (2_000, 4_000));
        assert_eq!(resources[2].string_set_value, ["22"]);
        assert_eq!((resources[4].name(), resources[4].integer_value()), ("DISK", 20_000));
    }

    #[test]
    fn more_reserved_than_there_is_leaves_nothing() {
        let declared = Declared { reserved_memory_mib: 10_000, ..Declared::default() };
        assert_eq!(Inventory::new(&declared, &host()).capacity.memory_mib, 0);
    }

    #[test]
    fn the_operator_has_the_last_word_on_attributes() {
        let attribute = ("ecs.os-family".to_owned(), "FLATCAR".to_owned());
        let declared = Declared {
            zone: Some("a".to_owned()),
            attributes: BTreeMap::from([attribute]),
            ..Declared::default()
        };
        let attributes = Inventory::new(&declared, &host()).attributes;
        let value = |name: &str| {
            attributes
                .iter()
                .find(|attribute| attribute.name() == name)
                .map(|attribute| attribute.value().to_owned())
        };
        assert_eq!(value("ecs.os-family").as_deref(), Some("FLATCAR"));
        assert_eq!(value("ecs.availability-zone").as_deref(), Some("a"));
        assert!(value("com.amazonaws.ecs.capability.logging-driver.json-file").is_some());
    }
}
