//! What has to be done so that the kernel is as it should be. Pure: tables of links and routes in, steps out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use berth_model::network::{Block, hardware_address};

use super::fleet::Peer;
use super::link::{OVERLAY, TaskLink};

/// What should be.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    pub(super) tasks: Vec<TaskLink>,
    /// Of this instance.
    pub(super) block: Option<Block>,
    /// None: nobody has said yet, so what is there stays.
    pub(super) peers: Option<Vec<Peer>>,
    /// Peers of the same network are reached over the overlay as well.
    pub(super) overlay_only: bool,
}

/// What is, of ours; and the networks that this host is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    /// By name.
    pub(super) links: BTreeMap<String, Link>,
    pub(super) routes: BTreeSet<Route>,
    pub(super) neighbours: BTreeSet<Neighbour>,
    /// Of the overlay.
    pub(super) forwarding: BTreeSet<Forwarding>,
    pub(super) subnets: Vec<Subnet>,
}

/// A link of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) is_up: bool,
    /// Its first address.
    pub(super) address: Option<Ipv4Addr>,
}

/// A network that this host has an address in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    pub(super) block: Block,
    pub(super) own: Ipv4Addr,
    pub(super) link: String,
}

/// The way to a task of this host, or to all of another's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Route {
    pub(super) to: Block,
    pub(super) via: Option<Ipv4Addr>,
    pub(super) link: String,
}

/// Whose hardware address is known without asking.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbour {
    pub(super) link: String,
    pub(super) address: Ipv4Addr,
    pub(super) hardware: [u8; 6],
}

/// On which host a hardware address of the overlay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Forwarding {
    pub(super) hardware: [u8; 6],
    pub(super) host: Ipv4Addr,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    RemoveLink(String),
    /// Makes both ends, and everything at the task's.
    AddTaskLink(TaskLink),
    /// Makes the overlay, with the address that it has.
    AddOverlay(Ipv4Addr),
    /// Gives the overlay its address back.
    AddressOverlay(Ipv4Addr),
    RaiseLink(String),
    RemoveRoute(Route),
    RemoveNeighbour(Neighbour),
    RemoveForwarding(Forwarding),
    PutNeighbour(Neighbour),
    PutForwarding(Forwarding),
    PutRoute(Route),
}

/// What should be, in the terms of what is.
#[derive(Default)]
struct Tables {
    routes: BTreeSet<Route>,
    neighbours: BTreeSet<Neighbour>,
    forwarding: BTreeSet<Forwarding>,
    needs_overlay: bool,
}

/// The steps, in an order in which each finds what it needs.
pub(super) fn plan(wanted: &Wanted, observed: &Observed) -> Vec<Step> {
    let tables = tables(wanted, observed);
    let keeps_peers = wanted.peers.is_none();
    let is_wanted = |name: &str| match name {
        OVERLAY => tables.needs_overlay || keeps_peers,
        name => wanted.tasks.iter().any(|task| task.name == name),
    };
    let is_of_peer = |link: &str| wanted.tasks.iter().all(|task| task.name != link);
    // What hangs on a link goes with it.
    let goes_alone = |link: &str| !observed.links.contains_key(link) || is_wanted(link);
    let stays = |link: &str| keeps_peers && is_of_peer(link);
    let mut steps: Vec<Step> =
        observed.links.keys().filter(|name| !is_wanted(name)).cloned().map(Step::RemoveLink).collect();
    let routes = observed.routes.difference(&tables.routes);
    let routes = routes.filter(|route| goes_alone(&route.link) && !stays(&route.link));
    // One to the same addresses is replaced in one step.
    let routes = routes.filter(|route| tables.routes.iter().all(|new| new.to != route.to));
    steps.extend(routes.cloned().map(Step::RemoveRoute));
    let neighbours = observed.neighbours.difference(&tables.neighbours);
    let neighbours = neighbours.filter(|one| goes_alone(&one.link) && !stays(&one.link));
    steps.extend(neighbours.cloned().map(Step::RemoveNeighbour));
    if is_wanted(OVERLAY) && !keeps_peers {
        steps.extend(observed.forwarding.difference(&tables.forwarding).copied().map(Step::RemoveForwarding));
    }
    steps.extend(links(wanted, observed, tables.needs_overlay));
    steps.extend(tables.neighbours.difference(&observed.neighbours).cloned().map(Step::PutNeighbour));
    steps.extend(tables.forwarding.difference(&observed.forwarding).copied().map(Step::PutForwarding));
    steps.extend(tables.routes.difference(&observed.routes).cloned().map(Step::PutRoute));
    steps
}

/// Links to make, or to make whole again.
fn links(wanted: &Wanted, observed: &Observed, needs_overlay: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for task in &wanted.tasks {
        match observed.links.get(&task.name) {
            None => steps.push(Step::AddTaskLink(task.clone())),
            Some(link) if !link.is_up => steps.push(Step::RaiseLink(task.name.clone())),
            Some(_) => {}
        }
    }
    let Some(block) = wanted.block.filter(|_| needs_overlay) else { return steps };
    match observed.links.get(OVERLAY) {
        None => steps.push(Step::AddOverlay(block.first())),
        Some(link) => {
            if !link.is_up {
                steps.push(Step::RaiseLink(OVERLAY.to_owned()));
            }
            if link.address != Some(block.first()) {
                steps.push(Step::AddressOverlay(block.first()));
            }
        }
    }
    steps
}

fn tables(wanted: &Wanted, observed: &Observed) -> Tables {
    let mut tables = Tables::default();
    for task in &wanted.tasks {
        let to = Block::around(task.address, 32);
        tables.routes.insert(Route { to, via: None, link: task.name.clone() });
        let (link, address) = (task.name.clone(), task.address);
        tables.neighbours.insert(Neighbour { link, address, hardware: task.hardware() });
    }
    for peer in wanted.peers.iter().flatten() {
        tables.add_peer(*peer, wanted, observed);
    }
    tables
}

// === impl Step ===

impl Step {
    /// The link that it is about.
    pub(super) fn link(&self) -> &str {
        match self {
            Self::RemoveLink(name) | Self::RaiseLink(name) => name,
            Self::AddTaskLink(task) => &task.name,
            Self::RemoveRoute(route) | Self::PutRoute(route) => &route.link,
            Self::RemoveNeighbour(one) | Self::PutNeighbour(one) => &one.link,
            Self::AddOverlay(_)
            | Self::AddressOverlay(_)
            | Self::RemoveForwarding(_)
            | Self::PutForwarding(_) => OVERLAY,
        }
    }
}

// === impl Tables ===

impl Tables {
    fn add_peer(&mut self, peer: Peer, wanted: &Wanted, observed: &Observed) {
        let own = wanted.block;
        let is_here = peer.address.is_loopback()
            || observed.subnets.iter().any(|subnet| subnet.own == peer.address)
            || own.is_some_and(|own| own.overlaps(peer.block));
        if is_here {
            return;
        }
        let is_between = |subnet: &&Subnet| {
            !wanted.overlay_only && subnet.block.prefix() < 32 && subnet.block.contains(peer.address)
        };
        if let Some(subnet) = observed.subnets.iter().find(is_between) {
            let (via, link) = (Some(peer.address), subnet.link.clone());
            self.routes.insert(Route { to: peer.block, via, link });
            return;
        }
        if own.is_none() {
            // Who has no block has no end of the overlay.
            return;
        }
        self.needs_overlay = true;
        let gateway = peer.block.first();
        let hardware = hardware_address(gateway);
        let link = OVERLAY.to_owned();
        self.routes.insert(Route { to: peer.block, via: Some(gateway), link: link.clone() });
        self.neighbours.insert(Neighbour { link, address: gateway, hardware });
        self.forwarding.insert(Forwarding { hardware, host: peer.address });
    }
}

#[cfg(test)]
mod tests;
