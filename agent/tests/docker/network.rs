//! Ports and modes.

use std::time::Duration;

use berth_proto::ecs::v1 as ecs;

use crate::host::{Host, shell, task};

const SERVE: &str = "echo served > /tmp/index.html; exec busybox httpd -f -p 8080 -h /tmp";

fn mapping(container_port: i32, host_port: Option<i32>) -> ecs::PortMapping {
    ecs::PortMapping { container_port: Some(container_port), host_port, ..Default::default() }
}

async fn fetch(port: i32) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let fetch = async {
        loop {
            let connected =
                tokio::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).expect("a port"))).await;
            if let Ok(mut stream) = connected {
                let mut text = String::new();
                let sent = stream.write_all(b"GET /index.html HTTP/1.0\r\n\r\n").await;
                if sent.is_ok() && stream.read_to_string(&mut text).await.is_ok() && !text.is_empty() {
                    return text;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), fetch).await.expect("it answers")
}

#[tokio::test]
async fn a_port_that_docker_chose_leads_to_the_container() {
    let Some(mut host) = Host::start("a_port_that_docker_chose_leads_to_the_container").await else { return };
    let mut web = shell("web", SERVE);
    web.port_mappings = vec![mapping(8080, Some(0))];
    let id = host.want(task(vec![web])).await;
    let running = host.until_status(&id, "RUNNING").await;
    let binding = &running.containers[0].network_bindings[0];
    assert_eq!((binding.bind_ip(), binding.container_port()), ("0.0.0.0", 8080));
    assert_eq!(binding.protocol(), ecs::TransportProtocol::Tcp);
    assert!(fetch(binding.host_port()).await.contains("served"));
}

#[tokio::test]
async fn a_range_of_ports_leads_to_that_of_the_container_and_is_nobody_elses() {
    let Some(mut host) =
        Host::start("a_range_of_ports_leads_to_that_of_the_container_and_is_nobody_elses").await
    else {
        return;
    };
    let serve =
        "echo served > /tmp/index.html; busybox httpd -p 8080 -h /tmp; exec busybox httpd -f -p 8083 -h /tmp";
    let mut web = shell("web", serve);
    web.port_mappings =
        vec![ecs::PortMapping { container_port_range: Some("8080-8083".to_owned()), ..Default::default() }];
    let ids = [host.want(task(vec![web.clone()])).await, host.want(task(vec![web])).await];
    let mut ports = std::collections::BTreeSet::new();
    for id in &ids {
        let running = host.until_status(id, "RUNNING").await;
        let [binding] = &running.containers[0].network_bindings[..] else { panic!("{running:?}") };
        assert_eq!((binding.bind_ip(), binding.container_port_range()), ("0.0.0.0", "8080-8083"));
        assert_eq!((binding.container_port, binding.host_port), (None, None));
        let (first, last) = binding.host_port_range().split_once('-').expect("it is a range");
        let (first, last) = (first.parse::<i32>().expect("a port"), last.parse::<i32>().expect("a port"));
        assert_eq!(last - first, 3);
        assert!(fetch(first).await.contains("served"));
        assert!(fetch(last).await.contains("served"));
        ports.extend(first..=last);
    }
    assert_eq!(ports.len(), 8, "no port is in both");
    // What the engine knows of them it can read again from the container.
    let mut host = host.restart(|| ()).await;
    let running = host.until_status(&ids[0], "RUNNING").await;
    assert!(running.containers[0].network_bindings[0].host_port_range.is_some());
}

#[tokio::test]
async fn containers_of_a_task_reach_each_other_by_links() {
    let Some(mut host) = Host::start("containers_of_a_task_reach_each_other_by_links").await else { return };
    let ask = "until wget -q -O - http://backend:8080/index.html; do sleep 0.1; done";
    let mut client = shell("client", ask);
    client.links = vec!["web:backend".to_owned()];
    let id = host.want(task(vec![client, shell("web", SERVE)])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(stopped.containers[0].exit_code, Some(0));
    assert_eq!(host.logs(&stopped.containers[0].runtime_id), "served");
}

#[tokio::test]
async fn host_and_none_mode_are_what_they_say() {
    let Some(mut host) = Host::start("host_and_none_mode_are_what_they_say").await else { return };
    for (mode, name) in [(ecs::NetworkMode::Host, "host"), (ecs::NetworkMode::None, "none")] {
        let mut wanted = task(vec![shell("app", "sleep 600")]);
        let definition = wanted.task_definition.as_mut().expect("it has one");
        definition.set_network_mode(mode);
        if mode == ecs::NetworkMode::Host {
            definition.container_definitions[0].port_mappings = vec![mapping(18_080, None)];
        }
        let id = host.want(wanted).await;
        let running = host.until_status(&id, "RUNNING").await;
        let container = &running.containers[0];
        assert_eq!(host.inspect(&container.runtime_id, "{{.HostConfig.NetworkMode}}"), name);
        let ports: Vec<_> = container.network_bindings.iter().map(ecs::NetworkBinding::host_port).collect();
        assert_eq!(ports, if mode == ecs::NetworkMode::Host { vec![18_080] } else { Vec::new() });
    }
}
