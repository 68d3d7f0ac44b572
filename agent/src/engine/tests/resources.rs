//! What fits, what waits.

use berth_proto::ecs::v1::{ContainerDefinition, PortMapping, TaskStopCode};
use tokio::time::Instant;

use super::super::*;
use super::host::{Host, container, task};

fn large(name: &str, image: &str) -> ContainerDefinition {
    ContainerDefinition { cpu: Some(512), ..container(name, image) }
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_for_one_that_is_slow_to_stop_and_nobody_waits_for_it() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("old", vec![large("a", "sim/stop:20s"), large("b", "sim/stop:20s")])]).await;
    agent.until_status("old", "RUNNING").await;
    let begun = Instant::now();
    agent.want_stopped("old").await;
    let mut small = container("web", "nginx");
    small.cpu = Some(0);
    agent.want([task("new", vec![large("web", "nginx")]), task("small", vec![small])]).await;
    agent.until_status("small", "RUNNING").await;
    assert!(begun.elapsed() < Duration::from_secs(1), "what fits does not wait");
    assert_eq!(agent.status("new").await, "PENDING");
    agent.until_status("new", "RUNNING").await;
    assert_eq!(begun.elapsed().as_secs(), 20);
}

#[tokio::test(start_paused = true)]
async fn resources_are_free_as_soon_as_the_container_that_held_them_has_ended() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("old", vec![large("quick", "nginx"), large("slow", "sim/ignore-term")])]).await;
    agent.until_status("old", "RUNNING").await;
    agent.want_stopped("old").await;
    agent.want([task("new", vec![large("web", "nginx")])]).await;
    let begun = Instant::now();
    agent.until_status("new", "RUNNING").await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(agent.status("old").await, "STOPPING");
}

#[tokio::test(start_paused = true)]
async fn a_task_for_which_there_is_never_room_fails() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("first", vec![large("a", "nginx"), large("b", "nginx")])]).await;
    agent.until_status("first", "RUNNING").await;
    let begun = Instant::now();
    agent.want([task("second", vec![large("web", "nginx")])]).await;
    let stopped = agent.until_status("second", "STOPPED").await;
    assert_eq!(begun.elapsed().as_secs(), 300);
    assert_eq!(stopped.stop_code(), TaskStopCode::TaskFailedToStart);
    let reason = "Task failed to start: the instance has no room for it (cpu 512 needed, 0 free)";
    assert_eq!(stopped.stopped_reason, reason);
}

#[tokio::test(start_paused = true)]
async fn ports_are_told_as_they_are_bound() {
    let host = Host::new();
    let mut agent = host.start().await;
    let mapping = |port, host_port| PortMapping {
        container_port: Some(port),
        host_port: Some(host_port),
        ..Default::default()
    };
    let mut web = container("web", "nginx");
    web.port_mappings = vec![mapping(80, 8080), mapping(81, 0)];
    agent.want([task("t", vec![web])]).await;
    let running = agent.until_status("t", "RUNNING").await;
    let bindings = &running.containers[0].network_bindings;
    assert_eq!((bindings[0].container_port(), bindings[0].host_port()), (80, 8080));
    assert_eq!(bindings[1].container_port(), 81);
    assert!(bindings[1].host_port() >= 49_153);
    // The port that was chosen is held like one that was asked for.
    let mut other = container("web", "nginx");
    other.port_mappings = vec![mapping(80, bindings[1].host_port())];
    agent.want([task("other", vec![other])]).await;
    agent.settle().await;
    assert_eq!(agent.status("other").await, "PENDING");
}

fn with_range(image: &str) -> ContainerDefinition {
    let range = PortMapping { container_port_range: Some("8000-8004".to_owned()), ..Default::default() };
    ContainerDefinition { port_mappings: vec![range], ..container("web", image) }
}

#[tokio::test(start_paused = true)]
async fn every_port_of_a_range_is_held() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![with_range("nginx")])]).await;
    let running = agent.until_status("t", "RUNNING").await;
    let binding = &running.containers[0].network_bindings[0];
    assert_eq!((binding.container_port, binding.host_port), (None, None), "a range has no single ports");
    assert_eq!(binding.container_port_range(), "8000-8004");
    let (_, last) = binding.host_port_range().split_once('-').expect("it is a range");
    let mut other = container("web", "nginx");
    other.port_mappings = vec![PortMapping {
        container_port: Some(80),
        host_port: Some(last.parse().expect("a port")),
        ..Default::default()
    }];
    agent.want([task("other", vec![other])]).await;
    agent.settle().await;
    assert_eq!(agent.status("other").await, "PENDING");
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_chosen_ports_are_taken_is_made_anew_with_others() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![with_range("sim/ports-taken:3")])]).await;
    let running = agent.until_status("t", "RUNNING").await;
    assert_eq!(running.containers[0].network_bindings.len(), 1);
    let made = host.sim.list().await.expect("it answers");
    assert_eq!(made.len(), 1, "those that could not start are gone");
    assert_eq!(made[0].runtime_id, running.containers[0].runtime_id);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_never_gets_its_ports_fails() {
    let host = Host::new();
    let mut agent = host.start().await;
    agent.want([task("t", vec![with_range("sim/ports-taken:1000")])]).await;
    let stopped = agent.until_status("t", "STOPPED").await;
    assert_eq!(stopped.stopped_reason, "CannotStartContainerError: the script says so");
}

#[tokio::test(start_paused = true)]
async fn many_tasks_start_at_once_within_the_bound() {
    let mut host = Host::new();
    host.options.capacity.cpu_units = u32::MAX;
    host.options.capacity.memory_mib = u32::MAX;
    let mut agent = host.start().await;
    let ids: Vec<_> = (0..200).map(|number| format!("t{number:03}")).collect();
    agent.want(ids.iter().map(|id| task(id, vec![container("web", "nginx")]))).await;
    for id in &ids {
        agent.until_status(id, "RUNNING").await;
    }
    assert_eq!(host.sim.launches(), 200);
}
