//! Services whose deployments somebody else steers: task sets.

use anyhow::{Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;

use super::SOON;

async fn sets(fleet: &Fleet) -> Result<Vec<ecs::TaskSet>> {
    let request = ecs::DescribeTaskSetsRequest { service: Some("web".to_owned()), ..Default::default() };
    Ok(fleet.api().task_sets.describe_task_sets(request).await?.into_inner().task_sets)
}

/// Waits until a set is stable with so many tasks.
async fn stable(fleet: &Fleet, set: &str, count: i32) {
    until("the task set is stable", SOON, async || {
        let sets = sets(fleet).await?;
        let seen: Vec<_> = sets
            .iter()
            .map(|set| {
                (
                    set.task_set_arn(),
                    set.stability_status(),
                    set.running_count(),
                    set.computed_desired_count(),
                )
            })
            .collect();
        ensure!(seen.contains(&(set, ecs::StabilityStatus::SteadyState, count, count)), "{seen:?}");
        Ok(())
    })
    .await;
}

fn percent(value: f64) -> Option<ecs::Scale> {
    Some(ecs::Scale { value: Some(value), unit: Some(ecs::ScaleUnit::Percent.into()) })
}

async fn create(fleet: &Fleet, definition: &str, share: f64) -> String {
    let request = ecs::CreateTaskSetRequest {
        service: Some("web".to_owned()),
        task_definition: Some(definition.to_owned()),
        scale: percent(share),
        ..Default::default()
    };
    let reply = fleet.api().task_sets.create_task_set(request).await.expect("CreateTaskSet").into_inner();
    reply.task_set.expect("a task set").task_set_arn().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn task_sets_are_made_scaled_promoted_and_deleted() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(2).start().await;
    for tag in ["1", "2"] {
        fleet.register("web", tag, &[]).await.unwrap();
    }
    let controller = ecs::DeploymentControllerType::External.into();
    let request = ecs::CreateServiceRequest {
        service_name: Some("web".to_owned()),
        desired_count: Some(4),
        deployment_controller: Some(ecs::DeploymentController { r#type: Some(controller) }),
        ..Default::default()
    };
    fleet.api().services.create_service(request).await.unwrap();
    let blue = create(&fleet, "web:1", 100.0).await;
    stable(&fleet, &blue, 4).await;
    let promote = |set: &str| ecs::UpdateServicePrimaryTaskSetRequest {
        service: Some("web".to_owned()),
        primary_task_set: Some(set.to_owned()),
        ..Default::default()
    };
    fleet.api().task_sets.update_service_primary_task_set(promote(&blue)).await.unwrap();

    let green = create(&fleet, "web:2", 25.0).await;
    stable(&fleet, &green, 1).await;
    stable(&fleet, &blue, 4).await;
    let scale = ecs::UpdateTaskSetRequest {
        service: Some("web".to_owned()),
        task_set: Some(green.clone()),
        scale: percent(100.0),
        ..Default::default()
    };
    fleet.api().task_sets.update_task_set(scale).await.unwrap();
    stable(&fleet, &green, 4).await;
    fleet.api().task_sets.update_service_primary_task_set(promote(&green)).await.unwrap();
    let status = |sets: &[ecs::TaskSet], arn: &str| {
        sets.iter().find(|set| set.task_set_arn() == arn).map(|set| set.status().to_owned())
    };
    let now = sets(&fleet).await.unwrap();
    assert_eq!(status(&now, &green).as_deref(), Some("PRIMARY"));
    assert_eq!(status(&now, &blue).as_deref(), Some("ACTIVE"));
    assert_eq!(fleet.all_containers().unwrap().len(), 8);

    let delete = ecs::DeleteTaskSetRequest {
        service: Some("web".to_owned()),
        task_set: Some(blue.clone()),
        force: Some(true),
        ..Default::default()
    };
    fleet.api().task_sets.delete_task_set(delete).await.unwrap();
    until("only the other one is left", SOON, async || {
        ensure!(status(&sets(&fleet).await?, &blue).is_none(), "it is still there");
        let tasks = fleet.running("web", 4).await?;
        ensure!(tasks.iter().all(|task| task.task_definition_arn().ends_with("web:2")), "{tasks:?}");
        ensure!(fleet.all_containers()?.len() == 4, "{} containers", fleet.all_containers()?.len());
        Ok(())
    })
    .await;
    fleet.finish().await;
}
