//! What the placer keeps for DAEMON services: they are the first on an instance.
//!
//! Where a daemon belongs and has no task that should run, what it needs counts as held: nobody else takes it while the
//! old task stops or before the first one is there. On an instance on which it never had a task and could start one now,
//! tasks of other services wait for it; that takes one round of its planner.

use std::collections::BTreeMap;

use super::{Candidate, Counted, Request};
use crate::fit::Conditions;
use crate::id::{InstanceId, ServiceKey};
use crate::resource::{Requirements, fits};
use crate::service::Service;
use crate::state::State;
use crate::task::DesiredStatus;

/// Sets aside what the daemons of the cluster have a claim to.
pub(super) fn set_aside<'a>(request: &Request<'a>, candidates: &mut [Candidate<'a>]) {
    let own: Option<&ServiceKey> = match request.counted {
        Counted::Service { key, .. } => Some(key),
        Counted::Group(_) => None,
    };
    for daemon in request.view.daemons_in(request.cluster) {
        if own == Some(&daemon.key) {
            continue;
        }
        let others_wait = own.is_some_and(|key| !is_daemon(request.view, key));
        claim(request.view, daemon, others_wait, candidates);
    }
}

fn is_daemon(view: &State, key: &ServiceKey) -> bool {
    view.service(key).is_some_and(|service| service.is_daemon())
}

/// What a daemon has on an instance.
#[derive(Default)]
struct Here {
    is_wanted: bool,
    /// By tasks that are about to leave.
    held: Requirements,
}

fn claim<'a>(view: &'a State, daemon: &'a Service, others_wait: bool, candidates: &mut [Candidate<'a>]) {
    let Some(primary) = daemon.primary() else { return };
    let Some(definition) = view.task_definition(&primary.task_definition) else { return };
    let needs = definition.facts.requirements();
    let conditions = Conditions::new(&definition.facts, &daemon.placement.constraints);
    let mut on: BTreeMap<InstanceId, Here> = BTreeMap::new();
    for task in view.tasks_of(&daemon.key) {
        let here = on.entry(task.instance).or_default();
        if !task.is_stopped() {
            here.is_wanted |= task.desired == DesiredStatus::Running;
            here.held.add(&task.held);
        }
    }
    for candidate in candidates {
        let instance = candidate.instance;
        let here = on.get(&instance.id);
        let is_missing = here.is_none_or(|here| !here.is_wanted);
        if !instance.takes_tasks() || !is_missing || !conditions.match_instance(view, instance) {
            continue;
        }
        if others_wait && here.is_none() && fits(&needs, &instance.capacity, &instance.held).is_ok() {
            candidate.awaits.get_or_insert(&daemon.key.name);
        }
        let mut claimed = needs.clone();
        if let Some(here) = here {
            claimed.subtract(&here.held);
        }
        candidate.held.get_or_insert_with(|| Box::new(instance.held.clone())).add(&claimed);
    }
}
