//! Where tasks go and why, queues, drains, moves, and deployments that wait or go back.

use berth_proto::ecs::v1::{
    DeploymentLifecycleHookDetail, DeploymentLifecycleHookStatus, PlacementDecision, QueueStatus,
    ServiceDeployment, ServiceDeploymentStatus, Task,
};
use berth_proto::scheduler::v1::{
    Blocker, Drain, DrainPhase, ExplainResponse, Move, Reason, RebalanceResponse, RefusalGroup, Verdict,
};

use crate::server::scheduler::Answers;
use crate::{Script, Stage};

const ID: &str = "0123456789abcdef0123456789abcdef";

fn instance(number: u32) -> String {
    format!("arn:aws:ecs:us-east-1:000000000000:container-instance/default/{number:032x}")
}

fn scripted(scheduling: Answers) -> Script {
    Script { scheduling, ..Script::default() }
}

fn task(last_status: &str) -> Task {
    Task {
        task_arn: Some(format!("arn:aws:ecs:us-east-1:000000000000:task/default/{ID}")),
        task_definition_arn: Some("arn:aws:ecs:us-east-1:000000000000:task-definition/batch:1".to_owned()),
        last_status: Some(last_status.to_owned()),
        ..Task::default()
    }
}

#[tokio::test]
async fn a_queued_run_says_how_it_waits() {
    let script = Script { tasks: [vec![task("PROVISIONING")]].into(), ..Script::default() };
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    let line = "task run batch --queue --priority -5 --queue-timeout 10m";
    let ran = stage.berth(line).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("PROVISIONING"), "{}", ran.stdout);
    let calls = calls.lock().await;
    assert_eq!(calls[0], "RunTask batch  queued at -5 for 600 s");
}

#[tokio::test]
async fn a_priority_is_one_in_a_queue() {
    let stage = Stage::new(Script::default()).await;
    for line in ["task run batch --priority 5", "run batch --queue-timeout 10m"] {
        let ran = stage.berth(line).await;
        assert_eq!(ran.code, 2, "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains("--queue"), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn a_described_task_says_why_it_is_where_it_is() {
    let summary = "2 of 3 instances could take it (of the others 1: memory).";
    let decision = PlacementDecision { summary: Some(summary.to_owned()), ..PlacementDecision::default() };
    let queue = QueueStatus { priority: Some(7), expires_at: None };
    let told = Task { placement_decision: Some(decision), queue: Some(queue), ..task("STOPPED") };
    let stage = Stage::new(Script { tasks: [vec![told]].into(), ..Script::default() }).await;
    let ran = stage.berth(&format!("task describe {ID}")).await;
    assert!(ran.stdout.contains(summary) && ran.stdout.contains("priority 7"), "{}", ran.stdout);
}

#[tokio::test]
async fn explanations_name_every_instance() {
    let refused = Reason { reason: "RESOURCE:CPU".to_owned(), detail: "cpu 512 needed, 300 free".to_owned() };
    let verdict = |number, reasons| Verdict {
        container_instance_arn: instance(number),
        availability_zone: "a".to_owned(),
        reasons,
    };
    let explained = ExplainResponse {
        summary: "A task would be placed.".to_owned(),
        chosen_container_instance_arn: instance(1),
        verdicts: vec![verdict(1, vec![]), verdict(2, vec![refused])],
        groups: vec![RefusalGroup { reason: "cpu".to_owned(), instances: 1 }],
        ..ExplainResponse::default()
    };
    let script = scripted(Answers { explained, ..Answers::default() });
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    for line in ["task explain --run web", "service explain web"] {
        let ran = stage.berth(line).await;
        let told =
            ["A task would be placed.", "Refused by 1 instance: cpu.", "chosen", "cpu 512 needed, 300 free"];
        assert!(told.iter().all(|text| ran.stdout.contains(text)), "{line}: {}", ran.stdout);
    }
    let calls = calls.lock().await;
    assert!(
        calls[0].starts_with("Explain Some(Run(") && calls[1] == "Explain Some(Service(\"web\"))",
        "{calls:?}"
    );
}

#[tokio::test]
async fn a_drain_shows_what_it_waits_for() {
    let blocker = Blocker {
        task_arn: task("RUNNING").task_arn().to_owned(),
        service: "web".to_owned(),
        last_status: "RUNNING".to_owned(),
        reason: "its successor finds no place".to_owned(),
    };
    let drain = Drain {
        container_instance_arn: instance(1),
        phase: DrainPhase::Draining.into(),
        tasks_at_start: 3,
        blockers: vec![blocker],
        ..Drain::default()
    };
    let script = scripted(Answers { drains: vec![drain], ..Answers::default() });
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    let ran = stage.berth(&format!("instance drain {:032x} --deadline 90s --stop-standalone", 1)).await;
    let told = ["DRAINING", "1/3", "its successor finds no place"];
    assert!(told.iter().all(|text| ran.stdout.contains(text)), "{} {}", ran.stdout, ran.stderr);
    assert!(calls.lock().await.contains(&"DrainInstances Some(90) true".to_owned()));
}

#[tokio::test]
async fn a_dry_run_shows_moves_and_what_is_held_back() {
    let one = Move {
        service: "web".to_owned(),
        task_arn: task("RUNNING").task_arn().to_owned(),
        from_container_instance_arn: instance(1),
        to_container_instance_arn: instance(2),
        from_availability_zone: "a".to_owned(),
        to_availability_zone: "b".to_owned(),
        reason: "zone a has 3 tasks, b has 1".to_owned(),
    };
    let rebalance =
        RebalanceResponse { moves: vec![one], held_back: vec!["api: it is not steady".to_owned()] };
    let script = scripted(Answers { rebalance, ..Answers::default() });
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    let ran = stage.berth("service rebalance --dry-run").await;
    assert!(ran.stdout.contains("zone a has 3 tasks, b has 1"), "{}", ran.stdout);
    assert!(ran.stderr.contains("api: it is not steady"), "{}", ran.stderr);
    assert_eq!(*calls.lock().await, ["Rebalance dry run true"]);
}

fn deployment(
    status: ServiceDeploymentStatus,
    hook: Option<DeploymentLifecycleHookStatus>,
) -> ServiceDeployment {
    let hook = hook.map(|status| DeploymentLifecycleHookDetail {
        hook_id: Some("hook-1".to_owned()),
        status: Some(status.into()),
        ..DeploymentLifecycleHookDetail::default()
    });
    ServiceDeployment {
        service_deployment_arn: Some(
            "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/abc".to_owned(),
        ),
        status: Some(status.into()),
        lifecycle_hook_details: hook.into_iter().collect(),
        ..ServiceDeployment::default()
    }
}

#[tokio::test]
async fn a_pause_is_decided_and_only_a_pause() {
    let waits =
        deployment(ServiceDeploymentStatus::InProgress, Some(DeploymentLifecycleHookStatus::AwaitingAction));
    let script = scripted(Answers { deployments: vec![waits], ..Answers::default() });
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    assert_eq!(stage.berth("service continue web").await.code, 0);
    assert_eq!(stage.berth("service continue web --rollback").await.code, 0);
    let calls = calls.lock().await;
    let decided: Vec<&String> = calls.iter().filter(|call| call.starts_with("Continue")).collect();
    assert_eq!(
        decided,
        ["ContinueServiceDeployment hook-1 Continue", "ContinueServiceDeployment hook-1 Rollback"]
    );
    let over = deployment(ServiceDeploymentStatus::Successful, None);
    let stage = Stage::new(scripted(Answers { deployments: vec![over], ..Answers::default() })).await;
    let ran = stage.berth("service continue web").await;
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("the deployment of web waits for nobody"), "{}", ran.stderr);
}

#[tokio::test]
async fn deployments_are_listed_and_one_under_way_is_undone() {
    let under_way = deployment(ServiceDeploymentStatus::InProgress, None);
    let script = scripted(Answers { deployments: vec![under_way], ..Answers::default() });
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    let ran = stage.berth("service deployments web").await;
    assert!(ran.code == 0 && ran.stdout.contains("IN_PROGRESS"), "{} {}", ran.stdout, ran.stderr);
    assert_eq!(stage.berth("service rollback web").await.code, 0);
    assert!(calls.lock().await.contains(&"StopServiceDeployment Rollback".to_owned()));
}
