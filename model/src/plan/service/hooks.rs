//! What a service deployment waits for at a stage: its hooks, one after another.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::rollout::outcome;
use super::start::Template;
use super::{PLACEMENT_RETRY, Round, advance};
use crate::command::{AdvanceService, Command, RolloutStep, StartTasks, StopTasks};
use crate::id::TaskId;
use crate::plan::placement::{Counted, Placer, Request};
use crate::service::rollout::{HookRun, HookStatus, ServiceDeployment, Stage};
use crate::service::settings::{Hook, HookAction, HookTarget};
use crate::service::{Deployment, Service};
use crate::state::State;
use crate::task::{DesiredStatus, Owner, StopCode, Task};
use crate::task_definition::TaskDefinition;

/// Whether a deployment may leave a stage.
pub(super) enum Gate {
    /// It may.
    Open,
    /// It may not yet, and there is nothing to do about it now.
    Closed,
    /// It may not yet, and the plan has something to do about it.
    Moves,
    /// It may not, ever.
    Failed(String),
}

/// Stops the tasks of hooks that nobody waits for any more: their service deployment is over, or was given another, or
/// they took too long.
pub(super) fn stray(view: &State, service: &Service) -> Option<Command> {
    let key = &service.key;
    let open: BTreeSet<TaskId> = service.records.current().map(open_tasks).unwrap_or_default();
    let is_stray = |task: &&Arc<Task>| {
        task.desired == DesiredStatus::Running
            && !task.is_stopped()
            && task.awaited_by().as_ref() == Some(key)
            && !open.contains(&task.id)
    };
    let group = group(service);
    let tasks: Vec<TaskId> =
        view.tasks_in_group(&key.cluster, &group).filter(is_stray).map(|task| task.id).collect();
    let (code, reason) = (StopCode::ServiceSchedulerInitiated, "No service deployment waits for it any more");
    let stop = StopTasks { service: None, tasks, code, reason: reason.to_owned() };
    (!stop.tasks.is_empty()).then_some(Command::StopTasks(stop))
}

fn open_tasks(record: &ServiceDeployment) -> BTreeSet<TaskId> {
    record.hooks.iter().filter(|run| !run.status.is_over()).filter_map(|run| run.task).collect()
}

fn group(service: &Service) -> String {
    format!("hook:{}", service.key.name)
}

// === impl Round ===

impl Round<'_, '_> {
    pub(super) fn stop_stray_hooks(&mut self) {
        self.plan.commands.extend(stray(self.view, self.service));
    }

    /// Runs the hooks of a stage.
    pub(super) fn pass(&mut self, record: &ServiceDeployment, stage: Stage) -> Gate {
        let hooks = &self.service.settings.hooks;
        for (at, hook) in (0..).zip(hooks).filter(|(_, hook)| hook.stages.contains(&stage)) {
            let run = record.hooks_at(stage).find(|run| run.hook == at);
            let Some(run) = run else {
                return self.begin(at, hook, stage);
            };
            match (run.status, run.on_timeout) {
                (HookStatus::Succeeded, _) | (HookStatus::TimedOut, HookAction::Continue) => {}
                (HookStatus::Failed, _) | (HookStatus::TimedOut, HookAction::RollBack) => {
                    return Gate::Failed(failure(run, stage));
                }
                (HookStatus::AwaitingAction | HookStatus::InProgress, _) => return self.attend(run, hook),
            }
        }
        Gate::Open
    }

    fn begin(&mut self, at: u32, hook: &Hook, stage: Stage) -> Gate {
        let run = HookRun {
            id: self.ids.hook(),
            hook: at,
            stage,
            status: match hook.target {
                HookTarget::Pause => HookStatus::AwaitingAction,
                HookTarget::Webhook(_) | HookTarget::Task { .. } => HookStatus::InProgress,
            },
            reason: String::new(),
            task: match hook.target {
                HookTarget::Task { .. } => Some(self.ids.task()),
                HookTarget::Pause | HookTarget::Webhook(_) => None,
            },
            began_at: self.now,
            expires_at: self.now.plus(hook.timeout),
            on_timeout: hook.on_timeout,
            target_arn: hook.target_arn.clone(),
        };
        self.step(RolloutStep::BeginHook(run))
    }

    fn attend(&mut self, run: &HookRun, hook: &Hook) -> Gate {
        if self.now >= run.expires_at {
            let reason = format!("It took longer than {} minutes.", hook.timeout.as_secs() / 60);
            return self.step(RolloutStep::EndHook { id: run.id, status: HookStatus::TimedOut, reason });
        }
        self.plan.wake_at(run.expires_at);
        match (&hook.target, run.task) {
            (HookTarget::Task { .. }, Some(id)) => self.attend_task(run, hook, id),
            (HookTarget::Task { .. } | HookTarget::Pause | HookTarget::Webhook(_), _) => Gate::Closed,
        }
    }

    /// Starts the task of a hook, whose id was decided before, and looks how it ended.
    fn attend_task(&mut self, run: &HookRun, hook: &Hook, id: TaskId) -> Gate {
        let Some(task) = self.view.task(id) else { return self.start_hook(hook, id) };
        if !task.is_stopped() {
            return Gate::Closed;
        }
        let definition = self.view.task_definition(&task.definition);
        let outcome = definition.map_or_else(
            || Err("its task definition is gone".to_owned()),
            |definition| outcome(task, &definition.facts),
        );
        let (status, reason) = match outcome {
            Ok(()) => (HookStatus::Succeeded, String::new()),
            Err(reason) => (HookStatus::Failed, format!("task {id}: {reason}")),
        };
        self.step(RolloutStep::EndHook { id: run.id, status, reason })
    }

    fn start_hook(&mut self, hook: &Hook, id: TaskId) -> Gate {
        let key = match &hook.target {
            HookTarget::Task { definition: Some(key), .. } => key,
            HookTarget::Task { definition: None, .. } | HookTarget::Pause | HookTarget::Webhook(_) => {
                &self.target.task_definition
            }
        };
        let Some(definition) = self.view.task_definition(key).cloned() else {
            return Gate::Failed(format!("The task definition {key} of a lifecycle hook is gone."));
        };
        let group = group(self.service);
        let mut placer = Placer::new(&Request {
            view: self.view,
            cluster: &self.service.key.cluster,
            rules: &self.service.placement,
            facts: &definition.facts,
            counted: Counted::Group(&group),
            zone: None,
            seed: self.ids.short(),
        });
        match placer.decide(&definition.facts.requirements()) {
            Ok((instance, decision)) => {
                let mut task = self.hook_task(hook, &definition, self.target, &group);
                (task.id, task.instance) = (id, instance);
                task.scheduling.decision = Some(Arc::new(decision));
                let tasks = vec![task];
                self.plan.commands.push(Command::StartTasks(StartTasks { service: None, tasks }));
                Gate::Moves
            }
            Err(refusals) => {
                self.plan.wake_at(self.now.plus(PLACEMENT_RETRY));
                self.plan.notes.push(format!("the task of a hook found no place: {}", refusals.summary()));
                Gate::Closed
            }
        }
    }

    fn hook_task(&self, hook: &Hook, definition: &TaskDefinition, target: &Deployment, group: &str) -> Task {
        let mut task = Template::new(self.service, target, definition, self.now).into_task();
        task.owner = Owner::Hook { service: self.service.key.name.clone() };
        task.group = Arc::from(group);
        task.definition = definition.key.clone();
        if definition.key != target.task_definition {
            task.images = None;
        }
        if let HookTarget::Task { overrides, .. } = &hook.target {
            task.overrides.clone_from(overrides);
        }
        task
    }

    fn step(&mut self, step: RolloutStep) -> Gate {
        let advance = AdvanceService { steps: vec![step], ..advance(self.service) };
        self.plan.commands.push(Command::AdvanceService(advance));
        Gate::Moves
    }
}

fn failure(run: &HookRun, stage: Stage) -> String {
    let verb = if run.status == HookStatus::TimedOut { "timed out" } else { "failed" };
    let stage = stage.as_str();
    let reason = &run.reason;
    let target = if run.target_arn.is_empty() { "PAUSE" } else { &run.target_arn };
    format!("Lifecycle hook {target} {verb} at {stage}: {reason}")
}
