//! `make bench`: the figures that Berth is built for, measured on this machine.
//!
//! It prints and judges nothing: figures depend on the machine, so what they are compared with is measured in the same
//! run where that can be. `berth-bench NAME…` runs a part.
#![forbid(unsafe_code)]

mod api;
mod failover;
mod footprint;
mod launch;
mod logs;
mod network;
mod placement;

use std::time::Duration;

use berth_tests::harness::{require_docker, require_hosts};

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    if is_wanted("footprint") {
        footprint::measure().await;
    }
    if is_wanted("failover") {
        failover::measure().await;
    }
    if is_wanted("placement") {
        placement::measure().await;
    }
    if is_wanted("api") {
        api::measure().await;
    }
    if is_wanted("launch") && require_docker() {
        launch::measure().await;
    }
    if is_wanted("network") && require_hosts() {
        network::measure().await;
    }
    if is_wanted("logs") && require_docker() {
        logs::measure().await;
    }
}

#[expect(clippy::print_stdout, reason = "figures are what it is run for")]
fn report(what: &str, figure: &str) {
    println!("{what:<52} {figure:>16}");
}

fn rate(count: usize, duration: Duration) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a count of tasks has no more than 52 bits")]
    let rate = count as f64 / duration.as_secs_f64();
    format!("{rate:.1}/s")
}
