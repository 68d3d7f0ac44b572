//! Tasks: one-off runs with their output and exit code, lists and logs.

use berth_proto::agent::v1::{LogChunk, LogSource};
use berth_proto::ecs::v1::{Container, Task};

use crate::{Script, Stage};

const ID: &str = "0123456789abcdef0123456789abcdef";

fn task(status: &str, exit_code: Option<i32>) -> Vec<Task> {
    let container = Container { name: Some("alpine".to_owned()), exit_code, ..Container::default() };
    vec![Task {
        task_arn: Some(format!("arn:aws:ecs:us-east-1:000000000000:task/default/{ID}")),
        task_definition_arn: Some(
            "arn:aws:ecs:us-east-1:000000000000:task-definition/run-alpine:1".to_owned(),
        ),
        last_status: Some(status.to_owned()),
        stopped_reason: (status == "STOPPED").then(|| "Essential container in task exited".to_owned()),
        containers: vec![container],
        ..Task::default()
    }]
}

fn chunk(source: LogSource, text: &str) -> LogChunk {
    LogChunk {
        task_id: ID.to_owned(),
        container: "alpine".to_owned(),
        source: source.into(),
        bytes: text.as_bytes().to_vec(),
        ..LogChunk::default()
    }
}

fn ran(status: &str, exit_code: Option<i32>) -> Script {
    let log = vec![
        chunk(LogSource::Stdout, "hel"),
        chunk(LogSource::Stdout, "lo\nwor"),
        chunk(LogSource::Stdout, "ld"),
    ];
    let tasks =
        [task("PENDING", None), task("PENDING", None), task("RUNNING", None), task(status, exit_code)];
    Script { tasks: tasks.into(), log, ..Script::default() }
}

#[tokio::test]
async fn run_prints_the_output_and_exits_as_the_container_does() {
    let script = ran("STOPPED", Some(3));
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    let ran = stage.berth("run --image alpine -- sh -c something").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (3, "hello\nworld\n"), "{}", ran.stderr);
    let calls = calls.lock().await;
    assert_eq!(
        calls[..3],
        [
            "DescribeTaskDefinition",
            "RegisterTaskDefinition run-alpine",
            "RunTask arn:aws:ecs:us-east-1:000000000000:task-definition/run-alpine:1 sh -c something"
        ]
    );
}

#[tokio::test]
async fn run_registers_an_image_once() {
    let script = ran("STOPPED", Some(0));
    let calls = script.calls.clone();
    let stage = Stage::new(script).await;
    for _ in 0..2 {
        assert_eq!(stage.berth("run --image alpine --detach -q").await.code, 0);
    }
    let registered =
        calls.lock().await.iter().filter(|call| call.starts_with("RegisterTaskDefinition")).count();
    assert_eq!(registered, 1);
}

#[tokio::test]
async fn a_task_that_cannot_start_is_code_5() {
    let mut script = ran("STOPPED", None);
    script.tasks.remove(2);
    let ran = Stage::new(script).await.berth("run --image alpine").await;
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("error: task 0123456789ab did not run: Essential container in task exited"));
}

#[tokio::test]
async fn ps_finds_tasks_by_the_beginning_of_their_id() {
    let stage = Stage::new(Script { tasks: [task("RUNNING", None)].into(), ..Script::default() }).await;
    let listed = stage.berth("ps -o name").await;
    assert_eq!(listed.stdout, format!("{ID}\n"));
    let described = stage.berth("task describe 0123456789ab -o name").await;
    assert_eq!((described.code, described.stdout), (0, format!("{ID}\n")), "{}", described.stderr);
    let unknown = stage.berth("task describe fffff").await;
    assert_eq!(unknown.code, 1);
    assert!(unknown.stderr.starts_with("error: no task begins with `fffff`\nhint: "), "{}", unknown.stderr);
}

#[tokio::test]
async fn logs_are_lines_with_their_origin_when_there_are_several() {
    let log = vec![chunk(LogSource::Stdout, "one\ntwo\n"), chunk(LogSource::Stderr, "bad\n")];
    let stage = Stage::new(Script { tasks: [task("RUNNING", None)].into(), log, ..Script::default() }).await;
    let ran = stage.berth(&format!("logs {ID}")).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "one\ntwo\nbad\n"), "{}", ran.stderr);
    let ran = stage.berth("logs service/web").await;
    let expected = "0123456789ab/alpine | one\n0123456789ab/alpine | two\n0123456789ab/alpine | bad\n";
    assert_eq!(ran.stdout, expected);
    let ran = stage.berth(&format!("logs {ID} -o json")).await;
    let first = format!(r#"{{"task":"{ID}","container":"alpine","source":"stdout","message":"one"}}"#);
    assert_eq!(ran.stdout.lines().next(), Some(first.as_str()));
}
