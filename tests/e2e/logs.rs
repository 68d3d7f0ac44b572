//! What containers write, kept by the controllers: live, after the end, and while others fail.

use anyhow::ensure;
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::api::id_of;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;

use super::{LATER, SOON};

/// Where the logs here go.
const OPTIONS: [(&str, &str); 4] = [
    ("awslogs-group", "/ecs/test"),
    ("awslogs-region", "us-east-1"),
    ("awslogs-create-group", "true"),
    ("awslogs-stream-prefix", "s"),
];

/// What a debug build of the agent may take, with its buffers full. Unbounded, a storm is at this within seconds.
const AGENT_KIB: u64 = 300 << 10;

async fn register(fleet: &Fleet, family: &str, environment: &[(&str, &str)]) {
    let driver = ecs::LogDriver::Awslogs;
    fleet.register_logged(family, environment, driver, &OPTIONS).await.expect("register");
}

/// `line 1` to `line N`, each once and in this order, before whatever else there is.
fn ensure_lines(log: &str, count: usize) -> anyhow::Result<()> {
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("line ")).collect();
    ensure!(lines.len() == count, "{} lines, the last {:?}", lines.len(), lines.last());
    for (at, line) in lines.iter().enumerate() {
        ensure!(*line == format!("line {}", at + 1), "{line} is in place {at}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_whole_though_agent_and_leader_are_killed_and_the_host_is_gone() {
    const LINES: usize = 20_000;
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(3).agents(1).start().await;
    register(&fleet, "web", &[("LOG_LINES", "20000")]).await;
    let task = fleet.start_task_on("web", 0).await.expect("started");
    let id = id_of(&task).to_owned();
    until("the log begins", SOON, async || {
        ensure!(fleet.berth(&["logs", &id, "--tail", "1"]).await?.contains("line"), "nothing yet");
        Ok(())
    })
    .await;
    let leader = fleet.leader().await;
    fleet.kill(Member::Agent(0));
    fleet.kill(Member::Controller(leader));
    fleet.start(Member::Agent(0)).await;
    until("nothing is lost and nothing is there twice", LATER, async || {
        ensure_lines(&fleet.berth(&["logs", &id]).await?, LINES)
    })
    .await;
    until("the task can be stopped", SOON, async || fleet.berth(&["task", "stop", &id]).await.map(drop))
        .await;
    until("its last words arrive", LATER, async || {
        let last = fleet.berth(&["logs", &id, "--tail", "1"]).await?;
        ensure!(last.trim() == "drained", "{last}");
        Ok(())
    })
    .await;
    fleet.kill(Member::Agent(0));
    // Another one than before: the controller that was away has a part of it at most.
    fleet.start(Member::Controller(leader)).await;
    let other = (leader + 1) % 3;
    until("a leader is there", SOON, async || fleet.find_leader().await.map(drop)).await;
    fleet.kill(Member::Controller(other));
    until("two of three controllers still have all of it", LATER, async || {
        ensure_lines(&fleet.berth(&["logs", &id]).await?, LINES)
    })
    .await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_stops_no_container_and_what_is_missing_is_told() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    register(&fleet, "storm", &[("LOG_LINES", "1000000000")]).await;
    let task = fleet.start_task_on("storm", 0).await.expect("started");
    let id = id_of(&task).to_owned();
    until("lines are missing, and the log says so", LATER, async || {
        let memory = fleet.memory_kib(Member::Agent(0)).unwrap_or_default();
        assert!(memory < AGENT_KIB, "the agent takes {memory} KiB");
        ensure!(fleet.containers(0)?.len() == 1, "it does not run");
        let log = fleet.berth(&["logs", &id, "--tail", "40000"]).await?;
        ensure!(log.contains("log events are missing here"), "nothing is missing yet");
        Ok(())
    })
    .await;
    fleet.berth(&["task", "stop", &id]).await.expect("it stops");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_drivers_get_their_options_and_unknown_ones_are_refused() {
    if !require_docker() {
        return;
    }
    let listener = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    listener.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
    let address = format!("udp://{}", listener.local_addr().expect("it has one"));
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    let lines = [("LOG_LINES", "1"), ("EXIT_CODE", "0")];
    let mut buffer = [0; 8_192];
    for (driver, option, wanted) in
        [(ecs::LogDriver::Syslog, "syslog-address", "line 1"), (ecs::LogDriver::Gelf, "gelf-address", "")]
    {
        let name = if driver == ecs::LogDriver::Syslog { "syslog" } else { "gelf" };
        let options = [(option, address.as_str()), ("tag", "berth-test")];
        fleet.register_logged(name, &lines, driver, &options).await.expect("register");
        fleet.start_task_on(name, 0).await.expect("started");
        let length =
            listener.recv(&mut buffer).unwrap_or_else(|error| panic!("{name} sent nothing: {error}"));
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(text.contains(wanted) && length > 10, "{name}: {text}");
    }
    // This engine has no such driver: ECS's own reason for it.
    let driver = ecs::LogDriver::Awsfirelens;
    let refused = fleet.register_logged("fire", &lines, driver, &[]).await.expect_err("no router");
    assert!(format!("{refused:#}").contains("firelens"), "{refused:#}");
    fleet.finish().await;
}
