//! Ports, both ways: what Docker shall publish, and where it did.

use std::net::IpAddr;

use berth_proto::AwsName;
use berth_proto::ecs::v1 as ecs;
use bollard::models::{NetworkSettings, PortBinding};

use super::container::Ports;
use super::ranges::Published;
use crate::runtime::Launch;

/// Docker's name of a network mode.
pub(super) fn mode(launch: &Launch) -> String {
    match (launch.network_mode, &launch.network_of) {
        (ecs::NetworkMode::Awsvpc, Some(container)) => return format!("container:{container}"),
        (ecs::NetworkMode::Host, _) => "host",
        // Of its own it has no network: better none than one that nobody meant.
        (ecs::NetworkMode::None | ecs::NetworkMode::Awsvpc, _) => "none",
        (ecs::NetworkMode::Bridge | ecs::NetworkMode::Unspecified, _) => "bridge",
    }
    .to_owned()
}

/// Ports the container listens on.
pub(super) fn exposed_ports(launch: &Launch, ranges: &[Published]) -> Vec<String> {
    published(launch).map(port_key).chain(of_ranges(ranges).map(|(key, _)| key)).collect()
}

/// Ports of the host that shall lead to it. An empty host port lets Docker choose one.
pub(super) fn port_bindings(launch: &Launch, ranges: &[Published]) -> Ports {
    let mut ports = Ports::new();
    let mut publish = |key: String, host_port: String| {
        let binding = PortBinding { host_ip: None, host_port: Some(host_port) };
        ports.entry(key).or_default().get_or_insert_default().push(binding);
    };
    for mapping in published(launch) {
        let host_port = match mapping.host_port() {
            0 => String::new(),
            port => port.to_string(),
        };
        publish(port_key(mapping), host_port);
    }
    for (key, host_port) in of_ranges(ranges) {
        publish(key, host_port.to_string());
    }
    ports
}

/// The ports that Docker published. The same port for IPv4 and IPv6 is one binding, as in ECS, and so are the ports of a
/// range.
pub(super) fn bindings(settings: Option<NetworkSettings>, ranges: &[Published]) -> Vec<ecs::NetworkBinding> {
    let ports = settings.and_then(|settings| settings.ports).unwrap_or_default();
    let mut bindings: Vec<_> = ports
        .into_iter()
        .flat_map(|(key, bindings)| {
            bindings.unwrap_or_default().into_iter().filter_map(move |bound| binding(&key, &bound))
        })
        .collect();
    let is_v6 =
        |binding: &ecs::NetworkBinding| binding.bind_ip().parse().is_ok_and(|ip: IpAddr| ip.is_ipv6());
    bindings
        .sort_by_key(|binding| (binding.container_port, binding.protocol, is_v6(binding), binding.host_port));
    bindings.dedup_by(|later, earlier| {
        later.container_port == earlier.container_port && later.protocol == earlier.protocol && is_v6(later)
    });
    ranges.iter().for_each(|range| fold(&mut bindings, *range));
    bindings
}

/// Puts one binding in the place of those of a range.
fn fold(bindings: &mut Vec<ecs::NetworkBinding>, range: Published) {
    let is_of_range = |binding: &mut ecs::NetworkBinding| {
        let inside = binding.container_port.and_then(|port| u16::try_from(port).ok());
        let at = inside.and_then(|port| port.checked_sub(range.inside.first()));
        let host = at.filter(|at| *at <= range.inside.further()).map(|at| range.host.first() + at);
        host.is_some_and(|host| binding.host_port() == i32::from(host))
            && binding.protocol() == range.protocol()
    };
    let folded: Vec<_> = bindings.extract_if(.., is_of_range).collect();
    let bind_ip = folded.into_iter().next().and_then(|binding| binding.bind_ip);
    bindings.extend(bind_ip.map(|ip| range.binding(ip)));
}

fn of_ranges(ranges: &[Published]) -> impl Iterator<Item = (String, u16)> + '_ {
    ranges.iter().flat_map(|range| range.pairs().map(|(inside, host)| (range.key(inside), host)))
}

fn published(launch: &Launch) -> impl Iterator<Item = &ecs::PortMapping> {
    let publishes = launch.network_mode == ecs::NetworkMode::Bridge;
    // Ranges are chosen apart from these.
    let single = |mapping: &&ecs::PortMapping| mapping.container_port_range.is_none();
    launch.definition.port_mappings.iter().filter(move |mapping| publishes && single(mapping))
}

fn port_key(mapping: &ecs::PortMapping) -> String {
    let protocol = match mapping.protocol() {
        ecs::TransportProtocol::Unspecified => ecs::TransportProtocol::Tcp,
        protocol => protocol,
    };
    format!("{}/{}", mapping.container_port(), protocol.aws_name())
}

fn binding(key: &str, bound: &PortBinding) -> Option<ecs::NetworkBinding> {
    let (port, protocol) = key.split_once('/')?;
    let bind_ip = bound.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".to_owned());
    Some(ecs::NetworkBinding {
        bind_ip: Some(bind_ip),
        container_port: Some(port.parse().ok()?),
        host_port: Some(bound.host_port.as_ref()?.parse().ok()?),
        protocol: ecs::TransportProtocol::from_aws_name(protocol).map(Into::into),
        ..Default::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(mode: ecs::NetworkMode) -> Launch {
        let mapping = |container, host| ecs::PortMapping {
            container_port: Some(container),
            host_port: Some(host),
            ..Default::default()
        };
        let port_mappings = vec![mapping(80, 8080), mapping(53, 0)];
        let definition = ecs::ContainerDefinition { port_mappings, ..Default::default() };
        Launch { definition, network_mode: mode, ..Default::default() }
    }

    #[test]
    fn docker_chooses_the_host_port_that_is_not_given() {
        let bindings = port_bindings(&launch(ecs::NetworkMode::Bridge), &[]);
        let host_port = |key: &str| bindings[key].as_ref().unwrap()[0].host_port.clone().unwrap();
        assert_eq!((host_port("80/tcp").as_str(), host_port("53/tcp").as_str()), ("8080", ""));
    }

    #[test]
    fn only_bridge_mode_publishes_ports() {
        assert!(port_bindings(&launch(ecs::NetworkMode::Host), &[]).is_empty());
        assert!(exposed_ports(&launch(ecs::NetworkMode::None), &[]).is_empty());
    }

    #[test]
    fn a_port_of_both_address_families_is_reported_once() {
        let bound =
            |ip: &str| PortBinding { host_ip: Some(ip.to_owned()), host_port: Some("49153".to_owned()) };
        let ports = Ports::from([("80/tcp".to_owned(), Some(vec![bound("::"), bound("0.0.0.0")]))]);
        let bindings = bindings(Some(NetworkSettings { ports: Some(ports), ..Default::default() }), &[]);
        assert_eq!(bindings.len(), 1);
        assert_eq!((bindings[0].bind_ip(), bindings[0].host_port()), ("0.0.0.0", 49153));
    }

    #[test]
    fn a_range_is_reported_as_one_and_a_port_beside_it_for_itself() {
        let ranges = Published::of_label("8000-8002:49200-49202/tcp");
        let bound = |port: u16| PortBinding {
            host_ip: Some("0.0.0.0".to_owned()),
            host_port: Some(port.to_string()),
        };
        let mut ports: Ports = of_ranges(&ranges).map(|(key, port)| (key, Some(vec![bound(port)]))).collect();
        ports.insert("8003/tcp".to_owned(), Some(vec![bound(49_203)]));
        ports.insert("8001/udp".to_owned(), Some(vec![bound(49_201)]));
        let settings = NetworkSettings { ports: Some(ports), ..Default::default() };
        let told: Vec<_> = bindings(Some(settings), &ranges)
            .iter()
            .map(|binding| (binding.container_port, binding.host_port_range.clone()))
            .collect();
        assert_eq!(told, [(Some(8001), None), (Some(8003), None), (None, Some("49200-49202".to_owned()))]);
        assert!(bindings(None, &ranges).is_empty(), "one that does not run has none");
    }
}
