//! What a tag means, and for how long: with a registry in which it moves.

use anyhow::{Context as _, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::registry::Registry;
use berth_tests::harness::wait::until;
use berth_tests::harness::{require_docker, require_registry};

use super::SOON;

/// The digests that the only container of each task runs, once `count` tasks run.
async fn digests(fleet: &Fleet, count: usize) -> anyhow::Result<Vec<String>> {
    let tasks = fleet.running("web", count).await?;
    let digest = |task: &ecs::Task| {
        let container = task.containers.first().context("no container")?;
        ensure!(!container.image_digest().is_empty(), "{} does not say what it runs", task.task_arn());
        Ok(container.image_digest().to_owned())
    };
    tasks.iter().map(digest).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_means_the_same_for_all_of_a_revision_until_it_is_deployed_anew() {
    if !require_docker() || !require_registry() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut registry = Registry::start(folder.path()).await.unwrap();
    let old = registry.push("berth-app:1", "app:live").unwrap();
    let fleet = Fleet::builder().controllers(1).agents(1).pulling().start().await;
    fleet.register_image("web", &registry.image("app:live")).await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 1)).await.unwrap();
    let first = until("it runs what the tag means", SOON, async || digests(&fleet, 1).await).await;
    assert_eq!(first, [old.clone()]);

    let new = registry.push("berth-app:2", "app:live").unwrap();
    assert_ne!(old, new);
    let task = fleet.running("web", 1).await.unwrap().remove(0);
    fleet.berth(&["task", "stop", task.task_arn()]).await.unwrap();
    until("its replacement runs the same, though the tag has moved", SOON, async || {
        let next = fleet.running("web", 1).await?.remove(0);
        ensure!(next.task_arn != task.task_arn, "it is not replaced yet");
        ensure!(digests(&fleet, 1).await? == [old.clone()], "it runs another image");
        Ok(())
    })
    .await;
    fleet.scale("web", 2).await.unwrap();
    let both = until("a second one runs", SOON, async || digests(&fleet, 2).await).await;
    assert_eq!(both, [old.clone(), old]);

    let force = ecs::UpdateServiceRequest {
        service: Some("web".to_owned()),
        force_new_deployment: Some(true),
        ..Default::default()
    };
    fleet.api().services.update_service(force).await.unwrap();
    until("a deployment asks anew what the tag means", SOON, async || {
        let digests = digests(&fleet, 2).await?;
        ensure!(digests == [new.clone(), new.clone()], "{digests:?}");
        Ok(())
    })
    .await;
    fleet.finish().await;
}
