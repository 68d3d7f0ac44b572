//! How fast tasks are placed and committed, on instances that only pretend.

use std::time::Duration;

use anyhow::{Result, ensure};
use berth_proto::ecs::v1::Service;
use berth_tests::harness::fleet::{Fleet, Member, ServiceSpec};
use berth_tests::harness::wait::until;
use tokio::time::Instant;

use super::{rate, report};

const INSTANCES: usize = 5_000;
/// As many as one service may have.
const TASKS: usize = 5_000;
const DEADLINE: Duration = Duration::from_secs(300);

pub(crate) async fn measure() {
    let fleet =
        Fleet::builder().agents(1).simulated().agent_flag(&format!("--sim-count {INSTANCES}")).start().await;
    until("all instances are registered", DEADLINE, async || {
        let cluster = fleet.api().cluster().await?;
        let count = usize::try_from(cluster.registered_container_instances_count())?;
        ensure!(count == INSTANCES, "{count} instances");
        Ok(())
    })
    .await;
    let leader = fleet.leader().await;
    let idle_kib = fleet.memory_kib(Member::Controller(leader)).unwrap_or(0);
    fleet.register("web", "1", &[]).await.expect("register a task definition");
    let began = Instant::now();
    let count = i32::try_from(TASKS).expect("a few thousand");
    fleet.create_service(&ServiceSpec::new("web", count)).await.expect("create a service");
    until("all tasks are placed", DEADLINE, async || {
        placed(&fleet, |it| it.pending_count() + it.running_count()).await
    })
    .await;
    report(&format!("{TASKS} tasks over {INSTANCES} instances: placed"), &rate(TASKS, began.elapsed()));
    until("all tasks run", DEADLINE, async || placed(&fleet, |it| it.running_count()).await).await;
    report(&format!("{TASKS} tasks over {INSTANCES} instances: running"), &rate(TASKS, began.elapsed()));
    let full_kib = fleet.memory_kib(Member::Controller(leader)).unwrap_or(0);
    let bytes = full_kib.saturating_sub(idle_kib) * 1024 / u64::try_from(TASKS).expect("a few thousand");
    report("memory of the leader, for each task", &format!("{bytes} bytes"));
}

async fn placed(fleet: &Fleet, count: impl Fn(&Service) -> i32) -> Result<()> {
    let service = fleet.api().service("web").await?;
    let count = usize::try_from(count(&service))?;
    ensure!(count == TASKS, "{count} of {TASKS}");
    Ok(())
}
