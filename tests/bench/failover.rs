//! How long nothing can be written after the leader was killed.

use std::time::Duration;

use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::wait::until;
use tokio::time::Instant;

use super::report;

const ROUNDS: usize = 5;

pub(crate) async fn measure() {
    let mut fleet = Fleet::builder().agents(1).simulated().start().await;
    let mut gaps = Vec::new();
    for _ in 0..ROUNDS {
        let leader = fleet.leader().await;
        let killed_at = Instant::now();
        fleet.kill(Member::Controller(leader));
        until("somebody takes a write", Duration::from_secs(60), async || {
            fleet.register("gap", "1", &[]).await
        })
        .await;
        gaps.push(killed_at.elapsed());
        fleet.start(Member::Controller(leader)).await;
        until("everybody is back", Duration::from_secs(60), async || {
            let controllers = fleet.api().controllers().await?;
            anyhow::ensure!(controllers.iter().all(|controller| controller.reachable), "one is missing");
            Ok(())
        })
        .await;
    }
    gaps.sort();
    report("leader killed: no writes for, median of 5", &format!("{} ms", gaps[ROUNDS / 2].as_millis()));
    report("leader killed: no writes for, worst of 5", &format!("{} ms", gaps[ROUNDS - 1].as_millis()));
}
