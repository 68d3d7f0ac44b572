//! How fast a container can write whose log goes to the archive, beside one whose log only Docker keeps.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use berth_proto::ecs::v1::LogDriver;
use berth_tests::harness::api::id_of;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::wait::until;
use tokio::time::Instant;

use super::{rate, report};

const LINES: usize = 500_000;
const DEADLINE: Duration = Duration::from_secs(300);

pub(crate) async fn measure() {
    let fleet = Fleet::builder().agents(1).start().await;
    let (writing, _) = write(&fleet, "plain", LogDriver::JsonFile, &[]).await;
    report("log lines: json-file", &rate(LINES, writing));
    let options = [
        ("awslogs-group", "/ecs/bench"),
        ("awslogs-region", "us-east-1"),
        ("awslogs-create-group", "true"),
        ("awslogs-stream-prefix", "s"),
        // Nothing is dropped, or less would be measured.
        ("mode", "blocking"),
    ];
    let (writing, arriving) = write(&fleet, "archived", LogDriver::Awslogs, &options).await;
    report("log lines: awslogs, written", &rate(LINES, writing));
    report("log lines: awslogs, on a majority's disks", &rate(LINES, arriving));
    fleet.finish().await;
}

/// How long a container took to write its lines, and until the last of them could be read.
async fn write(
    fleet: &Fleet,
    family: &str,
    driver: LogDriver,
    options: &[(&str, &str)],
) -> (Duration, Duration) {
    let lines = LINES.to_string();
    let environment = [("LOG_LINES", lines.as_str()), ("EXIT_CODE", "0")];
    fleet.register_logged(family, &environment, driver, options).await.expect("register a task definition");
    let task = fleet.start_task_on(family, 0).await.expect("start a task");
    let (id, began) = (id_of(&task).to_owned(), Instant::now());
    let last = format!("line {LINES}");
    until("the last line can be read", DEADLINE, async || {
        let log = fleet.berth(&["logs", &id, "--tail", "1"]).await?;
        ensure!(log.trim() == last, "it is {log}");
        Ok(())
    })
    .await;
    let arriving = began.elapsed();
    let writing = until("the task has ended", DEADLINE, async || {
        let tasks = fleet.api().describe_tasks(vec![task.clone()]).await?;
        let ended = tasks.first().context("the task is gone")?;
        let (started, stopped) = (ended.started_at.as_ref(), ended.execution_stopped_at.as_ref());
        let (started, stopped) = started.zip(stopped).context("it has not ended")?;
        let nanos = i128::from(stopped.seconds - started.seconds) * 1_000_000_000
            + i128::from(stopped.nanos - started.nanos);
        Ok(Duration::from_nanos(u64::try_from(nanos)?))
    })
    .await;
    (writing, arriving)
}
