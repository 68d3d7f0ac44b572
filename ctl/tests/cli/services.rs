//! Waiting for services: what is shown, and how it ends.

use std::collections::VecDeque;

use berth_proto::admin::v1::Event;
use berth_proto::ecs::v1::{Deployment, DeploymentRolloutState, Service, ServiceEvent};

use crate::{Script, Stage};

fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn service(running: i32) -> Service {
    let deployment = Deployment {
        id: Some("ecs-svc/1".to_owned()),
        status: Some("PRIMARY".to_owned()),
        task_definition: Some("arn:aws:ecs:us-east-1:000000000000:task-definition/web:7".to_owned()),
        created_at: time(1_000),
        ..Deployment::default()
    };
    let event = ServiceEvent {
        id: Some("e1".to_owned()),
        created_at: time(3_661),
        message: Some("(service web) has started 2 tasks: (task a) (task b).".to_owned()),
    };
    Service {
        service_name: Some("web".to_owned()),
        status: Some("ACTIVE".to_owned()),
        desired_count: Some(2),
        running_count: Some(running),
        pending_count: Some(2 - running),
        task_definition: deployment.task_definition.clone(),
        deployments: vec![deployment],
        events: vec![event],
        ..Service::default()
    }
}

fn script(services: Vec<Service>) -> Script {
    let services: VecDeque<Vec<Service>> = services.into_iter().map(|one| vec![one]).collect();
    Script { services, ..Script::default() }
}

#[tokio::test]
async fn a_wait_shows_how_far_it_is_and_what_happens() {
    let stage = Stage::new(script(vec![service(0), service(1), service(1), service(2)])).await;
    let ran = stage.berth("service wait web --timeout 30s").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    let expected = "\
waiting for web
  01:01:01  (service web) has started 2 tasks: (task a) (task b).
web: 0/2 running, 2 pending
web: 1/2 running, 1 pending
✓ web is stable: 2/2 running web:7 (";
    assert!(ran.stderr.starts_with(expected), "{}", ran.stderr);
}

#[tokio::test]
async fn a_wait_that_takes_too_long_is_code_4() {
    let ran = Stage::new(script(vec![service(1)])).await.berth("service wait web --timeout 300ms").await;
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("error: not stable after 300ms: web: 1/2 running, 1 pending\nhint: its last event:")
    );
}

#[tokio::test]
async fn a_failed_deployment_is_code_5() {
    let mut failed = service(0);
    failed.deployments[0].rollout_state = Some(DeploymentRolloutState::Failed.into());
    failed.deployments[0].rollout_state_reason =
        Some("ECS deployment circuit breaker: tasks failed to start.".to_owned());
    let ran = Stage::new(script(vec![service(0), failed])).await.berth("service wait web").await;
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains(
        "error: service web: deployment of web:7: ECS deployment circuit breaker: tasks failed to start.\nhint: "
    ));
}

#[tokio::test]
async fn scale_sends_the_count_and_waits_when_asked_to() {
    let script = script(vec![service(1), service(2)]);
    let calls = script.calls.clone();
    let ran = Stage::new(script).await.berth("service scale web 2 --wait -q -o name").await;
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "web\n", ""));
    assert_eq!(calls.lock().await[0], "UpdateService Some(2)");
}

#[tokio::test]
async fn events_are_lines_for_people_and_records_for_programs() {
    let event = Event {
        time: time(3_661),
        revision: 5,
        cluster: "default".to_owned(),
        resource_kind: "service".to_owned(),
        resource_id: "web".to_owned(),
        message: "has reached a steady state.".to_owned(),
        service: "web".to_owned(),
    };
    let stage = Stage::new(Script { events: vec![event], ..Script::default() }).await;
    let ran = stage.berth("events").await;
    assert_eq!(ran.stdout, "01:01:01  service/web                     has reached a steady state.\n");
    let ran = stage.berth("events -o json").await;
    assert!(
        ran.stdout.starts_with(r#"{"time":"1970-01-01T01:01:01Z","revision":5,"cluster":"default","#),
        "{}",
        ran.stdout
    );
}
