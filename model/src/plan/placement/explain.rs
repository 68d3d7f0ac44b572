//! Why a task could not be placed, in ECS's words.
//!
//! ECS names one reason per instance; tools and people match on these texts. What ECS leaves out (how much was needed,
//! how much was there) stands in the details.

use std::collections::BTreeMap;

use crate::fit::{Reason, Refusal, Refused};
use crate::id::InstanceId;
use crate::limits::REFUSAL_GROUPS;
use crate::resource::Shortage;
use crate::time::Timestamp;

/// What every instance of the cluster answered to a task that none could take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    refused: Vec<Refusal>,
}

/// A member of `failures` in the answer to RunTask and StartTask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The instance it is about; `None` when there is none to speak of.
    pub instance: Option<InstanceId>,
    /// ECS's word for it, such as `RESOURCE:CPU`.
    pub reason: String,
    /// For people.
    pub detail: String,
}

/// How close an instance came. The lower, the closer; the order of the fields is the policy.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Distance {
    /// The gravest thing in the way.
    gravity: u8,
    /// How many things are in the way.
    reasons: usize,
    /// What is missing of what is needed, in millionths, over all resources.
    missing_ppm: u64,
    instance: InstanceId,
}

// === impl Refusals ===

impl Refusals {
    /// From the refusals of all instances that are not deregistered.
    pub(in crate::plan) fn new(refused: Vec<Refusal>) -> Self {
        Self { refused }
    }

    /// Each instance and what was in the way on it, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Refusal> {
        self.refused.iter()
    }

    /// The instance that came closest to taking the task.
    pub fn closest(&self) -> Option<&Refusal> {
        self.refused.iter().min_by_key(|refusal| refusal.distance())
    }

    /// The text of the event that a service records. Source: ECS service event messages.
    pub fn event(&self, service: &str) -> String {
        let why = match self.closest() {
            None => "Reason: No Container Instances were found in your cluster.".to_owned(),
            Some(closest) => {
                let instance = closest.instance;
                format!("The closest matching (container-instance {instance}) {}.", closest.event_text())
            }
        };
        format!(
            "(service {service}) {EVENT} {why} For more information, see the Troubleshooting section of the Amazon ECS \
             Developer Guide."
        )
    }

    /// Why a task stops whose time in the queue is over.
    pub fn timeout(&self) -> String {
        let why = match self.closest() {
            None => "No Container Instances were found in your cluster.".to_owned(),
            Some(closest) if closest.reasons.is_empty() => {
                format!("The container-instance {} is kept free for a task before it.", closest.instance)
            }
            Some(closest) => {
                let (instance, text, detail) = (closest.instance, closest.event_text(), closest.detail());
                format!("The closest matching (container-instance {instance}) {text}: {detail}.")
            }
        };
        format!("The time in the queue is over: no container instance met all of its requirements. {why}")
    }

    /// What the API answers: a failure for each ACTIVE instance.
    pub fn failures(&self) -> Vec<Failure> {
        let active = self.refused.iter().filter(|refusal| refusal.is_active());
        let failures: Vec<Failure> = active.map(Refusal::failure).collect();
        if failures.is_empty() {
            let detail = "No ACTIVE container instances were found in the cluster.".to_owned();
            return vec![Failure { instance: None, reason: "NO ACTIVE INSTANCES".to_owned(), detail }];
        }
        failures
    }

    /// Instances by what was in the way on them, the most frequent first: each is counted once.
    pub fn groups(&self) -> Vec<(String, u32)> {
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for refusal in self.refused.iter().filter(|refusal| !refusal.reasons.is_empty()) {
            let mut gists: Vec<String> = refusal.reasons.iter().map(Reason::gist).collect();
            gists.dedup();
            *counts.entry(gists.join(", ")).or_default() += 1;
        }
        let mut groups: Vec<(String, u32)> = counts.into_iter().collect();
        groups.sort_by_key(|(_, instances)| std::cmp::Reverse(*instances));
        groups
    }

    /// As it is kept with a service of which so many tasks found no place.
    pub fn recorded(&self, at: Timestamp, unplaced: u32) -> Refused {
        let mut groups = self.groups();
        groups.truncate(REFUSAL_GROUPS);
        let closest = self.closest().map(|closest| (closest.instance, closest.detail()));
        Refused { at, unplaced, groups, closest }
    }

    /// One line that counts instances by what was in the way on them.
    pub fn summary(&self) -> String {
        let Some(closest) = self.closest() else {
            return "the cluster has no container instances".to_owned();
        };
        let groups = Refused::text(&self.groups());
        format!("no place: {groups}; closest {}: {}", closest.instance, closest.detail())
    }
}

/// What every placement event says first.
const EVENT: &str = "was unable to place a task because no container instance met all of its requirements.";

/// What is the same in all events that say the same about different instances: texts with equal gists need not both be
/// recorded.
pub(crate) fn gist(event: &str) -> String {
    const BEFORE: &str = "(container-instance ";
    match event.split_once(BEFORE) {
        Some((head, tail)) => {
            let tail = tail.split_once(')').map_or(tail, |(_, rest)| rest);
            format!("{head}{tail}")
        }
        None => event.to_owned(),
    }
}

// === impl Refusal ===

impl Refusal {
    /// What the API answers about this instance: the first thing in the way, and all of it in the detail.
    pub fn failure(&self) -> Failure {
        let reason = self.reasons.first().map_or("AGENT", Reason::word);
        Failure { instance: Some(self.instance), reason: reason.to_owned(), detail: self.detail() }
    }

    /// Everything that was in the way, with what was needed and what was there.
    pub fn detail(&self) -> String {
        let details: Vec<String> = self.reasons.iter().map(Reason::detail).collect();
        details.join("; ")
    }

    fn is_active(&self) -> bool {
        !self.reasons.iter().any(|reason| matches!(reason, Reason::NotActive(_)))
    }

    fn event_text(&self) -> String {
        let mut texts: Vec<&'static str> = self.reasons.iter().map(Reason::event_text).collect();
        texts.dedup();
        texts.join(" and ")
    }

    pub(super) fn distance(&self) -> Distance {
        Distance {
            gravity: self.reasons.iter().map(Reason::gravity).max().unwrap_or(0),
            reasons: self.reasons.len(),
            missing_ppm: self.reasons.iter().map(Reason::missing_ppm).sum(),
            instance: self.instance,
        }
    }
}

// === impl Reason ===

impl Reason {
    /// ECS's word for it in `failures`. Source: ECS API failure reasons.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::NotActive(_) => "INACTIVE",
            Self::Disconnected => "AGENT",
            Self::Attribute(_) | Self::Architecture { .. } => "ATTRIBUTE",
            Self::MemberOf(_) => "MemberOf placement constraint unsatisfied.",
            Self::DistinctInstance => "DistinctInstance placement constraint unsatisfied.",
            Self::Full(_) => "RESOURCE:TASKS",
            Self::Short(Shortage::Cpu { .. }) => "RESOURCE:CPU",
            Self::Short(Shortage::Memory { .. }) => "RESOURCE:MEMORY",
            Self::Short(Shortage::TcpPort(_)) => "RESOURCE:PORTS",
            Self::Short(Shortage::UdpPort(_)) => "RESOURCE:PORTS_UDP",
            Self::Short(Shortage::Gpu { .. }) => "RESOURCE:GPU",
            Self::Short(Shortage::Disk { .. }) => "RESOURCE:DISK",
            Self::AwaitsDaemon(_) => "AGENT",
        }
    }

    /// What is in the way, without the amounts.
    pub(super) fn gist(&self) -> String {
        match self {
            Self::Missing => "missing".to_owned(),
            Self::NotActive(status) => status.as_str().to_owned(),
            Self::Disconnected => "agent not connected".to_owned(),
            Self::Attribute(name) => format!("attribute {name} missing"),
            Self::Architecture { needed, .. } => format!("not {needed}"),
            Self::MemberOf(expression) => format!("memberOf {expression}"),
            Self::DistinctInstance => "distinctInstance".to_owned(),
            Self::Full(_) => "number of tasks".to_owned(),
            Self::Short(Shortage::Cpu { .. }) => "cpu".to_owned(),
            Self::Short(Shortage::Memory { .. }) => "memory".to_owned(),
            Self::Short(Shortage::Gpu { .. }) => "gpu".to_owned(),
            Self::Short(Shortage::Disk { .. }) => "disk".to_owned(),
            Self::Short(Shortage::TcpPort(port)) => format!("port {port} taken"),
            Self::Short(Shortage::UdpPort(port)) => format!("udp port {port} taken"),
            Self::AwaitsDaemon(service) => format!("waits for daemon {service}"),
        }
    }

    fn event_text(&self) -> &'static str {
        match self {
            Self::Missing => "encountered error \"MISSING\"",
            Self::NotActive(_) => "encountered error \"INACTIVE\"",
            Self::Disconnected => "doesn't have the agent connected",
            Self::Attribute(_) | Self::Architecture { .. } => "is missing an attribute required by your task",
            Self::MemberOf(_) => "encountered error \"MemberOf placement constraint unsatisfied.\"",
            Self::DistinctInstance => {
                "encountered error \"DistinctInstance placement constraint unsatisfied.\""
            }
            Self::Full(_) => "encountered error \"RESOURCE:TASKS\"",
            Self::Short(Shortage::Cpu { .. }) => "has insufficient CPU units available",
            Self::Short(Shortage::Memory { .. }) => "has insufficient memory available",
            Self::Short(Shortage::Gpu { .. }) => "has insufficient GPU resource available",
            Self::Short(Shortage::Disk { .. }) => "has insufficient disk available",
            Self::AwaitsDaemon(_) => "is about to start a task of a daemon service",
            Self::Short(Shortage::TcpPort(_) | Shortage::UdpPort(_)) => {
                "is already using a port required by your task"
            }
        }
    }

    /// In words, with what was needed and what was there.
    pub fn detail(&self) -> String {
        match self {
            Self::Missing => "there is no such container instance".to_owned(),
            Self::NotActive(status) => format!("the container instance is {}", status.as_str()),
            Self::Disconnected => "its agent is not connected".to_owned(),
            Self::Attribute(name) => format!("attribute {name} is missing"),
            Self::MemberOf(expression) => format!("memberOf {expression} does not hold"),
            Self::DistinctInstance => "it has a task of this group already".to_owned(),
            Self::Full(tasks) => format!("it has {tasks} tasks, as many as it may have"),
            Self::Short(shortage) => shortage.to_string(),
            Self::Architecture { needed, has } if has.is_empty() => {
                format!("the task is for {needed}, the instance does not say what it is")
            }
            Self::Architecture { needed, has } => format!("the task is for {needed}, the instance is {has}"),
            Self::AwaitsDaemon(service) => {
                format!("a task of the daemon service {service} starts on it first")
            }
        }
    }

    /// How much would have to change for it to go away: time alone, a stopped task, an operator, a host.
    fn gravity(&self) -> u8 {
        match self {
            Self::DistinctInstance | Self::Full(_) | Self::Short(_) | Self::AwaitsDaemon(_) => 0,
            Self::Attribute(_) | Self::MemberOf(_) | Self::Architecture { .. } => 1,
            Self::Disconnected => 2,
            Self::NotActive(_) => 3,
            Self::Missing => 4,
        }
    }

    fn missing_ppm(&self) -> u64 {
        match self {
            Self::Short(
                Shortage::Cpu { needed, free }
                | Shortage::Memory { needed, free }
                | Shortage::Gpu { needed, free }
                | Shortage::Disk { needed, free },
            ) => u64::from(needed - free.min(needed)) * 1_000_000 / u64::from(*needed).max(1),
            Self::Short(Shortage::TcpPort(_) | Shortage::UdpPort(_)) => 1_000_000,
            Self::Missing
            | Self::NotActive(_)
            | Self::Disconnected
            | Self::Attribute(_)
            | Self::MemberOf(_)
            | Self::DistinctInstance
            | Self::Architecture { .. }
            | Self::AwaitsDaemon(_)
            | Self::Full(_) => 0,
        }
    }
}
