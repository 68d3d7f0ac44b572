//! Explanations, drains and moves as messages.

use berth_model::container_instance::ContainerInstance;
use berth_model::fit::{Reason, Refusal, Refused};
use berth_model::id::{ClusterName, InstanceId};
use berth_model::plan::drain::{Blocker, Phase, progress};
use berth_model::plan::queue::Position;
use berth_model::plan::rebalance::{Move, Proposal};
use berth_model::state::State;
use berth_model::time::Timestamp;
use berth_model::validate::scheduler::Explanation;
use berth_proto::scheduler::v1 as pb;

use super::task::decision;

/// Why a task is where it is, or nowhere.
pub(crate) fn explanation(explanation: &Explanation, view: &State) -> pb::ExplainResponse {
    let arn = |id: InstanceId| view.scope().container_instance(&explanation.cluster, id);
    let verdict = |refusal: &Refusal| pb::Verdict {
        container_instance_arn: arn(refusal.instance),
        availability_zone: zone(view, refusal.instance),
        reasons: refusal.reasons.iter().map(reason).collect(),
    };
    pb::ExplainResponse {
        summary: explanation.summary.clone(),
        chosen_container_instance_arn: explanation.chosen.map(arn).unwrap_or_default(),
        verdicts: explanation.answers.iter().map(verdict).collect(),
        groups: groups(&explanation.groups),
        recorded: explanation.recorded.as_ref().map(|refused| recorded(refused, arn)),
        decision: explanation.decision.as_deref().map(decision),
        queue: explanation.position.map(position),
    }
}

fn position(position: Position) -> pb::QueuePosition {
    let count = |tasks: usize| u32::try_from(tasks).unwrap_or(u32::MAX);
    pb::QueuePosition {
        before: count(position.before),
        waiting: count(position.waiting),
        kept_instances: count(position.kept),
    }
}

/// How far a drain is.
pub(crate) fn drain(instance: &ContainerInstance, view: &State, now: Timestamp) -> pb::Drain {
    let progress = progress(view, instance, now);
    let phase = match progress.phase {
        Phase::Draining => pb::DrainPhase::Draining,
        Phase::Done => pb::DrainPhase::Done,
        Phase::Lost => pb::DrainPhase::Lost,
        Phase::NotDraining => pb::DrainPhase::NotDraining,
    };
    let drain = instance.drain.as_ref();
    pb::Drain {
        container_instance_arn: view.scope().container_instance(&instance.cluster, instance.id),
        phase: phase.into(),
        started_at: drain.map(|drain| drain.started_at.to_message()),
        deadline: drain.and_then(|drain| drain.deadline).map(|at| at.to_message()),
        tasks_at_start: drain.map(|drain| drain.tasks).unwrap_or_default(),
        blockers: progress.blockers.iter().filter_map(|one| blocker(one, view)).collect(),
    }
}

/// What is moved, and what is not.
pub(crate) fn proposal(proposal: &Proposal, cluster: &ClusterName, view: &State) -> pb::RebalanceResponse {
    let arn = |id: InstanceId| view.scope().container_instance(cluster, id);
    let one = |one: &Move| pb::Move {
        service: one.service.name.to_string(),
        task_arn: view.scope().task(cluster, one.task),
        from_container_instance_arn: arn(one.from),
        to_container_instance_arn: arn(one.to),
        from_availability_zone: zone(view, one.from),
        to_availability_zone: zone(view, one.to),
        reason: one.reason.clone(),
    };
    pb::RebalanceResponse {
        moves: proposal.moves.iter().map(one).collect(),
        held_back: proposal.held_back.iter().map(|(key, why)| format!("{}: {why}", key.name)).collect(),
    }
}

fn blocker(blocker: &Blocker, view: &State) -> Option<pb::Blocker> {
    let task = view.task(blocker.task)?;
    Some(pb::Blocker {
        task_arn: view.scope().task(&task.cluster, task.id),
        service: task.service().map(|key| key.name.to_string()).unwrap_or_default(),
        last_status: task.shown_status().as_str().to_owned(),
        reason: blocker.reason.clone(),
    })
}

fn reason(reason: &Reason) -> pb::Reason {
    pb::Reason { reason: reason.word().to_owned(), detail: reason.detail() }
}

fn groups(groups: &[(String, u32)]) -> Vec<pb::RefusalGroup> {
    let group = |(reason, instances): &(String, u32)| pb::RefusalGroup {
        reason: reason.clone(),
        instances: *instances,
    };
    groups.iter().map(group).collect()
}

fn recorded(refused: &Refused, arn: impl Fn(InstanceId) -> String) -> pb::RecordedRefusal {
    let (closest, detail) = match &refused.closest {
        Some((id, detail)) => (arn(*id), detail.clone()),
        None => (String::new(), String::new()),
    };
    pb::RecordedRefusal {
        at: Some(refused.at.to_message()),
        unplaced: refused.unplaced,
        groups: groups(&refused.groups),
        closest_container_instance_arn: closest,
        closest_detail: detail,
    }
}

fn zone(view: &State, id: InstanceId) -> String {
    view.instance(id).map(|instance| instance.zone().to_owned()).unwrap_or_default()
}
