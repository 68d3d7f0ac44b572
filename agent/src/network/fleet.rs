//! What controllers say of the network, read once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use berth_model::network::Block;
use berth_proto::agent::v1 as wire;

/// The network of all tasks, as far as this instance needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fleet {
    pub(super) generation: u64,
    /// Every task's address is in it.
    pub(super) range: Block,
    /// Where this instance's tasks have theirs.
    pub(super) block: Option<Block>,
    pub(super) peers: Vec<Peer>,
    /// Peers of the same network are reached over the overlay as well.
    pub(super) overlay_only: bool,
    /// By id.
    pub(super) groups: BTreeMap<String, Group>,
}

/// Another instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) block: Block,
    pub(super) address: Ipv4Addr,
}

/// A security group.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) ingress: Vec<Rule>,
    pub(super) egress: Vec<Rule>,
    pub(super) members: Vec<Ipv4Addr>,
}

/// What is let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// `tcp`, `udp`, `icmp`; none is everything.
    pub(super) protocol: Option<&'static str>,
    pub(super) ports: Option<(u16, u16)>,
    pub(super) end: End,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Addresses(Block),
    /// The tasks of the group with this id.
    Group(String),
}

// === impl Fleet ===

impl Fleet {
    pub(super) fn from_message(message: &wire::FleetNetwork) -> Result<Self, String> {
        let block =
            Some(&message.block).filter(|text| !text.is_empty()).map(|text| block(text)).transpose()?;
        let peer = |peer: &wire::NetworkPeer| {
            let address = peer.address.parse().map_err(|_| format!("{:?} is no address", peer.address))?;
            Ok::<_, String>(Peer { block: self::block(&peer.block)?, address })
        };
        let groups =
            message.security_groups.iter().map(|group| Ok((id(&group.group_id)?, self::group(group)?)));
        Ok(Self {
            generation: message.generation,
            range: self::block(&message.range)?,
            block,
            peers: message.peers.iter().map(peer).collect::<Result<_, _>>()?,
            overlay_only: message.overlay_only,
            groups: groups.collect::<Result<_, String>>()?,
        })
    }

    /// The id of the group that a task calls so, by its id or its name; none when nobody made it.
    pub(super) fn group_id(&self, reference: &str) -> Option<&str> {
        let by_name = || self.groups.iter().find(|(_, group)| group.name == reference);
        let found = self.groups.get_key_value(reference).or_else(by_name);
        found.map(|(id, _)| id.as_str())
    }
}

fn block(text: &str) -> Result<Block, String> {
    text.parse().map_err(|error: berth_model::network::ParseBlockError| error.to_string())
}

/// An id becomes part of a name in the rules: what could be anything else there is no id.
fn id(text: &str) -> Result<String, String> {
    let is_plain = text.strip_prefix("sg-").is_some_and(|rest| {
        !rest.is_empty() && rest.len() <= 17 && rest.bytes().all(|one| one.is_ascii_alphanumeric())
    });
    if is_plain { Ok(text.to_owned()) } else { Err(format!("{text:?} is no id of a security group")) }
}

fn group(message: &wire::SecurityGroupRules) -> Result<Group, String> {
    let rules = |rules: &[wire::SecurityGroupRule]| rules.iter().map(rule).collect::<Result<_, _>>();
    let members = message.members.iter();
    let members = members.map(|text| text.parse().map_err(|_| format!("{text:?} is no address")));
    Ok(Group {
        name: message.name.clone(),
        ingress: rules(&message.ingress)?,
        egress: rules(&message.egress)?,
        members: members.collect::<Result<_, _>>()?,
    })
}

fn rule(message: &wire::SecurityGroupRule) -> Result<Rule, String> {
    let protocol = match message.protocol.as_str() {
        "-1" => None,
        "tcp" => Some("tcp"),
        "udp" => Some("udp"),
        "icmp" => Some("icmp"),
        other => return Err(format!("{other:?} is no protocol")),
    };
    let port = |port: u32| u16::try_from(port).map_err(|_| format!("{port} is no port"));
    let ports = match (port(message.from_port)?, port(message.to_port)?) {
        (0, 0) => None,
        ports => Some(ports),
    };
    let end = if message.group_id.is_empty() {
        End::Addresses(block(&message.cidr)?)
    } else {
        End::Group(id(&message.group_id)?)
    };
    Ok(Rule { protocol, ports, end })
}
