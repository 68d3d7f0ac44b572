//! Moves that pay, moves that do not, and that there is an end to them.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_proto::ecs::v1 as pb;
use proptest::prelude::*;

use super::{Scope, hindrance, plan, propose};
use crate::command::{Command, TaskProtection};
use crate::fixture::{CLUSTER, Dice, Machine, definition, instance, service, service_key};
use crate::id::{ClusterName, Ids, TaskId};
use crate::placement::{Constraint, PackField, PlacementRules, SpreadField, Strategy};
use crate::plan::{Plan, Policy};
use crate::service::{DeploymentBounds, Service};
use crate::task::{DesiredStatus, Task, TaskStatus};
use crate::wire::Wire;

struct World {
    machine: Machine,
    ids: Ids,
    policy: Policy,
    /// Whether tasks that move get to RUNNING.
    successors_fail: bool,
}

fn rebalanced(name: &str, desired: u32, bounds: DeploymentBounds) -> Service {
    let spec = Wire::new(pb::Service {
        availability_zone_rebalancing: Some(pb::AvailabilityZoneRebalancing::Enabled.into()),
        ..pb::Service::default()
    });
    Service { bounds, spec, ..service(name, desired, &definition("web", 1, 10, 10).key) }
}

impl World {
    fn new(instances: &[(u128, &str)]) -> Self {
        let mut machine = Machine::new();
        for (number, zone) in instances {
            machine.register(instance(*number, zone, 1000, 1000));
        }
        machine.define(&definition("web", 1, 10, 10));
        Self { machine, ids: Ids::from_seed(3), policy: Policy::default(), successors_fail: false }
    }

    fn create(&mut self, desired: u32) {
        self.machine.create(&rebalanced("web", desired, DeploymentBounds::default()));
    }

    fn plan(&mut self) -> Plan {
        let cluster = ClusterName::new(CLUSTER);
        plan(&self.machine.state, &cluster, self.machine.now, &self.policy, &mut self.ids)
    }

    fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.machine.state.tasks().map(|task| &**task).filter(|task| !task.is_stopped())
    }

    fn running(&self) -> usize {
        self.tasks().filter(|task| task.is_running()).count()
    }

    /// Tasks that run by instance.
    fn by_instance(&self) -> BTreeMap<u128, usize> {
        let mut counts = BTreeMap::new();
        for task in self.tasks().filter(|task| task.desired == DesiredStatus::Running) {
            *counts.entry(task.instance.number()).or_default() += 1;
        }
        counts
    }

    /// The agents do what they are told.
    fn obey(&mut self) {
        let tasks: Vec<(TaskId, DesiredStatus, TaskStatus, bool)> = self
            .tasks()
            .filter(|task| self.machine.state.is_reachable(task))
            .map(|task| {
                (task.id, task.desired, task.observed.last_status, task.scheduling.replaces.is_some())
            })
            .collect();
        for (id, desired, status, moves) in tasks {
            match desired {
                DesiredStatus::Stopped => self.machine.end(id),
                DesiredStatus::Running if moves && self.successors_fail => self.machine.end(id),
                DesiredStatus::Running if status < TaskStatus::Running => self.machine.run(id),
                DesiredStatus::Running => {}
            }
        }
    }

    /// A second goes by; gives how many moves began.
    fn second(&mut self) -> usize {
        let key = service_key("web");
        let (now, policy) = (self.machine.now, self.policy.clone());
        let plan = crate::plan::service::plan(&self.machine.state, &key, now, &policy, &mut self.ids);
        for command in plan.commands {
            self.machine.must(command);
        }
        let plan = self.plan();
        let moves = plan.notes.len();
        for command in plan.commands {
            self.machine.must(command);
        }
        self.obey();
        self.machine.now = self.machine.now.plus(Duration::from_secs(1));
        moves
    }

    /// Lets time go by; gives how many moves began, and the fewest tasks that ran at any time.
    fn run(&mut self, seconds: u32) -> (usize, usize) {
        let (mut moves, mut least) = (0, usize::MAX);
        for _ in 0..seconds {
            moves += self.second();
            least = least.min(self.running());
        }
        (moves, least)
    }
}

#[test]
fn a_host_that_joins_gets_its_share_and_no_task_is_missing_meanwhile() {
    let mut world = World::new(&[(1, "a"), (2, "a")]);
    world.create(6);
    world.run(30);
    assert_eq!(world.by_instance(), BTreeMap::from([(1, 3), (2, 3)]));
    world.machine.register(instance(3, "a", 1000, 1000));
    let (moves, least) = world.run(120);
    assert_eq!(world.by_instance(), BTreeMap::from([(1, 2), (2, 2), (3, 2)]));
    assert_eq!((moves, least), (2, 6), "start before stop, and no more than it takes");
    assert_eq!(world.run(300).0, 0, "quiet when satisfied");
}

#[test]
fn zones_are_evened_out_when_one_comes_back() {
    let mut world = World::new(&[(1, "a"), (2, "b")]);
    world.create(8);
    world.run(30);
    let id = crate::id::InstanceId::new(2);
    let connect = |connected| crate::command::Command::SetInstanceConnected { id, connected };
    world.machine.must(connect(false));
    world.run(60);
    assert_eq!(world.by_instance()[&1], 8);
    // Its host was set up anew: what ran there is gone.
    let lost: Vec<TaskId> = world.tasks().filter(|task| task.instance == id).map(|task| task.id).collect();
    world.machine.must(connect(true));
    lost.into_iter().for_each(|task| world.machine.end(task));
    let (moves, least) = world.run(300);
    assert_eq!(world.by_instance(), BTreeMap::from([(1, 4), (2, 4)]));
    assert!(moves == 4 && least == 8, "{moves} {least}");
}

#[test]
fn protected_tasks_stay_where_they_are() {
    let mut world = World::new(&[(1, "a")]);
    world.create(6);
    world.run(60);
    let until = world.machine.now.plus(Duration::from_secs(3600));
    let tasks: Vec<TaskId> = world.tasks().map(|task| task.id).collect();
    world.machine.must(Command::ProtectTasks(TaskProtection { tasks, until: Some(until) }));
    world.machine.register(instance(2, "b", 1000, 1000));
    world.run(120);
    assert_eq!(world.by_instance(), BTreeMap::from([(1, 6)]));
}

#[test]
fn a_task_whose_successor_fails_stays() {
    let mut world = World::new(&[(1, "a"), (2, "a")]);
    world.create(4);
    world.run(30);
    world.machine.register(instance(3, "a", 1000, 1000));
    world.successors_fail = true;
    let (moves, least) = world.run(60);
    assert!(moves > 0 && least == 4, "{moves} {least}");
    assert_eq!(world.by_instance().values().sum::<usize>(), 4);
}

#[test]
fn waits_until_all_has_been_quiet_for_a_while() {
    let mut world = World::new(&[(1, "a")]);
    world.create(4);
    world.run(30);
    world.machine.register(instance(2, "b", 1000, 1000));
    let joined = world.machine.now;
    let plan = world.plan();
    assert!(plan.is_quiet());
    assert_eq!(plan.next_wake, Some(joined.plus(world.policy.rebalance_after)));
    let cluster = ClusterName::new(CLUSTER);
    let asked = propose(&world.machine.state, &cluster, Scope::Asked(None), joined, &world.policy);
    assert_eq!(asked.moves.len(), 1, "unless somebody asks");
    assert_eq!(asked.moves[0].reason, "ecs.availability-zone a has 4 tasks, b has 0");
}

#[test]
fn the_cluster_has_a_budget_over_all_services() {
    let mut world = World::new(&[(1, "a")]);
    world.policy.rebalance_moves = 3;
    for number in 0..5 {
        world.machine.create(&rebalanced(&format!("s{number}"), 4, DeploymentBounds::default()));
    }
    for _ in 0..30 {
        for number in 0..5 {
            let key = service_key(&format!("s{number}"));
            let (now, policy) = (world.machine.now, world.policy.clone());
            let plan = crate::plan::service::plan(&world.machine.state, &key, now, &policy, &mut world.ids);
            plan.commands.into_iter().for_each(|command| drop(world.machine.must(command)));
        }
        world.obey();
        world.machine.now = world.machine.now.plus(Duration::from_secs(1));
    }
    world.machine.register(instance(2, "b", 1000, 1000));
    world.machine.now = world.machine.now.plus(Duration::from_secs(60));
    let plan = world.plan();
    assert_eq!(plan.notes.len(), 3);
    plan.commands.into_iter().for_each(|command| drop(world.machine.must(command)));
    assert!(world.plan().is_quiet(), "three are on the move");
}

#[test]
fn some_services_are_left_alone() {
    let strategy = |strategy: Vec<Strategy>| PlacementRules { strategy, ..PlacementRules::default() };
    let web = rebalanced("web", 4, DeploymentBounds::default());
    let bounds = DeploymentBounds { minimum_healthy_percent: 0, maximum_percent: 100 };
    let in_zone = Constraint::MemberOf("attribute:ecs.availability-zone == a".into());
    let of_kind = Constraint::MemberOf("attribute:kind == a".into());
    let constrained =
        |constraint| PlacementRules { constraints: vec![constraint], ..PlacementRules::default() };
    let rows = [
        (web.clone(), None),
        (Service { bounds, ..web.clone() }, Some("its maximumPercent is not above 100")),
        (
            Service { placement: strategy(vec![Strategy::Binpack(PackField::Cpu)]), ..web.clone() },
            Some("its first placement strategy is not spread"),
        ),
        (Service { placement: strategy(vec![Strategy::Spread(SpreadField::Instance)]), ..web.clone() }, None),
        (
            Service { placement: constrained(in_zone), ..web.clone() },
            Some("a placement constraint names its zones"),
        ),
        (Service { placement: constrained(of_kind), ..web }, None),
    ];
    for (service, expected) in rows {
        assert_eq!(hindrance(&service), expected, "{:?}", service.placement);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ends_balanced_and_never_below_what_is_wanted(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let zones = ["a", "b", "c"];
        let first = 1 + dice.below(3);
        let fleet: Vec<(u128, &str)> =
            (1..=first).map(|number| (u128::from(number), *dice.pick(&zones))).collect();
        let mut world = World::new(&fleet);
        let desired = 1 + dice.small(12);
        world.create(desired);
        world.run(30);
        let more = dice.below(4);
        for number in 0..more {
            let zone: &str = dice.pick::<&str>(&zones);
            world.machine.register(instance(u128::from(100 + number), zone, 1000, 1000));
        }
        let (moves, least) = world.run(400);
        prop_assert!(least >= usize::try_from(desired).unwrap());
        prop_assert!(moves <= usize::try_from(2 * desired).unwrap(), "{} moves", moves);
        prop_assert_eq!(world.run(60).0, 0, "quiet when satisfied");
        let mut by_zone: BTreeMap<&str, usize> = BTreeMap::new();
        for instance in world.machine.state.instances() {
            *by_zone.entry(instance.zone()).or_default() +=
                world.by_instance().get(&instance.id.number()).copied().unwrap_or(0);
        }
        let most = by_zone.values().max().unwrap();
        let least = by_zone.values().min().unwrap();
        prop_assert!(most - least <= 1, "{:?}", by_zone);
    }
}
