//! What tasks with addresses of their own get of the network: between two tasks on two hosts, over a plain route and over
//! the overlay, beside the two hosts themselves.

use std::time::Duration;

use anyhow::Result;
use berth_proto::ecs::v1::Task;
use berth_tests::harness::fleet::{Builder, Fleet, Member};
use berth_tests::harness::wait::until;

use super::report;

const SOON: Duration = Duration::from_secs(60);

/// Answers one connection: takes what comes for two seconds, then answers each byte with one.
const SERVE: &str = "
import socket
server = socket.create_server(('0.0.0.0', 9999))
connection, _ = server.accept()
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while connection.recv(1 << 20)[-1:] != b'!':
    pass
connection.sendall(b'!')
while byte := connection.recv(1):
    connection.sendall(byte)
";
/// Prints megabytes a second and microseconds for a round trip.
const MEASURE: &str = "
import socket, sys, time
for _ in range(100):
    try:
        connection = socket.create_connection((sys.argv[1], 9999), 5)
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
chunk, sent, began = bytes(1 << 18), 0, time.monotonic()
while time.monotonic() - began < 2:
    connection.sendall(chunk)
    sent += len(chunk)
connection.sendall(b'!')
connection.recv(1)
rate = sent / (time.monotonic() - began) / 1e6
trips, began = 5000, time.monotonic()
for _ in range(trips):
    connection.sendall(b'.')
    connection.recv(1)
print(f'{rate:.0f} {(time.monotonic() - began) / trips * 1e6:.0f}')
";

pub(crate) async fn measure() {
    let fleet = start(Fleet::builder().on_hosts()).await;
    let host = fleet.address(Member::Agent(1));
    let server = |line: &[&str]| fleet.on_host(Member::Agent(1), line);
    let client = |line: &[&str]| fleet.on_host(Member::Agent(0), line);
    show("between two hosts", &between(&host, server, client).expect("measured"));
    show("between two tasks, plain route", &of_tasks(&fleet).await);
    fleet.finish().await;
    let fleet = start(Fleet::builder().on_hosts_apart()).await;
    show("between two tasks, overlay", &of_tasks(&fleet).await);
    fleet.finish().await;
}

async fn start(builder: Builder) -> Fleet {
    let fleet = builder.controllers(1).agents(2).start().await;
    fleet.register_addressed("net", &[]).await.expect("register a task definition");
    fleet
}

async fn of_tasks(fleet: &Fleet) -> String {
    let (from, _) = task(fleet, 0).await;
    let (to, address) = task(fleet, 1).await;
    let server = |line: &[&str]| fleet.in_task(&to, line);
    let client = |line: &[&str]| fleet.in_task(&from, line);
    between(&address, server, client).expect("measured")
}

async fn task(fleet: &Fleet, agent: usize) -> (Task, String) {
    let arn = fleet.start_addressed("net", agent, &[]).await.expect("start a task");
    until("the task runs", SOON, async || fleet.addressed(&arn).await).await
}

/// What the client printed.
fn between(
    address: &str,
    server: impl Fn(&[&str]) -> Result<String> + Sync,
    client: impl Fn(&[&str]) -> Result<String>,
) -> Result<String> {
    std::thread::scope(|scope| {
        scope.spawn(|| server(&["python3", "-c", SERVE]));
        client(&["python3", "-c", MEASURE, address])
    })
}

fn show(what: &str, printed: &str) {
    let (rate, trip) = printed.trim().split_once(' ').expect("two figures");
    report(&format!("network: {what}"), &format!("{rate} MB/s"));
    report(&format!("network: {what}, round trip"), &format!("{trip} us"));
}
