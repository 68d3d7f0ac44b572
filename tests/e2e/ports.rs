//! Ports of a host that are chosen for tasks.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::http::ask;
use berth_tests::harness::require_hosts;
use berth_tests::harness::wait::until;
use serde_json::Value;

use super::SOON;

const METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";
/// Listens on a port until it is killed.
const OCCUPY: &str = "
import os, socket, sys
server = socket.create_server(('127.0.0.1', int(sys.argv[1])))
if os.fork():
    os._exit(0)
for number in (0, 1, 2):
    os.close(number)
server.accept()
";

async fn start(fleet: &Fleet) -> ecs::Task {
    let arn = fleet.start_task_on("ranges", 0).await.expect("start");
    until("the task runs", SOON, async || {
        let task = fleet.api().describe_tasks(vec![arn.clone()]).await?.remove(0);
        ensure!(task.last_status() == "RUNNING", "{} {}", task.last_status(), task.stopped_reason());
        Ok(task)
    })
    .await
}

/// The first and the last port on the host of a container's only range.
fn host_range(task: &ecs::Task, container: &str, inside: &str) -> Result<(u16, u16)> {
    let found = task.containers.iter().find(|one| one.name() == container).context("it is there")?;
    let [binding] = &found.network_bindings[..] else { anyhow::bail!("{:?}", found.network_bindings) };
    ensure!((binding.container_port, binding.host_port) == (None, None), "{binding:?}");
    ensure!(binding.container_port_range() == inside, "{binding:?}");
    let (first, last) = binding.host_port_range().split_once('-').context("a range")?;
    let (first, last) = (first.parse()?, last.parse()?);
    ensure!(last - first == 9, "{binding:?}");
    Ok((first, last))
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_one_definition_have_ranges_of_their_own_on_one_host() {
    if !require_hosts() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).agents(1).on_hosts().start().await;
    fleet.register_ranges("ranges").await.unwrap();
    let host = Member::Agent(0);
    let dynamic = fleet.on_host(host, &["cat", "/proc/sys/net/ipv4/ip_local_port_range"]).unwrap();
    let lowest: u16 = dynamic.split_whitespace().next().unwrap().parse().unwrap();
    // In the way of the first range that could be chosen.
    let occupied = lowest + 5;
    fleet.on_host(host, &["python3", "-c", OCCUPY, &occupied.to_string()]).unwrap();

    let address: IpAddr = fleet.address(host).parse().unwrap();
    let mut used = BTreeSet::from([occupied]);
    for _ in 0..2 {
        let task = start(&fleet).await;
        let first = host_range(&task, "first", "8080-8089").unwrap();
        let last = host_range(&task, "last", "8091-8100").unwrap();
        for port in (first.0..=first.1).chain(last.0..=last.1) {
            assert!(used.insert(port), "{port} is used twice");
        }
        for (port, name) in [(first.0, "first"), (last.1, "last")] {
            let endpoint = SocketAddr::new(address, port);
            until("it answers", SOON, async || {
                let (status, body) = ask(endpoint, METADATA, "", None).await?;
                let told: Value = serde_json::from_str(&body)?;
                ensure!(status == 200 && told["Name"] == name, "{status}: {body}");
                let ports = told["Ports"].as_array().context("ports")?;
                ensure!(ports.len() == 10 && ports.iter().any(|it| it["HostPort"] == port), "{ports:?}");
                Ok(())
            })
            .await;
        }
        let shown = fleet.berth(&["task", "describe", task.task_arn()]).await.unwrap();
        assert!(shown.contains(&format!("{}-{}->8080-8089", first.0, first.1)), "{shown}");
    }

    // An agent that comes back knows the ranges from the containers, and chooses others for what comes.
    fleet.kill(host);
    fleet.start(host).await;
    until("the instance is back", SOON, async || {
        let connected = fleet.api().instances().await?.iter().all(ecs::ContainerInstance::agent_connected);
        ensure!(connected, "it is not connected");
        Ok(())
    })
    .await;
    let task = start(&fleet).await;
    let (first, last) = host_range(&task, "first", "8080-8089").unwrap();
    assert!((first..=last).all(|port| used.insert(port)));
    fleet.allow_disturbance();
    fleet.finish().await;
}
