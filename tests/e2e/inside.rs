//! What a container finds out from inside: metadata, stats, credentials, protection of its task.

use anyhow::{Context as _, ensure};
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::net::Connector;
use berth_process::token::Signer;
use berth_process::token::proof::Proof;
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::agents_client::AgentsClient;
use berth_proto::agent::v1::task_endpoints_client::TaskEndpointsClient;
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::api::id_of;
use berth_tests::harness::fleet::{Fleet, Member, ServiceSpec};
use berth_tests::harness::http::ask;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;
use serde_json::Value;
use tonic::Code;

use super::{SOON, deploy};

const METADATA: &str = "ECS_CONTAINER_METADATA_URI_V4";

/// The only task of a service, running.
async fn task_of(fleet: &Fleet, service: &str) -> ecs::Task {
    fleet.running(service, 1).await.expect("it runs").remove(0)
}

async fn metadata(fleet: &Fleet, task: &ecs::Task, path: &str) -> Value {
    let endpoint = fleet.endpoint(task).expect("it has a port");
    let (status, body) = ask(endpoint, METADATA, path, None).await.expect("answered");
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_learns_who_it_is_and_what_it_uses() {
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).agents(1).start().await;
    deploy(&fleet, "web", 1).await;
    let task = task_of(&fleet, "web").await;
    let container = metadata(&fleet, &task, "").await;
    let running = fleet.containers(0).unwrap().remove(0);
    assert_eq!(container["DockerId"], running.id.as_str());
    assert_eq!(
        (container["Name"].as_str(), container["KnownStatus"].as_str()),
        (Some("app"), Some("RUNNING"))
    );
    assert_eq!(container["Networks"][0]["NetworkMode"], "bridge");
    assert!(container["Networks"][0]["IPv4Addresses"][0].as_str().is_some(), "{container}");
    assert_eq!(container["ContainerARN"], task.containers[0].container_arn());
    let host_port = task.containers[0].network_bindings[0].host_port();
    assert_eq!(container["Ports"][0]["HostPort"], host_port);

    let whole = metadata(&fleet, &task, "/task").await;
    assert_eq!(whole["TaskARN"], task.task_arn());
    assert_eq!(whole["Cluster"], task.cluster_arn());
    assert_eq!((whole["Family"].as_str(), whole["Revision"].as_str()), (Some("web"), Some("1")));
    assert_eq!((whole["ServiceName"].as_str(), whole["AvailabilityZone"].as_str()), (Some("web"), Some("a")));
    assert_eq!(whole["Containers"][0]["DockerId"], container["DockerId"]);
    let tagged = metadata(&fleet, &task, "/taskWithTags").await;
    assert!(tagged["Errors"].is_null() && tagged["TaskTags"].is_object(), "{tagged}");

    let stats = metadata(&fleet, &task, "/stats").await;
    assert!(stats["memory_stats"]["usage"].as_u64().unwrap() > 0, "{stats}");
    assert!(stats["precpu_stats"]["cpu_usage"]["total_usage"].as_u64().is_some(), "{stats}");
    assert!(stats["network_rate_stats"]["rx_bytes_per_sec"].is_number(), "{stats}");
    let of_task = metadata(&fleet, &task, "/task/stats").await;
    assert!(of_task[&running.id]["cpu_stats"].is_object(), "{of_task}");

    // The same address after a restart of the agent, for what was started before it.
    fleet.kill(Member::Agent(0));
    fleet.start(Member::Agent(0)).await;
    let endpoint = fleet.endpoint(&task).unwrap();
    until("the container is told the same again", SOON, async || {
        let (status, body) = ask(endpoint, METADATA, "", None).await?;
        let told: Value = serde_json::from_str(&body).with_context(|| format!("{status}: {body}"))?;
        ensure!(told["DockerId"] == container["DockerId"], "{status}: {body}");
        Ok(())
    })
    .await;
    let (status, _) = ask(endpoint, METADATA, "0", None).await.unwrap();
    assert_eq!(status, 404, "an id that nobody was given");
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_uses_is_known_for_as_long_as_its_host_is() {
    if !require_docker() {
        return;
    }
    // The agent's session is with one of three: whichever is asked finds it.
    let fleet = Fleet::builder().agents(1).start().await;
    deploy(&fleet, "web", 1).await;
    let task = task_of(&fleet, "web").await;
    let used = async || {
        let told = fleet.berth_json(&["task", "usage", task.task_arn()]).await?;
        let container = &told["containers"][0];
        ensure!(container["name"] == "app", "{told}");
        let samples = container["samples"].as_array().context("no samples yet")?.clone();
        let sum = |name: &str| samples.iter().filter_map(|sample| sample[name].as_u64()).sum::<u64>();
        ensure!(sum("memoryBytes") > 1 << 16, "{told}");
        Ok((samples.len(), sum("cpuUs"), sum("networkReceivedBytes")))
    };
    let endpoint = fleet.endpoint(&task).unwrap();
    until("what it was asked for shows", SOON, async || {
        for _ in 0..20 {
            berth_tests::harness::http::get(endpoint, "/").await?;
        }
        let (samples, cpu_us, received) = used().await?;
        ensure!(samples >= 2 && cpu_us > 0 && received > 1_000, "{samples} {cpu_us} {received}");
        Ok(())
    })
    .await;
    fleet.scale("web", 0).await.unwrap();
    until("its container has ended", SOON, async || {
        let running = fleet.containers(0)?.len();
        ensure!(running == 0, "{running} run");
        Ok(())
    })
    .await;
    assert!(used().await.unwrap().0 >= 2, "what it used is still told");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_protects_its_task_from_scale_in() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    deploy(&fleet, "web", 2).await;
    let tasks = fleet.running("web", 2).await.unwrap();
    let path = "/task-protection/v1/state";
    let state = async |task: &ecs::Task, put: Option<&str>| {
        let (status, body) = ask(fleet.endpoint(task).unwrap(), "ECS_AGENT_URI", path, put).await.unwrap();
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (status, before) = state(&tasks[0], None).await;
    assert_eq!((status, &before["protection"]["ProtectionEnabled"]), (200, &Value::Bool(false)), "{before}");
    let wanted = r#"{"ProtectionEnabled":true,"ExpiresInMinutes":60}"#;
    let (status, after) = state(&tasks[0], Some(wanted)).await;
    assert_eq!((status, &after["protection"]["ProtectionEnabled"]), (200, &Value::Bool(true)), "{after}");
    assert_eq!(after["protection"]["TaskArn"], tasks[0].task_arn());
    let (status, refused) =
        state(&tasks[0], Some(r#"{"ProtectionEnabled":true,"ExpiresInMinutes":0}"#)).await;
    assert_eq!((status, &refused["error"]["Code"]), (400, &Value::from("InvalidParameterException")));
    fleet.scale("web", 1).await.unwrap();
    let left = until("one task is left", SOON, async || fleet.running("web", 1).await).await;
    assert_eq!(left[0].task_arn(), tasks[0].task_arn(), "the protected one stays");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_with_a_role_gets_credentials_that_end() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.register_with_role("web", "web-role").await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 1)).await.unwrap();
    until("the task runs", SOON, async || fleet.running("web", 1).await.map(drop)).await;
    let endpoint = fleet.endpoint(&task_of(&fleet, "web").await).unwrap();
    let variables = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    let told = berth_tests::harness::http::get(endpoint, "/").await.unwrap();
    let variable = variables.into_iter().find(|name| told.contains(name)).expect("one of both");
    let (status, body) = ask(endpoint, variable, "", None).await.unwrap();
    let credentials: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200, "{body}");
    assert_eq!(credentials["RoleArn"], "arn:aws:iam::000000000000:role/web-role");
    for member in ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"] {
        assert!(credentials[member].as_str().is_some_and(|text| !text.is_empty()), "{member}");
    }
    let (status, body) = ask(endpoint, variable, "0", None).await.unwrap();
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("InvalidIdInRequest"), "{body}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_gets_nothing_of_the_tasks_of_another_though_it_knows_their_ids() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.register_with_role("web", "web-role").await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 1)).await.unwrap();
    until("the task runs", SOON, async || fleet.running("web", 1).await.map(drop)).await;
    let task = task_of(&fleet, "web").await;
    let question = wire::GetTaskCredentialsRequest {
        container_instance_id: fleet.instance(0).to_owned(),
        task_id: id_of(task.task_arn()).to_owned(),
    };
    let hello = wire::Hello {
        container_instance_id: fleet.instance(0).to_owned(),
        cluster: "default".to_owned(),
        ..Default::default()
    };
    let key = fleet.agent_key();
    let signer = Signer::new(&*key.access_key_id, &*key.secret_access_key, Clock::system());
    let authority = std::fs::read_to_string(fleet.ca_file()).unwrap();
    let channel = Connector::tcp(Some(authority)).channel(fleet.controller_address(0));
    let another = Proof::new(&Entropy::system());
    for signer in [signer.clone(), signer.with_proof(&another)] {
        let mut asking = TaskEndpointsClient::with_interceptor(channel.clone(), signer.clone());
        let refused = asking.get_task_credentials(question.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");

        let mut agents = AgentsClient::with_interceptor(channel.clone(), signer);
        let message =
            wire::AgentMessage { message: Some(wire::agent_message::Message::Hello(hello.clone())) };
        let refused = agents.session(futures::stream::iter([message])).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    }
    fleet.finish().await;
}
