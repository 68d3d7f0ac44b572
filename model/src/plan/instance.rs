//! Declares instances lost that no controller has heard of for too long.
//!
//! Silence is not proof: the controllers may be the ones that are cut off. So the more of a zone is silent at once, the
//! more careful this is.
//!
//! * While **every** connected instance is silent, nobody is declared lost: there is nowhere to move tasks to, and the
//!   likeliest explanation is on this side.
//! * While at least [`GONE_PERCENT`] of a zone is gone (silent, or declared lost and not back), one instance of the zone
//!   is declared lost per `instance_lost_after`. A zone of one or two instances is no exception: its first one goes at
//!   once, because nothing was declared lost just before it.
//! * Otherwise an instance is lost as soon as it was silent for `instance_lost_after`.
//!
//! What was declared lost, and when, is in the view; so a new leader keeps the pace of the old one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use super::{Plan, Policy};
use crate::command::Command;
use crate::container_instance::{ContainerInstance, InstanceStatus};
use crate::id::InstanceId;
use crate::limits::COMMANDS_PER_PLAN;
use crate::state::State;
use crate::time::Timestamp;

/// From this share of a zone on, silence is taken for an accident of the zone rather than of its instances.
/// Source: Kubernetes' node lifecycle controller, `--unhealthy-zone-threshold` 0.55.
pub const GONE_PERCENT: usize = 55;

/// Plans which of the silent instances are lost. `silent` has the connected instances without a live session, and for
/// how long they had none.
pub fn plan(view: &State, silent: &BTreeMap<InstanceId, Duration>, now: Timestamp, policy: &Policy) -> Plan {
    let zones = zones(view, silent);
    let mut plan = Plan::default();
    if zones.values().all(|zone| zone.heard == 0) {
        if zones.values().any(|zone| !zone.silent.is_empty()) {
            plan.notes.push("every connected instance is silent: nobody is declared lost".into());
            plan.wake_at(now.plus(policy.instance_lost_after));
        }
        return plan;
    }
    for (name, zone) in &zones {
        zone.plan(name, now, policy.instance_lost_after, &mut plan);
    }
    plan
}

/// What is known of the instances of one zone, deregistered ones left out.
#[derive(Default)]
struct Zone {
    /// Connected and heard of.
    heard: usize,
    /// Connected and silent, and for how long.
    silent: Vec<(Duration, InstanceId)>,
    /// Declared lost and not back.
    lost: usize,
    /// When the last of those was.
    last_lost_at: Option<Timestamp>,
}

fn zones<'a>(view: &'a State, silent: &BTreeMap<InstanceId, Duration>) -> BTreeMap<&'a str, Zone> {
    let mut zones: BTreeMap<&str, Zone> = BTreeMap::new();
    for instance in view.instances().filter(|instance| instance.status != InstanceStatus::Inactive) {
        zones.entry(instance.zone()).or_default().add(instance, silent.get(&instance.id).copied());
    }
    zones
}

// === impl Zone ===

impl Zone {
    fn add(&mut self, instance: &ContainerInstance, silence: Option<Duration>) {
        match (instance.connected, silence) {
            (true, None) => self.heard += 1,
            (true, Some(silence)) => self.silent.push((silence, instance.id)),
            (false, _) => {
                self.lost += 1;
                self.last_lost_at = self.last_lost_at.max(Some(instance.connected_at));
            }
        }
    }

    fn is_mostly_gone(&self) -> bool {
        let gone = self.silent.len() + self.lost;
        gone * 100 >= (gone + self.heard) * GONE_PERCENT
    }

    fn plan(&self, name: &str, now: Timestamp, lost_after: Duration, plan: &mut Plan) {
        let mut silent = self.silent.clone();
        silent.sort_by_key(|(silence, id)| (Reverse(*silence), *id));
        let slowed = self.is_mostly_gone();
        let mut allowed = COMMANDS_PER_PLAN.saturating_sub(plan.commands.len());
        let mut not_before = now;
        if slowed {
            not_before = self.last_lost_at.map_or(now, |at| at.plus(lost_after));
            allowed = allowed.min(usize::from(not_before <= now));
        }
        for (silence, id) in silent {
            if silence < lost_after {
                plan.wake_at(now.plus(lost_after - silence).max(not_before));
                return;
            }
            if allowed == 0 {
                // Out of turn: the zone is slowed, or the plan is full.
                plan.wake_at(if slowed { not_before.max(now) } else { now });
                return;
            }
            allowed -= 1;
            plan.commands.push(Command::SetInstanceConnected { id, connected: false });
            plan.notes.push(format!("instance {id} of zone {name:?} was silent for {silence:?}"));
            if slowed {
                not_before = now.plus(lost_after);
                plan.notes.push(format!("zone {name:?} is mostly gone: one instance per {lost_after:?}"));
            }
        }
    }
}

#[cfg(test)]
mod tests;
