//! Volumes, as the engine has them and as containers see them.

use berth_agent::runtime::{Runtime as _, label};
use berth_proto::ecs::v1 as ecs;

use crate::host::{Host, shell, task};
use crate::image::run;

fn mounted(script: &str, volume: ecs::Volume) -> berth_proto::agent::v1::ManifestTask {
    let mut app = shell("app", script);
    app.mount_points = vec![ecs::MountPoint {
        source_volume: volume.name.clone(),
        container_path: Some("/data".to_owned()),
        read_only: None,
    }];
    let mut wanted = task(vec![app]);
    wanted.task_definition.as_mut().expect("it has one").volumes = vec![volume];
    wanted
}

fn docker_volume(name: &str, docker: ecs::DockerVolumeConfiguration) -> ecs::Volume {
    ecs::Volume {
        name: Some(name.to_owned()),
        docker_volume_configuration: Some(docker),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_shared_volume_is_made_once_and_stays() {
    let Some(mut host) = Host::start("a_shared_volume_is_made_once_and_stays").await else { return };
    let name = format!("berth-test-{}", task(vec![]).task_id);
    let volume = |autoprovision: bool| {
        let docker = ecs::DockerVolumeConfiguration {
            scope: Some(ecs::Scope::Shared.into()),
            autoprovision: Some(autoprovision),
            labels: [("owner".to_owned(), "test".to_owned())].into(),
            ..Default::default()
        };
        docker_volume(&name, docker)
    };
    let missing = host.want(mounted("true", volume(false))).await;
    let refused = host.until_status(&missing, "STOPPED").await;
    let text = format!("CannotCreateVolumeError: there is no volume {name} on this host");
    assert!(refused.containers[0].reason.starts_with(&text), "{}", refused.containers[0].reason);

    let writer = host.want(mounted("echo kept > /data/file", volume(true))).await;
    host.until_status(&writer, "STOPPED").await;
    host.runtime.remove_volumes(&|_| true).await.expect("it is asked for those of tasks");
    let reader = host.want(mounted("cat /data/file", volume(false))).await;
    let stopped = host.until_status(&reader, "STOPPED").await;
    assert_eq!(host.logs(&stopped.containers[0].runtime_id), "kept");
    let labels = run(&host.docker_host, &["volume", "inspect", "-f", "{{json .Labels}}", &name]);
    assert_eq!(labels.as_deref(), Some(r#"{"owner":"test"}"#));
    for id in [missing, writer, reader] {
        let of_task = format!("label={}={id}", label::TASK);
        let found = run(&host.docker_host, &["ps", "-aq", "--filter", &of_task]).expect("Docker answers");
        if !found.is_empty() {
            run(&host.docker_host, &["rm", "-f", &found]);
        }
    }
    assert!(run(&host.docker_host, &["volume", "rm", &name]).is_some(), "nothing uses it");
}

#[tokio::test]
async fn the_driver_of_a_volume_is_told_what_the_definition_says() {
    let Some(mut host) = Host::start("the_driver_of_a_volume_is_told_what_the_definition_says").await else {
        return;
    };
    let options = [("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=3m")];
    let docker = ecs::DockerVolumeConfiguration {
        driver: Some("local".to_owned()),
        driver_opts: options.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..Default::default()
    };
    let id = host.want(mounted("df -k /data | tail -1", docker_volume("scratch", docker))).await;
    let stopped = host.until_status(&id, "STOPPED").await;
    let seen = host.logs(&stopped.containers[0].runtime_id);
    assert_eq!(seen.split_whitespace().take(2).collect::<Vec<_>>(), ["tmpfs", "3072"], "{seen}");

    let docker = ecs::DockerVolumeConfiguration { driver: Some("nowhere".to_owned()), ..Default::default() };
    let id = host.want(mounted("true", docker_volume("other", docker))).await;
    let refused = host.until_status(&id, "STOPPED").await;
    let reason = &refused.containers[0].reason;
    assert!(reason.starts_with("CannotCreateVolumeError") && reason.contains("nowhere"), "{reason}");
}

#[tokio::test]
async fn a_file_system_is_mounted_over_nfs() {
    let Some(mut host) = Host::start("a_file_system_is_mounted_over_nfs").await else { return };
    let volume = |id: &str| ecs::Volume {
        name: Some("files".to_owned()),
        efs_volume_configuration: Some(ecs::EfsVolumeConfiguration {
            file_system_id: Some(id.to_owned()),
            root_directory: Some("/app".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let unknown = host.want(mounted("true", volume("fs-2"))).await;
    let refused = host.until_status(&unknown, "STOPPED").await;
    let reason = &refused.containers[0].reason;
    assert!(
        reason.starts_with("ResourceInitializationError: volume files: this host does not know"),
        "{reason}"
    );

    // No server answers at that address: the engine is told to mount it, and the task fails with what it says.
    let known = host.want(mounted("true", volume("fs-1"))).await;
    let refused = host.until_status(&known, "STOPPED").await;
    let reason = &refused.containers[0].reason;
    assert!(reason.starts_with("CannotStartContainerError") && reason.contains("mount"), "{reason}");
    let filter = format!("label={}={known}", label::TASK);
    let name = run(&host.docker_host, &["volume", "ls", "-q", "--filter", &filter]).expect("Docker answers");
    let told = run(&host.docker_host, &["volume", "inspect", "-f", "{{json .Options}}", &name]).unwrap();
    for part in [r#""type":"nfs""#, r#""device":":/srv/app""#, "addr=127.0.0.1,nfsvers=4.1", "soft,retrans=0"]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
}
