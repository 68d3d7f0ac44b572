//! End-to-end tests: real processes, real containers, real faults.
//!
//! One file for each part of a cluster's life. Every test makes a fleet of its own and ends with
//! [`Fleet::finish`](berth_tests::harness::fleet::Fleet::finish), which reads the logs.
#![forbid(unsafe_code)]

mod agents;
mod command_line;
mod controllers;
mod demo;
mod deployment;
mod exec;
mod files;
mod hooks;
mod hosts;
mod images;
mod inside;
mod log_drivers;
mod logs;
mod placement;
mod ports;
mod queue;
mod rollback;
mod scheduling;
mod storage;
mod task_network;
mod task_sets;
mod traces;

use std::time::Duration;

use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::wait::until;

/// Long enough for anything that only has to happen at all, on two busy cores.
const SOON: Duration = Duration::from_secs(60);
/// For what waits for a timeout of ten seconds first.
const LATER: Duration = Duration::from_secs(120);

/// Registers `family` with the test application, creates its service and waits until `count` tasks run.
async fn deploy(fleet: &Fleet, family: &str, count: i32) {
    fleet.register(family, "1", &[]).await.expect("register");
    fleet.create_service(&ServiceSpec::new(family, count)).await.expect("create");
    let count = usize::try_from(count).expect("a count of tasks");
    until("the service comes up", SOON, async || fleet.running(family, count).await.map(drop)).await;
}
