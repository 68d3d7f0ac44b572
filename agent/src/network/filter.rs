//! Who may talk to whom, as nftables has it. Pure: the same filter is the same text, which the kernel takes in one piece.
//!
//! A packet on its way through this host is asked three things. Does it come from the address of the task that sent it?
//! May the task send it (`egress`)? May the task that it goes to get it (`ingress`)? What belongs to a conversation that
//! was let through passes. A task without a group that somebody made is not asked about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

use berth_model::network::Block;

use super::fleet::{End, Fleet, Group, Rule};
use super::link::TaskLink;

/// The table; nobody else writes to it.
pub(super) const TABLE: &str = "berth";

/// What is let through.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Filter {
    /// Every task's address is in it; none as long as no controller has said so.
    pub(super) range: Option<Block>,
    tasks: Vec<Entry>,
    groups: BTreeMap<String, Group>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    link: String,
    address: Ipv4Addr,
    /// Ids of groups that somebody made.
    groups: BTreeSet<String>,
}

/// A direction: its name, the links and the rules that it is about.
struct Direction {
    chain: &'static str,
    priority: &'static str,
    link: &'static str,
    address: &'static str,
    rules: fn(&Group) -> &[Rule],
}

const EGRESS: Direction = Direction {
    chain: "egress",
    priority: "filter - 10",
    link: "iifname",
    address: "daddr",
    rules: |group| &group.egress,
};
const INGRESS: Direction = Direction {
    chain: "ingress",
    priority: "filter - 5",
    link: "oifname",
    address: "saddr",
    rules: |group| &group.ingress,
};

// === impl Filter ===

impl Filter {
    /// `groups` are those of each task by the name of its link, as they were given.
    pub(super) fn new(
        tasks: &[TaskLink],
        groups: &BTreeMap<String, &Vec<String>>,
        fleet: Option<&Fleet>,
    ) -> Self {
        let Some(fleet) = fleet else { return Self::default() };
        let entry = |task: &TaskLink| {
            let given = groups.get(&task.name).into_iter().flat_map(|given| given.iter());
            let made = given.filter_map(|reference| fleet.group_id(reference)).map(str::to_owned);
            Entry { link: task.name.clone(), address: task.address, groups: made.collect() }
        };
        Self {
            range: Some(fleet.range),
            tasks: tasks.iter().map(entry).collect(),
            groups: fleet.groups.clone(),
        }
    }

    /// Whether nobody needs it.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The text that makes the table what it should be, whatever it was.
    pub(super) fn script(&self) -> String {
        let mut text = format!("table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n");
        self.write(&mut text).expect("a string takes everything");
        text.push_str("}\n");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let Some(range) = self.range.filter(|_| !self.is_empty()) else { return Ok(()) };
        let addresses = self.tasks.iter().map(|task| format!("{:?} . {}", task.link, task.address));
        write_set(text, "addresses", "ifname . ipv4_addr", addresses)?;
        let named = self.groups.values().flat_map(|group| group.ingress.iter().chain(&group.egress));
        let named: BTreeSet<&String> = named.filter_map(named_group).collect();
        for id in named {
            let members = self.groups.get(id).map(|group| group.members.as_slice()).unwrap_or_default();
            write_set(text, &set_name(id), "ipv4_addr", members.iter().map(ToString::to_string))?;
        }
        writeln!(text, "\tchain spoofed {{")?;
        writeln!(text, "\t\ttype filter hook prerouting priority raw; policy accept;")?;
        // The links of tasks, and no others of Berth's.
        writeln!(
            text,
            "\t\tiifname \"berth*\" iifname != \"berth-*\" iifname . ip saddr != @addresses drop"
        )?;
        writeln!(text, "\t}}")?;
        for direction in [EGRESS, INGRESS] {
            self.write_direction(text, &direction)?;
        }
        writeln!(text, "\tchain outside {{")?;
        writeln!(text, "\t\ttype nat hook postrouting priority srcnat - 10; policy accept;")?;
        writeln!(text, "\t\tip saddr {range} ip daddr != {range} masquerade")?;
        writeln!(text, "\t}}")
    }

    fn write_direction(&self, text: &mut String, direction: &Direction) -> std::fmt::Result {
        let Direction { chain, priority, link, .. } = direction;
        let asked: Vec<&Entry> = self.tasks.iter().filter(|task| !task.groups.is_empty()).collect();
        let used: BTreeSet<&String> = asked.iter().flat_map(|task| &task.groups).collect();
        for id in used {
            writeln!(text, "\tchain {chain}_{} {{", plain(id))?;
            let rules = self.groups.get(id).map(direction.rules).unwrap_or_default();
            for rule in rules {
                writeln!(text, "\t\t{}accept", conditions(rule, direction.address))?;
            }
            writeln!(text, "\t}}")?;
        }
        for task in &asked {
            writeln!(text, "\tchain {chain}_{} {{", task.link)?;
            for id in &task.groups {
                writeln!(text, "\t\tjump {chain}_{}", plain(id))?;
            }
            writeln!(text, "\t\tdrop\n\t}}")?;
        }
        writeln!(text, "\tchain {chain} {{")?;
        writeln!(text, "\t\ttype filter hook forward priority {priority}; policy accept;")?;
        writeln!(text, "\t\tct state established,related accept")?;
        if !asked.is_empty() {
            let ways = asked.iter().map(|task| format!("{:?} : goto {chain}_{}", task.link, task.link));
            writeln!(text, "\t\t{link} vmap {{ {} }}", ways.collect::<Vec<_>>().join(", "))?;
        }
        writeln!(text, "\t}}")
    }
}

fn write_set(
    text: &mut String,
    name: &str,
    kind: &str,
    elements: impl Iterator<Item = String>,
) -> std::fmt::Result {
    let elements: Vec<String> = elements.collect();
    writeln!(text, "\tset {name} {{\n\t\ttype {kind}")?;
    if !elements.is_empty() {
        writeln!(text, "\t\telements = {{ {} }}", elements.join(", "))?;
    }
    writeln!(text, "\t}}")
}

/// What a packet has to be for a rule to let it through, with a blank after each.
fn conditions(rule: &Rule, address: &str) -> String {
    let end = match &rule.end {
        End::Addresses(block) if block.prefix() == 0 => String::new(),
        End::Addresses(block) => format!("ip {address} {block} "),
        End::Group(id) => format!("ip {address} @{} ", set_name(id)),
    };
    let kind = match (rule.protocol, rule.ports) {
        (None, _) => String::new(),
        (Some(protocol), None) => format!("meta l4proto {protocol} "),
        (Some(protocol), Some((from, to))) if from == to => format!("{protocol} dport {from} "),
        (Some(protocol), Some((from, to))) => format!("{protocol} dport {from}-{to} "),
    };
    end + &kind
}

fn named_group(rule: &Rule) -> Option<&String> {
    match &rule.end {
        End::Group(id) => Some(id),
        End::Addresses(_) => None,
    }
}

fn set_name(id: &str) -> String {
    format!("members_{}", plain(id))
}

/// An id as a part of a name.
fn plain(id: &str) -> String {
    id.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, address: &str) -> TaskLink {
        TaskLink::new(id, address.parse().unwrap(), 1)
    }

    fn rule(protocol: Option<&'static str>, ports: Option<(u16, u16)>, end: End) -> Rule {
        Rule { protocol, ports, end }
    }

    fn anywhere() -> End {
        End::Addresses("0.0.0.0/0".parse().unwrap())
    }

    fn fleet() -> Fleet {
        let web = Group {
            name: "web".to_owned(),
            ingress: vec![
                rule(Some("tcp"), Some((80, 80)), anywhere()),
                rule(Some("udp"), Some((5000, 5010)), End::Addresses("10.0.0.0/8".parse().unwrap())),
                rule(Some("icmp"), None, End::Group("sg-2".to_owned())),
            ],
            egress: vec![rule(None, None, anywhere())],
            members: Vec::new(),
        };
        let members = vec!["100.64.9.1".parse().unwrap()];
        let client = Group { name: "client".to_owned(), members, ..Group::default() };
        Fleet {
            generation: 1,
            range: "100.64.0.0/10".parse().unwrap(),
            block: None,
            peers: Vec::new(),
            overlay_only: false,
            groups: BTreeMap::from([("sg-1".to_owned(), web), ("sg-2".to_owned(), client)]),
        }
    }

    fn filter(groups: &[&str]) -> Filter {
        let task = task("aaaaaaaaaaaaaaaa", "100.64.0.1");
        let given: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        Filter::new(
            std::slice::from_ref(&task),
            &BTreeMap::from([(task.name.clone(), &given)]),
            Some(&fleet()),
        )
    }

    #[test]
    fn a_group_becomes_chains_and_sets() {
        let expected = include_str!("filter/group.nft");
        assert_eq!(filter(&["sg-1"]).script(), expected, "{}", filter(&["sg-1"]).script());
    }

    #[test]
    fn a_group_is_the_same_by_its_name() {
        assert_eq!(filter(&["web"]), filter(&["sg-1"]));
    }

    #[test]
    fn a_group_that_nobody_made_restricts_nothing() {
        let script = filter(&["sg-none"]).script();
        assert!(!script.contains("vmap") && script.contains("spoofed"), "{script}");
        assert_eq!(filter(&["sg-none"]), filter(&[]));
    }

    #[test]
    fn without_tasks_there_is_nothing() {
        let empty = Filter::new(&[], &BTreeMap::new(), Some(&fleet()));
        assert!(empty.is_empty());
    }
}
