//! From creation to removal.

use berth_agent::runtime::{LogOptions, Runtime as _, label};
use berth_proto::ecs::v1 as ecs;
use futures::StreamExt as _;

use crate::host::{Host, shell, task};
use crate::image::run;

#[tokio::test]
async fn a_container_runs_as_its_definition_says() {
    let Some(mut host) = Host::start("a_container_runs_as_its_definition_says").await else { return };
    let mut app = shell("app", "echo $GREETING; pwd; id -u; echo oops >&2; exit 7");
    app.environment =
        vec![ecs::KeyValuePair { name: Some("GREETING".to_owned()), value: Some("hello".to_owned()) }];
    app.working_directory = Some("/tmp".to_owned());
    app.user = Some("65534".to_owned());
    app.cpu = Some(256);
    let id = host.want(task(vec![app])).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    let container = &stopped.containers[0];
    assert_eq!(
        (container.exit_code, stopped.stopped_reason.as_str()),
        (Some(7), "Essential container in task exited")
    );
    assert_eq!(host.logs(&container.runtime_id), "hello\n/tmp\n65534");
    let name = format!("/berth-berth-test-1-app-{}", &id[..12]);
    assert_eq!(host.inspect(&container.runtime_id, "{{.Name}}"), name);
    let labels =
        host.inspect(&container.runtime_id, "{{index .Config.Labels \"com.amazonaws.ecs.task-arn\"}}");
    assert_eq!(labels, stopped_arn(&id));
    let limits = host.inspect(&container.runtime_id, "{{.HostConfig.Memory}} {{.HostConfig.CpuShares}}");
    assert_eq!(limits, format!("{} 256", 32 << 20));
    let health = host.inspect(&container.runtime_id, "{{.Config.Healthcheck.Test}}");
    assert_eq!(health, "[NONE]");
    let records: Vec<_> = host.runtime.logs(&container.runtime_id, LogOptions::default()).collect().await;
    let errors: Vec<_> = records.into_iter().flatten().filter(|record| record.is_stderr).collect();
    assert_eq!(errors[0].bytes.as_ref(), b"oops\n");
    assert!(errors[0].at_ns > 0);
}

fn stopped_arn(id: &str) -> String {
    format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}")
}

#[tokio::test]
async fn a_container_that_ignores_sigterm_is_killed_after_its_stop_timeout() {
    let Some(mut host) = Host::start("a_container_that_ignores_sigterm_is_killed").await else { return };
    let deaf = shell("deaf", "trap '' TERM; while true; do sleep 1; done");
    let polite = shell("polite", "trap 'exit 5' TERM; while true; do sleep 0.1; done");
    let id = host.want(task(vec![deaf, polite])).await;
    host.until_status(&id, "RUNNING").await;
    host.want_stopped(&id).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(stopped.containers[0].exit_code, Some(137));
    assert_eq!(stopped.containers[1].exit_code, Some(5));
    assert_eq!(stopped.containers[0].reason, "", "it was killed, but not for its memory");
}

#[tokio::test]
async fn what_runs_is_adopted_and_what_ended_meanwhile_is_told() {
    let Some(mut host) = Host::start("what_runs_is_adopted_and_what_ended_meanwhile_is_told").await else {
        return;
    };
    let stays = host.want(task(vec![shell("stays", "sleep 600")])).await;
    let ends =
        host.want(task(vec![shell("ends", "trap 'exit 9' TERM; while true; do sleep 0.1; done")])).await;
    let before = host.until_status(&stays, "RUNNING").await;
    let ending = host.until_status(&ends, "RUNNING").await;
    let docker_host = host.docker_host.clone();
    let mut host = host
        .restart(|| {
            run(&docker_host, &["stop", &ending.containers[0].runtime_id]);
        })
        .await;
    let after = host.until_status(&stays, "RUNNING").await;
    assert_eq!(after.containers[0].runtime_id, before.containers[0].runtime_id);
    let started = host.inspect(&after.containers[0].runtime_id, "{{.RestartCount}} {{.State.Running}}");
    assert_eq!(started, "0 true");
    let ended = host.until_status(&ends, "STOPPED").await;
    assert_eq!(ended.containers[0].exit_code, Some(9));
}

#[tokio::test]
async fn a_container_that_somebody_removes_was_killed() {
    let Some(mut host) = Host::start("a_container_that_somebody_removes_was_killed").await else { return };
    let id = host.want(task(vec![shell("app", "sleep 600")])).await;
    let running = host.until_status(&id, "RUNNING").await;
    run(&host.docker_host, &["rm", "-f", &running.containers[0].runtime_id]).expect("it is there");
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(stopped.stopped_reason, "Essential container in task exited");
    assert_eq!(stopped.containers[0].exit_code, Some(137));
}

#[tokio::test]
async fn a_volume_of_the_task_is_shared_and_removed_with_it() {
    let Some(mut host) = Host::start("a_volume_of_the_task_is_shared_and_removed_with_it").await else {
        return;
    };
    let point = ecs::MountPoint {
        source_volume: Some("shared".to_owned()),
        container_path: Some("/shared".to_owned()),
        read_only: None,
    };
    let mut writer = shell("writer", "echo written > /shared/file");
    writer.essential = Some(false);
    writer.mount_points = vec![point.clone()];
    let mut reader = shell("reader", "cat /shared/file");
    reader.mount_points = vec![point];
    reader.depends_on = vec![ecs::ContainerDependency {
        container_name: Some("writer".to_owned()),
        condition: Some(ecs::ContainerCondition::Success.into()),
    }];
    let mut wanted = task(vec![reader, writer]);
    let volume = ecs::Volume { name: Some("shared".to_owned()), ..Default::default() };
    wanted.task_definition.as_mut().expect("it has one").volumes = vec![volume];
    let id = host.want(wanted).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    assert_eq!(host.logs(&stopped.containers[0].runtime_id), "written");
    for container in &stopped.containers {
        host.runtime.remove(&container.runtime_id).await.expect("it is dead");
    }
    host.runtime.remove_volumes(&|_| true).await.expect("nobody uses it");
    let filter = format!("label={}={id}", label::TASK);
    assert_eq!(run(&host.docker_host, &["volume", "ls", "-q", "--filter", &filter]).as_deref(), Some(""));
}

#[tokio::test]
async fn containers_stop_in_the_reverse_of_the_order_in_which_they_started() {
    let Some(mut host) = Host::start("containers_stop_in_the_reverse_of_the_order").await else { return };
    let after = |name: &str| ecs::ContainerDependency {
        container_name: Some(name.to_owned()),
        condition: Some(ecs::ContainerCondition::Start.into()),
    };
    let member = |name: &str, after: Vec<ecs::ContainerDependency>| {
        let script = format!(
            "trap 'sleep 0.3; echo {name} >> /order/file; cat /order/file; exit 0' TERM; \
             while true; do sleep 0.1; done"
        );
        let mut container = shell(name, &script);
        container.stop_timeout = Some(10);
        container.depends_on = after;
        container.mount_points = vec![ecs::MountPoint {
            source_volume: Some("order".to_owned()),
            container_path: Some("/order".to_owned()),
            read_only: None,
        }];
        container
    };
    let front = member("front", vec![after("middle")]);
    let middle = member("middle", vec![after("back")]);
    let mut wanted = task(vec![front, middle, member("back", Vec::new())]);
    let volume = ecs::Volume { name: Some("order".to_owned()), ..Default::default() };
    wanted.task_definition.as_mut().expect("it has one").volumes = vec![volume];
    let id = host.want(wanted).await;
    host.until_status(&id, "RUNNING").await;
    host.want_stopped(&id).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    let codes: Vec<_> = stopped.containers.iter().map(|container| container.exit_code).collect();
    assert_eq!(codes, [Some(0); 3], "every one of them heard SIGTERM");
    let last = stopped.containers.iter().find(|container| container.name == "back").expect("it is one");
    assert_eq!(host.logs(&last.runtime_id), "front\nmiddle\nback");
}
