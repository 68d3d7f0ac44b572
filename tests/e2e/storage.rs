//! Disk as a resource: what tasks may take of it, and what holds them to it.

use anyhow::ensure;
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::wait::until;
use berth_tests::harness::{require_quotas, require_shell_image};

use super::SOON;

const GIB_OF_A_TASK: i32 = 21;

#[tokio::test(flavor = "multi_thread")]
async fn ephemeral_storage_is_counted_when_tasks_are_placed_and_is_all_that_a_container_gets() {
    if !require_quotas() || !require_shell_image() {
        return;
    }
    let fleet = Fleet::builder()
        .controllers(1)
        .agents(1)
        .on_hosts_with_quotas()
        .agent_flag("--disk-mib 45000 --reserve-disk-mib 5000")
        .start()
        .await;
    let instance = fleet.api().instances().await.unwrap().remove(0);
    let disk = |resources: &[ecs::Resource]| {
        resources.iter().find(|resource| resource.name() == "DISK").map(ecs::Resource::integer_value)
    };
    assert_eq!(disk(&instance.registered_resources), Some(40_000));
    register(&fleet).await;

    let mut tasks = fleet.api().tasks;
    let request = ecs::RunTaskRequest { task_definition: Some("writer".to_owned()), ..Default::default() };
    let placed = tasks.run_task(request.clone()).await.unwrap().into_inner();
    assert_eq!(placed.failures, []);
    let arn = placed.tasks[0].task_arn().to_owned();
    until("it runs", SOON, async || {
        let task = fleet.api().task(&arn).await?;
        ensure!(task.last_status() == "RUNNING", "{} {}", task.last_status(), task.stopped_reason());
        Ok(())
    })
    .await;
    let instance = fleet.api().instances().await.unwrap().remove(0);
    assert_eq!(disk(&instance.remaining_resources), Some(40_000 - (GIB_OF_A_TASK << 10)));
    let refused = tasks.run_task(request.clone()).await.unwrap().into_inner();
    assert_eq!(refused.failures[0].reason(), "RESOURCE:DISK");

    let container = fleet.containers(0).unwrap().remove(0);
    let take = |gib: i32, file: &str| {
        let line = format!("fallocate -l {gib}G /{file}");
        fleet.engine(0).docker(&["exec", &container.id, "sh", "-c", &line])
    };
    take(GIB_OF_A_TASK - 1, "within").unwrap();
    let beyond = take(2, "beyond").expect_err("more than its definition says");
    assert!(format!("{beyond:#}").contains("quota"), "{beyond:#}");

    let stop = ecs::StopTaskRequest { task: Some(arn), ..Default::default() };
    tasks.stop_task(stop).await.unwrap();
    until("its disk is for others", SOON, async || {
        let placed = fleet.api().tasks.run_task(request.clone()).await?.into_inner();
        ensure!(placed.failures.is_empty(), "{:?}", placed.failures);
        Ok(())
    })
    .await;
    fleet.finish().await;
}

async fn register(fleet: &Fleet) {
    let request = ecs::RegisterTaskDefinitionRequest {
        family: Some("writer".to_owned()),
        ephemeral_storage: Some(ecs::EphemeralStorage { size_in_gib: Some(GIB_OF_A_TASK) }),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("writer".to_owned()),
            image: Some("berth-shell:1".to_owned()),
            memory: Some(32),
            command: ["sleep", "3600"].map(str::to_owned).to_vec(),
            stop_timeout: Some(2),
            ..Default::default()
        }],
        ..Default::default()
    };
    fleet.api().task_definitions.register_task_definition(request).await.expect("registered");
}
