//! Everything in the simulation, and the passing of time.
//!
//! Planners are called as the real driver calls them: when a change names their service, when an instance comes to offer
//! more, or when they asked to be; never just because time passed. So a wake that is forgotten shows as a service that
//! does not get where it should be. The services that are due plan on one view, and their commands are applied after
//! each other, so some come too late.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use berth_model::change::Change;
use berth_model::command::{Command, Envelope, Reply};
use berth_model::id::{InstanceId, ServiceKey, TaskDefinitionKey};
use berth_model::plan::{self, Plan, Policy};
use berth_model::service::ServiceStatus;
use berth_model::state::State;
use berth_model::time::Timestamp;

use crate::agent::{Agent, Fate};
use crate::fixture::{CLUSTER, Dice, Machine, START};
use crate::oracle;

/// How far the clock goes at once.
const TICK: Duration = Duration::from_millis(500);

/// How long things go wrong.
const SUFFERING: Duration = Duration::from_secs(120);

/// How long it may take until all is well again. A deployment that crashed has to prove itself for a minute.
const RECOVERY: Duration = Duration::from_secs(240);

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) state: State,
    pub(crate) revision: u64,
    pub(crate) now: Timestamp,
    pub(crate) policy: Policy,
    pub(crate) agents: BTreeMap<InstanceId, Agent>,
    /// What becomes of tasks by what they run.
    pub(crate) fates: BTreeMap<TaskDefinitionKey, Fate>,
    /// No controller hears any agent until then.
    pub(crate) deaf_until: Timestamp,
    /// When services want to be looked at.
    wakes: BTreeMap<ServiceKey, Timestamp>,
    /// Rounds in a row in which a service had something to do.
    busy: BTreeMap<ServiceKey, u32>,
    silent_since: BTreeMap<InstanceId, Timestamp>,
    reap_at: Timestamp,
    /// Every command so far, refused ones too.
    pub(crate) log: Vec<Envelope>,
    /// A bug, to see whether it is found: what planners want to be woken for by the passing of time is forgotten.
    pub(crate) forgets_wakes: bool,
    rebalance_at: Timestamp,
    /// When the queue wants to be looked at.
    pub(crate) queue_at: Option<Timestamp>,
}

// === impl World ===

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let policy = Policy {
            healthy_after: Duration::from_secs(1 + dice.below(5)),
            instance_lost_after: Duration::from_secs(5 + dice.below(10)),
            // What is forgotten wakes its service; with the longer one nothing hides a wake that is missing.
            retention: Duration::from_secs(*dice.pick(&[90, 3600])),
            crash_backoff_cap: Duration::from_secs(20),
            rebalance_after: Duration::from_secs(1 + dice.below(6)),
            ..Policy::default()
        };
        let machine = Machine::new();
        let mut world = Self {
            dice,
            state: machine.state,
            revision: machine.revision,
            now: START,
            policy,
            agents: BTreeMap::new(),
            fates: BTreeMap::new(),
            deaf_until: START,
            wakes: BTreeMap::new(),
            busy: BTreeMap::new(),
            silent_since: BTreeMap::new(),
            reap_at: START,
            log: Vec::new(),
            forgets_wakes: false,
            rebalance_at: START,
            queue_at: None,
        };
        world.begin();
        world
    }

    /// Everything goes wrong for a while.
    pub(crate) fn suffer(&mut self) {
        let end = self.now.plus(SUFFERING);
        while self.now < end {
            self.misfortune();
            self.tick();
        }
    }

    /// The faults stop; gives everything the time it may take.
    pub(crate) fn recover(&mut self) {
        self.end_faults();
        let end = self.now.plus(RECOVERY);
        while self.now < end {
            self.tick();
        }
    }

    pub(crate) fn propose(&mut self, command: Command) -> Reply {
        self.revision += 1;
        let envelope = Envelope { command, issued_at: self.now, traceparent: None };
        let applied = self.state.apply(self.revision, &envelope);
        self.log.push(envelope);
        for change in applied.changes {
            match change {
                Change::Service(key) | Change::Task { service: Some(key), .. } => self.wake(key, self.now),
                Change::Instance { offers_more: true, .. } => {
                    let keys: Vec<ServiceKey> =
                        self.state.services().map(|service| service.key.clone()).collect();
                    keys.into_iter().for_each(|key| self.wake(key, self.now));
                    self.wake_queue(self.now);
                }
                Change::Task { service: None, .. } => self.wake_queue(self.now),
                Change::Instance { offers_more: false, .. }
                | Change::Cluster(_)
                | Change::TaskDefinition(_)
                | Change::Manifest(_)
                | Change::AccessKey(_)
                | Change::SecurityGroup(_)
                | Change::History => {}
            }
        }
        applied.reply
    }

    fn wake(&mut self, key: ServiceKey, at: Timestamp) {
        let wake = self.wakes.entry(key).or_insert(at);
        *wake = at.min(*wake);
    }

    fn tick(&mut self) {
        self.now = self.now.plus(TICK);
        self.live();
        self.plan_instances();
        self.plan_services();
        self.plan_queue();
        if self.reap_at <= self.now {
            let plan = plan::reaper::plan(&self.state, self.now, &self.policy);
            plan.commands.into_iter().for_each(|command| self.must(command));
            self.reap_at = self.now.plus(Duration::from_secs(5));
        }
        self.rebalance();
        for command in plan::drain::plan(&self.state, self.now).commands {
            // As with services, one may come too late.
            let _ = self.propose(command);
        }
        oracle::check_state(self);
    }

    fn rebalance(&mut self) {
        if self.rebalance_at > self.now {
            return;
        }
        self.rebalance_at = self.now.plus(Duration::from_secs(3));
        let cluster = CLUSTER.into();
        let plan = plan::rebalance::plan(&self.state, &cluster, self.now, &self.policy, self.dice.ids());
        oracle::check_moves(&self.state, &plan);
        for command in plan.commands {
            let _ = self.propose(command);
        }
    }

    /// Applies what nothing can be wrong with.
    pub(crate) fn must(&mut self, command: Command) {
        let text = format!("{command:?}");
        let reply = self.propose(command);
        assert!(reply.is_ok(), "{reply:?}: {text}");
    }

    pub(crate) fn is_heard(&self, id: InstanceId) -> bool {
        self.deaf_until <= self.now && self.agents.get(&id).is_some_and(|agent| agent.is_heard(self.now))
    }

    /// Hosts and agents.
    fn live(&mut self) {
        let ids: Vec<InstanceId> = self.agents.keys().copied().collect();
        for id in ids {
            let is_heard = self.is_heard(id);
            let Some(agent) = self.agents.get_mut(&id) else { continue };
            agent.live(self.now, &mut self.dice);
            if !is_heard {
                continue;
            }
            let offer = agent.offer.clone();
            if self.state.instance(id).is_none_or(|known| !known.connected) {
                // A deregistered instance is refused; its agent gives up.
                if self.propose(Command::RegisterInstance(Box::new(offer))).is_err() {
                    self.agents.remove(&id);
                    continue;
                }
            }
            let Some(agent) = self.agents.get_mut(&id) else { continue };
            agent.accept_manifest(&self.state, self.now, &self.fates, &mut self.dice);
            let reports = agent.reports();
            if !reports.is_empty() {
                self.must(Command::ReportTasks { instance: id, reports });
            }
        }
    }

    fn plan_instances(&mut self) {
        let connected: BTreeSet<InstanceId> = self
            .state
            .instances()
            .filter(|instance| instance.connected)
            .map(|instance| instance.id)
            .collect();
        let silent: BTreeSet<InstanceId> =
            connected.iter().copied().filter(|id| !self.is_heard(*id)).collect();
        self.silent_since.retain(|id, _| silent.contains(id));
        for id in &silent {
            self.silent_since.entry(*id).or_insert(self.now);
        }
        let silences = self.silent_since.iter().map(|(id, since)| (*id, self.now.since(*since))).collect();
        let plan = plan::instance::plan(&self.state, &silences, self.now, &self.policy);
        assert!(silent.len() < connected.len() || plan.is_quiet(), "all are silent: {plan:?}");
        plan.commands.into_iter().for_each(|command| self.must(command));
    }

    fn plan_services(&mut self) {
        for _ in 0..3 {
            let now = self.now;
            let due: Vec<ServiceKey> =
                self.wakes.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
            let mut plans = Vec::new();
            for key in due {
                self.wakes.remove(&key);
                let plan = plan::service::plan(&self.state, &key, now, &self.policy, self.dice.ids());
                oracle::check_plan(&self.state, &key, now, &self.policy, &plan);
                self.note_busy(&key, &plan);
                if let Some(at) = plan.next_wake.filter(|_| !self.forgets_wakes) {
                    self.wake(key.clone(), at);
                }
                plans.push(plan);
            }
            for command in plans.into_iter().flat_map(|plan| plan.commands) {
                // Refused ones came too late; whatever made them so wakes the planner again.
                let _ = self.propose(command);
            }
        }
    }

    fn note_busy(&mut self, key: &ServiceKey, plan: &Plan) {
        let rounds = self.busy.entry(key.clone()).or_default();
        *rounds = if plan.is_quiet() { 0 } else { *rounds + 1 };
        assert!(*rounds < 60, "{key} is never done: {plan:?}");
    }

    /// Services that are wanted.
    pub(crate) fn active_services(&self) -> Vec<ServiceKey> {
        let cluster = CLUSTER.into();
        let services = self.state.services_in(&cluster);
        services
            .filter(|service| service.status == ServiceStatus::Active)
            .map(|service| service.key.clone())
            .collect()
    }
}
