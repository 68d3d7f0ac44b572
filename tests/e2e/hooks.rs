//! What gates deployments beside tasks: URLs and people.

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::hook::HookServer;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;
use ecs::ServiceDeploymentStatus::{InProgress, RollbackSuccessful, Successful};

use super::SOON;

async fn newest(fleet: &Fleet, status: ecs::ServiceDeploymentStatus) -> Result<ecs::ServiceDeployment> {
    let newest = fleet.service_deployments("web").await?.into_iter().next().context("none")?;
    ensure!(newest.status() == status, "{:?}: {}", newest.status(), newest.status_reason());
    Ok(newest)
}

async fn succeeded(fleet: &Fleet) -> ecs::ServiceDeployment {
    let deployment = until("it is deployed", SOON, async || newest(fleet, Successful).await).await;
    assert_eq!(deployment.lifecycle_stage(), ecs::ServiceDeploymentLifecycleStage::CleanUp);
    deployment
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_lets_a_deployment_go_on_or_sends_it_back() {
    if !require_docker() {
        return;
    }
    let server = HookServer::start("SUCCEEDED").await.unwrap();
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.register("web", "1", &[]).await.unwrap();
    let hook = ecs::DeploymentLifecycleHook {
        hook_target_arn: Some(server.url()),
        lifecycle_stages: vec![ecs::DeploymentLifecycleHookStage::PostScaleUp.into()],
        ..Default::default()
    };
    fleet.create_service(&ServiceSpec::new("web", 1).hook(hook)).await.unwrap();
    let first = succeeded(&fleet).await;
    let asked = server.asked();
    assert_eq!(asked[0]["lifecycleStage"], "POST_SCALE_UP", "{asked:?}");
    assert_eq!(asked[0]["serviceDeploymentArn"], first.service_deployment_arn());
    let before = fleet.running("web", 1).await.unwrap();

    server.say("IN_PROGRESS");
    fleet.register("web", "2", &[]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    let questions = asked.len();
    until("it is asked again and again", SOON, async || {
        ensure!(server.asked().len() > questions + 1, "{} questions", server.asked().len());
        newest(&fleet, InProgress).await.map(drop)
    })
    .await;
    assert_eq!(
        fleet.api().tasks(Some("web")).await.unwrap().len(),
        2,
        "the old one stays until it is decided"
    );
    server.say("FAILED");
    until("it goes back", SOON, async || newest(&fleet, RollbackSuccessful).await.map(drop)).await;
    let after = until("one is left", SOON, async || fleet.running("web", 1).await).await;
    assert_eq!(before[0].task_arn, after[0].task_arn);
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_waits_for_somebody_to_decide() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.register("web", "1", &[]).await.unwrap();
    let hook = ecs::DeploymentLifecycleHook {
        target_type: Some(ecs::DeploymentLifecycleHookTargetType::Pause.into()),
        lifecycle_stages: vec![ecs::DeploymentLifecycleHookStage::PreScaleUp.into()],
        ..Default::default()
    };
    fleet.create_service(&ServiceSpec::new("web", 1).hook(hook)).await.unwrap();
    let waits = async || {
        let deployment = newest(&fleet, InProgress).await?;
        let hook = deployment.lifecycle_hook_details.into_iter().next().context("no hook yet")?;
        ensure!(hook.status() == ecs::DeploymentLifecycleHookStatus::AwaitingAction, "{:?}", hook.status());
        Ok(())
    };
    until("it waits", SOON, waits).await;
    assert_eq!(fleet.api().tasks(Some("web")).await.unwrap(), vec![], "nothing has started");
    fleet.berth(&["service", "continue", "web"]).await.unwrap();
    succeeded(&fleet).await;
    let before = fleet.running("web", 1).await.unwrap();

    fleet.register("web", "2", &[]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    until("the next waits as well", SOON, waits).await;
    fleet.berth(&["service", "continue", "web", "--rollback"]).await.unwrap();
    until("it goes back", SOON, async || newest(&fleet, RollbackSuccessful).await.map(drop)).await;
    let after = fleet.running("web", 1).await.unwrap();
    assert_eq!(before[0].task_arn, after[0].task_arn, "nothing was touched");
    fleet.finish().await;
}
