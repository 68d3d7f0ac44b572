//! Host ports for the port ranges of containers: as many in a row as the container has, free on this host.
//!
//! A range is chosen when its container is created, and written into the container's labels, which are the only durable
//! record of it. Until Docker holds the ports, which it does when the container starts, the range is promised in memory, so
//! that containers which are created together have different ones. Whatever else takes a port meanwhile makes the start fail
//! with [`Error::PortTaken`]; then the container is made anew with other ports.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::sync::Arc;

use berth_model::port_range::PortRange;
use berth_model::resource::Requirements;
use berth_proto::AwsName;
use berth_proto::ecs::v1 as ecs;
use parking_lot::Mutex;

use crate::runtime::{Error, Launch};

/// Where the kernel's own range of dynamic ports stands.
const DYNAMIC_PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// What ECS and Docker assume where it does not.
const FALLBACK: (u16, u16) = (49_153, 65_535);

/// A range of a container and that of the host which leads to it, of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) inside: PortRange,
    pub(super) host: PortRange,
    pub(super) udp: bool,
}

/// Which ranges are promised, and where the search goes on.
#[derive(Default)]
pub(super) struct Ranges {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By the container's id or, until it has one, by its name.
    promised: BTreeMap<String, Vec<Published>>,
    /// The port after the range that was chosen last: what was given back a moment ago is not given out at once.
    next: u16,
}

/// Ranges that are promised to a container which is being made; given up with this.
pub(super) struct Promise {
    ranges: Arc<Ranges>,
    key: String,
    pub(super) published: Vec<Published>,
}

/// Where ports may be chosen, and which of them are not to be.
pub(super) struct Choice<'a> {
    /// Dynamic ports of the host.
    pub(super) dynamic: (u16, u16),
    /// What others have or may get.
    pub(super) taken: &'a Requirements,
    /// Whether nobody on the host listens there.
    pub(super) is_free: &'a dyn Fn(bool, u16) -> bool,
}

/// Whether a launch has port ranges that the host publishes.
pub(super) fn are_needed(launch: &Launch) -> bool {
    launch.network_mode == ecs::NetworkMode::Bridge && wanted(launch).next().is_some()
}

/// The ports that are given to whoever does not ask for one by number.
pub(super) fn dynamic() -> (u16, u16) {
    let text = std::fs::read_to_string(DYNAMIC_PORTS).unwrap_or_default();
    let mut ports = text.split_whitespace().map(str::parse);
    match (ports.next(), ports.next()) {
        (Some(Ok(first)), Some(Ok(last))) if 0 < first && first < last => (first, last),
        _ => FALLBACK,
    }
}

/// Whether the port can be had on every address of this host.
pub(super) fn is_free(udp: bool, port: u16) -> bool {
    // Such a socket is for both address families.
    let address = (Ipv6Addr::UNSPECIFIED, port);
    let bound = if udp { UdpSocket::bind(address).map(drop) } else { TcpListener::bind(address).map(drop) };
    let bound = match bound {
        Err(error) if error.kind() != ErrorKind::AddrInUse => {
            // A host without IPv6.
            let address = ("0.0.0.0", port);
            if udp { UdpSocket::bind(address).map(drop) } else { TcpListener::bind(address).map(drop) }
        }
        bound => bound,
    };
    bound.is_ok()
}

fn wanted(launch: &Launch) -> impl Iterator<Item = (PortRange, bool)> + '_ {
    launch.definition.port_mappings.iter().filter_map(|mapping| {
        let range = mapping.container_port_range.as_deref()?.parse().ok()?;
        Some((range, mapping.protocol() == ecs::TransportProtocol::Udp))
    })
}

// === impl Ranges ===

impl Ranges {
    /// Chooses a range of the host for each of the launch, and promises them to it.
    pub(super) fn choose(self: &Arc<Self>, launch: &Launch, choice: &Choice<'_>) -> Result<Promise, Error> {
        let mut state = self.state.lock();
        // An attempt that was given up may have left some.
        state.promised.remove(&launch.name);
        let mut published = Vec::new();
        for (inside, udp) in wanted(launch) {
            let Some(host) = state.find(inside, udp, choice, &published) else {
                return Err(Error::Refused(unavailable(inside, udp, choice.dynamic)));
            };
            state.next = host.first().saturating_add(host.further()).saturating_add(1);
            published.push(Published { inside, host, udp });
        }
        state.promised.insert(launch.name.clone(), published.clone());
        Ok(Promise { ranges: self.clone(), key: launch.name.clone(), published })
    }

    /// Docker has the ports of this container, or nobody wants them any more.
    pub(super) fn release(&self, runtime_id: &str) {
        self.state.lock().promised.remove(runtime_id);
    }
}

fn unavailable(inside: PortRange, udp: bool, (first, last): (u16, u16)) -> String {
    let protocol = if udp { "udp" } else { "tcp" };
    let ports = inside.ports().len();
    format!(
        "{ports} contiguous host ports unavailable for protocol {protocol}, dynamic port range {first}-{last}"
    )
}

// === impl State ===

impl State {
    fn find(
        &self,
        inside: PortRange,
        udp: bool,
        choice: &Choice<'_>,
        published: &[Published],
    ) -> Option<PortRange> {
        let (first, last) = choice.dynamic;
        let taken = if udp { &choice.taken.udp_ports } else { &choice.taken.tcp_ports };
        let promised = |port: u16| {
            let others = self.promised.values().flatten().chain(published);
            others.filter(|other| other.udp == udp).any(|other| other.host.ports().contains(&port))
        };
        let is_free = |port: u16| !taken.contains(port) && !promised(port) && (choice.is_free)(udp, port);
        let start = if (first..=last).contains(&self.next) { self.next } else { first };
        in_a_row((start, last), inside.further(), is_free)
            .or_else(|| in_a_row((first, last), inside.further(), is_free))
    }
}

/// The first range with this many further ports of which all are free.
fn in_a_row((first, last): (u16, u16), further: u16, is_free: impl Fn(u16) -> bool) -> Option<PortRange> {
    let mut start = first;
    loop {
        let range = PortRange::new(start, further).filter(|range| range.ports().last() <= Some(last))?;
        match range.ports().find(|port| !is_free(*port)) {
            None => return Some(range),
            Some(busy) => start = busy.checked_add(1)?,
        }
    }
}

// === impl Promise ===

impl Promise {
    /// The container exists: the ranges are promised to it until it has started or is gone.
    pub(super) fn keep_for(mut self, runtime_id: &str) {
        let mut state = self.ranges.state.lock();
        if let Some(published) = state.promised.remove(&self.key) {
            state.promised.insert(runtime_id.to_owned(), published);
        }
        drop(state);
        // Nothing stands under it any more.
        self.key = String::new();
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.ranges.release(&self.key);
    }
}

// === impl Published ===

impl Published {
    /// As they stand in a label: `8000-8010:49200-49210/tcp`, with commas between.
    pub(super) fn to_label(ranges: &[Self]) -> String {
        let text = |range: &Self| {
            format!("{}:{}/{}", range.inside, range.host, if range.udp { "udp" } else { "tcp" })
        };
        ranges.iter().map(text).collect::<Vec<_>>().join(",")
    }

    /// The ranges that a label tells of.
    pub(super) fn of_label(text: &str) -> Vec<Self> {
        let parse = |text: &str| {
            let (ports, protocol) = text.split_once('/')?;
            let (inside, host) = ports.split_once(':')?;
            let (inside, host): (PortRange, PortRange) = (inside.parse().ok()?, host.parse().ok()?);
            (inside.further() == host.further()).then_some(Self { inside, host, udp: protocol == "udp" })
        };
        text.split(',').filter_map(parse).collect()
    }

    /// Every port of the container and that of the host which leads to it.
    pub(super) fn pairs(self) -> impl Iterator<Item = (u16, u16)> {
        self.inside.ports().zip(self.host.ports())
    }

    /// The protocol as Docker writes it.
    pub(super) fn protocol(self) -> ecs::TransportProtocol {
        if self.udp { ecs::TransportProtocol::Udp } else { ecs::TransportProtocol::Tcp }
    }

    /// What is told of it once Docker publishes it at this address.
    pub(super) fn binding(self, bind_ip: String) -> ecs::NetworkBinding {
        ecs::NetworkBinding {
            bind_ip: Some(bind_ip),
            protocol: Some(self.protocol().into()),
            container_port_range: Some(self.inside.to_string()),
            host_port_range: Some(self.host.to_string()),
            ..Default::default()
        }
    }

    /// As Docker names a port.
    pub(super) fn key(self, port: u16) -> String {
        format!("{port}/{}", self.protocol().aws_name())
    }
}

#[cfg(test)]
mod tests;
