//! Security groups: who may talk to the tasks that are in one, and to whom they may.
//!
//! A group that nobody made restricts nothing: tasks may name groups before there are any. Once it is made, what none of
//! the rules of a task's groups lets through is dropped.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Block;
use crate::id::Generation;
use crate::state::State;

/// A named set of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// `sg-` and hexadecimal digits.
    pub id: String,
    /// Unique in its region.
    pub name: String,
    /// For people.
    pub description: String,
    /// Who may talk to its tasks.
    pub ingress: Vec<Rule>,
    /// To whom its tasks may talk.
    pub egress: Vec<Rule>,
    /// Counts up with every change.
    pub generation: Generation,
}

/// What is let through.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// Of which protocol.
    pub protocol: Protocol,
    /// To which ports; `None` is every port.
    pub ports: Option<(u16, u16)>,
    /// Who is at the other end.
    pub peer: Peer,
    /// For people.
    pub description: String,
}

/// Which packets a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// All of them.
    Any,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Peer {
    /// Whoever has one of these addresses.
    Addresses(Block),
    /// The tasks of a group, by its id.
    Group(String),
}

// === impl SecurityGroup ===

impl SecurityGroup {
    /// The groups that its rules name.
    pub fn named_groups(&self) -> impl Iterator<Item = &str> {
        self.ingress.iter().chain(&self.egress).filter_map(|rule| match &rule.peer {
            Peer::Group(id) => Some(id.as_str()),
            Peer::Addresses(_) => None,
        })
    }
}

// === impl Rule ===

impl Rule {
    /// Lets everything through.
    pub fn everything() -> Self {
        let peer = Peer::Addresses(Block::around(core::net::Ipv4Addr::UNSPECIFIED, 0));
        Self { protocol: Protocol::Any, ports: None, peer, description: String::new() }
    }

    /// Whether it lets the same through.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.protocol, self.ports, &self.peer) == (other.protocol, other.ports, &other.peer)
    }
}

// === impl Protocol ===

impl Protocol {
    /// As EC2 spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "-1",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }

    /// The protocol that is spelled so.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Any, Self::Tcp, Self::Udp, Self::Icmp].into_iter().find(|one| one.as_str() == text)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.protocol.as_str())?;
        if let Some((from, to)) = self.ports {
            write!(formatter, " {from}-{to}")?;
        }
        match &self.peer {
            Peer::Addresses(block) => write!(formatter, " {block}"),
            Peer::Group(id) => write!(formatter, " {id}"),
        }
    }
}

// === impl State ===

impl State {
    /// Every security group, by id.
    pub fn security_groups(&self) -> impl Iterator<Item = &SecurityGroup> {
        self.security_groups.values().map(AsRef::as_ref)
    }

    /// The security group with this id or name.
    pub fn security_group(&self, id_or_name: &str) -> Option<&SecurityGroup> {
        let by_id = self.security_groups.get(id_or_name).map(AsRef::as_ref);
        by_id.or_else(|| self.security_groups().find(|group| group.name == id_or_name))
    }
}
