//! The command line against a real cluster.

use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;

use super::{SOON, deploy};

#[tokio::test(flavor = "multi_thread")]
async fn run_ends_with_the_exit_code_of_its_task() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.register("good", "1", &[("EXIT_CODE", "0"), ("LOG_LINES", "2")]).await.unwrap();
    fleet.register("bad", "1", &[("EXIT_CODE", "7")]).await.unwrap();
    let good = fleet.berth_output(&["run", "good"]).await.unwrap();
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    let printed = String::from_utf8_lossy(&good.stdout);
    assert!(printed.contains("line 1") && printed.contains("line 2"), "{printed}");
    let bad = fleet.berth_output(&["run", "bad"]).await.unwrap();
    assert_eq!(bad.status.code(), Some(7), "{}", String::from_utf8_lossy(&bad.stderr));
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_show_what_a_task_printed() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    fleet.register("web", "1", &[("LOG_LINES", "3")]).await.unwrap();
    let task = fleet.start_task_on("web", 0).await.unwrap();
    let id = task.rsplit('/').next().unwrap().to_owned();
    let lines = until("the log is whole", SOON, async || {
        let printed = fleet.berth(&["logs", &id]).await?;
        anyhow::ensure!(printed.contains("serving revision"), "so far: {printed}");
        Ok(printed)
    })
    .await;
    assert!(["line 1", "line 2", "line 3"].iter().all(|line| lines.contains(line)), "{lines}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ps_lists_what_runs() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().controllers(1).agents(1).start().await;
    deploy(&fleet, "web", 2).await;
    let printed = fleet.berth(&["ps"]).await.unwrap();
    assert_eq!(printed.lines().filter(|line| line.contains("RUNNING")).count(), 2, "{printed}");
    fleet.finish().await;
}
