//! A task on its way into the network, and out of it.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use berth_model::network::Block;
use tokio::time::Instant;

use super::{Member, Network, link, pause};
use crate::limits::ADDRESS_PATIENCE;
use crate::manifest::DesiredTask;
use crate::runtime::{self, Launch};

/// Between two looks for an address that is free.
const LOOK_PERIOD: Duration = Duration::from_millis(500);
/// What ECS says of an interface that did not come in time.
const TIMEOUT: &str = "Timeout waiting for network interface provisioning to complete.";

/// A task that is in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its address.
    pub address: Ipv4Addr,
    /// The container whose network its containers share.
    pub pause: String,
}

// === impl Network ===

impl Network {
    /// Gives a task its address and its namespace; the same again when it has them.
    pub(crate) async fn attach(&self, task: &DesiredTask) -> Result<Attached, String> {
        let (address, gate) = self.reserve(task).await?;
        let _turn = gate.lock().await;
        if let Some(attached) = self.attached(&task.id) {
            return Ok(attached);
        }
        let told = |error: runtime::Error| error.to_string();
        self.bring_image().await?;
        let launch: Launch = pause::launch(task, &self.instance_id, address);
        let pause = self.runtime.create(&launch).await.map_err(told)?;
        self.change(&task.id, |member| member.pause = Some(pause.clone()));
        self.runtime.start(&pause).await.map_err(told)?;
        let found = self.runtime.inspect(&pause).await.map_err(told)?;
        let pid = found.and_then(|found| found.pid).ok_or("its namespace is gone as soon as it is made")?;
        self.change(&task.id, |member| member.pid = Some(pid));
        self.reconcile_for(&link::name(&task.id)).await?;
        Ok(Attached { address, pause })
    }

    /// Whether a task has to be taken out of the network: true once.
    pub(crate) fn begin_release(&self, task_id: &str) -> bool {
        let mut state = self.state.lock();
        state.members.get_mut(task_id).is_some_and(|member| !std::mem::replace(&mut member.is_leaving, true))
    }

    /// Takes a task out of the network, and its namespace away.
    pub(crate) async fn release(&self, task_id: &str) -> Result<(), runtime::Error> {
        let Some(member) = self.state.lock().members.get(task_id).cloned() else { return Ok(()) };
        let _turn = member.gate.lock().await;
        if let Some(pause) = self.change(task_id, |member| member.pause.clone()).flatten() {
            match self.runtime.stop(&pause, Some(Duration::ZERO)).await {
                Ok(()) | Err(runtime::Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
            self.runtime.remove(&pause).await?;
        }
        let mut state = self.state.lock();
        state.members.remove(task_id);
        state.pool.give_back(member.address, Instant::now());
        drop(state);
        self.wanted.notify_one();
        Ok(())
    }

    fn attached(&self, task_id: &str) -> Option<Attached> {
        let state = self.state.lock();
        let member = state.members.get(task_id)?;
        member.pid?;
        Some(Attached { address: member.address, pause: member.pause.clone()? })
    }

    /// An address for the task, and the turn of whoever attaches it.
    async fn reserve(&self, task: &DesiredTask) -> Result<(Ipv4Addr, Arc<tokio::sync::Mutex<()>>), String> {
        let take = async {
            let block = self.own_block().await;
            loop {
                let taken = self.state.lock().enter(task, block);
                if let Some(taken) = taken {
                    return taken;
                }
                tokio::time::sleep(LOOK_PERIOD).await;
            }
        };
        let taken = tokio::time::timeout(ADDRESS_PATIENCE, take).await;
        taken.map_err(|_| TIMEOUT.to_owned())
    }

    /// The block of this instance, as soon as a controller has told it.
    async fn own_block(&self) -> Block {
        let mut fleet = self.fleet.subscribe();
        loop {
            if let Some(block) = fleet.borrow_and_update().as_ref().and_then(|fleet| fleet.block) {
                return block;
            }
            if fleet.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    async fn bring_image(&self) -> Result<(), String> {
        let told = |error: runtime::Error| error.to_string();
        if self.runtime.image(pause::IMAGE).await.map_err(told)?.is_some() {
            return Ok(());
        }
        let host = self.runtime.host().await.map_err(told)?;
        let archive = pause::archive(&host.cpu_architecture)
            .ok_or_else(|| format!("there is no pause program for {}", host.cpu_architecture))?;
        self.runtime.import(pause::IMAGE, archive, pause::PROGRAM).await.map_err(told)
    }

    /// Brings the kernel up to date; only what concerns this link, or the rules, is in the way.
    async fn reconcile_for(&self, link: &str) -> Result<(), String> {
        let failures = self.bring_up_to_date().await?;
        let ours: Vec<String> = failures
            .into_iter()
            .filter(|failure| failure.link.as_deref().is_none_or(|of| of == link))
            .map(|failure| failure.text)
            .collect();
        if ours.is_empty() { Ok(()) } else { Err(ours.join("; ")) }
    }

    fn change<T>(&self, task_id: &str, change: impl FnOnce(&mut Member) -> T) -> Option<T> {
        self.state.lock().members.get_mut(task_id).map(change)
    }
}
