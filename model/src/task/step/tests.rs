//! The next step of any task leads on, and a task that is to stop comes to an end.

use proptest::prelude::*;

use super::*;

fn container(essential: bool, depends_on: &[(usize, Condition)]) -> Container {
    Container {
        essential,
        depends_on: depends_on
            .iter()
            .map(|(on, condition)| Dependency { on: *on, condition: *condition })
            .collect(),
        ..Container::default()
    }
}

fn at(stage: Stage) -> Seen {
    Seen { stage, ..Seen::default() }
}

fn exited(exit_code: i32) -> Seen {
    Seen { stage: Stage::Stopped, exit_code: Some(exit_code), ..Seen::default() }
}

fn run(containers: &[Container], seen: &[Seen]) -> Step {
    let desired = Desired { status: DesiredStatus::Running, containers };
    next_step(desired, Observed { containers: seen, stopping: false, now_ms: 1_000 })
}

fn stopping(containers: &[Container], seen: &[Seen]) -> Step {
    let desired = Desired { status: DesiredStatus::Stopped, containers };
    next_step(desired, Observed { containers: seen, stopping: true, now_ms: 1_000 })
}

#[test]
fn images_of_all_containers_are_pulled_at_once() {
    let containers = [container(true, &[(1, Condition::Start)]), container(false, &[])];
    let step = run(&containers, &[at(Stage::Waiting), at(Stage::Waiting)]);
    assert_eq!(step, Step::Act(vec![(0, Action::Pull), (1, Action::Pull)]));
}

#[test]
fn a_container_is_created_only_when_what_it_depends_on_holds() {
    let rows = [
        (Condition::Create, at(Stage::Pulled), false),
        (Condition::Create, at(Stage::Created), true),
        (Condition::Start, at(Stage::Created), false),
        (Condition::Start, at(Stage::Running), true),
        (Condition::Start, exited(1), true),
        (Condition::Complete, at(Stage::Running), false),
        (Condition::Complete, exited(1), true),
        (Condition::Success, exited(0), true),
        (Condition::Healthy, at(Stage::Running), false),
        (Condition::Healthy, Seen { health: Health::Healthy, ..at(Stage::Running) }, true),
    ];
    for (condition, mut target, created) in rows {
        target.busy = (target.stage < Stage::Running).then_some(Action::Start);
        let containers = [container(true, &[(1, condition)]), container(false, &[])];
        let step = run(&containers, &[at(Stage::Pulled), target.clone()]);
        let expected =
            if created { Step::Act(vec![(0, Action::Create)]) } else { Step::Wait { until_ms: None } };
        assert_eq!(step, expected, "{condition:?} on {target:?}");
    }
}

#[test]
fn an_essential_exit_stops_the_task_and_a_non_essential_one_does_not() {
    let containers = [container(true, &[]), container(false, &[])];
    assert_eq!(run(&containers, &[exited(3), at(Stage::Running)]), Step::Stop(StopCause::EssentialExited(0)));
    assert_eq!(run(&containers, &[at(Stage::Running), exited(3)]), Step::Wait { until_ms: None });
}

#[test]
fn an_essential_container_that_cannot_be_launched_fails_the_start() {
    let failed = Seen { failed: true, ..at(Stage::Stopped) };
    let containers = [container(true, &[]), container(false, &[])];
    let step = run(&containers, &[failed.clone(), at(Stage::Running)]);
    assert_eq!(step, Step::Stop(StopCause::FailedToStart(0)));
    assert_eq!(run(&containers, &[at(Stage::Running), failed]), Step::Wait { until_ms: None });
}

#[test]
fn a_dependency_that_can_never_hold_stops_the_task() {
    let failed = Seen { failed: true, ..at(Stage::Stopped) };
    for (condition, target) in [
        (Condition::Success, exited(1)),
        (Condition::Healthy, exited(0)),
        (Condition::Start, failed.clone()),
        (Condition::Complete, failed),
    ] {
        let containers = [container(true, &[(1, condition)]), container(false, &[])];
        let step = run(&containers, &[at(Stage::Pulled), target]);
        assert_eq!(step, Step::Stop(StopCause::Unresolvable(0)), "{condition:?}");
    }
}

#[test]
fn dependents_give_up_after_the_start_timeout() {
    let mut containers = [container(true, &[(1, Condition::Healthy)]), container(false, &[])];
    containers[1].start_timeout_ms = Some(2_000);
    let target = |started: i64| Seen { started_at_ms: Some(started), ..at(Stage::Running) };
    let step = run(&containers, &[at(Stage::Pulled), target(500)]);
    assert_eq!(step, Step::Wait { until_ms: Some(2_500) });
    let step = run(&containers, &[at(Stage::Pulled), target(-1_000)]);
    assert_eq!(step, Step::Stop(StopCause::Unresolvable(0)));
}

#[test]
fn containers_stop_in_reverse_order() {
    let containers = [container(true, &[(1, Condition::Start)]), container(false, &[])];
    let step = stopping(&containers, &[at(Stage::Running), at(Stage::Running)]);
    assert_eq!(step, Step::Act(vec![(0, Action::Stop)]));
    let step = stopping(&containers, &[exited(0), at(Stage::Running)]);
    assert_eq!(step, Step::Act(vec![(1, Action::Stop)]));
    assert_eq!(stopping(&containers, &[exited(0), exited(0)]), Step::Finish);
}

#[test]
fn a_long_pull_does_not_hold_up_a_stop_but_a_start_under_way_does() {
    let containers = [container(true, &[])];
    let pulling = Seen { busy: Some(Action::Pull), ..at(Stage::Waiting) };
    assert_eq!(stopping(&containers, &[pulling]), Step::Act(vec![(0, Action::Discard)]));
    let starting = Seen { busy: Some(Action::Start), ..at(Stage::Created) };
    assert_eq!(stopping(&containers, &[starting]), Step::Wait { until_ms: None });
}

#[test]
fn a_restart_policy_repeats_a_run_that_was_long_enough() {
    let mut containers = [container(true, &[])];
    containers[0].restart_policy = Some(RestartPolicy { period_ms: 60_000, ignored_exit_codes: vec![9] });
    let ran =
        |exit_code, for_ms| Seen { started_at_ms: Some(0), exited_at_ms: Some(for_ms), ..exited(exit_code) };
    assert_eq!(run(&containers, &[ran(1, 60_000)]), Step::Act(vec![(0, Action::Start)]));
    assert_eq!(run(&containers, &[ran(1, 59_999)]), Step::Stop(StopCause::EssentialExited(0)));
    assert_eq!(run(&containers, &[ran(9, 60_000)]), Step::Stop(StopCause::EssentialExited(0)));
}

#[test]
fn cycles_and_dangling_dependencies_cannot_be_ordered() {
    let cycle = [container(true, &[(1, Condition::Start)]), container(true, &[(0, Condition::Start)])];
    assert!(!can_be_ordered(&cycle));
    assert!(!can_be_ordered(&[container(true, &[(7, Condition::Start)])]));
    assert!(can_be_ordered(&[container(true, &[(1, Condition::Start)]), container(true, &[])]));
}

/// What happens to a container while an operation is under way or it runs.
#[derive(Clone, Debug)]
enum Fate {
    Succeeds,
    Fails,
    Exits(i32),
    TurnsHealthy,
}

fn fates() -> impl Strategy<Value = Vec<(usize, Fate)>> {
    let fate = prop_oneof![
        8 => Just(Fate::Succeeds),
        1 => Just(Fate::Fails),
        2 => (0..3).prop_map(Fate::Exits),
        2 => Just(Fate::TurnsHealthy),
    ];
    proptest::collection::vec((0..5usize, fate), 1..120)
}

fn tasks() -> impl Strategy<Value = Vec<Container>> {
    let condition = prop_oneof![
        Just(Condition::Create),
        Just(Condition::Start),
        Just(Condition::Complete),
        Just(Condition::Success),
        Just(Condition::Healthy)
    ];
    let one = (any::<bool>(), proptest::collection::vec((0..5usize, condition), 0..3));
    // Edges point backwards only, so that there is always an order.
    proptest::collection::vec(one, 1..5).prop_map(|containers| {
        let build = |(at, (essential, edges)): (usize, (bool, Vec<(usize, Condition)>))| {
            let backwards: Vec<_> = edges.into_iter().filter(|(on, _)| *on < at).collect();
            container(essential || at == 0, &backwards)
        };
        containers.into_iter().enumerate().map(build).collect()
    })
}

fn undergo(seen: &mut Seen, fate: &Fate) {
    match (seen.busy.take(), fate) {
        (Some(Action::Pull), Fate::Succeeds) => seen.stage = Stage::Pulled,
        (Some(Action::Create), Fate::Succeeds) => seen.stage = Stage::Created,
        (Some(Action::Start), Fate::Succeeds) => seen.stage = Stage::Running,
        (Some(Action::Stop), _) => *seen = exited(137),
        (Some(_), Fate::Fails) => *seen = Seen { failed: true, ..at(Stage::Stopped) },
        (None, Fate::Exits(code)) if seen.stage == Stage::Running => *seen = exited(*code),
        (None, Fate::TurnsHealthy) if seen.stage == Stage::Running => seen.health = Health::Healthy,
        (busy, _) => seen.busy = busy,
    }
}

/// Carries a step out, and checks what may never be asked for.
fn carry_out(containers: &[Container], seen: &mut [Seen], stopping: bool, acts: &[(usize, Action)]) {
    let before = seen.to_vec();
    for (at, action) in acts {
        let discards_pull = before[*at].busy == Some(Action::Pull) && *action == Action::Discard;
        assert!(before[*at].busy.is_none() || discards_pull, "acted on a container under an operation");
        match action {
            Action::Pull | Action::Create | Action::Start => {
                assert!(!stopping, "launched while stopping");
                let observed = Observed { containers: &before, stopping, now_ms: 0 };
                let ready = containers[*at].depends_on.iter().all(|edge| satisfied(*edge, observed));
                assert!(*action != Action::Create || ready, "created before its dependencies held");
                seen[*at].busy = Some(*action);
            }
            Action::Stop => {
                assert!(stopping && before[*at].stage == Stage::Running);
                let dependents = containers
                    .iter()
                    .zip(&before)
                    .filter(|(other, _)| other.depends_on.iter().any(|edge| edge.on == *at));
                assert!(
                    dependents.into_iter().all(|(_, seen)| seen.stage == Stage::Stopped),
                    "stopped out of order"
                );
                seen[*at].busy = Some(*action);
            }
            Action::Discard => {
                assert!(stopping && before[*at].stage < Stage::Running);
                seen[*at] = at_stopped();
            }
        }
    }
}

fn at_stopped() -> Seen {
    at(Stage::Stopped)
}

proptest! {
    /// Whatever happens to the containers, no step breaks the rules, and a task that is told to stop does stop.
    #[test]
    fn every_task_keeps_the_rules_and_can_be_stopped(containers in tasks(), fates in fates()) {
        let mut seen = vec![Seen::default(); containers.len()];
        let mut is_stopping = false;
        let mut status = DesiredStatus::Running;
        let rounds = fates.len();
        let drain = (0..containers.len()).cycle().take(40 * containers.len()).map(|at| (at, Fate::Succeeds));
        for (round, (position, fate)) in fates.into_iter().chain(drain).enumerate() {
            if round >= rounds {
                status = DesiredStatus::Stopped;
            }
            for _ in 0..3 {
                let desired = Desired { status, containers: &containers };
                match next_step(desired, Observed { containers: &seen, stopping: is_stopping, now_ms: 0 }) {
                    Step::Act(acts) => carry_out(&containers, &mut seen, is_stopping, &acts),
                    Step::Stop(_) => {
                        prop_assert!(!is_stopping, "the cause of a stop is decided once");
                        is_stopping = true;
                    }
                    Step::Finish => prop_assert!(seen.iter().all(|seen| seen.stage == Stage::Stopped)),
                    Step::Wait { .. } => {}
                }
            }
            undergo(&mut seen[position % containers.len()], &fate);
        }
        let desired = Desired { status, containers: &containers };
        let step = next_step(desired, Observed { containers: &seen, stopping: is_stopping, now_ms: 0 });
        prop_assert_eq!(step, Step::Finish);
    }
}
