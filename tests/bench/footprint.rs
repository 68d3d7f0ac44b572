//! What an idle cluster of three costs in memory.

use berth_tests::harness::fleet::{Fleet, Member};

use super::report;

pub(crate) async fn measure() {
    let fleet = Fleet::builder().simulated().start().await;
    let mib = |member| format!("{} MiB", fleet.memory_kib(member).unwrap_or(0) / 1024);
    let leader = fleet.leader().await;
    report("memory: idle leader", &mib(Member::Controller(leader)));
    report("memory: idle follower", &mib(Member::Controller((leader + 1) % 3)));
    report("memory: idle agent", &mib(Member::Agent(0)));
}
