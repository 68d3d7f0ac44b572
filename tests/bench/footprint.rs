//! What an idle cluster of three costs in memory, and what a running task adds to its leader.

use std::time::Duration;

use anyhow::ensure;
use berth_tests::harness::fleet::{Fleet, Member, ServiceSpec};
use berth_tests::harness::wait::until;

use super::report;

/// As many as one service may have.
const TASKS_A_SERVICE: usize = 5_000;
const SERVICES: usize = 4;
const INSTANCES: usize = 1_000;
const DEADLINE: Duration = Duration::from_secs(300);

pub(crate) async fn measure() {
    let fleet = Fleet::builder().simulated().start().await;
    let mib = |member| format!("{} MiB", fleet.memory_kib(member).unwrap_or(0) / 1024);
    let leader = fleet.leader().await;
    report("memory: idle leader", &mib(Member::Controller(leader)));
    report("memory: idle follower", &mib(Member::Controller((leader + 1) % 3)));
    report("memory: idle agent", &mib(Member::Agent(0)));
    fleet.finish().await;
    tasks().await;
}

/// A leader's memory with one service after the other. What it keeps of the log and what it caches is bounded, and full
/// after the first: what the others add is what tasks cost.
async fn tasks() {
    let builder = Fleet::builder().controllers(1).agents(1).simulated();
    let fleet = builder.agent_flag(&format!("--sim-count {INSTANCES}")).start().await;
    let mut kib = Vec::new();
    for number in 1..=SERVICES {
        let family = format!("web-{number}");
        fleet.register(&family, "1", &[]).await.expect("register a task definition");
        let count = i32::try_from(TASKS_A_SERVICE).expect("a few thousand");
        fleet.create_service(&ServiceSpec::new(&family, count)).await.expect("create a service");
        until("all tasks run", DEADLINE, async || {
            let cluster = fleet.api().cluster().await?;
            let running = usize::try_from(cluster.running_tasks_count())?;
            ensure!(running >= TASKS_A_SERVICE * number, "{running} of {}", TASKS_A_SERVICE * number);
            Ok(())
        })
        .await;
        kib.push(fleet.memory_kib(Member::Controller(0)).unwrap_or(0));
        let so_far = format!("memory: leader with {} tasks", TASKS_A_SERVICE * number);
        report(&so_far, &format!("{} MiB", kib[number - 1] / 1024));
    }
    let tasks = u64::try_from(TASKS_A_SERVICE * (SERVICES - 1)).expect("a few thousand");
    let grown = kib.last().copied().unwrap_or(0).saturating_sub(kib[0]);
    report("memory: leader, each further task", &format!("{} bytes", grown * 1024 / tasks));
}
