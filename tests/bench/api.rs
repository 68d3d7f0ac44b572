//! How fast the API answers, over both wires, with ten thousand tasks in the state.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::wait::until;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::{rate, report};

mod signed;

use signed::Connection;

const TASKS: usize = 10_000;
/// As many as one service may have.
const TASKS_A_SERVICE: usize = 5_000;
const INSTANCES: usize = 1_000;
const CALLERS: usize = 32;
const CALLS_A_CALLER: usize = 300;
/// RunTask is a write: each waits for a disk.
const RUNS_A_CALLER: usize = 20;
const DEADLINE: Duration = Duration::from_secs(300);

/// One caller's next call.
type Call = Box<dyn FnMut() -> BoxFuture<'static, Result<()>> + Send>;

pub(crate) async fn measure() {
    let fleet = Fleet::builder()
        .controllers(1)
        .agents(1)
        .simulated()
        .agent_flag(&format!("--sim-count {INSTANCES}"))
        .controller_flag("--calls-per-key 1000000")
        .start()
        .await;
    fleet.register("web", "1", &[]).await.expect("register a task definition");
    for number in 0..TASKS / TASKS_A_SERVICE {
        let count = i32::try_from(TASKS_A_SERVICE).expect("a few thousand");
        let family = format!("web-{number}");
        fleet.register(&family, "1", &[]).await.expect("register a task definition");
        fleet.create_service(&ServiceSpec::new(&family, count)).await.expect("create a service");
    }
    until("all tasks run", DEADLINE, async || {
        let cluster = fleet.api().cluster().await?;
        let running = usize::try_from(cluster.running_tasks_count())?;
        ensure!(running >= TASKS, "{running} of {TASKS}");
        Ok(())
    })
    .await;
    let list = ecs::ListTasksRequest { max_results: Some(1), ..ecs::ListTasksRequest::default() };
    let listed = fleet.api().tasks.list_tasks(list).await.expect("list tasks").into_inner();
    let arn = listed.task_arns.first().expect("there are tasks").clone();
    grpc(&fleet, &arn).await;
    aws(&fleet, &arn).await;
}

async fn grpc(fleet: &Fleet, arn: &str) {
    let describe = {
        let request = ecs::DescribeTasksRequest { tasks: vec![arn.to_owned()], ..Default::default() };
        let api = fleet.api();
        move || -> Call {
            let (api, request) = (api.clone(), request.clone());
            Box::new(move || {
                let (mut tasks, request) = (api.tasks.clone(), request.clone());
                Box::pin(async move { Ok(tasks.describe_tasks(request).await.map(drop)?) })
            })
        }
    };
    run("DescribeTasks over gRPC", CALLS_A_CALLER, describe).await;
    let api = fleet.api();
    run("ListTasks over gRPC", CALLS_A_CALLER, || {
        let api = api.clone();
        Box::new(move || {
            let mut tasks = api.tasks.clone();
            Box::pin(async move { Ok(tasks.list_tasks(ecs::ListTasksRequest::default()).await.map(drop)?) })
        })
    })
    .await;
    run("RunTask over gRPC", RUNS_A_CALLER, || {
        let api = api.clone();
        Box::new(move || {
            let mut tasks = api.tasks.clone();
            let request = ecs::RunTaskRequest { task_definition: Some("web".into()), ..Default::default() };
            Box::pin(async move { Ok(tasks.run_task(request).await.map(drop)?) })
        })
    })
    .await;
}

async fn aws(fleet: &Fleet, arn: &str) {
    let (address, key) = (fleet.aws_address(), Arc::new(fleet.admin_key().clone()));
    let calls: [(&str, usize, String); 3] = [
        ("DescribeTasks", CALLS_A_CALLER, format!("{{\"tasks\":[\"{arn}\"]}}")),
        ("ListTasks", CALLS_A_CALLER, "{}".to_owned()),
        ("RunTask", RUNS_A_CALLER, "{\"taskDefinition\":\"web\"}".to_owned()),
    ];
    for (operation, count, body) in calls {
        run(&format!("{operation} as AWS serves it"), count, || {
            let connection = Arc::new(tokio::sync::Mutex::new(Connection::new(&address, Arc::clone(&key))));
            let body = body.clone();
            let operation = operation.to_owned();
            Box::new(move || {
                let (connection, operation, body) =
                    (Arc::clone(&connection), operation.clone(), body.clone());
                Box::pin(async move { connection.lock().await.call(&operation, &body).await })
            })
        })
        .await;
    }
}

/// Lets every caller make its calls one after the other, and reports the rate of all and the slowest hundredth.
async fn run(what: &str, count: usize, mut caller: impl FnMut() -> Call) {
    let began = Instant::now();
    let callers = (0..CALLERS).map(|_| {
        let mut call = caller();
        async move {
            let mut took = Vec::with_capacity(count);
            for _ in 0..count {
                let began = Instant::now();
                call().await.with_context(|| format!("a call after {} others", took.len()))?;
                took.push(began.elapsed());
            }
            anyhow::Ok(took)
        }
    });
    let took = futures::future::try_join_all(callers).await.expect("every call is answered");
    let elapsed = began.elapsed();
    let mut took: Vec<Duration> = took.into_iter().flatten().collect();
    took.sort_unstable();
    report(&format!("{what}, {TASKS} tasks"), &rate(took.len(), elapsed));
    let slow = took[took.len() * 99 / 100];
    report(&format!("{what}, p99"), &format!("{:.1} ms", slow.as_secs_f64() * 1_000.0));
}
