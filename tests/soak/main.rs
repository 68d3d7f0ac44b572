//! `make soak`: a cluster under churn for a while, and what its processes take of memory and disk meanwhile.
//!
//! Every round scales a service up and down, deploys it anew and kills a controller. Each prints one line; the last line
//! says whether anything kept growing. Exits with 1 when something did.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use berth_tests::harness::fleet::{Fleet, Member, ServiceSpec};
use berth_tests::harness::wait::until;
use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_secs(120);
/// What starting and the round under way at the end may take beyond the time asked for.
const LAST_ROUND: Duration = Duration::from_secs(600);
const FEW: i32 = 10;
const MANY: i32 = 200;
/// Growth that is still noise: allocators keep what they had, logs are compacted in steps.
const SLACK_KIB: u64 = 32 * 1024;

/// What all controllers together take after a round.
#[derive(Clone, Copy, Debug)]
struct Sample {
    memory_kib: u64,
    disk_kib: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let minutes = std::env::args().nth(1).and_then(|minutes| minutes.parse().ok()).unwrap_or(10);
    let length = Duration::from_secs(60 * minutes);
    let end = Instant::now() + length;
    // What is kept for days, or until there are 128 MiB of log, would be taken for a leak in minutes.
    let mut fleet = Fleet::builder()
        .simulated()
        .agent_flag("--sim-count 10")
        .controller_flag("--stopped-task-retention 20s --snapshot-entries 1000 --snapshot-mib 4")
        .limit(length + LAST_ROUND)
        .start()
        .await;
    fleet.register("web", "1", &[]).await.expect("register a task definition");
    fleet.create_service(&ServiceSpec::new("web", FEW)).await.expect("create a service");
    let mut samples = Vec::new();
    while Instant::now() < end {
        churn(&mut fleet, samples.len()).await;
        let sample = sample(&fleet);
        let number = samples.len() + 1;
        say(&format!(
            "round {number}: memory {} MiB, disk {} MiB",
            sample.memory_kib / 1024,
            sample.disk_kib / 1024
        ));
        samples.push(sample);
    }
    verdict(&samples)
}

/// One round. Everything has to come to rest within it.
async fn churn(fleet: &mut Fleet, round: usize) {
    settle(fleet, MANY).await;
    fleet.register("web", "1", &[("ROUND", &round.to_string())]).await.expect("register a task definition");
    fleet.deploy_newest("web").await.expect("deploy");
    let victim = Member::Controller(round % fleet.controllers());
    fleet.kill(victim);
    until("the deployment ends without it", DEADLINE, async || is_settled(fleet, MANY).await).await;
    fleet.start(victim).await;
    settle(fleet, FEW).await;
}

async fn settle(fleet: &Fleet, count: i32) {
    until("the service is scaled", DEADLINE, async || fleet.scale("web", count).await).await;
    until("the service comes to rest", DEADLINE, async || is_settled(fleet, count).await).await;
}

async fn is_settled(fleet: &Fleet, count: i32) -> Result<()> {
    let service = fleet.api().service("web").await?;
    let running = service.running_count();
    ensure!(running == count, "{running} of {count} run");
    ensure!(service.deployments.len() == 1, "{} deployments", service.deployments.len());
    Ok(())
}

fn sample(fleet: &Fleet) -> Sample {
    let controllers = (0..fleet.controllers()).map(Member::Controller);
    let (memory_kib, disk_kib) = controllers.fold((0, 0), |(memory, disk), member| {
        (memory + fleet.memory_kib(member).unwrap_or(0), disk + fleet.disk_kib(member))
    });
    Sample { memory_kib, disk_kib }
}

/// Compares the second fifth of the run with the last: the first fifth fills what is empty at the start.
fn verdict(samples: &[Sample]) -> ExitCode {
    let fifth = samples.len() / 5;
    if fifth == 0 {
        say("too few rounds for a verdict");
        return ExitCode::SUCCESS;
    }
    let most = |part: &[Sample], of: fn(&Sample) -> u64| part.iter().map(of).max().unwrap_or(0);
    let (early, late) = (&samples[fifth..2 * fifth], &samples[samples.len() - fifth..]);
    let grown = |of: fn(&Sample) -> u64| most(late, of) > most(early, of) * 3 / 2 + SLACK_KIB;
    let (memory, disk) = (grown(|it| it.memory_kib), grown(|it| it.disk_kib));
    say(match (memory, disk) {
        (false, false) => "bounded: neither memory nor disk kept growing",
        (true, false) => "memory kept growing",
        (false, true) => "disk kept growing",
        (true, true) => "memory and disk kept growing",
    });
    if memory || disk { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[expect(clippy::print_stdout, reason = "figures are what it is run for")]
fn say(line: &str) {
    println!("{line}");
}
