//! The arithmetic as a table, and its bounds for any counts.

use proptest::prelude::*;

use super::{Counts, Starts, Stops};

/// Counts of a service with `desired` tasks and these bounds.
fn counts(desired: u32, floor: u32, ceiling: u32) -> Counts {
    Counts { desired, floor, ceiling, ..Counts::default() }
}

/// `count` current tasks, all of them healthy.
fn current(count: u32, counts: Counts) -> Counts {
    Counts { current: count, current_settled: count, current_healthy: count, ..counts }
}

#[test]
fn rolls_as_ecs_describes_it() {
    // What there is; started now; blocked; stopped healthy old ones.
    let rows = [
        // 100/200: all new ones at once, old ones stay until those are healthy.
        (Counts { occupied: 4, old_healthy: 4, ..counts(4, 4, 8) }, 4, 0, 0),
        (current(4, Counts { occupied: 8, old_healthy: 4, ..counts(4, 4, 8) }), 0, 0, 4),
        // One of the new ones is healthy: one old one may go.
        (
            Counts {
                occupied: 8,
                current: 4,
                current_settled: 4,
                current_healthy: 1,
                old_healthy: 4,
                ..counts(4, 4, 8)
            },
            0,
            0,
            1,
        ),
        // 50/100: half of the old ones make room first.
        (Counts { occupied: 4, old_healthy: 4, ..counts(4, 2, 4) }, 0, 4, 2),
        // They are stopping: what they leave is room soon, so nothing else has to go for it.
        (Counts { occupied: 4, leaving: 2, old_healthy: 2, ..counts(4, 2, 4) }, 0, 2, 0),
        (Counts { occupied: 2, old_healthy: 2, ..counts(4, 2, 4) }, 2, 2, 0),
        // 100/150: two at a time.
        (Counts { occupied: 4, old_healthy: 4, ..counts(4, 4, 6) }, 2, 2, 0),
        (current(2, Counts { occupied: 6, old_healthy: 4, ..counts(4, 4, 6) }), 0, 2, 2),
        // 0/100: everything goes at once.
        (Counts { occupied: 4, old_healthy: 4, ..counts(4, 0, 4) }, 0, 4, 4),
        // 100/100: stuck.
        (Counts { occupied: 4, old_healthy: 4, ..counts(4, 4, 4) }, 0, 4, 0),
        // To zero: whatever the bounds.
        (Counts { occupied: 4, old_healthy: 4, ..counts(0, 0, 0) }, 0, 0, 4),
    ];
    for (row, now, blocked, old_healthy) in rows {
        let starts = row.starts();
        assert_eq!(starts, Starts { now, blocked }, "{row:?}");
        let expected = Stops { old_healthy, ..Stops::default() };
        assert_eq!(row.stops(starts, 0), expected, "{row:?}");
    }
}

#[test]
fn replaces_before_it_stops_where_the_ceiling_allows() {
    let unhealthy = Counts { occupied: 4, unhealthy: 1, ..current(3, counts(4, 4, 8)) };
    assert_eq!(unhealthy.starts(), Starts { now: 1, blocked: 0 });
    assert_eq!(unhealthy.stops(unhealthy.starts(), 0), Stops::default());
    let replaced = Counts { occupied: 5, unhealthy: 1, ..current(4, counts(4, 4, 8)) };
    assert_eq!(replaced.stops(replaced.starts(), 0).unhealthy, 1);

    let draining = Counts { occupied: 4, draining_healthy: 2, ..current(2, counts(4, 2, 8)) };
    assert_eq!(draining.starts(), Starts { now: 2, blocked: 0 });
    assert_eq!(draining.stops(draining.starts(), 0), Stops::default());
    let replaced = Counts { occupied: 6, draining_healthy: 2, ..current(4, counts(4, 2, 8)) };
    assert_eq!(replaced.stops(replaced.starts(), 0).draining_healthy, 2);
}

#[test]
fn stops_before_it_replaces_where_the_ceiling_does_not_allow() {
    let unhealthy = Counts { occupied: 4, unhealthy: 1, ..current(3, counts(4, 4, 4)) };
    assert_eq!(unhealthy.stops(unhealthy.starts(), 0).unhealthy, 1);
    let draining = Counts { occupied: 4, draining_healthy: 2, ..current(2, counts(4, 3, 4)) };
    assert_eq!(draining.stops(draining.starts(), 0).draining_healthy, 1);
    let held = Counts { occupied: 4, draining_healthy: 2, ..current(2, counts(4, 4, 4)) };
    assert_eq!(held.stops(held.starts(), 0), Stops::default());
}

#[test]
fn an_unhealthy_task_makes_way_for_a_successor_without_a_place() {
    let row = Counts { occupied: 4, unhealthy: 2, ..current(2, counts(4, 2, 8)) };
    assert_eq!(row.stops(row.starts(), 0).unhealthy, 0);
    assert_eq!(row.stops(row.starts(), 1).unhealthy, 1);
}

#[test]
fn spares_no_task_of_which_nobody_knows_whether_it_is_there() {
    // Six are counted for four, but two of them came back with their instance a moment ago.
    let row = Counts { current: 6, current_settled: 4, current_healthy: 4, occupied: 6, ..counts(4, 4, 8) };
    assert_eq!(row.stops(row.starts(), 0), Stops::default());
    let settled = Counts { current_settled: 6, current_healthy: 6, ..row };
    assert_eq!(settled.stops(settled.starts(), 0).current_healthy, 2);
}

fn any_counts() -> impl proptest::strategy::Strategy<Value = Counts> {
    let size = || 0..12_u32;
    let shape = (0..12_u32, 0..=100_u32, 100..=200_u32);
    let tasks = (size(), size(), size(), size(), size(), size(), size(), size(), size());
    (shape, tasks).prop_map(|((desired, minimum, maximum), tasks)| {
        let (
            pending,
            settling,
            healthy,
            shaky,
            old_shaky,
            old_healthy,
            unhealthy,
            draining_shaky,
            draining_healthy,
        ) = tasks;
        let current = pending + settling + healthy + shaky;
        let running = old_shaky + old_healthy + unhealthy + draining_shaky + draining_healthy;
        let leaving = pending % 3;
        Counts {
            desired,
            floor: (desired * minimum).div_ceil(100),
            ceiling: desired * maximum / 100,
            occupied: current + running + leaving,
            leaving,
            current,
            current_settled: pending + healthy + shaky,
            current_healthy: healthy,
            old_shaky,
            old_healthy,
            unhealthy,
            draining_shaky,
            draining_healthy,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stays_within_the_bounds(counts in any_counts(), unplaced in 0..4_u32) {
        let starts = counts.starts();
        if starts.now > 0 {
            prop_assert!(counts.occupied + starts.now <= counts.ceiling);
            prop_assert!(counts.current + starts.now <= counts.desired);
        }
        let stops = counts.stops(starts, unplaced);
        prop_assert!(stops.old_shaky <= counts.old_shaky && stops.old_healthy <= counts.old_healthy);
        prop_assert!(stops.unhealthy <= counts.unhealthy);
        prop_assert!(stops.draining_shaky <= counts.draining_shaky);
        prop_assert!(stops.draining_healthy <= counts.draining_healthy);
        let healthy = counts.current_healthy + counts.old_healthy + counts.draining_healthy;
        let stopped = stops.old_healthy + stops.draining_healthy + stops.current_healthy;
        prop_assert!(healthy - stopped >= counts.floor.min(healthy));
        let spared = stops.current_shaky + stops.current_healthy;
        prop_assert!(counts.current_settled - spared >= counts.desired.min(counts.current_settled));
    }
}
