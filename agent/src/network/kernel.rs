//! The kernel's tables, over netlink: read, and changed step by step.

use std::net::{IpAddr, Ipv4Addr};

use berth_model::network::{Block, hardware_address};
use berth_process::shutdown::{OnError, Shutdown};
use futures::TryStreamExt as _;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::AddressAttribute;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkFlags};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, LinkVxlan, RouteMessageBuilder};

use super::firewall::Firewall;
use super::inside;
use super::link::{HOST_END, OVERLAY, TaskLink, is_ours};
use super::plan::{Forwarding, Link, Neighbour, Observed, Route, Step, Subnet};

/// By which routes of ours are known. No routing daemon has this number.
pub(super) const PROTOCOL: RouteProtocol = RouteProtocol::Other(190);
/// The task's end of its link.
pub(super) const INSIDE: &str = "eth0";

/// The overlay's number among those of the underlying network.
const OVERLAY_ID: u32 = 0xbe;
/// Source: RFC 7348.
const OVERLAY_PORT: u16 = 4789;
/// Outer Ethernet, IP, UDP and VXLAN headers. Source: RFC 7348.
const OVERLAY_HEADERS: u32 = 50;
/// What a link carries that says nothing else.
const ETHERNET_MTU: u32 = 1_500;

/// A connection to the kernel.
pub(super) struct Kernel {
    handle: Handle,
    pub(super) firewall: Firewall,
}

// === impl Kernel ===

impl Kernel {
    pub(super) fn connect(shutdown: &Shutdown) -> std::io::Result<Self> {
        let (connection, handle, _unasked) = rtnetlink::new_connection()?;
        let token = shutdown.token().clone();
        shutdown.spawn("netlink", OnError::Log, async move {
            token.run_until_cancelled(connection).await;
            Ok::<(), std::convert::Infallible>(())
        });
        Ok(Self { handle, firewall: Firewall::default() })
    }

    /// What is of ours.
    pub(super) async fn observe(&self) -> Result<Observed, String> {
        let read = |what: &'static str| move |error: rtnetlink::Error| format!("read {what}: {error}");
        let mut observed = Observed::default();
        let names = self.links(&mut observed).await.map_err(read("links"))?;
        let name = |index: u32| names.iter().find(|(known, _)| *known == index).map(|(_, name)| name.clone());
        let mut addresses = self.handle.address().get().execute();
        while let Some(message) = addresses.try_next().await.map_err(read("addresses"))? {
            let own = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(IpAddr::V4(own)) => Some(*own),
                _ => None,
            });
            let (Some(own), Some(link)) = (own, name(message.header.index)) else { continue };
            match observed.links.get_mut(&link) {
                Some(ours) => ours.address = ours.address.or(Some(own)),
                None => {
                    let block = Block::around(own, message.header.prefix_len);
                    observed.subnets.push(Subnet { block, own, link });
                }
            }
        }
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let mut routes = self.handle.route().get(all).execute();
        while let Some(message) = routes.try_next().await.map_err(read("routes"))? {
            observed.routes.extend(route(&message, &name));
        }
        for family in [AddressFamily::Inet, AddressFamily::Bridge] {
            let mut neighbours = self.handle.neighbours().get().set_address_family(family).execute();
            while let Some(message) = neighbours.try_next().await.map_err(read("neighbours"))? {
                note_neighbour(&mut observed, &message, &name);
            }
        }
        Ok(observed)
    }

    /// Notes the links of ours; the indexes and names of all.
    async fn links(&self, observed: &mut Observed) -> Result<Vec<(u32, String)>, rtnetlink::Error> {
        let mut names = Vec::new();
        let mut links = self.handle.link().get().execute();
        while let Some(message) = links.try_next().await? {
            let name = message.attributes.iter().find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name.clone()),
                _ => None,
            });
            let Some(name) = name else { continue };
            let index = message.header.index;
            if is_ours(&name) {
                let is_up = message.header.flags.contains(LinkFlags::Up);
                observed.links.insert(name.clone(), Link { index, is_up, address: None });
            }
            names.push((index, name));
        }
        Ok(names)
    }

    /// Makes one change.
    pub(super) async fn carry_out(&self, step: &Step, observed: &Observed) -> Result<(), String> {
        let done = match step {
            Step::AddTaskLink(link) => return self.add_task_link(link).await,
            Step::RemoveLink(name) => match observed.links.get(name) {
                Some(link) => self.handle.link().del(link.index).execute().await,
                None => Ok(()),
            },
            Step::AddOverlay(own) => self.add_overlay(*own).await,
            Step::AddressOverlay(own) => self.address_overlay(*own).await,
            Step::RaiseLink(name) => self.raise(name).await,
            Step::RemoveRoute(route) => match self.route(route).await {
                Ok(message) => self.handle.route().del(message).execute().await,
                Err(error) => Err(error),
            },
            Step::PutRoute(route) => match self.route(route).await {
                Ok(message) => self.handle.route().add(message).replace().execute().await,
                Err(error) => Err(error),
            },
            Step::PutNeighbour(neighbour) => self.put_neighbour(neighbour).await,
            Step::RemoveNeighbour(neighbour) => self.remove_neighbour(neighbour).await,
            Step::PutForwarding(forwarding) => self.put_forwarding(forwarding).await,
            Step::RemoveForwarding(forwarding) => self.remove_forwarding(forwarding).await,
        };
        match done {
            // What was to go went by itself.
            Err(error) if is_removal(step) && is_absence(&error) => Ok(()),
            done => done.map_err(|error| error.to_string()),
        }
    }

    async fn add_task_link(&self, link: &TaskLink) -> Result<(), String> {
        let inside = LinkUnspec::new_with_name(INSIDE)
            .address(link.hardware().to_vec())
            .setns_by_pid(link.pid)
            .build();
        let outside = LinkVeth::new(&link.name, INSIDE)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(inside)))
            .address(HOST_END.to_vec())
            .up()
            .build();
        let made = self.handle.link().add(outside).execute().await;
        made.map_err(|error| format!("make a link into the namespace of process {}: {error}", link.pid))?;
        let configured = inside::configure(link).await;
        if configured.is_err()
            && let Ok(index) = self.index(&link.name).await
        {
            // Half a link would pass for a whole one the next time.
            let _ = self.handle.link().del(index).execute().await;
        }
        configured
    }

    async fn add_overlay(&self, own: Ipv4Addr) -> Result<(), rtnetlink::Error> {
        let link = LinkVxlan::new(OVERLAY, OVERLAY_ID)
            .port(OVERLAY_PORT)
            .learning(false)
            .address(hardware_address(own).to_vec())
            .mtu(ETHERNET_MTU - OVERLAY_HEADERS)
            .up()
            .build();
        self.handle.link().add(link).execute().await?;
        self.address_overlay(own).await
    }

    async fn address_overlay(&self, own: Ipv4Addr) -> Result<(), rtnetlink::Error> {
        let index = self.index(OVERLAY).await?;
        self.handle.address().add(index, IpAddr::V4(own), 32).replace().execute().await
    }

    async fn raise(&self, name: &str) -> Result<(), rtnetlink::Error> {
        let index = self.index(name).await?;
        self.handle.link().change(LinkUnspec::new_with_index(index).up().build()).execute().await
    }

    async fn put_neighbour(&self, neighbour: &Neighbour) -> Result<(), rtnetlink::Error> {
        let index = self.index(&neighbour.link).await?;
        let request = self.handle.neighbours().add(index, IpAddr::V4(neighbour.address));
        request.link_layer_address(&neighbour.hardware).replace().execute().await
    }

    async fn remove_neighbour(&self, neighbour: &Neighbour) -> Result<(), rtnetlink::Error> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = self.index(&neighbour.link).await?;
        let address = NeighbourAddress::Inet(neighbour.address);
        message.attributes.push(NeighbourAttribute::Destination(address));
        self.handle.neighbours().del(message).execute().await
    }

    async fn put_forwarding(&self, forwarding: &Forwarding) -> Result<(), rtnetlink::Error> {
        let index = self.index(OVERLAY).await?;
        let request = self.handle.neighbours().add_bridge(index, &forwarding.hardware);
        let request = request.destination(IpAddr::V4(forwarding.host)).flags(NeighbourFlags::Own);
        request.replace().execute().await
    }

    async fn remove_forwarding(&self, forwarding: &Forwarding) -> Result<(), rtnetlink::Error> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Bridge;
        message.header.ifindex = self.index(OVERLAY).await?;
        message.header.flags = NeighbourFlags::Own;
        message.attributes.push(NeighbourAttribute::LinkLayerAddress(forwarding.hardware.to_vec()));
        let host = NeighbourAddress::Inet(forwarding.host);
        message.attributes.push(NeighbourAttribute::Destination(host));
        self.handle.neighbours().del(message).execute().await
    }

    async fn route(&self, route: &Route) -> Result<RouteMessage, rtnetlink::Error> {
        let index = self.index(&route.link).await?;
        let builder = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(route.to.first(), route.to.prefix())
            .output_interface(index)
            .protocol(PROTOCOL);
        Ok(match route.via {
            // Beyond the overlay nobody is in a network of ours.
            Some(via) if route.link == OVERLAY => builder.gateway(via).onlink().build(),
            Some(via) => builder.gateway(via).build(),
            None => builder.scope(RouteScope::Link).build(),
        })
    }

    async fn index(&self, name: &str) -> Result<u32, rtnetlink::Error> {
        index(&self.handle, name).await
    }
}

/// The index of a link by its name.
pub(super) async fn index(handle: &Handle, name: &str) -> Result<u32, rtnetlink::Error> {
    let mut found = handle.link().get().match_name(name).execute();
    found.try_next().await?.map(|message| message.header.index).ok_or(rtnetlink::Error::RequestFailed)
}

fn route(message: &RouteMessage, name: &impl Fn(u32) -> Option<String>) -> Option<Route> {
    if message.header.protocol != PROTOCOL {
        return None;
    }
    let (mut to, mut via, mut link) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => to = Some(*address),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => via = Some(*address),
            RouteAttribute::Oif(index) => link = name(*index),
            _ => {}
        }
    }
    let to = Block::around(to?, message.header.destination_prefix_length);
    Some(Route { to, via, link: link? })
}

fn note_neighbour(
    observed: &mut Observed,
    message: &NeighbourMessage,
    name: &impl Fn(u32) -> Option<String>,
) {
    let Some(link) = name(message.header.ifindex).filter(|name| is_ours(name)) else { return };
    let (mut address, mut hardware) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(found)) => address = Some(*found),
            // The tables of the bridge family do not say of which family their hosts are.
            NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
                address = <[u8; 4]>::try_from(bytes.as_slice()).ok().map(Ipv4Addr::from);
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                hardware = <[u8; 6]>::try_from(bytes.as_slice()).ok()
            }
            _ => {}
        }
    }
    let (Some(address), Some(hardware)) = (address, hardware) else { return };
    if message.header.family == AddressFamily::Bridge {
        observed.forwarding.insert(Forwarding { hardware, host: address });
    } else if message.header.state == NeighbourState::Permanent {
        observed.neighbours.insert(Neighbour { link, address, hardware });
    }
}

fn is_removal(step: &Step) -> bool {
    matches!(
        step,
        Step::RemoveLink(_) | Step::RemoveRoute(_) | Step::RemoveNeighbour(_) | Step::RemoveForwarding(_)
    )
}

fn is_absence(error: &rtnetlink::Error) -> bool {
    let absent = [rustix::io::Errno::NOENT, rustix::io::Errno::NODEV, rustix::io::Errno::SRCH];
    match error {
        rtnetlink::Error::NetlinkError(message) => {
            absent.iter().any(|one| message.raw_code() == -one.raw_os_error())
        }
        rtnetlink::Error::RequestFailed => true,
        _ => false,
    }
}
