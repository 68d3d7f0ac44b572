//! What simulated agents cost: memory, and the time to bring their tasks to RUNNING.
//!
//! `cargo bench -p berth-agent --bench sim -- [AGENTS] [TASKS_EACH]`. A controller in the same process sends one
//! manifest to each agent over a connection within the process and acknowledges what it is told.

#[path = "../tests/session/controller.rs"]
#[allow(dead_code, reason = "the tests of the session use all of it")]
mod controller;

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use berth_agent::agent::{self, Setup};
use berth_agent::definition::Interner;
use berth_agent::ledger::memory::Forgetful;
use berth_agent::presence::Presence;
use berth_agent::runtime::sim::{self, Sim};
use berth_agent::session::Channels;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::ops::Readiness;
use berth_process::shutdown::{OnError, Shutdown};
use berth_process::token::Signer;
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::agent_message::Message as Up;
use berth_proto::agent::v1::controller_message::Message as Down;
use berth_proto::ecs::v1 as ecs;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use controller::{Controller, Network, Peer};

fn memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn manifest(agent: usize, tasks: usize) -> Down {
    let definition = ecs::TaskDefinition {
        task_definition_arn: Some("arn:aws:ecs:us-east-1:000000000000:task-definition/bench:1".to_owned()),
        family: Some("bench".to_owned()),
        revision: Some(1),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("app".to_owned()),
            image: Some("sim/run".to_owned()),
            cpu: Some(1),
            memory: Some(4),
            ..Default::default()
        }],
        ..Default::default()
    };
    let task = |number: usize| {
        let id = format!("{:032x}", agent * 1_000_000 + number);
        wire::ManifestTask {
            task_arn: format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}"),
            task_id: id,
            desired_status: wire::DesiredTaskStatus::Running.into(),
            task_definition: Some(definition.clone()),
            cluster: "default".to_owned(),
            group: "service:bench".to_owned(),
            ..Default::default()
        }
    };
    Down::Manifest(wire::Manifest { generation: 1, tasks: (0..tasks).map(task).collect() })
}

async fn serve(mut peer: Peer, agent: usize, tasks: usize, go: CancellationToken, running: Arc<AtomicUsize>) {
    let mut is_sent = false;
    loop {
        let message = tokio::select! {
            () = go.cancelled(), if !is_sent => {
                is_sent = true;
                peer.send(manifest(agent, tasks)).await;
                continue;
            }
            message = peer.receive() => message,
        };
        match message {
            Some(Up::Reports(reports)) => {
                let of_running = reports.tasks.iter().filter(|task| task.last_status == "RUNNING");
                running.fetch_add(of_running.count(), Ordering::SeqCst);
                peer.send(Down::ReportsAck(wire::ReportsAck { sequence: reports.sequence })).await;
            }
            Some(_) => {}
            None => return,
        }
    }
}

#[tokio::main]
async fn main() {
    let args: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let (agents, tasks) = (args.first().copied().unwrap_or(1_000), args.get(1).copied().unwrap_or(100));
    let mut out = std::io::stdout();
    let (shutdown, network) = (Shutdown::new(), Network::default());
    let controller = Arc::new(Controller::start(&network, "a:1", &shutdown));
    let (clock, entropy) = (Clock::system(), Entropy::system());
    let interner = Arc::new(Interner::default());
    let presence = Presence::new(agents, Readiness::new());
    let metrics = Arc::default();
    let (go, running) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let empty = memory_mib();
    let begun = Instant::now();
    let mut channels = Arc::new(Channels::new(network.connector()));
    for number in 0..agents {
        if number % 100 == 0 {
            channels = Arc::new(Channels::new(network.connector()));
        }
        let sim = Sim::new(sim::Options::default(), clock.clone(), entropy.clone());
        let options = agent::Options {
            controllers: vec!["a:1".to_owned()],
            resync_period: None,
            ..agent::Options::default()
        };
        let setup = Setup {
            options,
            store: Box::new(Forgetful),
            runtime: Box::new(move |_| Arc::new(sim)),
            channels: channels.clone(),
            signer: Signer::new("BKA", "secret", clock.clone()),
            interner: interner.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            metrics: Arc::clone(&metrics),
            presence: presence.clone(),
        };
        agent::start(setup, &shutdown).await.expect("memory opens");
        let (peer, _) = controller.welcome().await;
        let (go, running) = (go.clone(), running.clone());
        shutdown.spawn::<_, std::convert::Infallible>("peer", OnError::Log, async move {
            serve(peer, number, tasks, go, running).await;
            Ok(())
        });
    }
    let connected = memory_mib();
    let _ = writeln!(
        out,
        "{agents} agents in session after {:.1?}: {:.1} KiB each, both sides of the session",
        begun.elapsed(),
        (connected - empty) * 1024.0 / agents as f64
    );
    let begun = Instant::now();
    go.cancel();
    while running.load(Ordering::SeqCst) < agents * tasks {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = begun.elapsed();
    let _ = writeln!(
        out,
        "{} tasks RUNNING after {took:.1?}: {:.0}/s, {:.2} KiB each",
        agents * tasks,
        (agents * tasks) as f64 / took.as_secs_f64(),
        (memory_mib() - connected) * 1024.0 / (agents * tasks) as f64
    );
}
