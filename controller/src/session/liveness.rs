//! Telling the leader, every second, whose agents are connected here.
//!
//! A controller that cannot tell the leader is of no use to its agents: their instances would be declared lost while
//! they think all is well. It lets them go, and they find another.

use std::time::Duration;

use berth_proto::peer::v1::ReportSessionsRequest;
use tokio::time::MissedTickBehavior;

use super::Sessions;
use super::leases::Leases;

/// How often. Three reports fit well into the shortest time after which an instance may be declared lost.
const INTERVAL: Duration = Duration::from_secs(1);

/// Reports in a row that may fail before the agents are let go.
const FAILURES: u32 = 4;

/// Reports until `sessions` end. On the leader itself it vouches without the detour.
pub async fn report(sessions: Sessions, leases: Leases) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failures = 0;
    loop {
        ticks.tick().await;
        let told = tell_leader(&sessions, &leases).await;
        failures = if told { 0 } else { failures + 1 };
        if failures >= FAILURES && !sessions.registry().is_empty() {
            tracing::warn!(
                sessions = sessions.registry().len(),
                "no leader hears this controller: letting its agents go"
            );
            sessions.registry().end_all();
        }
    }
}

async fn tell_leader(sessions: &Sessions, leases: &Leases) -> bool {
    let live = sessions.registry().live();
    let leader = sessions.consensus.leadership().borrow().leader.clone();
    let Some(leader) = leader else { return false };
    if leader.id == sessions.consensus.id() {
        leases.vouch(live);
        return true;
    }
    let request = ReportSessionsRequest {
        controller_id: sessions.consensus.id().get(),
        container_instance_ids: live.iter().map(ToString::to_string).collect(),
    };
    let mut client = sessions.consensus.peer_at(&leader.address);
    matches!(tokio::time::timeout(INTERVAL, client.report_sessions(request)).await, Ok(Ok(_)))
}
