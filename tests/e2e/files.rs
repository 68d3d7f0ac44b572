//! What the agent puts into containers as files: secrets, and what FireLens needs.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::engine::Engine;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::wait::until;
use berth_tests::harness::{require_docker, require_shell_image};

use super::SOON;

const EXECUTION_ROLE: &str = "arn:aws:iam::000000000000:role/execution";

async fn run(fleet: &Fleet, containers: Vec<ecs::ContainerDefinition>) -> String {
    let request = ecs::RegisterTaskDefinitionRequest {
        family: Some("files".to_owned()),
        execution_role_arn: Some(EXECUTION_ROLE.to_owned()),
        container_definitions: containers,
        ..Default::default()
    };
    fleet.api().task_definitions.register_task_definition(request).await.expect("registered");
    let arn = fleet.start_task_on("files", 0).await.expect("started");
    until("the task runs", SOON, async || {
        let task = fleet.api().task(&arn).await?;
        let reasons: Vec<_> = task.containers.iter().map(ecs::Container::reason).collect();
        ensure!(task.last_status() == "RUNNING", "{} {reasons:?}", task.last_status());
        Ok(())
    })
    .await;
    arn
}

fn secret(name: &str, of: &str) -> ecs::Secret {
    let value_from = format!("arn:aws:ssm:us-east-1:000000000000:parameter/{of}");
    ecs::Secret { name: Some(name.to_owned()), value_from: Some(value_from) }
}

fn container(name: &str) -> ecs::ContainerDefinition {
    ecs::ContainerDefinition {
        name: Some(name.to_owned()),
        image: Some("berth-shell:1".to_owned()),
        memory: Some(32),
        ..Default::default()
    }
}

/// The engine's id of a container.
fn id_of(fleet: &Fleet, name: &str) -> String {
    let wanted = |labels: &BTreeMap<String, String>| {
        labels.get("com.amazonaws.ecs.container-name").is_some_and(|found| found == name)
    };
    let found = fleet
        .containers(0)
        .expect("the engine answers")
        .into_iter()
        .find(|container| wanted(&container.labels));
    found.unwrap_or_else(|| panic!("{name} runs")).id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_whose_name_is_a_path_is_a_file_in_memory_and_nowhere_else() {
    if !require_docker() || !require_shell_image() {
        return;
    }
    // It is looked for what may go every second.
    let fleet =
        Fleet::builder().controllers(1).agents(1).agent_flag("--container-cleanup-wait 5s").start().await;
    fleet.berth(&["parameter", "put", "db", "opens-the-door"]).await.unwrap();
    let mut web = container("web");
    web.secrets = vec![secret("/run/secrets/db", "db"), secret("DB", "db")];
    web.user = Some("1000".to_owned());
    let arn = run(&fleet, vec![web]).await;

    let id = id_of(&fleet, "web");
    let inside = |line: &str| Engine::local().docker(&["exec", &id, "sh", "-c", line]);
    assert_eq!(inside("cat /run/secrets/db; echo; echo $DB").unwrap(), "opens-the-door\nopens-the-door\n");
    assert!(
        inside("grep ' /run/secrets/db ' /proc/mounts").unwrap().starts_with("tmpfs "),
        "it is in memory"
    );
    assert!(inside("echo x > /run/secrets/db").is_err(), "it cannot be changed");
    let shown = Engine::local().docker(&["inspect", "--format", "{{json .HostConfig}}", &id]).unwrap();
    assert!(shown.contains("/run/secrets/db") && !shown.contains("opens-the-door"), "{shown}");
    assert_eq!(fleet.files_with("opens-the-door"), Vec::<std::path::PathBuf>::new());
    let format = "{{range .Mounts}}{{.Source}}{{end}}";
    let source = Engine::local().docker(&["inspect", "--format", format, &id]).unwrap();
    assert!(std::path::Path::new(source.trim()).exists(), "{source}");

    let stop = ecs::StopTaskRequest { task: Some(arn), ..Default::default() };
    fleet.api().tasks.stop_task(stop).await.unwrap();
    until("the file is gone", SOON, async || {
        ensure!(!std::path::Path::new(source.trim()).exists(), "{source} is there");
        Ok(())
    })
    .await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_router_of_a_task_gets_the_logs_of_the_others_with_all_that_it_needs_to_send_them() {
    if !require_docker() || !require_shell_image() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.berth(&["parameter", "put", "key", "opens-the-sink"]).await.unwrap();
    let text = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let variable = |name: &str, value: &str| ecs::KeyValuePair {
        name: Some(name.to_owned()),
        value: Some(value.to_owned()),
    };
    let mut web = container("web");
    web.environment = vec![variable("LOG_LINES", "3")];
    web.log_configuration = Some(ecs::LogConfiguration {
        log_driver: Some(ecs::LogDriver::Awsfirelens.into()),
        options: text(&[("Name", "http"), ("Host", "sink.example")]),
        secret_options: vec![secret("key", "key")],
    });
    let mut router = container("router");
    router.environment = vec![variable("LISTEN_AT", "/var/run/fluent.sock")];
    router.firelens_configuration = Some(ecs::FirelensConfiguration {
        r#type: Some(ecs::FirelensConfigurationType::Fluentbit.into()),
        options: text(&[]),
    });
    // The router comes last, and is there first.
    let arn = run(&fleet, vec![web, router]).await;

    let task = arn.rsplit('/').next().unwrap();
    let (web, router) = (id_of(&fleet, "web"), id_of(&fleet, "router"));
    until("the lines are at the router", SOON, async || {
        let got = Engine::local().docker(&["logs", &router])?;
        let tag = format!("web-firelens-{task}");
        ensure!(got.contains("line 1") && got.contains("line 3") && got.contains(&tag), "{got}");
        Ok(())
    })
    .await;
    let inside = |id: &str, line: &str| {
        Engine::local().docker(&["exec", id, "sh", "-c", line]).context("in the container").unwrap()
    };
    let configuration = inside(&router, "cat /fluent-bit/etc/fluent-bit.conf");
    for wanted in
        ["unix_path /var/run/fluent.sock", "Host sink.example", "key ${key_0}", "Match web-firelens*"]
    {
        assert!(configuration.contains(wanted), "{wanted}: {configuration}");
    }
    assert!(configuration.contains(&format!("Record ecs_task_arn {arn}")), "{configuration}");
    assert!(!configuration.contains("opens-the-sink"));
    assert_eq!(inside(&router, "echo $key_0"), "opens-the-sink\n");
    assert_eq!(inside(&web, "echo $FLUENT_HOST:$FLUENT_PORT"), "router:24224\n");
    inside(&web, "ping -c 1 router");
    let shown = Engine::local().docker(&["inspect", &web]).unwrap();
    assert!(!shown.contains("opens-the-sink"), "the secret is the router's alone");
    fleet.finish().await;
}
