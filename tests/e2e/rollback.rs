//! Deployments that cannot work, and what gates them.

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, HookTarget, ServiceSpec};
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;
use ecs::ServiceDeploymentStatus::{RollbackSuccessful, Stopped, Successful};

use super::SOON;

/// The newest service deployment, once it has this status.
pub(super) async fn ended(
    fleet: &Fleet,
    service: &str,
    status: ecs::ServiceDeploymentStatus,
) -> Result<ecs::ServiceDeployment> {
    let newest = fleet.service_deployments(service).await?.into_iter().next().context("none")?;
    ensure!(newest.status() == status, "{:?}: {}", newest.status(), newest.status_reason());
    Ok(newest)
}

/// A service of two tasks with a circuit breaker that goes back, running and deployed.
async fn with_breaker(fleet: &Fleet) {
    fleet.register("web", "1", &[]).await.expect("register");
    fleet.create_service(&ServiceSpec::new("web", 2).roll_back()).await.expect("create");
    until("the service is deployed", SOON, async || ended(fleet, "web", Successful).await.map(drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_image_is_rolled_back_and_nothing_that_ran_is_touched() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    with_breaker(&fleet).await;
    let before = fleet.running("web", 2).await.unwrap();
    fleet.register("web", "there-is-no-such-tag", &[]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    until("the service is back", SOON, async || {
        let deployment = ended(&fleet, "web", RollbackSuccessful).await?;
        let reason = deployment.rollback.context("no rollback")?.reason.unwrap_or_default();
        ensure!(reason.contains("ECS deployment circuit breaker: rolling back to deploymentId"), "{reason}");
        let first = deployment.first_failure.context("no failure")?;
        ensure!(first.reason().starts_with("CannotPullContainerError"), "{}", first.reason());
        Ok(())
    })
    .await;
    let after = fleet.running("web", 2).await.unwrap();
    let ids = |tasks: &[ecs::Task]| tasks.iter().map(|task| task.task_arn().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(&before), ids(&after));
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_revision_is_rolled_back_and_its_last_words_are_kept() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    with_breaker(&fleet).await;
    fleet.register("web", "1", &[("EXIT_CODE", "3"), ("LOG_LINES", "3")]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    until("the service is back", SOON, async || {
        let deployment = ended(&fleet, "web", RollbackSuccessful).await?;
        let first = deployment.first_failure.context("no failure")?;
        ensure!(first.reason().contains("exited with 3"), "{}", first.reason());
        ensure!(
            first.last_log_lines.iter().any(|line| line.contains("line 3")),
            "{:?}",
            first.last_log_lines
        );
        Ok(())
    })
    .await;
    let tasks = fleet.running("web", 2).await.unwrap();
    assert!(tasks.iter().all(|task| task.task_definition_arn().ends_with("web:1")), "{tasks:?}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_gates_every_deployment() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    fleet.register("web", "1", &[]).await.unwrap();
    fleet.register("migrate", "1", &[("EXIT_CODE", "0"), ("LOG_LINES", "1")]).await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 2).gate_with(HookTarget::Arn("migrate:1"))).await.unwrap();
    until("the service is deployed", SOON, async || ended(&fleet, "web", Successful).await.map(drop)).await;
    fleet.register("web", "2", &[]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    until("the next revision is deployed", SOON, async || {
        let deployment = ended(&fleet, "web", Successful).await?;
        let target = deployment.target_service_revision.context("no target")?;
        ensure!(target.running_task_count() == 2, "{target:?}");
        Ok(())
    })
    .await;
    let tasks = fleet.running("web", 2).await.unwrap();
    let deployment = ended(&fleet, "web", Successful).await.unwrap();
    let hook = &deployment.lifecycle_hook_details[0];
    assert_eq!(hook.status(), ecs::DeploymentLifecycleHookStatus::Succeeded);
    let migration = fleet.api().describe_tasks(vec![hook.task_arn().to_owned()]).await.unwrap().remove(0);
    assert_eq!(migration.containers[0].exit_code, Some(0));
    let through = migration.stopped_at.map(|at| (at.seconds, at.nanos)).unwrap();
    for task in tasks {
        let placed = task.created_at.map(|at| (at.seconds, at.nanos)).unwrap();
        assert!(through <= placed, "{} was started before the migration was through", task.task_arn());
    }
    // The tasks that were replaced may stop for longer than the deployment takes.
    until("every phase is timed", SOON, async || {
        let deployment = ended(&fleet, "web", Successful).await?;
        let phases: Vec<&str> = deployment.phases.iter().map(ecs::DeploymentPhase::name).collect();
        ensure!(["pull", "start", "settle", "drain"].iter().all(|name| phases.contains(name)), "{phases:?}");
        Ok(())
    })
    .await;

    fleet.register("broken", "1", &[("EXIT_CODE", "7"), ("LOG_LINES", "2")]).await.unwrap();
    fleet.register("shop", "1", &[]).await.unwrap();
    fleet.create_service(&ServiceSpec::new("shop", 2).gate_with(HookTarget::Arn("broken"))).await.unwrap();
    until("the first deployment of the other service fails", SOON, async || {
        let deployment = ended(&fleet, "shop", Stopped).await?;
        ensure!(deployment.status_reason().contains("exit code 7"), "{}", deployment.status_reason());
        Ok(())
    })
    .await;
    assert_eq!(fleet.api().tasks(Some("shop")).await.unwrap(), vec![], "nothing started");
    fleet.finish().await;
}
