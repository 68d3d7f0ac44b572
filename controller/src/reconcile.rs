//! The leader's reconcilers: one row each.
//!
//! A round takes the newest view, asks the planner, proposes what it answers, and waits until that is applied; the
//! next round sees it. Nothing here knows why a key was woken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_model::change::Change;
use berth_model::command::{Command, Outcome as Applied};
use berth_model::container_instance::InstanceStatus;
use berth_model::id::{ClusterName, Ids, InstanceId, Region, ServiceKey};
use berth_model::plan::{self, Plan, Policy};
use berth_model::service::ServiceStatus;
use berth_model::state::{State, View};
use berth_model::time::Timestamp;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::reconcile::{Handle, Outcome, Row, Status};
use berth_process::shutdown::Shutdown;
use futures::future::join_all;
use tokio::sync::watch;

use crate::feed::Changes;
use crate::proposer::{ProposeError, Proposer};

/// How often every service is looked at although nothing woke it: a net under the wake-ups, not their replacement.
const SERVICE_RESYNC: Duration = Duration::from_secs(30);

/// How often queues are looked at although nothing woke them.
const QUEUE_RESYNC: Duration = Duration::from_secs(30);

/// How often drains are looked at although nothing woke them.
const DRAIN_RESYNC: Duration = Duration::from_secs(30);

/// How often leases are looked at.
const INSTANCE_RESYNC: Duration = Duration::from_secs(1);

/// How often it is looked whether tasks of a cluster should move. Nothing wakes this: it is in no hurry, and a look at
/// a large cluster is not free.
const REBALANCE_RESYNC: Duration = Duration::from_secs(5);

/// How often what is over is looked at.
const REAPER_RESYNC: Duration = Duration::from_secs(60);

/// How soon to look again after a proposal that did not get through.
const RETRY: Duration = Duration::from_millis(200);

/// For each instance of a region that counts as connected: how long nobody vouched for it; and those lost that are heard
/// again.
pub type Liveness = Arc<dyn Fn(&State) -> (BTreeMap<InstanceId, Duration>, Vec<InstanceId>) + Send + Sync>;

/// What every round needs.
#[derive(Clone)]
pub struct Context {
    /// The newest view.
    pub view: Arc<dyn Fn() -> View + Send + Sync>,
    /// The one write door.
    pub proposer: Proposer,
    /// Wall clock.
    pub clock: Clock,
    /// Seeds for ids.
    pub entropy: Entropy,
    /// What operators set.
    pub policy: Policy,
    /// Who is silent.
    pub liveness: Liveness,
}

/// A key, and in which region it is: a planner sees one region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct At<K> {
    /// `None` is the deployment's own.
    region: Option<Region>,
    key: K,
}

/// The one key of a reconciler that looks at everything of a region in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Everything;

/// The reconcilers of one leader, running.
#[derive(Clone, Debug)]
pub struct Reconcilers {
    services: Handle<At<ServiceKey>>,
    queues: Handle<At<ClusterName>>,
    instances: Handle<At<Everything>>,
    drains: Handle<At<Everything>>,
    rebalance: Handle<At<ClusterName>>,
    reaper: Handle<At<Everything>>,
}

// === impl Reconcilers ===

impl Reconcilers {
    /// Starts one row for each planner in the scope of `shutdown`.
    pub fn start(context: &Context, shutdown: &Shutdown) -> Self {
        Self {
            services: row("service", SERVICE_RESYNC, live_services, context, plan_service).start(shutdown),
            queues: row("queue", QUEUE_RESYNC, queues, context, plan_queue).start(shutdown),
            instances: row("instance", INSTANCE_RESYNC, once, context, plan_instances).start(shutdown),
            drains: row("drain", DRAIN_RESYNC, once, context, plan_drains).start(shutdown),
            rebalance: row("rebalance", REBALANCE_RESYNC, clusters, context, plan_rebalance).start(shutdown),
            reaper: row("reaper", REAPER_RESYNC, once, context, plan_reaper).start(shutdown),
        }
    }

    /// Wakes whoever may have something to do after these changes.
    pub fn wake(&self, view: &View, changes: &Changes) {
        let (region, view) = (&changes.region, view.in_region(changes.region.as_ref()));
        for change in changes.changes.iter() {
            match change {
                Change::Service(key) | Change::Task { service: Some(key), .. } => {
                    self.services.poke(At { region: region.clone(), key: key.clone() })
                }
                Change::Instance { cluster, offers_more: true, .. } => {
                    self.wake_unsettled(&view, cluster);
                    self.wake_queue(&view, cluster);
                }
                Change::Task { id, service: None, .. } => {
                    if let Some(task) = view.task(*id).filter(|task| task.scheduling.queue.is_some()) {
                        self.wake_queue(&view, &task.cluster);
                    }
                }
                Change::Instance { id, offers_more: false, .. } if is_draining(&view, *id) => {
                    self.drains.poke(At { region: region.clone(), key: Everything })
                }
                Change::Instance { offers_more: false, .. }
                | Change::Cluster(_)
                | Change::TaskDefinition(_)
                | Change::Manifest(_)
                | Change::AccessKey(_)
                | Change::SecurityGroup(_)
                | Change::History => {}
            }
        }
    }

    /// Changes were missed: everything is looked at.
    pub fn wake_all(&self) {
        self.services.poke_all();
        self.queues.poke_all();
        self.instances.poke_all();
        self.drains.poke_all();
        self.rebalance.poke_all();
    }

    /// What each did last.
    pub fn statuses(&self) -> Vec<watch::Receiver<Status>> {
        vec![
            self.services.status(),
            self.queues.status(),
            self.instances.status(),
            self.drains.status(),
            self.rebalance.status(),
            self.reaper.status(),
        ]
    }

    fn wake_queue(&self, view: &State, cluster: &ClusterName) {
        if view.queued_in(cluster).next().is_some() {
            self.queues.poke(At { region: view.region().cloned(), key: cluster.clone() });
        }
    }

    /// Room appeared in a cluster: services that wait for some look again.
    fn wake_unsettled(&self, view: &State, cluster: &ClusterName) {
        for service in view.services_in(cluster).filter(|service| is_live(service.status) && !service.steady)
        {
            self.services.poke(At { region: view.region().cloned(), key: service.key.clone() });
        }
    }
}

impl<K: std::fmt::Display> std::fmt::Display for At<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.region {
            None => self.key.fmt(formatter),
            Some(region) => write!(formatter, "{region}: {}", self.key),
        }
    }
}

impl std::fmt::Display for Everything {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("everything")
    }
}

fn live_services(view: &State) -> Vec<ServiceKey> {
    view.services().filter(|service| is_live(service.status)).map(|service| service.key.clone()).collect()
}

fn clusters(view: &State) -> Vec<ClusterName> {
    view.clusters().map(|cluster| cluster.name.clone()).collect()
}

fn queues(view: &State) -> Vec<ClusterName> {
    view.queues().cloned().collect()
}

fn once(_: &State) -> Vec<Everything> {
    vec![Everything]
}

fn is_draining(view: &State, id: InstanceId) -> bool {
    view.instance(id).is_some_and(|instance| instance.status == InstanceStatus::Draining)
}

fn is_live(status: ServiceStatus) -> bool {
    match status {
        ServiceStatus::Active | ServiceStatus::Draining => true,
        ServiceStatus::Inactive => false,
    }
}

fn row<K: berth_process::reconcile::Key>(
    name: &'static str,
    resync: Duration,
    keys: fn(&State) -> Vec<K>,
    context: &Context,
    plan: fn(&Context, &State, &K, Timestamp) -> Plan,
) -> Row<At<K>> {
    let (context, view) = (context.clone(), Arc::clone(&context.view));
    let of_region = move |state: &State| {
        let region = state.region().cloned();
        keys(state).into_iter().map(move |key| At { region: region.clone(), key })
    };
    let keys = move || view().every_region().flat_map(&of_region).collect();
    Row::new(name, resync, keys, move |key| round(context.clone(), key, plan))
}

fn plan_service(context: &Context, view: &State, key: &ServiceKey, now: Timestamp) -> Plan {
    let mut ids = Ids::from_seed(context.entropy.u128());
    plan::service::plan(view, key, now, &context.policy, &mut ids)
}

fn plan_queue(context: &Context, view: &State, cluster: &ClusterName, now: Timestamp) -> Plan {
    let mut ids = Ids::from_seed(context.entropy.u128());
    plan::queue::plan(view, cluster, now, &mut ids)
}

fn plan_instances(context: &Context, view: &State, _: &Everything, now: Timestamp) -> Plan {
    let (silent, returned) = (context.liveness)(view);
    let mut plan = plan::instance::plan(view, &silent, now, &context.policy);
    plan.commands
        .extend(returned.into_iter().map(|id| Command::SetInstanceConnected { id, connected: true }));
    plan
}

fn plan_drains(_: &Context, view: &State, _: &Everything, now: Timestamp) -> Plan {
    plan::drain::plan(view, now)
}

fn plan_rebalance(context: &Context, view: &State, cluster: &ClusterName, now: Timestamp) -> Plan {
    let mut ids = Ids::from_seed(context.entropy.u128());
    plan::rebalance::plan(view, cluster, now, &context.policy, &mut ids)
}

fn plan_reaper(context: &Context, view: &State, _: &Everything, now: Timestamp) -> Plan {
    plan::reaper::plan(view, now, &context.policy)
}

/// One round of one key.
async fn round<K: berth_process::reconcile::Key>(
    context: Context,
    key: At<K>,
    plan: fn(&Context, &State, &K, Timestamp) -> Plan,
) -> Outcome {
    let now = Timestamp::from_unix_ms(context.clock.unix_ms());
    let view = (context.view)().in_region(key.region.as_ref());
    let plan = plan(&context, &view, &key.key, now);
    let next_wake = plan.next_wake.map(|at| at.since(now));
    let reason = plan.notes.join("; ");
    if plan.commands.is_empty() {
        return Outcome { next_wake, ..Outcome::quiescent(reason) };
    }
    let commands = plan.commands.len();
    tracing::debug!(%key, commands, reason, "a plan has commands");
    let planned = plan.commands.into_iter().map(|command| view.addressed(command)).collect();
    drop(view);
    match carry_out(&context.proposer, planned).await {
        Carried::Applied => Outcome { next_wake: None, ..Outcome::acted(commands, reason) },
        Carried::Unchanged => Outcome { next_wake, quiescent: true, commands, reason },
        Carried::Failed(error) => Outcome::acted(commands, error).wake_in(RETRY),
    }
}

/// What became of a plan's commands.
enum Carried {
    /// The state is another now: look again.
    Applied,
    /// Nothing changed: looking again would give the same plan.
    Unchanged,
    /// One did not get through.
    Failed(String),
}

/// Proposes commands in their order and waits for all of them.
async fn carry_out(proposer: &Proposer, commands: Vec<Command>) -> Carried {
    let replies = join_all(commands.into_iter().map(|command| proposer.propose(command))).await;
    let mut changed = false;
    for reply in replies {
        match reply {
            Ok((_, Applied::Unchanged)) => {}
            Ok((_, Applied::Applied | Applied::Started { .. })) => changed = true,
            // Somebody changed what is wanted meanwhile: the next round plans for that.
            Err(ProposeError::Rejected(rejection)) => {
                tracing::debug!(%rejection, "a planned command was rejected");
                changed = true;
            }
            Err(error) => return Carried::Failed(error.to_string()),
        }
    }
    if changed { Carried::Applied } else { Carried::Unchanged }
}
