//! Who leads, as this controller sees it.

use berth_process::telemetry::chain;
use openraft::error::Fatal;
use openraft::{BasicNode, RaftMetrics, ServerState};
use tokio::sync::watch;
use tracing::{error, info};

use super::ControllerId;
use super::config::Config;

/// Who leads, as this controller sees it. What it sees may be old: only the log decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The newest term known.
    pub term: u64,
    /// The leader of that term; nobody while one is elected.
    pub leader: Option<Leader>,
    /// Whether this controller leads, its state has everything that was committed before it did, and a majority
    /// still answers it. What only the leader does runs while this is so.
    pub is_leader: bool,
}

/// A controller that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its id.
    pub id: ControllerId,
    /// Where the others reach it, as `host:port`.
    pub address: String,
}

/// openraft stopped by itself: its storage failed, or it met a state that it should never be in.
#[derive(Debug, thiserror::Error)]
#[error("consensus has stopped")]
pub struct Stopped(#[source] Fatal<ControllerId>);

type Metrics = RaftMetrics<ControllerId, BasicNode>;

/// Keeps `leadership` up to date until openraft ends.
pub(super) async fn follow(
    mut metrics: watch::Receiver<Metrics>,
    leadership: watch::Sender<Leadership>,
    config: Config,
) -> Result<(), Stopped> {
    loop {
        let (now, running) = {
            let metrics = metrics.borrow_and_update();
            (observe(&metrics, &config), metrics.running_state.clone())
        };
        if let Err(fatal) = running {
            leadership.send_replace(Leadership { term: now.term, ..Leadership::default() });
            return ended(fatal);
        }
        leadership.send_if_modified(|before| update(before, now));
        // Cancel-safe; an error means that openraft is gone, which it says before it goes.
        if metrics.changed().await.is_err() {
            return Ok(());
        }
    }
}

fn ended(fatal: Fatal<ControllerId>) -> Result<(), Stopped> {
    match fatal {
        Fatal::Stopped => Ok(()),
        fatal @ (Fatal::StorageError(_) | Fatal::Panicked) => {
            error!(error = %chain(&fatal), "consensus has stopped");
            Err(Stopped(fatal))
        }
    }
}

fn update(before: &mut Leadership, now: Leadership) -> bool {
    if *before == now {
        return false;
    }
    tell(before, &now);
    *before = now;
    true
}

fn tell(before: &Leadership, now: &Leadership) {
    let term = now.term;
    match (&now.leader, before.is_leader, now.is_leader) {
        (_, false, true) => info!(term, "this controller leads"),
        (_, true, false) => info!(term, "this controller leads no more"),
        (Some(leader), false, false) if before.leader.as_ref() != Some(leader) => {
            info!(term, leader = %leader.id, address = leader.address, "another controller leads");
        }
        _ => {}
    }
}

fn observe(metrics: &Metrics, config: &Config) -> Leadership {
    let leads = metrics.state == ServerState::Leader;
    let silence_max = u64::try_from(config.silence_max().as_millis()).unwrap_or(u64::MAX);
    let is_heard = metrics.millis_since_quorum_ack.is_none_or(|silence| silence <= silence_max);
    let is_current =
        metrics.last_applied.is_some_and(|applied| applied.leader_id.term == metrics.current_term);
    Leadership {
        term: metrics.current_term,
        leader: metrics.current_leader.and_then(|id| leader(metrics, id)),
        is_leader: leads && is_current && is_heard,
    }
}

/// The leader, if it can be reached: one that removed itself is still the leader of its term, and leads nobody.
fn leader(metrics: &Metrics, id: ControllerId) -> Option<Leader> {
    let (_id, member) = metrics.membership_config.nodes().find(|(member, _)| **member == id)?;
    let leads = id != metrics.id || metrics.state == ServerState::Leader;
    leads.then(|| Leader { id, address: member.addr.clone() })
}

// === impl Leadership ===

impl Leadership {
    /// Whether `id` leads, by what is seen.
    pub(crate) fn is_led_by(&self, id: ControllerId) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.id == id)
    }
}
