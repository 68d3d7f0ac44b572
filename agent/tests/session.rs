//! A whole agent against controllers that say what a test wants them to say, over connections within the process.

#[path = "session/controller.rs"]
mod controller;

use std::sync::Arc;
use std::time::Duration;

use berth_agent::agent::{self, Agent, Setup};
use berth_agent::definition::Interner;
use berth_agent::ledger::memory::Shared;
use berth_agent::presence::Presence;
use berth_agent::runtime::sim::{self, Sim};
use berth_agent::session::Channels;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::ops::Readiness;
use berth_process::shutdown::Shutdown;
use berth_process::token::Signer;
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::agent_message::Message as Up;
use berth_proto::agent::v1::controller_message::Message as Down;
use berth_proto::ecs::v1 as ecs;
use wire::manifest_reply::Verdict;

use controller::{Controller, Network, Peer};

const PATIENCE: Duration = Duration::from_secs(600);

struct World {
    network: Network,
    readiness: Readiness,
    sim: Sim,
    store: Shared,
    clock: Clock,
    entropy: Entropy,
}

impl World {
    fn new() -> Self {
        let (clock, entropy) = (Clock::simulated(1_000_000), Entropy::seeded(5));
        let sim = Sim::new(sim::Options::default(), clock.clone(), entropy.clone());
        Self {
            network: Network::default(),
            readiness: Readiness::new(),
            sim,
            store: Shared::default(),
            clock,
            entropy,
        }
    }

    async fn agent(&self, controllers: &[&str], shutdown: &Shutdown) -> Agent {
        let options = agent::Options {
            controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
            resync_period: None,
            ..agent::Options::default()
        };
        let sim = self.sim.clone();
        let setup = Setup {
            options,
            store: Box::new(self.store.clone()),
            runtime: Box::new(move |_| Arc::new(sim)),
            channels: Arc::new(Channels::new(self.network.connector())),
            signer: Signer::new("BKA", "secret", self.clock.clone()),
            interner: Arc::new(Interner::default()),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            metrics: Arc::default(),
            presence: Presence::new(1, self.readiness.clone()),
        };
        agent::start(setup, shutdown).await.expect("memory opens")
    }
}

fn task(id: &str, image: &str) -> wire::ManifestTask {
    let container = ecs::ContainerDefinition {
        name: Some("web".to_owned()),
        image: Some(image.to_owned()),
        ..Default::default()
    };
    let definition = ecs::TaskDefinition {
        family: Some("web".to_owned()),
        container_definitions: vec![container],
        ..Default::default()
    };
    wire::ManifestTask {
        task_id: id.to_owned(),
        desired_status: wire::DesiredTaskStatus::Running.into(),
        task_definition: Some(definition),
        cluster: "default".to_owned(),
        ..Default::default()
    }
}

fn manifest(generation: u64, tasks: Vec<wire::ManifestTask>) -> Down {
    Down::Manifest(wire::Manifest { generation, tasks })
}

async fn until<T>(peer: &mut Peer, wanted: impl Fn(Up) -> Option<T>) -> T {
    let read = async {
        loop {
            let message = peer.receive().await.expect("the agent is there");
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("it comes")
}

async fn reply(peer: &mut Peer) -> (u64, Verdict) {
    until(peer, |message| match message {
        Up::ManifestReply(reply) => Some((reply.generation, reply.verdict())),
        _ => None,
    })
    .await
}

async fn reports(peer: &mut Peer) -> wire::Reports {
    until(peer, |message| match message {
        Up::Reports(reports) => Some(reports),
        _ => None,
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_manifest_is_followed_and_what_becomes_of_it_is_told() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let controller = Controller::start(&world.network, "a:1", &shutdown);
    let agent = world.agent(&["a:1"], &shutdown).await;
    let (mut peer, hello) = controller.welcome().await;
    assert_eq!(hello.container_instance_id, agent.instance_id);
    assert_eq!((hello.cluster.as_str(), hello.manifest_generation), ("default", 0));
    assert!(hello.tasks.is_empty());
    let names: Vec<_> = hello.total_resources.iter().map(ecs::Resource::name).collect();
    assert_eq!(names, ["CPU", "MEMORY", "PORTS", "PORTS_UDP"]);
    peer.send(manifest(3, vec![task("t", "nginx")])).await;
    assert_eq!(reply(&mut peer).await, (3, Verdict::Accepted));
    let told = reports(&mut peer).await;
    assert_eq!((told.sequence, told.tasks[0].last_status.as_str()), (1, "RUNNING"));
    assert!(world.readiness.current().ready);
    peer.send(manifest(2, Vec::new())).await;
    assert_eq!(reply(&mut peer).await, (2, Verdict::Refused));
    let delta = wire::ManifestDelta { from_generation: 7, to_generation: 8, ..Default::default() };
    peer.send(Down::ManifestDelta(delta)).await;
    assert_eq!(reply(&mut peer).await, (8, Verdict::Gap));
}

#[tokio::test(start_paused = true)]
async fn reports_are_sent_again_until_they_are_acknowledged() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let controller = Controller::start(&world.network, "a:1", &shutdown);
    world.agent(&["a:1"], &shutdown).await;
    let (mut peer, _) = controller.welcome().await;
    peer.send(manifest(1, vec![task("t", "nginx")])).await;
    let first = reports(&mut peer).await;
    let again = reports(&mut peer).await;
    assert_eq!((first.sequence, again.sequence), (1, 2));
    assert_eq!(first.tasks, again.tasks);
    peer.send(Down::ReportsAck(wire::ReportsAck { sequence: 2 })).await;
    let mut heartbeats = 0;
    while heartbeats < 100 {
        match peer.receive().await.expect("the agent is there") {
            Up::Heartbeat(_) => heartbeats += 1,
            Up::Reports(reports) => panic!("sent again although acknowledged: {reports:?}"),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_controller_is_found_and_hears_what_the_first_one_did_not() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let scope = shutdown.child();
    let first = Controller::start(&world.network, "a:1", &scope);
    world.agent(&["a:1", "b:1"], &shutdown).await;
    let (mut peer, _) = first.welcome().await;
    peer.send(manifest(4, vec![task("t", "nginx")])).await;
    reports(&mut peer).await;
    let second = Controller::start(&world.network, "b:1", &shutdown);
    drop(peer);
    world.network.cut("a:1");
    scope.trigger();
    let (mut peer, hello) = second.welcome().await;
    assert_eq!(hello.manifest_generation, 4);
    assert_eq!(hello.tasks[0].last_status, "RUNNING");
    assert_eq!(reports(&mut peer).await.sequence, 1, "what was not acknowledged is told again");
    assert_eq!(world.sim.launches(), 1, "the container ran on");
}

#[tokio::test(start_paused = true)]
async fn controllers_that_nobody_configured_are_found_also_after_a_restart() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let (life, scope) = (shutdown.child(), shutdown.child());
    let first = Controller::start(&world.network, "a:1", &scope);
    let second = Controller::start(&world.network, "b:1", &shutdown);
    world.agent(&["a:1"], &life).await;
    let (mut peer, _) = first.welcome().await;
    let addresses = ["a:1", "b:1"].map(str::to_owned).to_vec();
    peer.send(Down::Controllers(wire::Controllers { addresses })).await;
    // What comes after it is answered, so it has arrived.
    peer.send(manifest(1, Vec::new())).await;
    assert_eq!(reply(&mut peer).await, (1, Verdict::Accepted));
    drop(peer);
    world.network.cut("a:1");
    scope.trigger();
    let found = || tokio::time::timeout(PATIENCE, second.welcome());
    let (peer, _) = found().await.expect("it calls the one it was told of");
    drop(peer);
    life.trigger();
    world.agent(&["a:1"], &shutdown).await;
    let (_peer, hello) = found().await.expect("it remembers");
    assert_eq!(hello.manifest_generation, 1);
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_stops_its_heartbeats_is_left() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let controller = Controller::start(&world.network, "a:1", &shutdown);
    world.agent(&["a:1"], &shutdown).await;
    let (peer, _) = controller.welcome().await;
    peer.send(Down::Heartbeat(wire::Heartbeat {})).await;
    let (_again, hello) = tokio::time::timeout(PATIENCE, controller.welcome()).await.expect("it comes back");
    assert_eq!(hello.manifest_generation, 0);
}

#[tokio::test(start_paused = true)]
async fn an_agent_waits_for_its_cluster_to_be_created() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let controller = Controller::start(&world.network, "a:1", &shutdown);
    let captured = berth_process::telemetry::test::capture();
    world.agent(&["a:1"], &shutdown).await;
    controller.refuse(tonic::Status::not_found("Cluster not found.")).await;
    let (_peer, hello) = tokio::time::timeout(PATIENCE, controller.welcome()).await.expect("it asks again");
    assert_eq!(hello.cluster, "default");
    assert!(captured.contains("the cluster does not exist yet"), "{:?}", captured.lines());
}

#[tokio::test(start_paused = true)]
async fn stop_candidates_are_stopped_when_confirmed() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let controller = Controller::start(&world.network, "a:1", &shutdown);
    world.agent(&["a:1"], &shutdown).await;
    let (mut peer, _) = controller.welcome().await;
    peer.send(manifest(1, vec![task("t", "nginx")])).await;
    reports(&mut peer).await;
    peer.send(manifest(2, Vec::new())).await;
    let candidates = until(&mut peer, |message| match message {
        Up::StopCandidates(candidates) => Some(candidates),
        _ => None,
    })
    .await;
    assert_eq!((candidates.generation, candidates.task_ids.clone()), (2, vec!["t".to_owned()]));
    let confirmation = wire::StopConfirmation { generation: 2, task_ids: candidates.task_ids };
    peer.send(Down::StopConfirmation(confirmation)).await;
    loop {
        let told = reports(&mut peer).await;
        if told.tasks.iter().any(|task| task.last_status == "STOPPED") {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn logs_are_pushed_to_whoever_asked() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let controller = Controller::start(&world.network, "a:1", &shutdown);
    world.agent(&["a:1"], &shutdown).await;
    let (mut peer, _) = controller.welcome().await;
    peer.send(manifest(1, vec![task("t", "nginx")])).await;
    reports(&mut peer).await;
    let open = |request_id: &str, task_id: &str| {
        Down::OpenLogs(wire::OpenLogs {
            request_id: request_id.to_owned(),
            task_id: task_id.to_owned(),
            ..Default::default()
        })
    };
    peer.send(open("r1", "t")).await;
    let announcement = controller.chunk().await;
    assert_eq!((announcement.request_id.as_str(), announcement.bytes.len()), ("r1", 0));
    let chunk = controller.chunk().await;
    assert_eq!((chunk.request_id.as_str(), chunk.container.as_str()), ("r1", "web"));
    assert!(String::from_utf8_lossy(&chunk.bytes).contains("is simulated"));
    peer.send(open("r2", "nobody")).await;
    assert_eq!(controller.chunk().await.request_id, "r2");
    let chunk = controller.chunk().await;
    assert_eq!(chunk.error, "task nobody has no container on this instance");
}

#[tokio::test(start_paused = true)]
async fn a_conduit_is_opened_once_whichever_controllers_ask() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let first = Controller::start(&world.network, "a:1", &shutdown);
    let second = Controller::start(&world.network, "b:1", &shutdown);
    world.agent(&["a:1", "b:1"], &shutdown).await;
    let open = |request_id: &str, task_id: &str| {
        let command = wire::Command { arguments: vec!["sh".to_owned()], ..Default::default() };
        let target = wire::conduit_target::Target::Command(command);
        Down::OpenConduit(wire::OpenConduit {
            request_id: request_id.to_owned(),
            task_id: task_id.to_owned(),
            container: "web".to_owned(),
            target: Some(wire::ConduitTarget { target: Some(target) }),
        })
    };
    // The agent takes either of them first.
    let (mut peer, (one, one_name), other) = tokio::select! {
        (peer, _) = first.welcome() => (peer, (&first, "a:1"), &second),
        (peer, _) = second.welcome() => (peer, (&second, "b:1"), &first),
    };
    peer.send(manifest(1, vec![task("t", "nginx")])).await;
    reports(&mut peer).await;
    peer.send(open("r1", "t")).await;
    let announcement = one.output().await;
    assert_eq!((announcement.request_id.as_str(), announcement.error.as_str()), ("r1", ""));
    let refused = one.output().await;
    assert!(refused.error.contains("is simulated"), "{refused:?}");
    peer.send(open("r2", "nobody")).await;
    assert_eq!(one.output().await.request_id, "r2");
    assert_eq!(one.output().await.error, "Task nobody has no container web on its instance.");

    world.network.cut(one_name);
    drop(peer);
    let (peer, _) = other.welcome().await;
    peer.send(open("r1", "t")).await;
    assert_eq!(other.output().await.request_id, "r1", "it calls back all the same");
    assert_eq!(other.output().await.error, "It was asked for before, and is not done twice.");
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_task_that_is_over_can_still_be_read() {
    let (world, shutdown) = (World::new(), Shutdown::new());
    let controller = Controller::start(&world.network, "a:1", &shutdown);
    world.agent(&["a:1"], &shutdown).await;
    let (mut peer, _) = controller.welcome().await;
    peer.send(manifest(1, vec![task("t", "nginx")])).await;
    reports(&mut peer).await;
    let mut stopped = task("t", "nginx");
    stopped.desired_status = wire::DesiredTaskStatus::Stopped.into();
    peer.send(manifest(2, vec![stopped])).await;
    loop {
        let told = reports(&mut peer).await;
        peer.send(Down::ReportsAck(wire::ReportsAck { sequence: told.sequence })).await;
        if told.tasks.iter().any(|task| task.last_status == "STOPPED") {
            break;
        }
    }
    // No longer wanted and its end acknowledged: the engine forgets it.
    peer.send(manifest(3, Vec::new())).await;
    until(&mut peer, |message| match message {
        Up::ManifestReply(reply) if reply.generation == 3 => Some(()),
        _ => None,
    })
    .await;
    let request =
        wire::OpenLogs { request_id: "r1".to_owned(), task_id: "t".to_owned(), ..Default::default() };
    peer.send(Down::OpenLogs(request)).await;
    assert_eq!(controller.chunk().await.bytes.len(), 0, "it is announced");
    let chunk = controller.chunk().await;
    assert_eq!((chunk.error.as_str(), chunk.container.as_str()), ("", "web"));
    assert!(String::from_utf8_lossy(&chunk.bytes).contains("is simulated"));
}
