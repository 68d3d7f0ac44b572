//! Networks of a task definition: what each mode allows, port mappings, and the defaults of both.

use std::collections::BTreeSet;

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

use super::invalid_setting;
use crate::error::ApiError;
use crate::port_range::PortRange;

/// Port ranges of one container. Source: ECS API, `PortMapping.containerPortRange`.
const RANGES_PER_CONTAINER: usize = 100;
const PORT_NAME_LENGTH: usize = 64;

/// Checks the containers against the network mode, and fills in what ECS fills in.
pub(super) fn normalize(definition: &mut pb::TaskDefinition) -> Result<(), ApiError> {
    let mode = definition.network_mode();
    let mut taken = Taken::default();
    for container in &mut definition.container_definitions {
        check_mode(mode, container)?;
        let name = container.name().to_owned();
        for mapping in &mut container.port_mappings {
            mapping.protocol.get_or_insert_with(|| pb::TransportProtocol::Tcp.into());
            match mapping.container_port_range.clone() {
                None => normalize_port(mode, mapping, &name)?,
                Some(range) => check_range(mode, mapping, &range, &name)?,
            }
            taken.take(mode, mapping)?;
        }
        let ranges = container.port_mappings.iter().filter(|mapping| mapping.container_port_range.is_some());
        if ranges.count() > RANGES_PER_CONTAINER {
            return Err(invalid_setting(
                &name,
                format!("At most {RANGES_PER_CONTAINER} port ranges are allowed."),
            ));
        }
    }
    Ok(())
}

/// What a mode does not allow of a container.
fn check_mode(mode: pb::NetworkMode, container: &pb::ContainerDefinition) -> Result<(), ApiError> {
    let refuse = |what: &str| {
        Err(ApiError::client(format!("{what} supported on container when networkMode={}.", mode.aws_name())))
    };
    let is_awsvpc = mode == pb::NetworkMode::Awsvpc;
    let is_bridge = matches!(mode, pb::NetworkMode::Bridge | pb::NetworkMode::Unspecified);
    if !is_bridge && !container.links.is_empty() {
        return Err(ApiError::client(format!(
            "Links are not supported when networkMode={}.",
            mode.aws_name()
        )));
    }
    if is_awsvpc && container.hostname.as_deref().is_some_and(|name| !name.is_empty()) {
        return refuse("hostname is not");
    }
    if is_awsvpc && !container.extra_hosts.is_empty() {
        return refuse("Extra hosts are not");
    }
    if is_awsvpc && !container.dns_servers.is_empty() {
        return refuse("DNS servers are not");
    }
    if is_awsvpc && !container.dns_search_domains.is_empty() {
        return refuse("DNS search domains are not");
    }
    if is_awsvpc && container.disable_networking() {
        return refuse("Disable Networking is not");
    }
    if mode == pb::NetworkMode::None && !container.port_mappings.is_empty() {
        return refuse("Port mappings are not");
    }
    if mode == pb::NetworkMode::Host && container.disable_networking() && !container.port_mappings.is_empty()
    {
        return refuse("Port mappings with disableNetworking are not");
    }
    Ok(())
}

fn normalize_port(
    mode: pb::NetworkMode,
    mapping: &mut pb::PortMapping,
    container: &str,
) -> Result<(), ApiError> {
    check_name(mapping, container)?;
    let container_port = mapping.container_port();
    if !(1..=65_535).contains(&container_port) {
        return Err(invalid_setting(container, "The container port must be between 1 and 65535."));
    }
    let fixed = matches!(mode, pb::NetworkMode::Host | pb::NetworkMode::Awsvpc);
    let host_port = *mapping.host_port.get_or_insert(if fixed { container_port } else { 0 });
    if !(0..=65_535).contains(&host_port) {
        return Err(invalid_setting(container, "The host port must be between 0 and 65535."));
    }
    // A host port of 0 asks for one to be chosen; where it cannot be, it is the container's.
    if fixed && host_port == 0 {
        mapping.host_port = Some(container_port);
    } else if fixed && host_port != container_port {
        return Err(ApiError::client(format!(
            "When networkMode={}, the host ports and container ports in port mappings must match.",
            mode.aws_name()
        )));
    }
    Ok(())
}

fn check_range(
    mode: pb::NetworkMode,
    mapping: &pb::PortMapping,
    range: &str,
    container: &str,
) -> Result<(), ApiError> {
    check_name(mapping, container)?;
    if mapping.container_port.is_some() || mapping.host_port.is_some() {
        return Err(invalid_setting(
            container,
            "A port mapping cannot specify both single port and port range.",
        ));
    }
    if mode == pb::NetworkMode::Host {
        return Err(invalid_setting(
            container,
            "'containerPortRange' is not supported when networkMode=host.",
        ));
    }
    match range.parse::<PortRange>() {
        Ok(_) => Ok(()),
        Err(rule) => {
            Err(invalid_setting(container, format!("Invalid 'containerPortRange' setting '{range}': {rule}")))
        }
    }
}

fn check_name(mapping: &pb::PortMapping, container: &str) -> Result<(), ApiError> {
    let Some(name) = mapping.name.as_deref() else { return Ok(()) };
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let first = name.bytes().next().is_some_and(|byte| byte != b'-');
    if first && name.len() <= PORT_NAME_LENGTH && name.bytes().all(allowed) {
        return Ok(());
    }
    let rule = "up to 64 lowercase letters, numbers, underscores and hyphens, the first not a hyphen";
    Err(invalid_setting(container, format!("The port mapping name '{name}' must have {rule}.")))
}

/// What the port mappings before this one hold, over the whole task.
#[derive(Default)]
struct Taken {
    names: BTreeSet<String>,
    /// UDP or not, and port. On the host in bridge mode, in the shared namespace of the task in others.
    ports: BTreeSet<(bool, u16)>,
    /// Container ports of ranges, UDP or not.
    ranges: Vec<(bool, PortRange)>,
}

// === impl Taken ===

impl Taken {
    fn take(&mut self, mode: pb::NetworkMode, mapping: &pb::PortMapping) -> Result<(), ApiError> {
        if let Some(name) = mapping.name.as_ref().filter(|name| !self.names.insert((*name).clone())) {
            let message = format!("The port mapping name '{name}' is already used in task.");
            return Err(ApiError::client(message));
        }
        let udp = mapping.protocol() == pb::TransportProtocol::Udp;
        match mapping.container_port_range.as_deref().and_then(|range| range.parse().ok()) {
            Some(range) => self.take_range(udp, range),
            None => self.take_port(mode, udp, mapping.host_port()),
        }
    }

    fn take_port(&mut self, mode: pb::NetworkMode, udp: bool, host_port: i32) -> Result<(), ApiError> {
        let port = u16::try_from(host_port).unwrap_or(0);
        if port == 0 || self.ports.insert((udp, port)) {
            return Ok(());
        }
        let what = if mode == pb::NetworkMode::Awsvpc { "Container" } else { "Host" };
        Err(ApiError::client(format!("{what} port {port} is used multiple times in task.")))
    }

    fn take_range(&mut self, udp: bool, range: PortRange) -> Result<(), ApiError> {
        if self.ranges.iter().any(|(other_udp, other)| *other_udp == udp && other.overlaps(range)) {
            let message = format!("In range {range} a container port is used multiple times in task.");
            return Err(ApiError::client(message));
        }
        self.ranges.push((udp, range));
        Ok(())
    }
}
