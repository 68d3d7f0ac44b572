//! The life of one task under its actor, from the first pull to the last report.

use std::collections::BTreeMap;

use berth_proto::agent::v1 as wire;

use super::*;
use crate::definition::Interner;
use crate::file_system::FileSystems;
use crate::runtime::label;
use crate::task::container::Exit;

fn task(containers: Vec<ecs::ContainerDefinition>, message: ecs::TaskDefinition) -> Task {
    let definition = ecs::TaskDefinition {
        family: Some("web".to_owned()),
        revision: Some(7),
        container_definitions: containers,
        ..message
    };
    let message = wire::ManifestTask {
        task_id: "0123456789abcdef0123456789abcdef".to_owned(),
        task_arn: "arn:task".to_owned(),
        desired_status: wire::DesiredTaskStatus::Running.into(),
        task_definition: Some(definition),
        cluster: "default".to_owned(),
        ..Default::default()
    };
    Task::new(Arc::new(DesiredTask::from_message(message, &Interner::default())), 0)
}

fn container(name: &str) -> ecs::ContainerDefinition {
    ecs::ContainerDefinition {
        name: Some(name.to_owned()),
        image: Some("nginx".to_owned()),
        ..Default::default()
    }
}

fn launch(task: &Task, at: usize) -> runtime::Launch {
    let stop_timeout = std::time::Duration::from_secs(30);
    let taken_ports = Arc::default();
    let surroundings = hooks::Surroundings {
        instance_id: "instance",
        stop_timeout,
        log_spool_bytes: 16 << 20,
        endpoint: None,
        taken_ports: &taken_ports,
        files: None,
    };
    hooks::launch(task, at, surroundings).expect("it has that container")
}

#[test]
fn a_container_can_be_found_by_its_name_and_its_labels() {
    let mut app = container("app");
    app.docker_labels =
        [("team".to_owned(), "a".to_owned()), (label::TASK.to_owned(), "forged".to_owned())].into();
    let task = task(vec![app], ecs::TaskDefinition::default());
    let launch = launch(&task, 0);
    assert_eq!(launch.name, "berth-web-7-app-0123456789ab");
    let expected = [
        (label::CLUSTER, "default"),
        (label::CONTAINER_NAME, "app"),
        (label::TASK_ARN, "arn:task"),
        (label::FAMILY, "web"),
        (label::REVISION, "7"),
        (label::CONTAINER_INSTANCE, "instance"),
        (label::TASK, "0123456789abcdef0123456789abcdef"),
        ("team", "a"),
    ];
    for (key, value) in expected {
        assert_eq!(launch.labels.get(key).map(String::as_str), Some(value), "{key}");
    }
}

#[test]
fn names_of_other_containers_become_names_on_the_host() {
    let mut app = container("app");
    app.links = vec!["db:database".to_owned(), "cache".to_owned()];
    app.volumes_from =
        vec![ecs::VolumeFrom { source_container: Some("db".to_owned()), read_only: Some(true) }];
    let task = task(vec![app, container("db"), container("cache")], ecs::TaskDefinition::default());
    let launch = launch(&task, 0);
    assert_eq!(
        launch.links,
        ["berth-web-7-db-0123456789ab:database", "berth-web-7-cache-0123456789ab:cache"]
    );
    assert_eq!(launch.volumes_from, ["berth-web-7-db-0123456789ab:ro"]);
}

#[test]
fn volumes_of_the_host_are_bound_and_others_live_as_long_as_the_task() {
    let volume = |name: &str, path: Option<&str>| ecs::Volume {
        name: Some(name.to_owned()),
        host: path.map(|path| ecs::HostVolumeProperties { source_path: Some(path.to_owned()) }),
        ..Default::default()
    };
    let point = |volume: &str, path: &str| ecs::MountPoint {
        source_volume: Some(volume.to_owned()),
        container_path: Some(path.to_owned()),
        read_only: None,
    };
    let mut app = container("app");
    app.mount_points = vec![point("etc", "/etc/app"), point("scratch", "/scratch"), point("nowhere", "/x")];
    let volumes = vec![volume("etc", Some("/srv/etc")), volume("scratch", None)];
    let task = task(vec![app], ecs::TaskDefinition { volumes, ..Default::default() });
    let sources: Vec<_> = launch(&task, 0).mounts.into_iter().map(|mount| mount.source).collect();
    assert_eq!(sources, ["/srv/etc", "berth-0123456789abcdef0123456789abcdef-scratch"]);
    let made: Vec<_> = volumes_of(&task).into_iter().map(|volume| volume.name).collect();
    assert_eq!(made, ["berth-0123456789abcdef0123456789abcdef-scratch"]);
}

fn volumes_of(task: &Task) -> Vec<crate::runtime::Volume> {
    hooks::volumes::of_task(task, "instance", &FileSystems::new()).expect("all can be made")
}

#[test]
fn a_shared_volume_outlives_its_task_and_others_go_with_it() {
    let volume = |name: &str, docker: ecs::DockerVolumeConfiguration| ecs::Volume {
        name: Some(name.to_owned()),
        docker_volume_configuration: Some(docker),
        ..Default::default()
    };
    let labels = BTreeMap::from([("owner".to_owned(), "me".to_owned())]);
    let own = ecs::DockerVolumeConfiguration {
        driver: Some("local".to_owned()),
        driver_opts: BTreeMap::from([("type".to_owned(), "tmpfs".to_owned())]),
        labels: labels.clone(),
        ..Default::default()
    };
    let shared = |autoprovision| ecs::DockerVolumeConfiguration {
        scope: Some(ecs::Scope::Shared.into()),
        autoprovision,
        ..Default::default()
    };
    let volumes = vec![volume("own", own), volume("made", shared(Some(true))), volume("found", shared(None))];
    let task = task(vec![container("app")], ecs::TaskDefinition { volumes, ..Default::default() });
    let made = volumes_of(&task);
    assert_eq!(made[0].name, "berth-0123456789abcdef0123456789abcdef-own");
    assert_eq!((made[0].driver.as_str(), made[0].options["type"].as_str()), ("local", "tmpfs"));
    assert_eq!((made[0].labels["owner"].as_str(), made[0].labels.len()), ("me", 3));
    assert_eq!((made[1].name.as_str(), made[1].must_exist, made[1].labels.len()), ("made", false, 0));
    assert_eq!((made[2].name.as_str(), made[2].must_exist, made[2].labels.len()), ("found", true, 0));
}

#[test]
fn the_limit_of_the_task_is_the_most_a_container_without_its_own_may_use() {
    let mut own = container("own");
    own.memory = Some(64);
    own.cpu = Some(100);
    let message = ecs::TaskDefinition {
        cpu: Some("512".to_owned()),
        memory: Some("256".to_owned()),
        ..Default::default()
    };
    let task = task(vec![own, container("free")], message);
    let (own, free) = (launch(&task, 0), launch(&task, 1));
    assert_eq!((own.memory_limit_mib, own.cpu_shares, own.cpu_limit_units), (Some(64), 100, Some(512)));
    assert_eq!((free.memory_limit_mib, free.cpu_shares), (Some(256), 2));
}

#[test]
fn a_task_that_is_not_admitted_launches_nothing_but_can_be_stopped() {
    let mut task = task(vec![container("app")], ecs::TaskDefinition::default());
    assert!(task.next(1).begin.is_empty());
    task.stop();
    assert!(task.next(2).begin.is_empty());
    assert!(task.is_finished());
    assert_eq!(task.last_status(), "STOPPED");
}

#[test]
fn a_report_is_made_once_for_each_change() {
    let mut task = task(vec![container("app")], ecs::TaskDefinition::default());
    task.admit();
    assert_eq!(task.next(1).begin, [(0, Action::Pull)]);
    assert_eq!(task.take_report(), None, "a pull is nobody's news");
    task.pulled(0, runtime::Image { id: "i".to_owned(), digest: "sha256:1".to_owned() }, 2);
    assert_eq!(task.next(2).begin, [(0, Action::Create)]);
    task.created(0, "id".to_owned());
    assert_eq!(task.next(3).begin, [(0, Action::Start)]);
    task.started(0, Vec::new(), 4);
    let report = task.take_report().expect("it runs");
    assert_eq!((report.version, report.last_status.as_str()), (1, "RUNNING"));
    assert_eq!(report.containers[0].image_digest, "sha256:1");
    assert_eq!(task.take_report(), None);
    task.exited(0, &Exit::with_code(0, 5));
    let _ = task.next(5);
    let report = task.take_report().expect("it ended");
    assert_eq!((report.version, report.last_status.as_str()), (2, "STOPPED"));
    assert_eq!(report.execution_stopped_at.as_ref().map(unix_ms), Some(5));
}
