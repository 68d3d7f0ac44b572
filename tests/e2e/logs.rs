//! What containers write, kept by the controllers: live, after the end, and while others fail.

use std::time::Duration;

use anyhow::ensure;
use berth_proto::admin::v1::RemoveControllerRequest;
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::api::id_of;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::{throughout, until};

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
async fn a_controller_that_replaces_another_has_what_was_written_before_it_came() {
    const LINES: usize = 3_000;
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(3).spare_controllers(1).agents(1).start().await;
    register(&fleet, "web", &[("LOG_LINES", "3000"), ("EXIT_CODE", "0")]).await;
    until("the three have all there is", SOON, async || {
        for controller in 0..3 {
            ensure!(is_whole(&fleet, controller).await?, "controller {controller} may lack something");
        }
        Ok(())
    })
    .await;
    // Two know of the log, the third does not.
    fleet.kill(Member::Controller(2));
    let task = until("a task starts", LATER, async || fleet.start_task_on("web", 0).await).await;
    let id = id_of(&task).to_owned();
    let log_is_there = async |fleet: &Fleet| ensure_lines(&fleet.berth(&["logs", &id]).await?, LINES);
    until("all of the log is there", LATER, async || log_is_there(&fleet).await).await;
    fleet.start(Member::Controller(2)).await;
    // One of the two is lost with its disk, and another takes its place.
    fleet.kill(Member::Controller(0));
    let lost = fleet.controller_address(0).to_owned();
    until("the lost one is taken out", LATER, async || {
        let known = fleet.api_of(1).controllers().await?;
        let Some(lost) = known.into_iter().find(|known| known.address == lost) else { return Ok(()) };
        let request = RemoveControllerRequest { controller_id: lost.controller_id };
        fleet.api_of(1).admin.remove_controller(request).await?;
        Ok(())
    })
    .await;
    fleet.start(Member::Controller(3)).await;
    until("the new one has copied what there is", LATER, async || {
        ensure!(is_whole(&fleet, 3).await?, "it has not");
        Ok(())
    })
    .await;
    // What a controller that is back says before it has caught up.
    fleet.allow("manifest refused");
    // The other one as well.
    fleet.kill(Member::Controller(1));
    until("nothing is lost", LATER, async || log_is_there(&fleet).await).await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

async fn is_whole(fleet: &Fleet, controller: usize) -> anyhow::Result<bool> {
    Ok(fleet.metric(Member::Controller(controller), "berth_log_archive_whole").await? > 0.5)
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
async fn a_container_in_blocking_mode_waits_for_its_log_while_others_go_on_and_lose_some() {
    if !require_docker() {
        return;
    }
    let builder = Fleet::builder().controllers(1).agents(1).limit(LATER * 4);
    // Enough for what a busy machine lets it write between its resumption and its end, when nothing pauses it any more.
    let mut fleet = builder.agent_flag("--log-spool-mib=128").start().await;
    fleet.allow("paused until its log was sent");
    let driver = ecs::LogDriver::Awslogs;
    let lines = [("LOG_LINES", "1000000000")];
    for mode in ["blocking", "non-blocking"] {
        let options = [&OPTIONS[..], &[("mode", mode), ("max-buffer-size", "1m")]].concat();
        fleet.register_logged(mode, &lines, driver, &options).await.expect("register");
    }
    let waits = id_of(&fleet.start_task_on("blocking", 0).await.expect("started")).to_owned();
    until("it writes", SOON, async || {
        ensure!(fleet.berth(&["logs", &waits, "--tail", "1"]).await?.contains("line"), "nothing yet");
        Ok(())
    })
    .await;
    fleet.kill(Member::Controller(0));
    until("it is paused", SOON, async || ensure_paused(&fleet, 1)).await;
    // Nobody is there to resume it, and nobody does.
    fleet.kill(Member::Agent(0));
    fleet.start(Member::Agent(0)).await;
    throughout("it stays paused", STAYS, async || ensure_paused(&fleet, 1)).await;
    fleet.start(Member::Controller(0)).await;
    until("it is stopped", SOON, async || fleet.berth(&["task", "stop", &waits]).await.map(drop)).await;
    until("nothing is lost and nothing is there twice", LATER, async || {
        let log = fleet.berth(&["logs", &waits]).await?;
        ensure!(log.contains("drained"), "the end is not there yet");
        ensure!(!log.contains("missing here"), "something is lost");
        ensure_lines(&log, log.lines().filter(|line| line.starts_with("line ")).count())
    })
    .await;
    let loses = id_of(&fleet.start_task_on("non-blocking", 0).await.expect("started")).to_owned();
    until("what the other one lost is told", LATER, async || {
        ensure_paused(&fleet, 0).expect("it is never paused");
        let log = fleet.berth(&["logs", &loses, "--tail", "100000"]).await?;
        ensure!(log.contains("log events are missing here"), "nothing is missing yet");
        Ok(())
    })
    .await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_paused_for_its_log_is_stopped_as_any_other() {
    if !require_docker() {
        return;
    }
    let builder = Fleet::builder().controllers(1).agents(1);
    let mut fleet = builder.agent_flag("--log-spool-mib=16").start().await;
    fleet.allow("paused until its log was sent");
    let options = [&OPTIONS[..], &[("mode", "blocking"), ("max-buffer-size", "1m")]].concat();
    let lines = [("LOG_LINES", "1000000000")];
    fleet.register_logged("storm", &lines, ecs::LogDriver::Awslogs, &options).await.expect("register");
    let task = fleet.start_task_on("storm", 0).await.expect("started");
    until("it is paused", SOON, async || ensure_paused(&fleet, 1)).await;
    fleet.stop(Member::Agent(0)).await;
    ensure_paused(&fleet, 0).expect("an agent that ends in order leaves none behind");
    fleet.start(Member::Agent(0)).await;
    until("it is paused again", SOON, async || ensure_paused(&fleet, 1)).await;
    let id = id_of(&task).to_owned();
    fleet.berth(&["task", "stop", &id]).await.expect("it stops");
    until("it has ended by itself", SOON, async || {
        let described = fleet.berth(&["task", "describe", &id, "-o", "json"]).await?;
        ensure!(described.contains("\"exitCode\": 0"), "{described}");
        Ok(())
    })
    .await;
    fleet.finish().await;
}

/// So long nothing changes while no controller is there.
const STAYS: Duration = Duration::from_secs(3);

fn ensure_paused(fleet: &Fleet, expected: usize) -> anyhow::Result<()> {
    let engine = fleet.engine(0);
    let instance = format!("label=berth.container-instance={}", fleet.instance(0));
    let paused = engine.docker(&["ps", "-q", "--filter", "status=paused", "--filter", &instance])?;
    ensure!(paused.lines().count() == expected, "{} are paused", paused.lines().count());
    Ok(())
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
