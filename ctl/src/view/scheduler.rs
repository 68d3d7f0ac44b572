//! Explanations, drains and moves, for people.

use berth_proto::scheduler::v1::{Drain, DrainPhase, ExplainResponse, RebalanceResponse, RefusalGroup};

use crate::names::short_id;
use crate::table::{Cell, Keep, Table, Tone};
use crate::time::date_time;

/// The summary, and the refusals counted.
pub(crate) fn explained(response: &ExplainResponse) -> String {
    let mut text = response.summary.clone();
    if !response.groups.is_empty() {
        text.push_str(&format!("\nRefused by {}.", groups(&response.groups)));
    }
    if let Some(recorded) = &response.recorded {
        text.push_str(&format!(
            "\nLast refused {}: {}; closest {}: {}.",
            date_time(recorded.at.as_ref()),
            groups(&recorded.groups),
            short_id(&recorded.closest_container_instance_arn),
            recorded.closest_detail
        ));
    }
    text
}

/// One line an instance.
pub(crate) fn verdicts(response: &ExplainResponse) -> Table {
    let mut table = Table::new(&[
        ("INSTANCE", Keep::Always),
        ("ZONE", Keep::IfRoom(1)),
        ("ANSWER", Keep::Always),
        ("WHY", Keep::Sentence(0)),
    ]);
    for verdict in &response.verdicts {
        let is_chosen = verdict.container_instance_arn == response.chosen_container_instance_arn;
        let answer = match (verdict.reasons.as_slice(), is_chosen) {
            ([], true) => Cell::toned("chosen", Tone::Good),
            ([], false) => Cell::from("fits"),
            (_, _) => Cell::toned("refused", Tone::Bad),
        };
        let why: Vec<&str> = verdict.reasons.iter().map(|reason| reason.detail.as_str()).collect();
        table.row([
            short_id(&verdict.container_instance_arn).into(),
            verdict.availability_zone.as_str().into(),
            answer,
            why.join("; ").into(),
        ]);
    }
    table
}

/// One line a task that a drain waits for, and one for each drain that waits for none.
pub(crate) fn drains(drains: &[Drain]) -> Table {
    let mut table = Table::new(&[
        ("INSTANCE", Keep::Always),
        ("PHASE", Keep::Always),
        ("DEADLINE", Keep::IfRoom(2)),
        ("LEFT", Keep::IfRoom(1)),
        ("TASK", Keep::Always),
        ("SERVICE", Keep::IfRoom(1)),
        ("WAITS FOR", Keep::Sentence(0)),
    ]);
    for drain in drains {
        let left = format!("{}/{}", drain.blockers.len(), drain.tasks_at_start);
        let row = |task: &str, service: &str, reason: &str| {
            [
                short_id(&drain.container_instance_arn).into(),
                phase(drain.phase()),
                date_time(drain.deadline.as_ref()).into(),
                left.as_str().into(),
                short_id(task).into(),
                service.into(),
                reason.into(),
            ]
        };
        if drain.blockers.is_empty() {
            table.row(row("", "", ""));
        }
        for blocker in &drain.blockers {
            table.row(row(&blocker.task_arn, &blocker.service, &blocker.reason));
        }
    }
    table
}

/// One line a move.
pub(crate) fn moves(response: &RebalanceResponse) -> Table {
    let mut table = Table::new(&[
        ("SERVICE", Keep::Always),
        ("TASK", Keep::Always),
        ("FROM", Keep::Always),
        ("TO", Keep::Always),
        ("WHY", Keep::Sentence(0)),
    ]);
    let place = |arn: &str, zone: &str| match zone {
        "" => short_id(arn).to_owned(),
        zone => format!("{} ({zone})", short_id(arn)),
    };
    for one in &response.moves {
        table.row([
            one.service.as_str().into(),
            short_id(&one.task_arn).into(),
            place(&one.from_container_instance_arn, &one.from_availability_zone).into(),
            place(&one.to_container_instance_arn, &one.to_availability_zone).into(),
            one.reason.as_str().into(),
        ]);
    }
    table
}

/// `5 instances: memory; 2: port 8080 taken`.
fn groups(groups: &[RefusalGroup]) -> String {
    let one = |(place, group): (usize, &RefusalGroup)| match (place, group.instances) {
        (0, 1) => format!("1 instance: {}", group.reason),
        (0, instances) => format!("{instances} instances: {}", group.reason),
        (_, instances) => format!("{instances}: {}", group.reason),
    };
    groups.iter().enumerate().map(one).collect::<Vec<_>>().join("; ")
}

fn phase(phase: DrainPhase) -> Cell {
    match phase {
        DrainPhase::Draining => Cell::toned("DRAINING", Tone::Busy),
        DrainPhase::Done => Cell::toned("DONE", Tone::Good),
        DrainPhase::Lost => Cell::toned("LOST", Tone::Bad),
        DrainPhase::NotDraining => Cell::toned("NOT DRAINING", Tone::Quiet),
        DrainPhase::Unspecified => Cell::from(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_in_one_line() {
        let group = |reason: &str, instances| RefusalGroup { reason: reason.to_owned(), instances };
        let all = [group("memory", 5), group("port 8080 taken", 2)];
        assert_eq!(groups(&all), "5 instances: memory; 2: port 8080 taken");
        assert_eq!(groups(&[group("cpu", 1)]), "1 instance: cpu");
    }
}
