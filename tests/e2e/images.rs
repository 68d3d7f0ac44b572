//! Which image runs, when the registry's tag moves.

use anyhow::ensure;
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::engine::Engine;
use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::registry::Registry;
use berth_tests::harness::wait::{throughout, until};
use berth_tests::harness::{require_docker, require_registry};
use ecs::ServiceDeploymentStatus::Successful;

use super::rollback::ended;
use super::{LATER, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_changes_nothing_until_the_next_deployment() {
    let Some(program) = require_registry().filter(|_| require_docker()) else { return };
    let registry = Registry::start(&program).await.unwrap();
    registry.push(&Engine::local(), "berth-app:1", "app:live").unwrap();
    let fleet = Fleet::builder().controllers(1).start().await;
    fleet.register_image("web", &registry.reference("app:live")).await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 2)).await.unwrap();
    until("the service is deployed", SOON, async || ended(&fleet, "web", Successful).await.map(drop)).await;
    let first = digests(&fleet.running("web", 2).await.unwrap());
    assert_eq!(first.len(), 1, "{first:?}");

    registry.push(&Engine::local(), "berth-app:2", "app:live").unwrap();
    fleet.scale("web", 4).await.unwrap();
    until("four tasks run", SOON, async || fleet.running("web", 4).await.map(drop)).await;
    let container = fleet.all_containers().unwrap().remove(0);
    Engine::local().kill(&container.id).unwrap();
    until("the killed one is replaced", LATER, async || {
        let tasks = fleet.running("web", 4).await?;
        ensure!(!tasks.iter().any(|task| task.task_arn().ends_with(container.task_id())), "not yet");
        Ok(())
    })
    .await;
    assert_eq!(digests(&fleet.running("web", 4).await.unwrap()), first, "what is new runs what is old");
    let probe = fleet.probe("web");
    until("the client finds all four", SOON, async || {
        ensure!(probe.seen().most == 4, "{:?}", probe.seen());
        Ok(())
    })
    .await;
    assert_eq!(probe.seen().revisions.into_iter().collect::<Vec<_>>(), ["1"]);
    drop(probe);

    let request = ecs::UpdateServiceRequest {
        service: Some("web".to_owned()),
        force_new_deployment: Some(true),
        ..Default::default()
    };
    fleet.api().services.update_service(request).await.unwrap();
    until("the tag's new image runs everywhere", LATER, async || {
        ended(&fleet, "web", Successful).await?;
        let now = digests(&fleet.running("web", 4).await?);
        ensure!(now.len() == 1 && now != first, "{now:?}, and {first:?} before");
        Ok(())
    })
    .await;
    let probe = fleet.probe("web");
    until("the client finds the new revision", SOON, async || {
        let seen = probe.seen();
        ensure!(seen.most == 4 && seen.revisions.contains("2"), "{seen:?}");
        Ok(())
    })
    .await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_fetches_its_image_before_its_tasks_have_a_place() {
    let Some(program) = require_registry().filter(|_| require_docker()) else { return };
    let registry = Registry::start(&program).await.unwrap();
    registry.push(&Engine::local(), "berth-app:1", "app:live").unwrap();
    let image = registry.reference("app:live");
    let is_here = || Engine::local().docker(&["image", "inspect", &image]).is_ok();
    assert!(!is_here());
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    let container = ecs::ContainerDefinition {
        name: Some("app".to_owned()),
        image: Some(image.clone()),
        cpu: Some(1 << 17),
        memory: Some(64),
        ..Default::default()
    };
    let request = ecs::RegisterTaskDefinitionRequest {
        family: Some("huge".to_owned()),
        container_definitions: vec![container],
        ..Default::default()
    };
    fleet.api().task_definitions.register_task_definition(request).await.unwrap();
    fleet.create_service(&ServiceSpec::new("huge", 1)).await.unwrap();
    until("the image is on the host", SOON, async || {
        ensure!(is_here(), "not yet");
        Ok(())
    })
    .await;
    assert!(fleet.containers(0).unwrap().is_empty(), "no host is large enough to run it");
    fleet.finish().await;
}

/// A registry that is gone costs nothing that already ran somewhere: the revision names what it runs by its digest.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_outlives_its_registry() {
    let Some(program) = require_registry().filter(|_| require_docker()) else { return };
    let mut registry = Registry::start(&program).await.unwrap();
    registry.push(&Engine::local(), "berth-app:1", "app:live").unwrap();
    let fleet = Fleet::builder().controllers(1).start().await;
    fleet.register_image("web", &registry.reference("app:live")).await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 2)).await.unwrap();
    until("the service is deployed", SOON, async || ended(&fleet, "web", Successful).await.map(drop)).await;
    registry.stop();
    fleet.scale("web", 3).await.unwrap();
    until("a third task runs", SOON, async || fleet.running("web", 3).await.map(drop)).await;
    throughout("it stays so", std::time::Duration::from_secs(3), async || {
        fleet.running("web", 3).await.map(drop)
    })
    .await;
    fleet.finish().await;
}

/// The digests of the images that tasks run.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_private_registry_is_pulled_with_the_credentials_of_its_definition() {
    let Some(program) = require_registry().filter(|_| require_docker()) else { return };
    let registry = Registry::start_private(&program).await.unwrap();
    registry.push(&Engine::local(), "berth-app:1", "app:private").unwrap();
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    let (username, password) = Registry::login();
    let login = |password: &str| format!(r#"{{"username": "{username}", "password": "{password}"}}"#);
    for (name, password) in [("registry", password), ("wrong", "guessed")] {
        fleet.berth(&["secret", "create", name, &login(password)]).await.unwrap();
    }

    let image = registry.reference("app:private");
    for (family, credentials) in [("without", None), ("wrong", Some("wrong"))] {
        register_private(&fleet, family, &image, credentials).await;
        let arn = fleet.start_task_on(family, 0).await.unwrap();
        until("the task fails", SOON, async || {
            let task = fleet.api().task(&arn).await?;
            ensure!(task.last_status() == "STOPPED", "{}", task.last_status());
            let reason = task.containers[0].reason();
            ensure!(reason.starts_with("CannotPullContainerError") && reason.contains("auth"), "{reason}");
            ensure!(!format!("{task:?}").contains("guessed"), "a password is shown: {task:?}");
            Ok(())
        })
        .await;
    }
    register_private(&fleet, "right", &image, Some("registry")).await;
    let arn = fleet.start_task_on("right", 0).await.unwrap();
    until("the task runs", SOON, async || {
        let task = fleet.api().task(&arn).await?;
        ensure!(task.last_status() == "RUNNING", "{} {}", task.last_status(), task.stopped_reason());
        ensure!(!format!("{task:?}").contains(password), "a password is shown: {task:?}");
        Ok(())
    })
    .await;
    let container = fleet.containers(0).unwrap().remove(0);
    let shown = Engine::local().docker(&["inspect", &container.id]).unwrap();
    assert!(shown.contains(&image) && !shown.contains(password), "the engine shows a password");
    assert_eq!(fleet.files_with(password), Vec::<std::path::PathBuf>::new(), "a password is on a disk");
    fleet.finish().await;
}

async fn register_private(fleet: &Fleet, family: &str, image: &str, secret: Option<&str>) {
    let credentials = secret.map(|name| ecs::RepositoryCredentials {
        credentials_parameter: Some(format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:{name}")),
    });
    let request = ecs::RegisterTaskDefinitionRequest {
        family: Some(family.to_owned()),
        execution_role_arn: Some("arn:aws:iam::000000000000:role/execution".to_owned()),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("app".to_owned()),
            image: Some(image.to_owned()),
            memory: Some(32),
            repository_credentials: credentials,
            ..Default::default()
        }],
        ..Default::default()
    };
    fleet.api().task_definitions.register_task_definition(request).await.expect("registered");
}

fn digests(tasks: &[ecs::Task]) -> std::collections::BTreeSet<String> {
    let containers = tasks.iter().flat_map(|task| &task.containers);
    containers.map(|container| container.image_digest().to_owned()).collect()
}
