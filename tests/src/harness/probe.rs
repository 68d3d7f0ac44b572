//! A client that never stops: it asks every task of a service, over and over, and keeps the worst it saw.
//!
//! It stands for a load balancer. In each round it asks the API which tasks run, then asks each of those and of the
//! rounds before for `/healthz`. A round counts what answered 200; the lowest count is what "never fewer than the
//! minimum" is about.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use berth_proto::ecs::v1::Task;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::api::{Api, id_of};
use super::http;

const ROUND_INTERVAL: Duration = Duration::from_millis(100);

/// Which address each container instance has.
#[derive(Clone, Debug)]
pub struct Endpoints {
    hosts: BTreeMap<String, IpAddr>,
}

/// What a probe saw.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How often it looked.
    pub rounds: usize,
    /// The fewest tasks that answered in one round.
    pub fewest: usize,
    /// The most.
    pub most: usize,
    /// The different texts that tasks answered `/` with, by their `revision=` line.
    pub revisions: BTreeSet<String>,
}

/// See the module. Stops when dropped.
pub struct Probe {
    seen: Arc<Mutex<Seen>>,
    _task: JoinSet<()>,
}

// === impl Endpoints ===

impl Endpoints {
    pub(super) fn new(hosts: BTreeMap<String, IpAddr>) -> Self {
        Self { hosts }
    }

    /// Where a task answers: the first host port of its first container that has one.
    #[must_use]
    pub fn of(&self, task: &Task) -> Option<SocketAddr> {
        let host = self.hosts.get(id_of(task.container_instance_arn()))?;
        let port = task
            .containers
            .iter()
            .flat_map(|container| &container.network_bindings)
            .find_map(|it| it.host_port)?;
        Some(SocketAddr::new(*host, u16::try_from(port).ok()?))
    }
}

// === impl Probe ===

impl Probe {
    pub(super) fn start(api: Api, service: String, endpoints: Endpoints) -> Self {
        let seen = Seen { rounds: 0, fewest: usize::MAX, most: 0, revisions: BTreeSet::new() };
        let seen = Arc::new(Mutex::new(seen));
        let mut task = JoinSet::new();
        task.spawn(probe(api, service, endpoints, Arc::clone(&seen)));
        Self { seen, _task: task }
    }

    /// What was seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.lock().clone()
    }
}

async fn probe(api: Api, service: String, endpoints: Endpoints, seen: Arc<Mutex<Seen>>) {
    let mut known = BTreeSet::new();
    let mut ticks = interval(ROUND_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // While no controller answers, the tasks known so far are all a client has.
        if let Ok(running) = running(&api, &service, &endpoints).await {
            known.extend(running);
        }
        let answers = join_all(known.iter().map(|address| ask(*address))).await;
        let healthy: Vec<_> = known
            .iter()
            .copied()
            .zip(answers)
            .filter_map(|(address, answer)| Some((address, answer?)))
            .collect();
        known = healthy.iter().map(|(address, _)| *address).collect();
        let mut seen = seen.lock();
        seen.rounds += 1;
        seen.fewest = seen.fewest.min(healthy.len());
        seen.most = seen.most.max(healthy.len());
        seen.revisions.extend(healthy.into_iter().map(|(_, revision)| revision));
    }
}

async fn running(api: &Api, service: &str, endpoints: &Endpoints) -> Result<Vec<SocketAddr>> {
    let tasks = api.tasks(Some(service)).await?;
    Ok(tasks
        .iter()
        .filter(|task| task.last_status() == "RUNNING")
        .filter_map(|task| endpoints.of(task))
        .collect())
}

/// The revision of a task that is healthy.
async fn ask(address: SocketAddr) -> Option<String> {
    http::get(address, "/healthz").await.ok()?;
    let body = http::get(address, "/").await.ok()?;
    Some(body.lines().find_map(|line| line.strip_prefix("revision=")).unwrap_or_default().to_owned())
}
