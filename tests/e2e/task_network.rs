//! Tasks with addresses of their own: what is in them, how they reach each other, who may, and what is left of them.

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::require_hosts;
use berth_tests::harness::wait::until;
use serde_json::Value;

use super::{LATER, SOON};

/// Prints the address from which the first connection comes.
const LISTEN: &str = "
import socket
server = socket.create_server(('0.0.0.0', 9999))
server.settimeout(20)
connection, peer = server.accept()
connection.sendall(peer[0].encode())
";
/// Prints what it is told by whoever listens.
const CONNECT: &str = "
import socket, sys, time
for _ in range(100):
    try:
        connection = socket.create_connection((sys.argv[1], 9999), 2)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
print(connection.recv(100).decode())
";

/// Waits two seconds for the echo of so many bytes.
const ECHO: &str = "
import os, socket, struct, sys
address, size = sys.argv[1], int(sys.argv[2])
def packet(checksum):
    return struct.pack('!BBHHH', 8, 0, checksum, os.getpid() & 0xffff, 1) + bytes(size)
total = sum(struct.unpack('!%dH' % (len(packet(0)) // 2), packet(0)))
total = (total >> 16) + (total & 0xffff)
echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
echo.settimeout(2)
echo.sendto(packet(~total & 0xffff), (address, 0))
while True:
    reply, peer = echo.recvfrom(65535)
    if peer[0] == address and reply[20] == 0:
        break
";

/// A task on an agent's host, once it runs.
async fn start(fleet: &Fleet, agent: usize, groups: &[&str]) -> (ecs::Task, String) {
    let arn = fleet.start_addressed("net", agent, groups).await.expect("start");
    until("the task runs", SOON, async || fleet.addressed(&arn).await).await
}

/// An echo comes back, of so many bytes.
fn echo(fleet: &Fleet, from: &ecs::Task, address: &str, bytes: &str) -> Result<()> {
    fleet.in_task(from, &["python3", "-c", ECHO, address, bytes]).map(drop)
}

fn get(fleet: &Fleet, from: &ecs::Task, url: &str) -> Result<String> {
    fleet.in_task(from, &["curl", "--silent", "--show-error", "--fail", "--max-time", "3", url])
}

/// What of ours is on an agent's host.
fn traces(fleet: &Fleet, agent: usize) -> String {
    let host = Member::Agent(agent);
    let links = fleet.on_host(host, &["ip", "-o", "link"]).expect("list links");
    let links: Vec<&str> =
        links.lines().filter(|line| line.contains(": berth") && !line.contains("berth-")).collect();
    let tables = fleet.on_host(host, &["nft", "list", "tables"]).expect("list tables");
    let tables: Vec<&str> = tables.lines().filter(|line| line.ends_with(" berth")).collect();
    let rules = fleet.on_host(host, &["iptables", "-S"]).expect("list rules");
    let rules: Vec<&str> = rules.lines().filter(|line| line.contains("berth")).collect();
    [links, tables, rules].concat().join("\n")
}

async fn stop(fleet: &Fleet, task: &ecs::Task) {
    let request = ecs::StopTaskRequest { task: task.task_arn.clone(), ..Default::default() };
    fleet.api().tasks.stop_task(request).await.expect("stop");
}

/// A fleet of two hosts with a task each, and their addresses.
async fn two_hosts() -> (Fleet, [(ecs::Task, String); 2]) {
    let fleet = Fleet::builder().controllers(1).agents(2).on_hosts().start().await;
    fleet.register_addressed("net", &[]).await.expect("register");
    let tasks = [start(&fleet, 0, &[]).await, start(&fleet, 1, &[]).await];
    (fleet, tasks)
}

/// What a container at this address learns of its task at the endpoint's usual port, asked on its host.
fn metadata(fleet: &Fleet, agent: usize, address: &str) -> Result<Value> {
    let url = format!("http://{address}:8080/ask?at=ECS_CONTAINER_METADATA_URI_V4&path=/task");
    let line = ["curl", "--silent", "--show-error", "--fail", "--max-time", "5", &url];
    let answer = fleet.on_host(Member::Agent(agent), &line)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    Ok(serde_json::from_str(body)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_of_a_task_share_an_address_that_is_theirs_alone() {
    if !require_hosts() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).on_hosts().start().await;
    fleet.register_addressed("net", &[]).await.unwrap();
    let (task, address) = start(&fleet, 0, &[]).await;
    // The same port a second time: it is another address.
    let (other, other_address) = start(&fleet, 0, &[]).await;
    assert_ne!(address, other_address);

    let attachment = &task.attachments[0];
    assert_eq!((attachment.r#type(), attachment.status()), ("ElasticNetworkInterface", "ATTACHED"));
    let detail = |name: &str| attachment.details.iter().find(|one| one.name() == name).map(|one| one.value());
    assert_eq!(
        (detail("privateIPv4Address"), detail("subnetId")),
        (Some(address.as_str()), Some("subnet-1"))
    );
    assert!(task.containers.iter().all(|one| one.network_interfaces[0].private_ipv4_address() == address));
    assert!(task.containers.iter().all(|one| one.network_bindings.is_empty()));

    let host = Member::Agent(0);
    let ask = |path: &str| {
        let url = format!("http://{address}:8080{path}");
        fleet.on_host(host, &["curl", "--silent", "--fail", "--max-time", "5", &url]).expect("answered")
    };
    assert!(ask("/").contains(&format!("hostname=ip-{}", address.replace('.', "-"))), "{}", ask("/"));
    assert!(ask("/ask?at=NEIGHBOUR&path=").contains("revision=second"), "localhost is the task's");
    let metadata = metadata(&fleet, 0, &address).expect("answered");
    let kinds: Vec<&str> =
        metadata["Containers"].as_array().unwrap().iter().filter_map(|it| it["Type"].as_str()).collect();
    assert_eq!(kinds, ["NORMAL", "NORMAL", "CNI_PAUSE"]);
    assert_eq!(metadata["Containers"][0]["Networks"][0]["IPv4Addresses"][0], address.as_str());
    let hardware = fleet.in_task(&task, &["ip", "-o", "link", "show", "eth0"]).unwrap();
    assert!(hardware.contains(detail("macAddress").expect("told")), "{hardware}");

    stop(&fleet, &task).await;
    stop(&fleet, &other).await;
    until("its interface is gone with it", SOON, async || {
        let task = fleet.api().describe_tasks(vec![task.task_arn().to_owned()]).await?.remove(0);
        let status = (task.last_status(), task.attachments[0].status());
        ensure!(status == ("STOPPED", "DELETED"), "{status:?}");
        Ok(())
    })
    .await;
    until("nothing of them is left", SOON, async || {
        let left = traces(&fleet, 0);
        ensure!(left.is_empty(), "{left}");
        ensure!(fleet.containers(0)?.is_empty(), "a container runs");
        Ok(())
    })
    .await;
    fleet.finish().await;
}

/// Whoever connects is seen at its own address, and answers come back.
fn reach_each_other(fleet: &Fleet, one: (&ecs::Task, &str), other: (&ecs::Task, &str)) {
    for ((from, own), (to, address)) in [(one, other), (other, one)] {
        echo(fleet, from, address, "56").expect("an echo");
        let seen = std::thread::scope(|scope| {
            let listening = scope.spawn(|| fleet.in_task(to, &["python3", "-c", LISTEN]));
            let seen = fleet.in_task(from, &["python3", "-c", CONNECT, address]).expect("connected");
            listening.join().expect("no panic").expect("listened");
            seen
        });
        assert_eq!(seen.trim(), own, "no address is translated");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_two_hosts_reach_each_other_at_their_own_addresses() {
    if !require_hosts() {
        return;
    }
    let (mut fleet, [(here, here_address), (there, there_address)]) = two_hosts().await;
    reach_each_other(&fleet, (&here, &here_address), (&there, &there_address));
    // The hosts reach them as well, theirs and others'.
    let url = format!("http://{there_address}:8080/healthz");
    for agent in [0, 1] {
        fleet
            .on_host(Member::Agent(agent), &["curl", "--silent", "--fail", "--max-time", "3", &url])
            .unwrap();
    }
    fleet.on_host(Member::Agent(0), &["python3", "-c", ECHO, &there_address, "56"]).unwrap();

    // An agent that is away, and comes back, changes nothing.
    let links = fleet.on_host(Member::Agent(0), &["ip", "-o", "link"]).unwrap();
    let before: Vec<String> =
        links.lines().filter(|line| line.contains(": berth")).map(str::to_owned).collect();
    let rules = fleet.on_host(Member::Agent(0), &["nft", "-s", "list", "table", "ip", "berth"]).unwrap();
    fleet.kill(Member::Agent(0));
    echo(&fleet, &here, &there_address, "56").unwrap();
    fleet.start(Member::Agent(0)).await;
    until("the instance is back", SOON, async || {
        let connected = fleet.api().instances().await?.iter().filter(|it| it.agent_connected()).count();
        ensure!(connected == 2, "{connected} agents are connected");
        Ok(())
    })
    .await;
    reach_each_other(&fleet, (&here, &here_address), (&there, &there_address));
    let links = fleet.on_host(Member::Agent(0), &["ip", "-o", "link"]).unwrap();
    assert!(
        before.iter().filter(|line| !line.contains("berth-")).all(|line| links.contains(line)),
        "{before:?} {links}"
    );
    assert_eq!(
        fleet.on_host(Member::Agent(0), &["nft", "-s", "list", "table", "ip", "berth"]).unwrap(),
        rules
    );
    assert_eq!(fleet.addressed(here.task_arn()).await.unwrap().1, here_address);
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wipe_is_back_within_seconds() {
    if !require_hosts() {
        return;
    }
    let (fleet, [(here, here_address), (there, there_address)]) = two_hosts().await;
    reach_each_other(&fleet, (&here, &here_address), (&there, &there_address));
    let host = Member::Agent(0);
    let link = fleet.on_host(host, &["ip", "route", "get", &here_address]).unwrap();
    let link = link.split_whitespace().skip_while(|word| *word != "dev").nth(1).unwrap().to_owned();
    let block = format!("{}.0/24", there_address.rsplit_once('.').unwrap().0);
    let own = format!("{here_address}/32");
    let harm: [&[&str]; 9] = [
        &["ip", "route", "del", &block],
        &["ip", "route", "del", &own],
        &["ip", "link", "set", &link, "down"],
        &["ip", "link", "del", &link],
        &["iptables", "-F", "DOCKER-USER"],
        &["sysctl", "-qw", "net.ipv4.ip_forward=0"],
        &["nft", "delete", "table", "ip", "berth-endpoint"],
        &["nft", "flush", "table", "ip", "berth-endpoint"],
        &["nft", "flush", "ruleset"],
    ];
    for line in harm {
        fleet.on_host(host, line).unwrap();
        until(&format!("{line:?} is repaired"), SOON, async || {
            echo(&fleet, &here, &there_address, "56")?;
            let told = metadata(&fleet, 0, &here_address)?;
            ensure!(told["TaskARN"] == here.task_arn(), "{told}");
            fleet.on_host(host, &["nft", "list", "table", "ip", "berth"]).map(drop)
        })
        .await;
    }
    reach_each_other(&fleet, (&here, &here_address), (&there, &there_address));
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_group_lets_through_what_its_rules_say_and_nothing_else() {
    if !require_hosts() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(2).on_hosts().start().await;
    fleet.register_addressed("net", &[]).await.unwrap();
    for group in ["front", "back"] {
        fleet.berth(&["security-group", "create", group]).await.unwrap();
    }
    let (front, _) = start(&fleet, 0, &["front"]).await;
    let (stranger, _) = start(&fleet, 0, &[]).await;
    let (back, address) = start(&fleet, 1, &["back"]).await;
    let url = format!("http://{address}:8080/healthz");
    assert!(get(&fleet, &front, &url).is_err(), "what no rule lets in stays out");
    fleet
        .berth(&[
            "security-group",
            "authorize",
            "back",
            "--ingress",
            "--protocol",
            "tcp",
            "--port",
            "8080",
            "--from",
            "front",
        ])
        .await
        .unwrap();
    until("the front reaches the back", SOON, async || get(&fleet, &front, &url).map(drop)).await;
    assert!(get(&fleet, &stranger, &url).is_err(), "it is not in the group");
    assert!(get(&fleet, &front, &format!("http://{address}:8081/healthz")).is_err(), "it is another port");
    assert!(echo(&fleet, &front, &address, "56").is_err(), "it is another protocol");
    // Of the same host as the back: its own rules hold there as well.
    let (near, _) = start(&fleet, 1, &["front"]).await;
    until("another front reaches it from its own host", SOON, async || get(&fleet, &near, &url).map(drop))
        .await;
    let (near_stranger, _) = start(&fleet, 1, &[]).await;
    assert!(get(&fleet, &near_stranger, &url).is_err());

    fleet
        .berth(&[
            "security-group",
            "revoke",
            "back",
            "--ingress",
            "--protocol",
            "tcp",
            "--port",
            "8080",
            "--from",
            "front",
        ])
        .await
        .unwrap();
    until("the back is closed again", SOON, async || {
        ensure!(get(&fleet, &front, &url).is_err(), "it answers");
        Ok(())
    })
    .await;
    assert!(fleet.berth(&["security-group", "delete", "back"]).await.is_err(), "a task is in it");
    stop(&fleet, &back).await;
    until("it can go once nobody is in it", SOON, async || {
        fleet.berth(&["security-group", "delete", "back"]).await.map(drop)
    })
    .await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_different_networks_reach_each_others_tasks_over_the_overlay() {
    if !require_hosts() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(2).on_hosts_apart().start().await;
    fleet.register_addressed("net", &[]).await.unwrap();
    let (here, here_address) = start(&fleet, 0, &[]).await;
    let (there, there_address) = start(&fleet, 1, &[]).await;
    let way = fleet.on_host(Member::Agent(0), &["ip", "route", "get", &there_address]).unwrap();
    assert!(way.contains("dev berth-vx"), "{way}");
    reach_each_other(&fleet, (&here, &here_address), (&there, &there_address));
    fleet.on_host(Member::Agent(0), &["python3", "-c", ECHO, &there_address, "56"]).unwrap();
    // More than fits into a packet of the overlay.
    echo(&fleet, &here, &there_address, "4000").unwrap();
    fleet.on_host(Member::Agent(0), &["ip", "link", "del", "berth-vx"]).unwrap();
    until("the overlay is repaired", SOON, async || echo(&fleet, &here, &there_address, "56")).await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_lost_its_power_begins_anew_with_the_same_block() {
    if !require_hosts() {
        return;
    }
    let (mut fleet, [(_, before), (there, there_address)]) = two_hosts().await;
    fleet.power_off(Member::Agent(0));
    fleet.power_on(Member::Agent(0)).await;
    until("the instance is back", LATER, async || {
        let connected = fleet.api().instances().await?.iter().filter(|it| it.agent_connected()).count();
        ensure!(connected == 2, "{connected} agents are connected");
        Ok(())
    })
    .await;
    let (here, address) = start(&fleet, 0, &[]).await;
    let block = |address: &str| address.rsplit_once('.').map(|(block, _)| block.to_owned());
    assert_eq!(block(&address), block(&before), "its block is its own as long as it is registered");
    assert_ne!(block(&address), block(&there_address));
    reach_each_other(&fleet, (&here, &address), (&there, &there_address));
    fleet.allow_disturbance();
    fleet.finish().await;
}

/// What is on an agent's host that a task or an agent made, the engine's containers included.
fn left_on_host(fleet: &Fleet, agent: usize) -> String {
    let host = Member::Agent(agent);
    let links = fleet.on_host(host, &["ip", "-o", "link"]).expect("list links");
    let links = links.lines().filter(|line| line.contains(": berth"));
    let routes = fleet.on_host(host, &["ip", "route", "show", "proto", "190"]).expect("list routes");
    let tables = fleet.on_host(host, &["nft", "list", "tables"]).expect("list tables");
    let tables = tables.lines().filter(|line| line.contains("berth"));
    let rules = fleet.on_host(host, &["iptables", "-S"]).expect("list rules");
    let rules = rules.lines().filter(|line| line.contains("berth"));
    links.chain(routes.lines()).chain(tables).chain(rules).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_can_be_freed_of_what_a_killed_agent_left() {
    if !require_hosts() {
        return;
    }
    let (mut fleet, [(here, _), _]) = two_hosts().await;
    let host = Member::Agent(0);
    fleet.kill(host);
    assert!(!left_on_host(&fleet, 0).is_empty());
    let containers = fleet.engine(0).docker(&["ps", "--all", "--quiet"]).unwrap();
    let remove: Vec<&str> = ["rm", "--force"].into_iter().chain(containers.split_whitespace()).collect();
    fleet.engine(0).docker(&remove).unwrap();
    // Its containers are gone, and an agent that comes back takes the rest of them away.
    fleet.start(host).await;
    until("its task is over", SOON, async || {
        let task = fleet.api().describe_tasks(vec![here.task_arn().to_owned()]).await?.remove(0);
        ensure!(task.last_status() == "STOPPED", "{}", task.last_status());
        let left = traces(&fleet, 0);
        ensure!(left.is_empty(), "{left}");
        Ok(())
    })
    .await;
    // One that does not come back leaves it to whoever owns the host.
    let _ = start(&fleet, 0, &[]).await;
    fleet.kill(host);
    let program = berth_tests::harness::binary::path("berth-agent").unwrap();
    fleet.on_host(host, &[program.to_str().unwrap(), "--remove-task-network"]).unwrap();
    let left = left_on_host(&fleet, 0);
    assert!(left.is_empty(), "{left}");
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_an_engine_that_was_killed_end_and_leave_nothing() {
    if !require_hosts() {
        return;
    }
    let (mut fleet, [(here, here_address), (there, there_address)]) = two_hosts().await;
    fleet.kill_engine(0);
    // What holds its network runs on.
    get(&fleet, &there, &format!("http://{here_address}:8080/healthz")).unwrap();
    // An engine that comes back ends what it finds.
    fleet.restart_engine(0).await;
    until("the task has ended, and its address is free", LATER, async || {
        let task = fleet.api().describe_tasks(vec![here.task_arn().to_owned()]).await?.remove(0);
        ensure!(task.last_status() == "STOPPED", "{}", task.last_status());
        ensure!(task.attachments[0].status() == "DELETED", "{:?}", task.attachments);
        let left = traces(&fleet, 0);
        ensure!(left.is_empty(), "{left}");
        let pauses = ["ps", "--all", "--quiet", "--filter", "label=berth.pause"];
        let left = fleet.engine(0).docker(&pauses)?;
        ensure!(left.trim().is_empty(), "containers that hold networks are left: {left}");
        Ok(())
    })
    .await;
    let (again, address) = start(&fleet, 0, &[]).await;
    reach_each_other(&fleet, (&again, &address), (&there, &there_address));
    fleet.allow("lost the container runtime");
    fleet.finish().await;
}

async fn deregister(fleet: &Fleet, agent: usize) -> Result<()> {
    let request = ecs::DeregisterContainerInstanceRequest {
        container_instance: Some(fleet.instance(agent).to_owned()),
        ..Default::default()
    };
    fleet.api().instances.deregister_container_instance(request).await.map(drop).context("deregister")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_used_again_once_nothing_has_an_address_of_it() {
    if !require_hosts() {
        return;
    }
    // Two blocks for three hosts.
    let builder = Fleet::builder().controllers(1).agents(2).spare_agents(1).on_hosts();
    let mut fleet = builder.controller_flag("--task-network=100.64.0.0/23").start().await;
    fleet.register_addressed("net", &[]).await.unwrap();
    let (here, here_address) = start(&fleet, 0, &[]).await;
    let (leaving, leaving_address) = start(&fleet, 1, &[]).await;
    fleet.join(2).await;
    let refused = fleet.start_addressed("net", 2, &[]).await.unwrap_err().to_string();
    assert!(refused.contains("ATTRIBUTE"), "{refused}");

    assert!(deregister(&fleet, 1).await.is_err(), "a task has an address of its block");
    stop(&fleet, &leaving).await;
    until("nothing has one any more", SOON, async || {
        let task = fleet.api().describe_tasks(vec![leaving.task_arn().to_owned()]).await?.remove(0);
        ensure!(task.last_status() == "STOPPED", "{}", task.last_status());
        Ok(())
    })
    .await;
    assert_eq!(traces(&fleet, 1), "", "that it is over is told when its address is gone");
    fleet.stop(Member::Agent(1)).await;
    deregister(&fleet, 1).await.unwrap();
    // A session begins with a block, if one is free.
    fleet.stop(Member::Agent(2)).await;
    fleet.start(Member::Agent(2)).await;
    let task = until("a task fits there", SOON, async || fleet.start_addressed("net", 2, &[]).await).await;
    let (next, address) = until("it runs", SOON, async || fleet.addressed(&task).await).await;
    let block = |address: &str| address.rsplit_once('.').map(|(block, _)| block.to_owned());
    assert_eq!(block(&address), block(&leaving_address));
    reach_each_other(&fleet, (&here, &here_address), (&next, &address));
    fleet.allow_disturbance();
    fleet.finish().await;
}
