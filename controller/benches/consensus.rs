//! How fast writes are agreed on and read back: three controllers over loopback TCP, each with its log on the same
//! disk and every acknowledged write synced to it. Prints one line for each figure.
//!
//! `cargo bench -p berth-controller --bench consensus`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use berth_controller::raft::consensus::Setup;
use berth_controller::raft::service::{LogStream, PeerService, Sessions};
use berth_controller::raft::{Config, Consensus, ControllerId, Storage};
use berth_model::command::Command;
use berth_model::key::{AccessKey as StoredKey, KeyStatus, Role};
use berth_model::time::Timestamp;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::{self, AccessKey};
use berth_process::net::{self, Connector, Listen};
use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1::OpenLogs;
use futures::future::join_all;
use tempfile::TempDir;
use tokio::time::Instant;
use tonic::Status;

const RUN: Duration = Duration::from_secs(4);
const COMMAND_BYTES: usize = 256;
const NAMES: usize = 1_000;
const FAILOVERS: u64 = 10;

struct Controller {
    consensus: Consensus,
    address: SocketAddr,
    shutdown: Shutdown,
    dir: TempDir,
}

struct NoSessions;

#[tonic::async_trait]
impl Sessions for NoSessions {
    async fn report(&self, _controller: ControllerId, _instances: Vec<String>) -> Result<(), Status> {
        Ok(())
    }

    async fn read_logs(&self, _request: OpenLogs) -> Result<LogStream, Status> {
        Err(Status::not_found("no task is here"))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let alone = cluster(1, 1).await?;
    for writers in [1, 64, 1_024] {
        write("1 controller", &alone[..1], writers).await;
    }
    stop(alone).await;

    let three = cluster(3, 2).await?;
    for writers in [1, 16, 64, 256, 1_024] {
        write("3 controllers, via the leader", &three[..1], writers).await;
    }
    for writers in [1, 64, 1_024] {
        write("3 controllers, via both followers", &three[1..], writers).await;
    }
    for readers in [1, 64, 1_024] {
        read("3 controllers, linearizable, via a follower", &three[1], readers).await;
    }
    println!("memory of all three: {} MiB", resident_mib());
    for controller in &three {
        println!("log on disk: {} MiB", size_mib(controller.dir.path()));
    }
    stop(three).await;
    failovers().await
}

async fn write(what: &str, controllers: &[Controller], writers: usize) {
    measure(what, "writes", writers, |number, turn| {
        let proposer = controllers[number % controllers.len()].consensus.proposer();
        async move { proposer.propose(command(number * 7 + turn)).await.is_ok() }
    })
    .await;
}

async fn read(what: &str, controller: &Controller, readers: usize) {
    measure(what, "reads", readers, |_number, _turn| {
        let consensus = controller.consensus.clone();
        async move { consensus.linearize().await.is_ok() }
    })
    .await;
}

/// Runs `count` loops side by side and prints the rate and the latencies.
async fn measure<F: Future<Output = bool>>(
    what: &str,
    unit: &str,
    count: usize,
    work: impl Fn(usize, usize) -> F,
) {
    let (started, failures) = (Instant::now(), AtomicUsize::new(0));
    let one = async |number: usize| {
        let mut latencies = Vec::new();
        while started.elapsed() < RUN {
            let begun = Instant::now();
            if work(number, latencies.len()).await {
                latencies.push(begun.elapsed());
            } else {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        latencies
    };
    let mut latencies: Vec<Duration> = join_all((0..count).map(one)).await.into_iter().flatten().collect();
    latencies.sort_unstable();
    let rate = latencies.len() as f64 / started.elapsed().as_secs_f64();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "{what}, {count} at a time: {rate:.0} {unit}/s, p50 {:.2?}, p99 {:.2?}, {} failed",
        at(0.5),
        at(0.99),
        failures.load(Ordering::Relaxed)
    );
}

/// How long writes through a follower stop when the leader goes.
async fn failovers() -> anyhow::Result<()> {
    let mut pauses = Vec::new();
    for round in 0..FAILOVERS {
        let mut controllers = cluster(3, 100 + round).await?;
        let leader = controllers.remove(0);
        let gone = Instant::now();
        leader.consensus.stop().await;
        controllers[0].consensus.proposer().propose(command(1)).await?;
        pauses.push(gone.elapsed());
        controllers.push(leader);
        stop(controllers).await;
    }
    pauses.sort_unstable();
    println!("writes again after a leader is gone: {pauses:.0?}");
    Ok(())
}

async fn cluster(count: usize, seed: u64) -> anyhow::Result<Vec<Controller>> {
    let entropy = Entropy::seeded(seed);
    let key = AccessKey::generate(identity::Role::Peer, &entropy);
    let first = start(&key, &entropy).await?;
    first.consensus.bootstrap().await?;
    first.consensus.leadership().wait_for(|leadership| leadership.is_leader).await?;
    let mut controllers = vec![first];
    while controllers.len() < count {
        let next = start(&key, &entropy).await?;
        next.consensus.join(&[controllers[0].address.to_string()]).await;
        controllers.push(next);
    }
    Ok(controllers)
}

async fn start(key: &AccessKey, entropy: &Entropy) -> anyhow::Result<Controller> {
    let (dir, shutdown) = (tempfile::tempdir()?, Shutdown::new());
    let listen = net::bind(([127, 0, 0, 1], 0).into())?;
    let address = listen.local_addr()?;
    let consensus = Consensus::start(Setup {
        storage: Storage::Directory(dir.path().to_owned()),
        address: address.to_string(),
        config: Config::default(),
        clock: Clock::system(),
        entropy: entropy.clone(),
        connector: Connector::tcp(None),
        peer_key: key.clone(),
        shutdown: shutdown.clone(),
    })
    .await?;
    let routes = tonic::service::Routes::new(PeerService::server(consensus.clone(), Arc::new(NoSessions)));
    let scope = shutdown.clone();
    shutdown.spawn(
        "server",
        OnError::Shutdown,
        async move { net::serve(routes, listen, None, &scope).await },
    );
    Ok(Controller { consensus, address, shutdown, dir })
}

async fn stop(controllers: Vec<Controller>) {
    for controller in controllers {
        controller.consensus.stop().await;
        if let Err(undrained) = controller.shutdown.drain(Duration::from_secs(10)).await {
            println!("{undrained}");
        }
    }
}

fn command(number: usize) -> Command {
    Command::PutAccessKey(StoredKey {
        id: (number % NAMES).to_string(),
        sealed_secret: vec![1; COMMAND_BYTES],
        role: Role::Admin,
        created_at: Timestamp::from_unix_ms(1),
        status: KeyStatus::Active,
        last_used_at: None,
        description: String::new(),
    })
}

fn size_mib(dir: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(dir.join("raft")).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum::<u64>() >> 20
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0);
    (pages * 4) >> 10
}
