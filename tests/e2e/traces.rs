//! What tasks leave on their host once they are gone: nothing.

use std::collections::BTreeSet;

use anyhow::ensure;
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::require_hosts;
use berth_tests::harness::wait::until;

use super::{LATER, SOON};

const TASKS: usize = 200;
/// Tasks that a wave has; the host has to stop one wave while it starts the next.
const WAVE: usize = 40;
const RUN_MAX: usize = 10;

/// A web server with a volume of its own task, a secret in a file, and a port that the engine chooses.
fn definition() -> ecs::RegisterTaskDefinitionRequest {
    let app = ecs::ContainerDefinition {
        name: Some("app".to_owned()),
        image: Some("berth-app:1".to_owned()),
        memory: Some(16),
        stop_timeout: Some(10),
        mount_points: vec![ecs::MountPoint {
            source_volume: Some("data".to_owned()),
            container_path: Some("/data".to_owned()),
            read_only: None,
        }],
        secrets: vec![ecs::Secret {
            name: Some("/run/secrets/key".to_owned()),
            value_from: Some("arn:aws:ssm:us-east-1:000000000000:parameter/key".to_owned()),
        }],
        port_mappings: vec![ecs::PortMapping { container_port: Some(8080), ..Default::default() }],
        linux_parameters: Some(ecs::LinuxParameters {
            tmpfs: vec![ecs::Tmpfs {
                container_path: Some("/tmp".to_owned()),
                size: Some(1),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    ecs::RegisterTaskDefinitionRequest {
        family: Some("trace".to_owned()),
        execution_role_arn: Some("arn:aws:iam::000000000000:role/execution".to_owned()),
        container_definitions: vec![app],
        volumes: vec![ecs::Volume { name: Some("data".to_owned()), ..Default::default() }],
        ..Default::default()
    }
}

async fn run(fleet: &Fleet, count: usize) -> Vec<String> {
    let mut started = Vec::new();
    while started.len() < count {
        let request = ecs::RunTaskRequest {
            task_definition: Some("trace".to_owned()),
            count: Some(i32::try_from(RUN_MAX.min(count - started.len())).expect("a few")),
            ..Default::default()
        };
        let reply = fleet.api().tasks.run_task(request).await.expect("there is room").into_inner();
        assert!(reply.failures.is_empty(), "{:?}", reply.failures);
        started.extend(reply.tasks.iter().map(|task| task.task_arn().to_owned()));
    }
    started
}

async fn wait_for(fleet: &Fleet, tasks: &[String], status: &str) {
    until(&format!("all are {status}"), LATER, async || {
        for arns in tasks.chunks(100) {
            let found = fleet.api().describe_tasks(arns.to_vec()).await?;
            let others = found.iter().filter(|task| task.last_status() != status).count();
            ensure!(others == 0, "{others} are not");
        }
        Ok(())
    })
    .await;
}

async fn stop(fleet: &Fleet, tasks: &[String]) {
    for task in tasks {
        let request = ecs::StopTaskRequest { task: Some(task.clone()), ..Default::default() };
        fleet.api().tasks.stop_task(request).await.expect("it is known");
    }
}

async fn wait_for_traces(fleet: &Fleet, before: &BTreeSet<String>) {
    until("the host is as it was before", LATER, async || {
        let now = fleet.traces(0)?;
        let more: Vec<_> = now.difference(before).collect();
        let less: Vec<_> = before.difference(&now).collect();
        ensure!(more.is_empty() && less.is_empty(), "left behind: {more:?}, lost: {less:?}");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_200_tasks_is_left_though_the_agent_was_killed_among_them() {
    if !require_hosts() {
        return;
    }
    let mut fleet = Fleet::builder()
        .controllers(1)
        .agents(1)
        .on_hosts()
        .agent_flag("--container-cleanup-wait=1s")
        .start()
        .await;
    fleet.berth(&["parameter", "put", "key", "value"]).await.expect("it is kept");
    fleet.api().task_definitions.register_task_definition(definition()).await.expect("register");
    // What the engine and the agent make once, for the first task that needs it.
    let first = run(&fleet, 1).await;
    wait_for(&fleet, &first, "RUNNING").await;
    stop(&fleet, &first).await;
    wait_for(&fleet, &first, "STOPPED").await;
    until("the first is gone", SOON, async || {
        ensure!(fleet.engine(0).containers("berth.task")?.is_empty(), "not yet");
        Ok(())
    })
    .await;
    let before = fleet.traces(0).unwrap();

    let mut tasks = Vec::new();
    for wave in 0..TASKS / WAVE {
        let started = run(&fleet, WAVE).await;
        if wave == 2 {
            // In the middle of its starts, and of the stops of the wave before.
            fleet.kill(Member::Agent(0));
            fleet.start(Member::Agent(0)).await;
        }
        wait_for(&fleet, &started, "RUNNING").await;
        stop(&fleet, &started).await;
        tasks.extend(started);
    }
    assert_eq!(tasks.len(), TASKS);
    wait_for(&fleet, &tasks, "STOPPED").await;
    wait_for_traces(&fleet, &before).await;
    fleet.allow_disturbance();
    fleet.finish().await;
}
