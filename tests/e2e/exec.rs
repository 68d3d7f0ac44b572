//! Commands in containers.

use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_docker;

use super::deploy;

#[tokio::test(flavor = "multi_thread")]
async fn exec_passes_input_output_and_exit_code_through_any_controller() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().agents(1).start().await;
    deploy(&fleet, "web", 1).await;
    let task = fleet.running("web", 1).await.unwrap().remove(0);
    let id = task.task_arn().rsplit('/').next().unwrap().to_owned();

    // More than all buffers on the way together, so that both directions have to go on at once.
    let piped: Vec<u8> = (0..4 << 20).map(|at: u32| at.to_le_bytes()[at as usize % 4]).collect();
    let command = ["exec", "-i", &id, "--", "/berth-app", "--copy", "7"];
    let copied = fleet.berth_piped(&command, &piped).await.unwrap();
    assert_eq!(copied.status.code(), Some(7), "{}", String::from_utf8_lossy(&copied.stderr));
    assert!(copied.stdout == piped, "{} of {} bytes came back", copied.stdout.len(), piped.len());
    assert_eq!(String::from_utf8_lossy(&copied.stderr), "copied\n");

    let healthy =
        fleet.berth_output(&["exec", &id, "-c", "app", "--", "/berth-app", "--check"]).await.unwrap();
    assert_eq!(healthy.status.code(), Some(0), "{}", String::from_utf8_lossy(&healthy.stderr));
    let missing = fleet.berth_output(&["exec", &id, "--", "/nobody"]).await.unwrap();
    assert!(!missing.status.success());
    let unknown = fleet.berth_output(&["exec", &id, "-c", "other", "--", "/berth-app"]).await.unwrap();
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("The task has no container \"other\""), "{said}");
    fleet.finish().await;
}
