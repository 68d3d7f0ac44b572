//! What gates a deployment from outside: a URL, a person.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, HookTarget, ServiceSpec};
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::{throughout, until};
use ecs::DeploymentLifecycleHookAction as Action;
use ecs::ServiceDeploymentStatus::{RollbackSuccessful, Successful};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::SOON;
use super::rollback::ended;

/// Somebody's server, which agrees once it is told to.
#[derive(Clone, Default)]
struct Gate {
    opened: Arc<Mutex<bool>>,
    asked: Arc<AtomicUsize>,
    last: Arc<Mutex<Value>>,
}

impl Gate {
    /// Serves until the set is dropped; its URL.
    async fn start(&self, tasks: &mut JoinSet<()>) -> Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/may-i", listener.local_addr()?);
        let gate = self.clone();
        tasks.spawn(async move {
            while let Ok((connection, _peer)) = listener.accept().await {
                let _ = gate.answer(connection).await;
            }
        });
        Ok(url)
    }

    async fn answer(&self, connection: TcpStream) -> Result<()> {
        let mut connection = BufReader::new(connection);
        let mut length = 0;
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).await?;
            let header = line.trim().to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if header.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body).await?;
        *self.last.lock() = serde_json::from_slice(&body)?;
        self.asked.fetch_add(1, Ordering::SeqCst);
        let status = if *self.opened.lock() { "SUCCEEDED" } else { "IN_PROGRESS" };
        let answer = format!(r#"{{"hookStatus":"{status}","callBackDelay":1}}"#);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
        connection.write_all((head + &answer).as_bytes()).await?;
        Ok(())
    }
}

/// The hook that holds up the newest deployment, once it waits for somebody.
async fn waiting(fleet: &Fleet, service: &str) -> Result<(String, String)> {
    let newest = fleet.service_deployments(service).await?.into_iter().next().context("none")?;
    let hook = newest.lifecycle_hook_details.first().context("no hook yet")?;
    ensure!(hook.status() == ecs::DeploymentLifecycleHookStatus::AwaitingAction, "{hook:?}");
    Ok((newest.service_deployment_arn().to_owned(), hook.hook_id().to_owned()))
}

async fn act(fleet: &Fleet, (deployment, hook): (String, String), action: Action) {
    let request = ecs::ContinueServiceDeploymentRequest {
        service_deployment_arn: Some(deployment),
        hook_id: Some(hook),
        action: Some(action.into()),
    };
    let reply = fleet.api().service_deployments.continue_service_deployment(request).await;
    reply.expect("ContinueServiceDeployment");
}

async fn nothing_starts(fleet: &Fleet, service: &str, tasks: usize) {
    throughout("nothing starts", std::time::Duration::from_secs(3), async || {
        let found = fleet.api().tasks(Some(service)).await?.len();
        ensure!(found == tasks, "{found} tasks");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_asked_until_it_agrees() {
    if !require_docker() {
        return;
    }
    let (gate, fleet) = (Gate::default(), Fleet::builder().start().await);
    let mut tasks = JoinSet::new();
    let url = gate.start(&mut tasks).await.unwrap();
    fleet.register("web", "1", &[]).await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 2).gate_with(HookTarget::Arn(&url))).await.unwrap();
    until("it is asked again and again", SOON, async || {
        let asked = gate.asked.load(Ordering::SeqCst);
        ensure!(asked >= 3, "{asked} times");
        Ok(())
    })
    .await;
    assert_eq!(fleet.api().tasks(Some("web")).await.unwrap(), vec![], "nothing starts before it agrees");
    let asked = gate.last.lock().clone();
    assert_eq!(asked["lifecycleStage"], "PRE_SCALE_UP");
    assert!(asked["serviceArn"].as_str().unwrap().ends_with(":service/default/web"), "{asked}");
    *gate.opened.lock() = true;
    until("the service is deployed", SOON, async || ended(&fleet, "web", Successful).await.map(drop)).await;
    fleet.running("web", 2).await.unwrap();
    let asked = gate.asked.load(Ordering::SeqCst);
    nothing_starts(&fleet, "web", 2).await;
    assert_eq!(gate.asked.load(Ordering::SeqCst), asked, "nobody who agreed is asked again");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_deployment_goes_on_or_back_as_it_is_told() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).start().await;
    fleet.register("web", "1", &[]).await.unwrap();
    fleet.create_service(&ServiceSpec::new("web", 2).gate_with(HookTarget::Pause)).await.unwrap();
    until("it waits for somebody", SOON, async || waiting(&fleet, "web").await.map(drop)).await;
    nothing_starts(&fleet, "web", 0).await;
    act(&fleet, waiting(&fleet, "web").await.unwrap(), Action::Continue).await;
    until("the service is deployed", SOON, async || ended(&fleet, "web", Successful).await.map(drop)).await;
    let before = fleet.running("web", 2).await.unwrap();

    fleet.register("web", "2", &[]).await.unwrap();
    fleet.deploy_newest("web").await.unwrap();
    until("the next one waits", SOON, async || waiting(&fleet, "web").await.map(drop)).await;
    nothing_starts(&fleet, "web", 2).await;
    act(&fleet, waiting(&fleet, "web").await.unwrap(), Action::Rollback).await;
    until("the service is back", SOON, async || ended(&fleet, "web", RollbackSuccessful).await.map(drop))
        .await;
    let after = fleet.running("web", 2).await.unwrap();
    let arns = |tasks: &[ecs::Task]| tasks.iter().map(|task| task.task_arn().to_owned()).collect::<Vec<_>>();
    assert_eq!(arns(&before), arns(&after), "nothing that ran was touched");
    fleet.finish().await;
}
