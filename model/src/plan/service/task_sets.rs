//! Services that somebody else deploys: each task set is kept at its share of the desired count.

use super::census::Census;
use super::{Plan, Policy, Round, events, push_stops};
use crate::command::{AdvanceService, ChangeTaskSets, Command, TaskSetChange};
use crate::id::{DeploymentId, Ids, TaskId};
use crate::service::task_set::{TaskSet, TaskSetStatus};
use crate::service::{DeploymentBounds, DeploymentStatus, Service};
use crate::state::State;
use crate::task::DesiredStatus;
use crate::time::Timestamp;

/// Plans for all task sets of an ACTIVE service.
pub(super) fn plan(view: &State, service: &Service, now: Timestamp, policy: &Policy, ids: &mut Ids) -> Plan {
    let mut all = Plan::default();
    let (mut stable, mut gone) = (Vec::new(), Vec::new());
    for set in &service.task_sets {
        let alone = alone(service, set);
        let Some(primary) = alone.deployments.first() else { continue };
        let mut round = Round {
            view,
            service: &alone,
            primary,
            target: primary,
            now,
            policy,
            ids,
            plan: Plan::default(),
        };
        let is_stable = round.plan_task_set();
        let plan = round.plan;
        if set.status == TaskSetStatus::Draining && !has_tasks(view, service, set.id()) {
            gone.push(set.id());
        } else if is_stable != set.stable {
            stable.push((set.id(), is_stable));
        }
        all.commands.extend(plan.commands);
        all.notes.extend(plan.notes);
        if let Some(at) = plan.next_wake {
            all.wake_at(at);
        }
    }
    let orphans = orphans(view, service);
    if let Some(first) = orphans.first().and_then(|id| view.task(*id)).and_then(|task| task.deployment()) {
        push_stops(&mut all, service, &orphans, &events::scaling_reason(first));
    }
    if !(stable.is_empty() && gone.is_empty()) {
        all.commands.push(Command::ChangeTaskSets(Box::new(ChangeTaskSets {
            key: service.key.clone(),
            generation: service.generation,
            change: TaskSetChange::Advance { stable, gone },
        })));
    }
    all
}

/// A service that has nothing but this task set.
fn alone(service: &Service, set: &TaskSet) -> Service {
    let mut deployment = set.deployment.clone();
    deployment.status = DeploymentStatus::Primary;
    let mut spec = service.spec.to_owned_message();
    if set.spec.network_configuration.is_some() {
        spec.network_configuration.clone_from(&set.spec.network_configuration);
    }
    Service {
        desired_count: set.computed_desired_count(service.desired_count),
        task_definition: deployment.task_definition.clone(),
        bounds: DeploymentBounds::default(),
        deployments: vec![deployment],
        spec: crate::wire::Wire::new(spec),
        records: crate::service::rollout::Records::default(),
        settings: crate::service::settings::DeploymentSettings::default(),
        ..service.clone()
    }
}

fn has_tasks(view: &State, service: &Service, id: DeploymentId) -> bool {
    let mut own = view.tasks_of(&service.key).filter(|task| task.deployment() == Some(id));
    own.any(|task| !task.is_stopped() && view.is_reachable(task))
}

/// Tasks of task sets that are gone.
fn orphans(view: &State, service: &Service) -> Vec<TaskId> {
    let is_known = |id: DeploymentId| service.task_sets.iter().any(|set| set.id() == id);
    let tasks = view.tasks_of(&service.key).filter(|task| {
        !task.is_stopped()
            && task.desired == DesiredStatus::Running
            && task.deployment().is_some_and(|id| !is_known(id))
    });
    tasks.map(|task| task.id).collect()
}

// === impl Round ===

impl Round<'_, '_> {
    /// Plans for the only deployment; says whether it is stable.
    fn plan_task_set(&mut self) -> bool {
        let census =
            Census::take(self.view, self.service, self.primary, self.now, self.policy, Some(self.primary.id));
        if self.plan_rollout(&census, &census.counts(self.service)) {
            return false;
        }
        let (texts, steps, _) = self.fill(&census);
        let is_new = |text: &String| events::is_new(self.service, self.primary, self.now, text);
        let events: Vec<String> = texts.into_iter().filter(is_new).collect();
        let is_stable = self.plan.is_quiet() && census.is_all_well(self.service.desired_count);
        if !(events.is_empty() && steps.is_empty()) {
            let advance = AdvanceService { events, steps, ..super::advance(self.service) };
            self.plan.commands.push(Command::AdvanceService(advance));
        }
        if let Some(at) = census.changes_at {
            self.plan.wake_at(at);
        }
        is_stable
    }
}
