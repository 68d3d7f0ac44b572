//! The texts, and which instance counts as the closest.

use super::super::explain::gist;
use super::super::{Reason, Refusal, Refusals};
use crate::container_instance::InstanceStatus;
use crate::fit::Refused;
use crate::fixture::START;
use crate::id::InstanceId;
use crate::resource::Shortage;

/// An instance and what is in the way on it.
type Row<'a> = (u128, &'a [Reason]);

fn refusals(rows: &[Row<'_>]) -> Refusals {
    let refusal =
        |(id, reasons): &Row<'_>| Refusal { instance: InstanceId::new(*id), reasons: reasons.to_vec() };
    Refusals::new(rows.iter().map(refusal).collect())
}

fn memory(needed: u32, free: u32) -> Reason {
    Reason::Short(Shortage::Memory { needed, free })
}

fn cpu(needed: u32, free: u32) -> Reason {
    Reason::Short(Shortage::Cpu { needed, free })
}

fn event_about(what: &str) -> String {
    format!(
        "(service web) was unable to place a task because no container instance met all of its requirements. {what} \
         For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
    )
}

#[test]
fn says_what_ecs_says() {
    let id = "00000000000000000000000000000001";
    let rows: [(&[Reason], &str, &str); 9] = [
        (&[memory(2, 1)], "has insufficient memory available", "RESOURCE:MEMORY"),
        (&[cpu(2, 1)], "has insufficient CPU units available", "RESOURCE:CPU"),
        (
            &[Reason::Short(Shortage::TcpPort(80)), Reason::Short(Shortage::TcpPort(81))],
            "is already using a port required by your task",
            "RESOURCE:PORTS",
        ),
        (
            &[Reason::Short(Shortage::UdpPort(53))],
            "is already using a port required by your task",
            "RESOURCE:PORTS_UDP",
        ),
        (&[Reason::Attribute("gpu".into())], "is missing an attribute required by your task", "ATTRIBUTE"),
        (&[Reason::Disconnected], "doesn't have the agent connected", "AGENT"),
        (
            &[Reason::DistinctInstance],
            "encountered error \"DistinctInstance placement constraint unsatisfied.\"",
            "DistinctInstance placement constraint unsatisfied.",
        ),
        (
            &[Reason::MemberOf("x".into())],
            "encountered error \"MemberOf placement constraint unsatisfied.\"",
            "MemberOf placement constraint unsatisfied.",
        ),
        (
            &[cpu(2, 1), memory(2, 1)],
            "has insufficient CPU units available and has insufficient memory available",
            "RESOURCE:CPU",
        ),
    ];
    for (reasons, text, word) in rows {
        let refusals = refusals(&[(1, reasons)]);
        let closest = format!("The closest matching (container-instance {id}) {text}.");
        assert_eq!(refusals.event("web"), event_about(&closest));
        assert_eq!(refusals.failures()[0].reason, word);
    }
    let empty = refusals(&[]);
    assert_eq!(empty.event("web"), event_about("Reason: No Container Instances were found in your cluster."));
    assert_eq!(empty.failures()[0].reason, "NO ACTIVE INSTANCES");
}

#[test]
fn draining_instances_are_no_candidates_of_a_call() {
    let draining = Reason::NotActive(InstanceStatus::Draining);
    let also_full = [draining.clone(), memory(9, 1)];
    let refusals = refusals(&[(1, &[draining]), (2, &also_full)]);
    assert_eq!(refusals.failures()[0].reason, "NO ACTIVE INSTANCES");
    assert!(refusals.event("web").contains("encountered error \"INACTIVE\""));
}

#[test]
fn the_closest_is_the_one_that_lacks_the_least() {
    let rows: [(&[Row<'_>], u128); 5] = [
        // The smaller gap.
        (&[(1, &[memory(1000, 10)]), (2, &[memory(1000, 900)])], 2),
        // One thing rather than two.
        (&[(1, &[cpu(100, 99), memory(100, 99)]), (2, &[memory(1000, 0)])], 2),
        // Something to wait for rather than something to repair.
        (&[(1, &[Reason::Attribute("gpu".into())]), (2, &[cpu(9, 0), memory(9, 0)])], 2),
        (&[(1, &[Reason::Disconnected]), (2, &[Reason::Attribute("gpu".into())])], 2),
        // The lower id among equals.
        (&[(2, &[memory(9, 1)]), (1, &[memory(9, 1)])], 1),
    ];
    for (rows, expected) in rows {
        let closest = refusals(rows).closest().map(|refusal| refusal.instance.number());
        assert_eq!(closest, Some(expected), "{rows:?}");
    }
}

#[test]
fn counts_instances_by_what_was_in_the_way() {
    let refusals = refusals(&[(1, &[memory(8, 4)]), (2, &[memory(8, 1)]), (3, &[Reason::Disconnected])]);
    let expected = "no place: 2 instances: memory; 1: agent not connected; closest \
                    00000000000000000000000000000001: memory 8 MiB needed, 4 MiB free";
    assert_eq!(refusals.summary(), expected);
    let both = [cpu(9, 1), memory(8, 4), Reason::Short(Shortage::TcpPort(8080))];
    let refusals = refusals_of_many(&both);
    assert_eq!(
        Refused::text(&refusals.groups()),
        "5 instances: port 8080 taken; 2: cpu, memory, port 8080 taken"
    );
    let recorded = refusals.recorded(START, 3);
    let later = Refused { at: START.plus(std::time::Duration::from_secs(1)), ..recorded.clone() };
    assert!(recorded.says_the_same(&later));
    assert!(!recorded.says_the_same(&Refused { unplaced: 4, ..recorded.clone() }));
}

fn refusals_of_many(both: &[Reason]) -> Refusals {
    let port = &both[2..];
    refusals(&[(1, both), (2, both), (3, port), (4, port), (5, port), (6, port), (7, port)])
}

#[test]
fn events_about_different_instances_have_one_gist() {
    let about = |id, reason| refusals(&[(id, &[reason])]).event("web");
    assert_eq!(gist(&about(1, memory(2, 1))), gist(&about(2, memory(9, 3))));
    assert_ne!(gist(&about(1, memory(2, 1))), gist(&about(1, cpu(2, 1))));
}
