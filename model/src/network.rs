//! Addresses of tasks: a range for the whole deployment, a block of it for each instance, an address of that for each
//! task, and groups that say who may talk to whom.
//!
//! A block is chosen by whoever registers an instance and recorded with it. It is in use as long as its instance is
//! registered or a task of it may still be there, over all regions: addresses are the deployment's, not a region's.

use core::fmt;
// The type of an address, which is in `core` because it does no IO.
use core::net::Ipv4Addr;
use core::str::FromStr;
use std::collections::BTreeSet;

use berth_proto::ecs::v1 as pb;
use serde::{Deserialize, Serialize};

use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::id::{InstanceId, TaskId};
use crate::state::State;

pub mod security_group;

/// The attribute of an instance that can give its tasks addresses of their own. Source: ECS agent, `task-eni`.
pub const TASK_ENI: &str = "ecs.capability.task-eni";

/// Addresses of a block that no task gets: the first stands for the instance itself, the last would be a broadcast.
const RESERVED: u32 = 2;

/// Neighbouring addresses, written `10.1.2.0/24`. The first is a multiple of how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Block {
    first: Ipv4Addr,
    prefix: u8,
}

/// The text is no block of addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no block of addresses: ADDRESS/PREFIX, the address being the first of the block")]
pub struct ParseBlockError {
    text: String,
}

/// Where an instance is in the network of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Where other hosts reach its host.
    pub address: Ipv4Addr,
    /// The addresses of its tasks.
    pub block: Block,
}

/// What a task with an address of its own was asked to be in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// As they were given; they say nothing here.
    pub subnets: Vec<String>,
    /// Ids or names of security groups.
    pub security_groups: Vec<String>,
}

/// From which addresses blocks are taken, and how large they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// All of them.
    pub range: Block,
    /// The prefix of a block.
    pub block_prefix: u8,
    /// Whether hosts of the same network use the overlay as well.
    pub overlay_only: bool,
}

// === impl Membership ===

impl Membership {
    /// What a network configuration asks for; `None` without one.
    pub fn of(configuration: Option<&pb::NetworkConfiguration>) -> Option<Self> {
        let given = configuration?.awsvpc_configuration.as_ref()?;
        Some(Self { subnets: given.subnets.clone(), security_groups: given.security_groups.clone() })
    }
}

// === impl Block ===

impl Block {
    /// The block of this prefix that an address is in.
    pub const fn around(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = if prefix > 32 { 32 } else { prefix };
        let first = address.to_bits() & mask(prefix);
        Self { first: Ipv4Addr::from_bits(first), prefix }
    }

    /// The first address.
    pub const fn first(self) -> Ipv4Addr {
        self.first
    }

    /// How many leading bits all of its addresses share.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// How many addresses it has.
    pub const fn len(self) -> u64 {
        1 << (32 - self.prefix)
    }

    /// Never: a block has at least one address.
    pub const fn is_empty(self) -> bool {
        false
    }

    /// Whether an address is in it.
    pub const fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.first.to_bits()
    }

    /// Whether all of another block is in it.
    pub const fn holds(self, other: Self) -> bool {
        other.prefix >= self.prefix && self.contains(other.first)
    }

    /// Whether an address is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        self.holds(other) || other.holds(self)
    }

    /// Addresses that tasks get, in order.
    pub fn task_addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        let first = self.first.to_bits();
        let end = u32::try_from(self.len()).unwrap_or(u32::MAX).saturating_sub(RESERVED - 1);
        (1..end).map(move |offset| Ipv4Addr::from_bits(first + offset))
    }
}

const fn mask(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

impl fmt::Display for Block {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.first, self.prefix)
    }
}

impl FromStr for Block {
    type Err = ParseBlockError;

    fn from_str(text: &str) -> Result<Self, ParseBlockError> {
        let fail = || ParseBlockError { text: text.to_owned() };
        let (address, prefix) = text.split_once('/').ok_or_else(fail)?;
        let (address, prefix): (Ipv4Addr, u8) =
            (address.parse().map_err(|_| fail())?, prefix.parse().map_err(|_| fail())?);
        let block = Self::around(address, prefix);
        (prefix <= 32 && block.first == address).then_some(block).ok_or_else(fail)
    }
}

// === impl Addressing ===

impl Addressing {
    /// Carrier-grade NAT's addresses, which few networks use inside, and 254 tasks an instance.
    pub const DEFAULT: Self = Self {
        range: Block { first: Ipv4Addr::new(100, 64, 0, 0), prefix: 10 },
        block_prefix: 24,
        overlay_only: false,
    };

    /// How many blocks there are.
    pub const fn blocks(&self) -> u32 {
        1 << (self.block_prefix - self.range.prefix)
    }

    /// The block that an instance gets: its own if it has one, else a free one. `None`: all are in use.
    ///
    /// One that an instance had which is not forgotten yet is the last resort: its host may not know that it is over.
    /// Where the search begins follows from the instance's id, so that instances that register at the same time seldom
    /// want the same block.
    pub fn choose(&self, state: &State, instance: InstanceId) -> Option<Block> {
        let known = state.region_of_instance(instance).and_then(|state| state.instance(instance));
        let own = known.and_then(|known| known.network).map(|place| place.block);
        if let Some(own) = own.filter(|own| self.range.holds(*own)) {
            return Some(own);
        }
        let others = |(id, block)| (id != instance).then_some(block);
        let remembered: Vec<Block> = state.blocks_remembered().filter_map(others).collect();
        let used: Vec<Block> = state.blocks_in_use().filter_map(others).collect();
        self.first_beside(instance, &remembered).or_else(|| self.first_beside(instance, &used))
    }

    /// The first block, from where this instance begins to look, that overlaps none of these.
    fn first_beside(&self, instance: InstanceId, taken: &[Block]) -> Option<Block> {
        let same: BTreeSet<Block> = taken.iter().copied().collect();
        let odd: Vec<Block> =
            taken.iter().copied().filter(|block| block.prefix != self.block_prefix).collect();
        let start = u32::try_from(instance.number() % u128::from(self.blocks())).unwrap_or(0);
        let size = 1_u32 << (32 - self.block_prefix);
        (0..self.blocks()).map(|step| (start + step) % self.blocks()).find_map(|number| {
            let first = Ipv4Addr::from_bits(self.range.first.to_bits() + number * size);
            let block = Block { first, prefix: self.block_prefix };
            let is_free = !same.contains(&block) && !odd.iter().any(|other| other.overlaps(block));
            is_free.then_some(block)
        })
    }

    /// Why these cannot be used; `None` when they can.
    pub fn mistake(&self) -> Option<String> {
        let (range, block) = (self.range, self.block_prefix);
        (block < range.prefix || block > 30 || range.prefix == 0).then(|| {
            format!("blocks of /{block} cannot be taken from {range}: their prefix is from the range's to 30")
        })
    }
}

// === impl State ===

impl State {
    /// The blocks that may not be given to others, over all regions, and whose they are.
    pub fn blocks_in_use(&self) -> impl Iterator<Item = (InstanceId, Block)> {
        self.every_region().flat_map(|region| {
            let held = region.instances().filter(|instance| region.holds_block(instance));
            held.filter_map(|instance| Some((instance.id, instance.network?.block)))
        })
    }

    /// The blocks of all instances that are not forgotten, over all regions, and whose they are.
    fn blocks_remembered(&self) -> impl Iterator<Item = (InstanceId, Block)> {
        let instances = self.every_region().flat_map(Self::instances);
        instances.filter_map(|instance| Some((instance.id, instance.network?.block)))
    }

    /// Whether a task with an address of its block may be there.
    fn holds_block(&self, instance: &ContainerInstance) -> bool {
        instance.status != InstanceStatus::Inactive
            || self.tasks_on(instance.id).any(|task| !task.is_stopped())
    }
}

/// The hardware address of whoever has this address. It follows from it, so that nobody has to be asked.
pub const fn hardware_address(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    // Locally administered.
    [0x0a, 0x58, a, b, c, d]
}

/// A hardware address as it is written.
pub fn hardware_text(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

/// The id of the attachment through which a task has its address.
pub fn attachment_id(task: TaskId) -> String {
    let digits = task.to_string();
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

/// The id of a task's network interface.
pub fn interface_id(task: TaskId) -> String {
    format!("eni-{}", &task.to_string()[..17])
}

/// The name under which a task's address is known, as EC2 makes it.
pub fn host_name(address: Ipv4Addr) -> String {
    format!("ip-{}", address.octets().map(|part| part.to_string()).join("-"))
}

#[cfg(test)]
mod tests;
