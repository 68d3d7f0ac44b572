//! What can go wrong, what people do meanwhile, and the end of it.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_model::command::{
    Command, NewDeployment, RollBackService, ServiceUpdate, SetInstanceStatus, StartTasks,
    StopServiceDeployment, StopTasks,
};
use berth_model::container_instance::InstanceStatus;
use berth_model::id::{InstanceId, ServiceKey, TaskId};
use berth_model::placement::{Constraint, PackField, PlacementRules, SpreadField, Strategy};
use berth_model::plan::placement::{Counted, Placer, Request};
use berth_model::service::rollout::{NewRecord, Stage, StopKind};
use berth_model::service::settings::{
    CircuitBreaker, DeploymentSettings, EarlySuccess, Hook, HookAction, HookTarget, Threshold,
};
use berth_model::service::{DeploymentBounds, Service};
use berth_model::task::{StopCode, Task};
use berth_model::task_definition::TaskDefinition;
use berth_model::time::Timestamp;
use berth_model::wire::Wire;
use berth_proto::ecs::v1 as pb;

use crate::agent::{Agent, Fate};
use crate::fixture::{self, CLUSTER, definition, instance};
use crate::world::World;

const ZONES: [&str; 3] = ["a", "b", "c"];
const NAMES: [&str; 4] = ["web", "api", "queue", "proxy"];
/// This one asks for a port of the host, so there is one of it on an instance.
const WITH_PORT: &str = "proxy";
/// One on every host; nobody scales it.
const DAEMON: &str = "logs";

impl World {
    /// Hosts and services as they are before anything happens.
    pub(crate) fn begin(&mut self) {
        for number in 0..5 + self.dice.below(6) {
            self.add_host(u128::from(number + 1));
        }
        for name in NAMES {
            self.create_service(name);
        }
        self.create_daemon();
    }

    fn create_daemon(&mut self) {
        let definition = self.define(DAEMON, Fate::Fine);
        let bounds = DeploymentBounds { minimum_healthy_percent: 0, maximum_percent: 100 };
        let spec = Wire::new(pb::Service {
            scheduling_strategy: Some(pb::SchedulingStrategy::Daemon.into()),
            ..pb::Service::default()
        });
        let mut service = fixture::service(DAEMON, 0, &definition.key);
        service.deployments[0] = fixture::deployment(self.dice.below(u64::MAX), &definition.key);
        service.deployments[0].created_at = self.now;
        self.must(Command::CreateService(Box::new(Service { bounds, spec, ..service })));
    }

    fn add_host(&mut self, number: u128) {
        let zone = *self.dice.pick(&ZONES);
        let agent = Agent::new(instance(number, zone, 4000, 4000));
        self.must(Command::RegisterInstance(Box::new(agent.offer.clone())));
        self.agents.insert(agent.id(), agent);
    }

    fn create_service(&mut self, name: &str) {
        let definition = self.define(name, Fate::Fine);
        let bounds = self.any_bounds();
        let mut service = fixture::service(name, self.dice.small(8), &definition.key);
        service.deployments[0] = fixture::deployment(self.dice.below(u64::MAX), &definition.key);
        service.deployments[0].created_at = self.now;
        let placement = self.any_rules();
        let rebalanced = *self
            .dice
            .pick(&[pb::AvailabilityZoneRebalancing::Enabled, pb::AvailabilityZoneRebalancing::Disabled]);
        let spec = Wire::new(pb::Service {
            availability_zone_rebalancing: Some(rebalanced.into()),
            ..pb::Service::default()
        });
        let settings = self.any_settings();
        let mut service = Service { bounds, placement, settings, spec, ..service };
        service.begin_record(&self.new_record(), self.now);
        self.must(Command::CreateService(Box::new(service)));
    }

    fn define(&mut self, family: &str, fate: Fate) -> TaskDefinition {
        self.define_larger(family, fate, 1)
    }

    /// A definition that is so many times as large as others.
    pub(crate) fn define_larger(&mut self, family: &str, fate: Fate, scale: u32) -> TaskDefinition {
        let revision = self.state.last_revision(&family.into()) + 1;
        let (cpu, memory) = (scale * (100 + self.dice.small(150)), scale * (100 + self.dice.small(150)));
        let mut definition = definition(family, revision, cpu, memory);
        let container = &mut definition.facts.containers[0];
        container.health_check = fate == Fate::NeverHealthy || self.dice.percent(30);
        if family == WITH_PORT {
            container.tcp_ports = [80].into_iter().collect();
        }
        self.must(Command::RegisterTaskDefinition(Box::new(definition.clone())));
        self.fates.insert(definition.key.clone(), fate);
        definition
    }

    fn any_bounds(&mut self) -> DeploymentBounds {
        DeploymentBounds {
            minimum_healthy_percent: *self.dice.pick(&[0, 50, 100]),
            maximum_percent: *self.dice.pick(&[100, 150, 200]),
        }
    }

    fn new_record(&mut self) -> NewRecord {
        NewRecord { id: self.dice.ids().service_deployment(), images: Default::default() }
    }

    /// A circuit breaker or none, hooks or none.
    fn any_settings(&mut self) -> DeploymentSettings {
        let thresholds =
            [Threshold::BoundedPercent(50), Threshold::Count(2), Threshold::UnboundedPercent(100)];
        let breaker = self.dice.percent(60).then(|| CircuitBreaker {
            rollback: self.dice.percent(70),
            reset_on_healthy_task: self.dice.percent(70),
            threshold: *self.dice.pick(&thresholds),
        });
        let early = EarlySuccess { healthy_percent: 100, after_cleanup: self.dice.percent(50) };
        let early_success = self.dice.percent(20).then_some(early);
        let hooks = if self.dice.percent(30) { vec![self.any_hook()] } else { Vec::new() };
        DeploymentSettings { breaker, early_success, hooks }
    }

    fn any_hook(&mut self) -> Hook {
        let targets = [HookTarget::Pause, HookTarget::Task { definition: None, overrides: None }];
        Hook {
            target_arn: String::new(),
            target: self.dice.pick(&targets).clone(),
            stages: vec![*self.dice.pick(&[Stage::PreScaleUp, Stage::PostScaleUp])],
            timeout: Duration::from_secs(15),
            on_timeout: *self.dice.pick(&[HookAction::Continue, HookAction::RollBack]),
            details: None,
        }
    }

    /// Somebody stops a deployment or wants an earlier one back.
    fn interfere(&mut self) {
        let Some(key) = self.any_service() else { return };
        let Some(service) = self.state.service(&key).cloned() else { return };
        if let Some(record) = service.records.current() {
            let kind = *self.dice.pick(&[StopKind::Abort, StopKind::RollBack]);
            let stop = StopServiceDeployment { key, id: record.id, kind };
            self.must(Command::StopServiceDeployment(stop));
            return;
        }
        let revisions: Vec<_> = service.records.revisions.keys().copied().collect();
        if !revisions.is_empty() {
            let back = RollBackService {
                key,
                generation: service.generation,
                revision: *self.dice.pick(&revisions),
                deployment: self.dice.ids().deployment(),
                record: self.new_record(),
            };
            self.must(Command::RollBackService(Box::new(back)));
        }
    }

    fn change_settings(&mut self) {
        let settings = self.any_settings();
        if let Some(key) = self.any_service() {
            self.update(key, |update| update.settings = Some(settings));
        }
    }

    fn any_rules(&mut self) -> PlacementRules {
        let strategy = match self.dice.below(5) {
            0 => vec![Strategy::Binpack(PackField::Memory)],
            1 => vec![Strategy::Random],
            2 => vec![Strategy::Spread(SpreadField::Instance), Strategy::Binpack(PackField::Cpu)],
            _ => Vec::new(),
        };
        let constraints = if self.dice.percent(10) { vec![Constraint::DistinctInstance] } else { Vec::new() };
        PlacementRules { constraints, strategy }
    }

    pub(crate) fn later(&mut self, least_s: u64, most_s: u64) -> Timestamp {
        let span = least_s * 1000 + self.dice.below((most_s - least_s) * 1000);
        self.now.plus(Duration::from_millis(span))
    }

    fn any_host(&mut self) -> Option<InstanceId> {
        let ids: Vec<InstanceId> = self.agents.keys().copied().collect();
        (!ids.is_empty()).then(|| *self.dice.pick(&ids))
    }

    fn any_service(&mut self) -> Option<ServiceKey> {
        let mut keys = self.active_services();
        keys.retain(|key| key.name.as_str() != DAEMON);
        (!keys.is_empty()).then(|| self.dice.pick(&keys).clone())
    }

    /// Perhaps something happens.
    pub(crate) fn misfortune(&mut self) {
        match self.dice.below(100) {
            0..=2 => self.cut_host(),
            3..=4 => self.power_off_host(),
            5 => self.cut_zone(),
            6 => self.deaf_until = self.later(3, 25),
            7 => self.replace_host(),
            8..=9 => self.drain_or_activate(),
            10..=14 => self.scale(),
            15..=18 => self.deploy_anything(),
            19 => self.change_bounds(),
            20 => self.delete_or_create(),
            21..=22 => self.stop_some_task(),
            23..=24 => self.run_tasks(),
            25 => self.change_settings(),
            28..=30 => self.queue_tasks(),
            26 => self.interfere(),
            27 => {
                self.deploy_anything();
                self.deploy_anything();
            }
            _ => {}
        }
    }

    fn cut_host(&mut self) {
        let until = self.later(1, 40);
        if let Some(agent) = self.any_host().and_then(|id| self.agents.get_mut(&id)) {
            agent.cut_until = until;
        }
    }

    fn power_off_host(&mut self) {
        let (now, until) = (self.now, self.later(3, 40));
        if let Some(agent) = self.any_host().and_then(|id| self.agents.get_mut(&id)) {
            agent.power_off(now, until);
        }
    }

    fn cut_zone(&mut self) {
        let zone = *self.dice.pick(&ZONES);
        let until = self.later(5, 40);
        for agent in self.agents.values_mut().filter(|agent| agent.offer.zone() == zone) {
            agent.cut_until = until;
        }
    }

    /// The host is gone for good, its instance is deregistered, another takes its place.
    fn replace_host(&mut self) {
        let Some(id) = self.any_host() else { return };
        self.agents.remove(&id);
        self.must(Command::DeregisterInstance { id, force: true });
        let number = self.dice.ids().number();
        self.add_host(number);
    }

    fn drain_or_activate(&mut self) {
        let status = *self.dice.pick(&[InstanceStatus::Active, InstanceStatus::Draining]);
        if let Some(id) = self.any_host() {
            let deadline = self.dice.percent(40).then(|| self.later(1, 30));
            let stop_standalone = self.dice.percent(50);
            let set = SetInstanceStatus::new(vec![id], status);
            self.must(Command::SetInstanceStatus(SetInstanceStatus { deadline, stop_standalone, ..set }));
        }
    }

    fn update(&mut self, key: ServiceKey, change: impl FnOnce(&mut ServiceUpdate)) {
        let generation = self.state.service(&key).map_or(0, |service| service.generation);
        let mut update = ServiceUpdate {
            key,
            generation,
            desired_count: None,
            bounds: None,
            placement: None,
            spec: None,
            deployment: None,
            settings: None,
        };
        change(&mut update);
        self.must(Command::UpdateService(Box::new(update)));
    }

    fn scale(&mut self) {
        let desired = *self.dice.pick(&[0, 1, 2, 5, 10, 40]);
        if let Some(key) = self.any_service() {
            self.update(key, |update| update.desired_count = Some(desired));
        }
    }

    fn deploy_anything(&mut self) {
        let fates = [Fate::Fine, Fate::SlowStart, Fate::FailsToStart, Fate::Crashes, Fate::NeverHealthy];
        let fate = *self.dice.pick(&fates);
        if let Some(key) = self.any_service() {
            self.deploy(key, fate);
        }
    }

    fn deploy(&mut self, key: ServiceKey, fate: Fate) {
        let definition = self.define(key.name.as_str(), fate);
        let id = self.dice.ids().deployment();
        let record = Some(self.new_record());
        let deployment = NewDeployment { id, task_definition: definition.key, record };
        self.update(key, |update| update.deployment = Some(deployment));
    }

    fn change_bounds(&mut self) {
        let bounds = self.any_bounds();
        if let Some(key) = self.any_service() {
            self.update(key, |update| update.bounds = Some(bounds));
        }
    }

    fn delete_or_create(&mut self) {
        let name = *self.dice.pick(&NAMES);
        let key = fixture::service_key(name);
        if self.active_services().contains(&key) {
            self.must(Command::DeleteService(key));
        } else if self.state.service(&key).is_none_or(|service| service.primary().is_none()) {
            self.create_service(name);
        }
    }

    fn stop_some_task(&mut self) {
        let ids: Vec<TaskId> = self.state.tasks().map(|task| task.id).collect();
        if !ids.is_empty() {
            let tasks = vec![*self.dice.pick(&ids)];
            self.stop_by_hand(tasks);
        }
    }

    fn stop_by_hand(&mut self, tasks: Vec<TaskId>) {
        let (code, reason) = (StopCode::UserInitiated, "Task stopped by user".to_owned());
        self.must(Command::StopTasks(StopTasks { service: None, tasks, code, reason }));
    }

    /// Somebody runs a few tasks without a service.
    fn run_tasks(&mut self) {
        let definition = self.define("batch", Fate::Fine);
        let (rules, cluster, group) = (self.any_rules(), CLUSTER.into(), "family:batch");
        let seed = self.dice.below(u64::MAX);
        let mut placer = Placer::new(&Request {
            view: &self.state,
            cluster: &cluster,
            rules: &rules,
            facts: &definition.facts,
            counted: Counted::Group(group),
            zone: None,
            seed,
        });
        let places: Vec<InstanceId> =
            (0..3).filter_map(|_| placer.place(&definition.facts.requirements()).ok()).collect();
        let tasks = places.into_iter().map(|on| {
            let id = self.dice.ids().number();
            Task { created_at: self.now, ..fixture::task(id, on.number(), &definition, group) }
        });
        let tasks = tasks.collect();
        self.must(Command::StartTasks(StartTasks { service: None, tasks }));
    }

    /// Everything is repaired, and what is wanted is possible.
    pub(crate) fn end_faults(&mut self) {
        self.deaf_until = self.now;
        for agent in self.agents.values_mut() {
            agent.cut_until = self.now;
            agent.off_until = self.now;
        }
        let ids: BTreeSet<InstanceId> = self.agents.keys().copied().collect();
        let ids = ids.into_iter().filter(|id| {
            self.state.instance(*id).is_some_and(|known| known.status != InstanceStatus::Inactive)
        });
        let set = SetInstanceStatus::new(ids.collect(), InstanceStatus::Active);
        self.must(Command::SetInstanceStatus(set));
        let standalone: Vec<TaskId> =
            self.state.standalone_tasks(&CLUSTER.into()).map(|task| task.id).collect();
        self.stop_by_hand(standalone);
        self.queue_patient_tasks();
        for key in self.active_services() {
            if key.name.as_str() == DAEMON {
                self.deploy(key, Fate::Fine);
                continue;
            }
            let desired = 1 + self.dice.small(3);
            // With other percentages of one task there would be bounds that allow nothing to move.
            let (minimum_healthy_percent, maximum_percent) =
                *self.dice.pick(&[(0, 100), (50, 200), (100, 200)]);
            let bounds = DeploymentBounds { minimum_healthy_percent, maximum_percent };
            self.update(key.clone(), |update| {
                update.desired_count = Some(desired);
                update.bounds = Some(bounds);
                // Given up or gone back, a service would not be where it is expected.
                update.settings = Some(DeploymentSettings::default());
            });
            self.deploy(key, Fate::Fine);
        }
    }
}
