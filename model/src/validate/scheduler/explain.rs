//! Explain: what every instance answers to a task, by the same placer that would place it.

use std::collections::BTreeSet;
use std::sync::Arc;

use berth_proto::scheduler::v1::{ExplainRequest, explain_request};

use super::cluster;
use crate::error::ApiError;
use crate::fit::{Refusal, Refused};
use crate::id::{ClusterName, InstanceId, ServiceKey, TaskId};
use crate::placement::{Decision, PlacementRules};
use crate::plan::placement::{Counted, Placer, Refusals, Request};
use crate::plan::queue::{self, Position};
use crate::resource::Requirements;
use crate::service::{Service, ServiceStatus};
use crate::state::State;
use crate::task::{DesiredStatus, Owner, Task, TaskStatus};
use crate::task_definition::Facts;
use crate::time::Timestamp;
use crate::validate::{Admission, name, task};

/// Why a task is where it is, or nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The cluster whose instances were asked.
    pub cluster: ClusterName,
    /// In one or two sentences.
    pub summary: String,
    /// Where the next such task would go.
    pub chosen: Option<InstanceId>,
    /// What every instance answers; nothing is in the way on those that could take it.
    pub answers: Vec<Refusal>,
    /// The refusals by what is in the way.
    pub groups: Vec<(String, u32)>,
    /// What was kept of the last attempt that failed.
    pub recorded: Option<Refused>,
    /// Why the task was placed where it is.
    pub decision: Option<Arc<Decision>>,
    /// Where in the queue it is.
    pub position: Option<Position>,
}

/// Explain.
pub fn explain(
    request: &ExplainRequest,
    view: &State,
    admission: &mut Admission,
) -> Result<Explanation, ApiError> {
    let cluster = cluster(&request.cluster, view)?;
    match &request.subject {
        None => Err(ApiError::invalid("Explain needs a task, a service or a run to explain.")),
        Some(explain_request::Subject::Service(reference)) => {
            let key = name::service(reference, &cluster, view)?;
            let service = view.service(&key).ok_or_else(ApiError::service_not_found)?;
            of_service(view, service)
        }
        Some(explain_request::Subject::Task(reference)) => {
            let id = name::task(reference, &cluster, view)?;
            let not_found = || ApiError::invalid("The referenced task was not found.");
            let task = view.task(id).filter(|task| task.cluster == cluster).ok_or_else(not_found)?;
            of_task(view, task, admission.now)
        }
        Some(explain_request::Subject::Run(run)) => {
            task::with_placement(run, view, admission, |placing, needs| {
                let answer = ask(placing, needs);
                let summary = match answer.chosen {
                    Some(instance) => format!("A task would be placed on {instance}."),
                    None => format!("No instance could take a task: {}.", answer.text()),
                };
                Ok(answer.explanation(placing.cluster, summary, None))
            })
        }
    }
}

fn of_service(view: &State, service: &Service) -> Result<Explanation, ApiError> {
    let (Some(primary), ServiceStatus::Active) = (service.primary(), service.status) else {
        return Err(ApiError::service_not_active());
    };
    let gone = || ApiError::client("TaskDefinition not found.");
    let facts = &view.task_definition(&primary.task_definition).ok_or_else(gone)?.facts;
    let answer = for_service(view, &service.key, &service.placement, facts, &facts.requirements(), None);
    let running = view.tasks_of(&service.key).filter(|task| task.is_running()).count();
    let pending = view.tasks_of(&service.key).filter(|task| task.is_pending()).count();
    let mut summary =
        format!("{running} of {} tasks run and {pending} are on their way. ", service.desired_count);
    summary.push_str(&match (&service.refused, service.is_daemon(), answer.chosen) {
        (Some(refused), _, _) => {
            format!("{} found no place: {}.", refused.unplaced, Refused::text(&refused.groups))
        }
        (None, true, _) => "It runs one task on every instance that matches.".to_owned(),
        (None, false, Some(instance)) => format!("None waits for a place; the next would go to {instance}."),
        (None, false, None) => {
            format!("None waits for a place; the next would find none: {}.", answer.text())
        }
    });
    Ok(answer.explanation(&service.key.cluster, summary, service.refused.clone()))
}

fn of_task(view: &State, task: &Task, now: Timestamp) -> Result<Explanation, ApiError> {
    let decision = task.scheduling.decision.clone();
    let Some(definition) = view.task_definition(&task.definition) else {
        // There will be no other like it, but what became of this one can be told.
        let answer = Answer { chosen: None, answers: Refusals::default() };
        return Ok(Explanation {
            decision,
            ..answer.explanation(&task.cluster, whereabouts(view, task), None)
        });
    };
    let facts = &definition.facts;
    let service = task.service().and_then(|key| view.service(&key));
    let answer = match (&task.owner, service) {
        (Owner::Service { .. }, Some(service)) => {
            for_service(view, &service.key, &service.placement, facts, &task.needs, Some(task.id))
        }
        _ => {
            let none = PlacementRules::default();
            let request = Request {
                view,
                cluster: &task.cluster,
                rules: task.scheduling.rules.as_deref().unwrap_or(&none),
                facts,
                counted: Counted::Group(&task.group),
                zone: None,
                seed: 0,
            };
            ask(&request, &task.needs)
        }
    };
    let position = queue::position(view, task, now);
    let summary = match position {
        Some(position) => waiting(task, position, &answer, now),
        None => format!("{} {}", whereabouts(view, task), answer.another()),
    };
    Ok(Explanation { decision, position, ..answer.explanation(&task.cluster, summary, None) })
}

/// Where in the queue a task is, and what it waits for.
fn waiting(task: &Task, position: Position, answer: &Answer, now: Timestamp) -> String {
    let queueing = task.scheduling.queue;
    let priority = queueing.map_or(0, |queueing| queueing.priority);
    let (before, waiting) = (position.before, position.waiting);
    let mut text = format!(
        "The task is {} and waits for a place: {before} of {waiting} tasks in the queue come before it, its \
         priority is {priority}. ",
        task.observed.last_status.as_str()
    );
    text.push_str(&match answer.chosen {
        Some(instance) => format!("It fits on {instance}."),
        None => format!("No instance can take it now: {}.", answer.text()),
    });
    if position.kept > 0 {
        text.push_str(&format!(" Others have passed it: {} instances are kept free for it.", position.kept));
    }
    if let Some(deadline) = queueing.and_then(|queueing| queueing.deadline) {
        text.push_str(&format!(" It is given up in {} s.", deadline.since(now).as_secs()));
    }
    text
}

/// Where a task is, why there, and what it waits for.
fn whereabouts(view: &State, task: &Task) -> String {
    let why = task.scheduling.decision.as_ref().map(|decision| format!(" {}", decision.text()));
    let mut text = location(view, task);
    text.push_str(&why.unwrap_or_default());
    text
}

fn location(view: &State, task: &Task) -> String {
    let instance = view.instance(task.instance);
    let zone = instance.map(|instance| instance.zone()).filter(|zone| !zone.is_empty());
    let zone = zone.map(|zone| format!(" in zone {zone}")).unwrap_or_default();
    let is_connected = instance.is_some_and(|instance| instance.connected);
    let status = task.observed.last_status;
    let mut text = match task.is_placed() {
        true => format!("The task was placed on {}{zone} and is {}", task.instance, status.as_str()),
        false => format!("The task never found a place and is {}", status.as_str()),
    };
    let waits = match status {
        TaskStatus::Stopped => task.stop_reason().map(|stop| stop.reason.to_string()),
        _ if !is_connected => Some("the agent of the instance is not connected".to_owned()),
        _ if task.desired == DesiredStatus::Stopped => {
            task.stop_reason().map(|stop| format!("to stop: {}", stop.reason))
        }
        TaskStatus::Pending if task.observed.report_version == 0 => {
            Some("the agent of the instance has not said anything of it yet".to_owned())
        }
        TaskStatus::Provisioning
        | TaskStatus::Pending
        | TaskStatus::Activating
        | TaskStatus::Deactivating
        | TaskStatus::Stopping
        | TaskStatus::Deprovisioning => {
            let containers = &task.observed.containers;
            let reasons = containers.iter().filter(|container| !container.reason.is_empty());
            let reasons: Vec<&str> = reasons.map(|container| container.reason.as_str()).collect();
            (!reasons.is_empty()).then(|| reasons.join("; "))
        }
        TaskStatus::Running => None,
    };
    match waits {
        Some(waits) => text.push_str(&format!(" ({waits}).")),
        None => text.push('.'),
    }
    text
}

/// What the placer says.
struct Answer {
    chosen: Option<InstanceId>,
    answers: Refusals,
}

fn for_service(
    view: &State,
    key: &ServiceKey,
    rules: &PlacementRules,
    facts: &Facts,
    needs: &Requirements,
    leaving: Option<TaskId>,
) -> Answer {
    let leaving: BTreeSet<TaskId> = leaving.into_iter().collect();
    let counted = Counted::Service { key, leaving: &leaving };
    ask(&Request { view, cluster: &key.cluster, rules, facts, counted, zone: None, seed: 0 }, needs)
}

fn ask(request: &Request<'_>, needs: &Requirements) -> Answer {
    let mut placer = Placer::new(request);
    let answers = placer.answers(needs);
    Answer { chosen: placer.place(needs).ok(), answers }
}

// === impl Answer ===

impl Answer {
    fn text(&self) -> String {
        let groups = self.answers.groups();
        if groups.is_empty() {
            "the cluster has no container instances".to_owned()
        } else {
            Refused::text(&groups)
        }
    }

    fn another(&self) -> String {
        match self.chosen {
            Some(instance) => format!("Another like it would go to {instance}."),
            None => format!("Another like it would find no place: {}.", self.text()),
        }
    }

    fn explanation(self, cluster: &ClusterName, summary: String, recorded: Option<Refused>) -> Explanation {
        Explanation {
            cluster: cluster.clone(),
            summary,
            chosen: self.chosen,
            groups: self.answers.groups(),
            answers: self.answers.iter().cloned().collect(),
            recorded,
            decision: None,
            position: None,
        }
    }
}
