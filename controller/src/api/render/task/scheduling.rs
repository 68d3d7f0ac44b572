//! How a task came to its place as messages: Berth's own.

use berth_model::placement::{Decision, Strategy};
use berth_model::task::Queueing;
use berth_proto::ecs::v1 as pb;

use super::super::time;

/// Why it was placed where it is.
pub(crate) fn decision(decision: &Decision) -> pb::PlacementDecision {
    let filter = |(reason, instances): &(String, u32)| pb::PlacementFilter {
        reason: Some(reason.clone()),
        instances: Some(count(*instances)),
    };
    let term = |(strategy, value): &(Strategy, u64)| pb::PlacementTerm {
        strategy: Some(strategy.to_string()),
        value: Some(i64::try_from(*value).unwrap_or(i64::MAX)),
    };
    pb::PlacementDecision {
        summary: Some(decision.text()),
        instances_considered: Some(count(decision.asked)),
        instances_fitting: Some(count(decision.fitting)),
        filters: decision.filtered.iter().map(filter).collect(),
        terms: decision.terms.iter().map(term).collect(),
    }
}

/// How it waits for a place, or did.
pub(super) fn queue(queueing: &Queueing) -> pb::QueueStatus {
    pb::QueueStatus { priority: Some(queueing.priority), expires_at: time(queueing.deadline) }
}

fn count(instances: u32) -> i32 {
    i32::try_from(instances).unwrap_or(i32::MAX)
}
