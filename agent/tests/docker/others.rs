//! What belongs to somebody else.

use berth_agent::runtime::{Runtime as _, label};

use crate::host::{Host, shell, task};
use crate::image::{IMAGE, run};

#[tokio::test]
async fn containers_of_others_are_neither_seen_nor_touched() {
    let Some(mut host) = Host::start("containers_of_others_are_neither_seen_nor_touched").await else {
        return;
    };
    let theirs = format!("{}=0123456789abcdef0123456789abcdef", label::CONTAINER_INSTANCE);
    let plain = run(&host.docker_host, &["run", "-d", IMAGE, "sleep", "600"]).expect("it starts");
    let other =
        run(&host.docker_host, &["run", "-d", "--label", &theirs, IMAGE, "sleep", "600"]).expect("it starts");
    let id = host.want(task(vec![shell("app", "sleep 600")])).await;
    let running = host.until_status(&id, "RUNNING").await;
    let listed = host.runtime.list().await.expect("Docker answers");
    let ids: Vec<_> = listed.into_iter().map(|listed| listed.runtime_id).collect();
    assert_eq!(ids, [running.containers[0].runtime_id.clone()]);
    for id in [&plain, &other] {
        assert_eq!(host.runtime.inspect(id).await, Ok(None), "it is not ours");
        assert_eq!(host.inspect(id, "{{.State.Running}}"), "true");
    }
    run(&host.docker_host, &["rm", "-f", &plain, &other]);
}

#[tokio::test]
async fn the_host_is_described() {
    let Some(host) = Host::start("the_host_is_described").await else { return };
    let described = host.runtime.host().await.expect("Docker answers");
    assert!(described.cpus > 0 && described.memory_mib > 0);
    assert_eq!(described.os_type, "linux");
    assert!(described.log_drivers.contains(&"json-file".to_owned()));
    assert!(!described.log_drivers.contains(&"awslogs".to_owned()));
    assert!(described.capabilities.contains(&"ecs.capability.container-ordering".to_owned()));
    let disk = host.runtime.disk_use().await.expect("it is on this host");
    assert!(disk.total_bytes > disk.available_bytes);
}
