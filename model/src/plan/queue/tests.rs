//! The queue by its rules: order, turns, nobody held up for ever, never beyond what fits, and silence when there is
//! nothing to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::command::QueueTasks;
use crate::fixture::{CLUSTER, Dice, Machine, definition, instance, task};
use crate::id::InstanceId;
use crate::state::invariant::check;
use crate::task::{DesiredStatus, Queueing, TaskStatus};
use crate::task_definition::TaskDefinition;

/// A cluster and its queue.
struct World {
    machine: Machine,
    ids: Ids,
    next: u128,
}

impl World {
    /// Instances with so many CPU units each.
    fn new(hosts: &[u32]) -> Self {
        let mut machine = Machine::new();
        for (number, cpu_units) in (1..).zip(hosts) {
            machine.register(instance(number, "a", *cpu_units, 100_000));
        }
        Self { machine, ids: Ids::from_seed(1), next: 0 }
    }

    fn define(&mut self, family: &str, cpu_units: u32) -> TaskDefinition {
        let definition = definition(family, 1, cpu_units, 1);
        self.machine.define(&definition);
        definition
    }

    /// Queues a task for `party`; its number.
    fn queue(&mut self, definition: &TaskDefinition, party: &str, priority: i32) -> TaskId {
        self.queue_until(definition, party, priority, None)
    }

    fn queue_until(
        &mut self,
        definition: &TaskDefinition,
        party: &str,
        priority: i32,
        deadline: Option<Timestamp>,
    ) -> TaskId {
        self.next += 1;
        let mut task = task(self.next, 0, definition, "g");
        task.started_by = Some(Arc::from(party));
        task.created_at = self.machine.now;
        task.scheduling.queue = Some(Queueing { priority, deadline, claimed_at: None });
        let id = task.id;
        let queue = QueueTasks { cluster: CLUSTER.into(), tasks: vec![task] };
        self.machine.must(Command::QueueTasks(queue));
        id
    }

    fn plan(&mut self) -> Plan {
        plan(&self.machine.state, &CLUSTER.into(), self.machine.now, &mut self.ids)
    }

    /// Plans and carries out until there is nothing to do; the tasks that were placed, in their order.
    fn settle(&mut self) -> Vec<TaskId> {
        let mut placed = Vec::new();
        for _ in 0..100 {
            let plan = self.plan();
            if plan.is_quiet() {
                return placed;
            }
            for command in plan.commands {
                if let Command::PlaceTasks(place) = &command {
                    placed.extend(place.placings.iter().map(|placing| placing.task));
                }
                let outcome = self.machine.must(command);
                if let crate::command::Outcome::Started { refused } = outcome {
                    assert_eq!(refused, Vec::new(), "what was planned fits");
                }
                assert_eq!(check(&self.machine.state), Vec::<String>::new());
            }
        }
        panic!("the queue is never done");
    }

    fn wait(&mut self, wait: Duration) {
        self.machine.now = self.machine.now.plus(wait);
    }

    fn is_waiting(&self, id: TaskId) -> bool {
        self.machine.state.task(id).is_some_and(|task| task.is_queued())
    }
}

#[test]
fn an_empty_queue_is_quiet() {
    let mut world = World::new(&[100]);
    assert_eq!(world.plan(), Plan::default());
    let errand = world.define("errand", 100);
    world.queue(&errand, "a", 0);
    assert_eq!(world.settle().len(), 1);
    assert_eq!(world.plan(), Plan::default());
}

#[test]
fn what_waits_is_provisioning_and_gets_a_place_with_its_reason() {
    let mut world = World::new(&[100]);
    let errand = world.define("errand", 60);
    let (first, second) = (world.queue(&errand, "a", 0), world.queue(&errand, "a", 0));
    let status = |world: &World, id| world.machine.state.task(id).expect("it is there").observed.last_status;
    assert_eq!(status(&world, first), TaskStatus::Provisioning);
    assert_eq!(world.settle(), [first]);
    assert_eq!(
        (status(&world, first), status(&world, second)),
        (TaskStatus::Pending, TaskStatus::Provisioning)
    );
    let placed = world.machine.state.task(first).expect("it is there");
    let decision = placed.scheduling.decision.as_ref().expect("it was decided");
    assert_eq!((decision.asked, decision.fitting), (1, 1));
    assert!(world.plan().is_quiet(), "there is no room for the second");
    world.machine.end(first);
    assert_eq!(world.settle(), [second]);
}

#[test]
fn higher_priorities_come_first_then_the_oldest() {
    let mut world = World::new(&[0]);
    let errand = world.define("errand", 100);
    let low = world.queue(&errand, "a", -5);
    let high = world.queue(&errand, "a", 7);
    let older = world.queue(&errand, "a", 0);
    world.wait(Duration::from_secs(1));
    let younger = world.queue(&errand, "a", 0);
    assert!(world.plan().is_quiet());
    world.machine.register(instance(9, "a", 400, 1000));
    assert_eq!(world.settle(), [high, older, younger, low]);
}

#[test]
fn parties_take_turns_by_what_they_run() {
    let mut world = World::new(&[600]);
    let errand = world.define("errand", 100);
    let many: Vec<TaskId> = (0..6).map(|_| world.queue(&errand, "many", 0)).collect();
    world.wait(Duration::from_secs(1));
    let few: Vec<TaskId> = (0..2).map(|_| world.queue(&errand, "few", 0)).collect();
    assert_eq!(world.settle(), [many[0], few[0], many[1], few[1], many[2], many[3]]);
    // Who ran a lot already waits for the other, however long its tasks have been there.
    let late = world.queue(&errand, "late", 0);
    world.machine.end(few[0]);
    assert_eq!(world.settle(), [late]);
}

#[test]
fn what_fits_nowhere_holds_up_nobody() {
    let mut world = World::new(&[100]);
    let (huge, small) = (world.define("huge", 5000), world.define("small", 10));
    let huge = world.queue(&huge, "a", 100);
    let small: Vec<TaskId> = (0..3).map(|_| world.queue(&small, "b", 0)).collect();
    assert_eq!(world.settle(), small);
    world.wait(PATIENCE * 10);
    let errand = world.define("errand", 70);
    let errand = world.queue(&errand, "b", 0);
    assert_eq!(world.settle(), [errand], "nothing is kept free for what would fit nowhere anyway");
    assert!(world.is_waiting(huge));
}

#[test]
fn a_large_task_is_not_passed_for_ever() {
    let mut world = World::new(&[100, 100, 100]);
    let (large, small) = (world.define("large", 100), world.define("small", 30));
    let mut running: Vec<TaskId> = Vec::new();
    (0..9).for_each(|_| running.push(world.queue(&small, "small", 0)));
    assert_eq!(world.settle(), running);
    let large = world.queue(&large, "large", 0);
    let begun = world.machine.now;
    // Every second the oldest small task ends, and another is there to take its place.
    while world.is_waiting(large) {
        assert!(world.machine.now.since(begun) < PATIENCE * 4, "it starves");
        world.wait(Duration::from_secs(1));
        running.push(world.queue(&small, "small", 0));
        let oldest = running.iter().position(|id| !world.is_waiting(*id)).expect("some run");
        let oldest = running.remove(oldest);
        world.machine.end(oldest);
        world.settle();
    }
    assert!(world.machine.now.since(begun) >= PATIENCE, "others pass it as long as it is no trouble");
}

#[test]
fn a_claim_does_not_hold_up_a_higher_priority() {
    let mut world = World::new(&[100]);
    let (large, small) = (world.define("large", 100), world.define("small", 40));
    let first = world.queue(&small, "s", 0);
    world.settle();
    let large = world.queue(&large, "l", 0);
    world.wait(PATIENCE);
    let passing = world.queue(&small, "s", 0);
    assert_eq!(world.settle(), [passing]);
    let claimed = world.machine.state.task(large).and_then(|task| task.scheduling.queue?.claimed_at);
    assert_eq!(claimed, Some(world.machine.now));
    world.machine.end(first);
    let next = world.queue(&small, "s", 0);
    assert_eq!(world.settle(), [], "it is kept free");
    let position = |world: &World, id| {
        let task = world.machine.state.task(id).expect("it is there");
        super::position(&world.machine.state, task, world.machine.now)
    };
    assert_eq!(position(&world, large), Some(Position { before: 0, waiting: 2, kept: 1 }));
    assert_eq!(position(&world, next), Some(Position { before: 1, waiting: 2, kept: 0 }));
    assert_eq!(position(&world, passing), None);
    let urgent = world.queue(&small, "s", 1);
    assert_eq!(world.settle(), [urgent]);
    world.machine.end(urgent);
    world.machine.end(passing);
    assert_eq!(world.settle(), [large]);
    world.machine.end(large);
    assert_eq!(world.settle(), [next]);
}

#[test]
fn a_task_whose_time_is_over_is_told_what_came_closest() {
    let mut world = World::new(&[100]);
    let errand = world.define("errand", 300);
    let deadline = world.machine.now.plus(Duration::from_secs(10));
    let (hasty, patient) =
        (world.queue_until(&errand, "a", 0, Some(deadline)), world.queue_until(&errand, "a", 0, None));
    let plan = world.plan();
    assert!(plan.is_quiet());
    assert_eq!(plan.next_wake, Some(deadline));
    world.wait(Duration::from_secs(10));
    world.settle();
    let task = world.machine.state.task(hasty).expect("it is there");
    assert!(task.is_stopped() && task.desired == DesiredStatus::Stopped);
    let stop = task.stop_reason().expect("it says why");
    assert_eq!(stop.code, StopCode::TaskFailedToStart);
    assert_eq!(
        &*stop.reason,
        format!(
            "The time in the queue is over: no container instance met all of its requirements. The closest matching \
             (container-instance {}) has insufficient CPU units available: cpu 300 needed, 100 free.",
            InstanceId::new(1)
        )
    );
    assert!(world.is_waiting(patient));
}

#[test]
fn a_task_that_fits_when_its_time_is_over_is_placed() {
    let mut world = World::new(&[100]);
    let errand = world.define("errand", 100);
    let deadline = world.machine.now.plus(Duration::from_secs(10));
    let id = world.queue_until(&errand, "a", 0, Some(deadline));
    world.wait(Duration::from_secs(60));
    assert_eq!(world.settle(), [id]);
}

#[test]
fn a_task_can_be_taken_out_of_the_queue() {
    let mut world = World::new(&[10]);
    let errand = world.define("errand", 100);
    let id = world.queue(&errand, "a", 0);
    let (code, reason) = (StopCode::UserInitiated, "Task stopped by user".to_owned());
    world.machine.must(Command::StopTasks(StopTasks { service: None, tasks: vec![id], code, reason }));
    let task = world.machine.state.task(id).expect("it is kept");
    assert!(task.is_stopped() && !task.is_placed());
    assert_eq!(world.plan(), Plan::default());
    assert_eq!(check(&world.machine.state), Vec::<String>::new());
}

#[test]
fn a_queue_is_bounded() {
    let mut world = World::new(&[]);
    let errand = world.define("errand", 100);
    let mut number = 0;
    let mut batch = |count: usize| {
        let tasks = (0..count).map(|_| {
            number += 1;
            let mut task = task(number, 0, &errand, "g");
            task.scheduling.queue = Some(Queueing { priority: 0, deadline: None, claimed_at: None });
            task
        });
        Command::QueueTasks(QueueTasks { cluster: CLUSTER.into(), tasks: tasks.collect() })
    };
    for _ in 0..crate::limits::QUEUED_TASKS / TASKS_PER_COMMAND {
        world.machine.must(batch(TASKS_PER_COMMAND));
    }
    let refused = world.machine.apply(batch(1)).expect_err("it is full");
    assert!(refused.to_string().contains("has 10000 tasks, and room for 10000"), "{refused}");
}

/// Any tasks on any fleet; some run, some end, time passes.
fn any_world(dice: &mut Dice) -> World {
    let hosts: Vec<u32> = (0..dice.below(5)).map(|_| dice.small(400)).collect();
    let mut world = World::new(&hosts);
    let kinds: Vec<TaskDefinition> = (0..4)
        .map(|kind| {
            let mut definition = definition(&format!("kind-{kind}"), 1, 1 + dice.small(200), 1);
            if dice.percent(25) {
                definition.facts.containers[0].tcp_ports = [8000].into_iter().collect();
            }
            world.machine.define(&definition);
            definition
        })
        .collect();
    for _ in 0..dice.below(40) {
        let (kind, party) = (dice.pick(&kinds).clone(), *dice.pick(&["a", "b", "c"]));
        let deadline = dice.percent(20).then(|| world.machine.now.plus(Duration::from_secs(dice.below(200))));
        world.queue_until(&kind, party, dice.small(2).try_into().expect("it is small"), deadline);
        if dice.percent(30) {
            world.settle();
        }
        if dice.percent(30) {
            let placed: Vec<TaskId> = world
                .machine
                .state
                .tasks()
                .filter(|task| task.is_placed() && !task.is_stopped())
                .map(|task| task.id)
                .collect();
            if !placed.is_empty() {
                let id = *dice.pick(&placed);
                world.machine.end(id);
            }
        }
        world.wait(Duration::from_secs(dice.below(30)));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_beyond_what_fits_and_nothing_left_that_could_be_placed(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut world = any_world(&mut dice);
        // Checks after every command that nothing is refused and nothing promised twice.
        world.settle();
        let state = &world.machine.state;
        let claims = state.queued_in(&CLUSTER.into()).any(|task| {
            task.scheduling.queue.is_some_and(|queue| queue.claimed_at.is_some())
        });
        let mut kinds = Kinds::new(state, &world.machine.state.cluster(&CLUSTER.into()).expect("it is there").name, 0);
        for task in state.queued_in(&CLUSTER.into()) {
            prop_assert!(claims || kinds.place(task).is_none(), "{} would fit", task.id);
        }
    }

    #[test]
    fn nobody_is_placed_before_a_higher_priority_that_would_fit_as_well(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let mut world = World::new(&[]);
        let errand = world.define("errand", 100);
        let mut priorities: BTreeMap<TaskId, i32> = BTreeMap::new();
        for _ in 0..1 + dice.below(20) {
            let priority = i32::try_from(dice.below(5)).expect("it is small");
            let party = *dice.pick(&["a", "b"]);
            priorities.insert(world.queue(&errand, party, priority), priority);
        }
        world.machine.register(instance(1, "a", 100 * dice.small(20), 1000));
        let placed = world.settle();
        let order: Vec<i32> = placed.iter().map(|id| priorities[id]).collect();
        prop_assert!(order.is_sorted_by(|one, next| one >= next), "{order:?}");
        let left = priorities.iter().filter(|(id, _)| world.is_waiting(**id)).map(|(_, priority)| *priority);
        prop_assert!(left.max() <= order.last().copied().or(Some(i32::MAX)));
    }

    #[test]
    fn alike_parties_are_never_apart_by_more_than_one(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let hosts: Vec<u32> = (0..1 + dice.below(3)).map(|_| 100 * dice.small(6)).collect();
        let mut world = World::new(&hosts);
        let errand = world.define("errand", 100);
        for _ in 0..20 {
            world.queue(&errand, "a", 0);
        }
        for _ in 0..20 {
            world.queue(&errand, "b", 0);
        }
        let placed = world.settle();
        let of = |party: &str| {
            let is_of = |id: &&TaskId| {
                let task = world.machine.state.task(**id).expect("it is there");
                task.started_by.as_deref() == Some(party)
            };
            placed.iter().filter(is_of).count()
        };
        prop_assert!(of("a").abs_diff(of("b")) <= 1, "{} and {}", of("a"), of("b"));
    }
}
