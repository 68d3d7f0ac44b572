//! Services that somebody else deploys: task sets of the EXTERNAL deployment controller.

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;

use super::SOON;

const SERVICE: &str = "web";

fn percent(value: f64) -> Option<ecs::Scale> {
    Some(ecs::Scale { value: Some(value), unit: Some(ecs::ScaleUnit::Percent.into()) })
}

async fn make(fleet: &Fleet, task_definition: &str, share: f64) -> String {
    let request = ecs::CreateTaskSetRequest {
        service: Some(SERVICE.to_owned()),
        cluster: Some("default".to_owned()),
        task_definition: Some(task_definition.to_owned()),
        scale: percent(share),
        ..Default::default()
    };
    let reply = fleet.api().task_sets.create_task_set(request).await.expect("CreateTaskSet");
    reply.into_inner().task_set.expect("what was made").task_set_arn().to_owned()
}

async fn scale(fleet: &Fleet, task_set: &str, share: f64) {
    let request = ecs::UpdateTaskSetRequest {
        service: Some(SERVICE.to_owned()),
        cluster: Some("default".to_owned()),
        task_set: Some(task_set.to_owned()),
        scale: percent(share),
    };
    fleet.api().task_sets.update_task_set(request).await.expect("UpdateTaskSet");
}

async fn describe(fleet: &Fleet, task_set: &str) -> Result<ecs::TaskSet> {
    let request = ecs::DescribeTaskSetsRequest {
        service: Some(SERVICE.to_owned()),
        cluster: Some("default".to_owned()),
        task_sets: vec![task_set.to_owned()],
        ..Default::default()
    };
    let reply = fleet.api().task_sets.describe_task_sets(request).await.context("DescribeTaskSets")?;
    reply.into_inner().task_sets.pop().context("no such task set")
}

/// Waits until the task set is steady with so many tasks, and the engine runs `all` containers.
async fn steady(fleet: &Fleet, task_set: &str, count: i32, all: usize) {
    until("the task set is steady", SOON, async || {
        let now = describe(fleet, task_set).await?;
        let steady = now.stability_status() == ecs::StabilityStatus::SteadyState;
        ensure!(steady && now.running_count() == count && now.computed_desired_count() == count, "{now:?}");
        let containers = fleet.all_containers()?.len();
        ensure!(containers == all, "{containers} containers");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn task_sets_take_over_from_one_another() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    fleet.register(SERVICE, "1", &[]).await.unwrap();
    fleet.register(SERVICE, "2", &[]).await.unwrap();
    let request = ecs::CreateServiceRequest {
        service_name: Some(SERVICE.to_owned()),
        desired_count: Some(4),
        deployment_controller: Some(ecs::DeploymentController {
            r#type: Some(ecs::DeploymentControllerType::External.into()),
        }),
        ..Default::default()
    };
    fleet.api().services.create_service(request).await.unwrap();
    let blue = make(&fleet, "web:1", 100.0).await;
    steady(&fleet, &blue, 4, 4).await;
    let green = make(&fleet, "web:2", 50.0).await;
    steady(&fleet, &green, 2, 6).await;

    let request = ecs::UpdateServicePrimaryTaskSetRequest {
        service: Some(SERVICE.to_owned()),
        cluster: Some("default".to_owned()),
        primary_task_set: Some(green.clone()),
    };
    fleet.api().task_sets.update_service_primary_task_set(request).await.unwrap();
    assert_eq!(describe(&fleet, &green).await.unwrap().status(), "PRIMARY");
    assert_eq!(describe(&fleet, &blue).await.unwrap().status(), "ACTIVE");
    scale(&fleet, &green, 100.0).await;
    scale(&fleet, &blue, 25.0).await;
    steady(&fleet, &green, 4, 5).await;
    steady(&fleet, &blue, 1, 5).await;

    let request = ecs::DeleteTaskSetRequest {
        service: Some(SERVICE.to_owned()),
        cluster: Some("default".to_owned()),
        task_set: Some(blue.clone()),
        force: Some(true),
    };
    fleet.api().task_sets.delete_task_set(request).await.unwrap();
    steady(&fleet, &green, 4, 4).await;
    let tasks = fleet.running(SERVICE, 4).await.unwrap();
    assert!(tasks.iter().all(|task| task.task_definition_arn().ends_with("web:2")), "{tasks:?}");
    let id = describe(&fleet, &green).await.unwrap().id().to_owned();
    assert!(green.ends_with(&id), "{id} of {green}");
    assert!(tasks.iter().all(|task| task.started_by() == id), "{tasks:?}");
    fleet.finish().await;
}
