//! The service planner: rule by rule, and as properties over any situation and over whole deployments.

use std::time::Duration;

use super::plan;
use crate::command::{Command, NewDeployment, ServiceUpdate, SetInstanceStatus};
use crate::container_instance::InstanceStatus;
use crate::fixture::{Machine, definition, instance, service, service_key};
use crate::id::{DeploymentId, Ids, InstanceId, ServiceDeploymentId, TaskId};
use crate::plan::{Plan, Policy};
use crate::service::rollout::NewRecord;
use crate::service::{DeploymentBounds, Service};
use crate::task::{DesiredStatus, Task, TaskStatus};
use crate::task_definition::TaskDefinition;

mod bounds;
mod crashes;
mod daemon;
mod events;
mod lifecycle;
mod lost;
mod rolling;
mod rollout;
mod task_sets;
mod way_back;

/// A service `web` in a machine, its planner, and agents that do what they are told when they are told to.
struct World {
    machine: Machine,
    ids: Ids,
    policy: Policy,
    definitions: u32,
}

impl World {
    /// Six instances in three zones and a service of so many tasks; nothing planned yet.
    fn new(desired: u32) -> Self {
        Self::with(desired, DeploymentBounds::default())
    }

    fn with(desired: u32, bounds: DeploymentBounds) -> Self {
        let mut machine = Machine::new();
        for (number, zone) in (1..).zip(["a", "b", "c", "a", "b", "c"]) {
            machine.register(instance(number, zone, 1000, 1000));
        }
        let web = definition("web", 1, 100, 100);
        machine.define(&web);
        let mut service = Service { bounds, ..service("web", desired, &web.key) };
        service.begin_record(&record(1), machine.now);
        machine.create(&service);
        Self { machine, ids: Ids::from_seed(1), policy: Policy::default(), definitions: 1 }
    }

    fn plan(&mut self) -> Plan {
        plan(&self.machine.state, &service_key("web"), self.machine.now, &self.policy, &mut self.ids)
    }

    /// Plans and carries it out.
    fn step(&mut self) -> Plan {
        let plan = self.plan();
        for command in &plan.commands {
            self.machine.must(command.clone());
        }
        plan
    }

    /// Plans until nothing is left to do now.
    fn settle(&mut self) -> Plan {
        for _ in 0..20 {
            let plan = self.step();
            if plan.is_quiet() {
                return plan;
            }
        }
        panic!("it goes on for ever without time going on");
    }

    fn wait(&mut self, duration: Duration) {
        self.machine.now = self.machine.now.plus(duration);
    }

    /// The agents start what is to be started and stop what is to be stopped; says whether there was anything.
    fn obey(&mut self) -> bool {
        let revision = self.machine.revision;
        let tasks: Vec<(TaskId, bool)> = self
            .machine
            .state
            .tasks()
            .filter(|task| !task.is_stopped() && self.machine.state.is_reachable(task))
            .map(|task| (task.id, task.desired == DesiredStatus::Running))
            .collect();
        for (id, should_run) in tasks {
            match should_run {
                true if self.task(id).observed.last_status < TaskStatus::Running => self.machine.run(id),
                true => {}
                false => self.machine.end(id),
            }
        }
        self.machine.revision > revision
    }

    /// Plans, obeys and waits until nothing changes any more.
    fn come_to_rest(&mut self) {
        for _ in 0..200 {
            let plan = self.step();
            if !self.obey() && plan.is_quiet() && plan.next_wake.is_none() {
                return;
            }
            self.wait(Duration::from_secs(1));
        }
        panic!("it never comes to rest: {:?}", self.service().events);
    }

    fn service(&self) -> &Service {
        self.machine.state.service(&service_key("web")).expect("it was created")
    }

    fn task(&self, id: TaskId) -> &Task {
        self.machine.state.task(id).expect("it is there")
    }

    /// Tasks that are wanted.
    fn wanted(&self) -> Vec<&Task> {
        let key = service_key("web");
        let tasks = self.machine.state.tasks_of(&key).map(|task| &**task);
        tasks.filter(|task| task.desired == DesiredStatus::Running && !task.is_stopped()).collect()
    }

    /// Tasks that were told to stop and have not.
    fn stopping(&self) -> Vec<&Task> {
        let key = service_key("web");
        let tasks = self.machine.state.tasks_of(&key).map(|task| &**task);
        tasks.filter(|task| task.desired == DesiredStatus::Stopped && !task.is_stopped()).collect()
    }

    fn wanted_on(&self, instance: u128) -> usize {
        self.wanted().iter().filter(|task| task.instance == InstanceId::new(instance)).count()
    }

    fn messages(&self) -> Vec<&str> {
        self.service().events.iter().map(|event| event.message.as_str()).collect()
    }

    fn update(&mut self, change: impl FnOnce(&mut ServiceUpdate)) {
        let mut update = ServiceUpdate {
            key: service_key("web"),
            generation: self.service().generation,
            desired_count: None,
            bounds: None,
            placement: None,
            spec: None,
            deployment: None,
            settings: None,
        };
        change(&mut update);
        self.machine.must(Command::UpdateService(Box::new(update)));
    }

    fn scale(&mut self, desired: u32) {
        self.update(|update| update.desired_count = Some(desired));
    }

    /// Begins a deployment of a new revision of the definition.
    fn deploy(&mut self, change: impl FnOnce(&mut TaskDefinition)) -> DeploymentId {
        self.definitions += 1;
        let mut next = definition("web", self.definitions, 100, 100);
        change(&mut next);
        self.machine.define(&next);
        let id = DeploymentId::new(u64::from(self.definitions));
        self.update(|update| {
            update.deployment = Some(NewDeployment {
                id,
                task_definition: next.key.clone(),
                record: Some(record(id.number())),
            });
        });
        id
    }

    fn set_status(&mut self, instance: u128, status: InstanceStatus) {
        let ids = vec![InstanceId::new(instance)];
        self.machine.must(Command::SetInstanceStatus(SetInstanceStatus::new(ids, status)));
    }

    fn set_connected(&mut self, instance: u128, connected: bool) {
        let id = InstanceId::new(instance);
        self.machine.must(Command::SetInstanceConnected { id, connected });
    }
}

/// A service deployment of this number.
fn record(number: u64) -> NewRecord {
    NewRecord { id: ServiceDeploymentId::new(u128::from(number)), images: Default::default() }
}

fn percent(minimum_healthy_percent: u32, maximum_percent: u32) -> DeploymentBounds {
    DeploymentBounds { minimum_healthy_percent, maximum_percent }
}
