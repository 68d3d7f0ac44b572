//! What a failure, a cancellation and a drain do to the tree of scopes.

use super::*;
use crate::telemetry::test::capture;

const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
#[error("cannot write the log")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("disk full")]
struct Inner;

fn until_cancelled(shutdown: &Shutdown) -> impl Future<Output = Result<(), TaskError>> + use<> {
    let token = shutdown.token().clone();
    async move {
        token.cancelled().await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn drain_waits_for_tasks_that_end() {
    let shutdown = Shutdown::new();
    shutdown.spawn("one", OnError::Shutdown, until_cancelled(&shutdown));
    shutdown.child().spawn("two", OnError::Log, until_cancelled(&shutdown));
    assert_eq!(shutdown.drain(PATIENCE).await, Ok(()));
    assert!(!shutdown.failed());
}

#[tokio::test(start_paused = true)]
async fn drain_names_the_tasks_that_did_not_end() {
    let shutdown = Shutdown::new();
    for name in ["stuck", "deaf", "stuck"] {
        shutdown.child().spawn(name, OnError::Log, std::future::pending::<Result<(), TaskError>>());
    }
    let undrained = shutdown.drain(PATIENCE).await.unwrap_err();
    assert_eq!(undrained.to_string(), "still running: deaf, stuck (2)");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_vital_task_ends_the_whole_tree() {
    let logged = capture();
    let shutdown = Shutdown::new();
    let (one, other) = (shutdown.child(), shutdown.child());
    one.spawn("raft", OnError::Shutdown, async { Err(Outer(Inner)) });
    other.token().cancelled().await;
    assert!(shutdown.token().is_cancelled() && shutdown.failed() && other.failed());
    shutdown.drain(PATIENCE).await.unwrap();
    assert!(logged.contains("cannot write the log: disk full"), "{:?}", logged.lines());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_vital_task_ends_the_whole_tree() {
    let logged = capture();
    let shutdown = Shutdown::new();
    shutdown.child().spawn("raft", OnError::Shutdown, async { panic_with::<Outer>("no such index") });
    shutdown.token().cancelled().await;
    assert!(shutdown.failed());
    assert!(logged.contains("no such index"), "{:?}", logged.lines());
}

fn panic_with<E>(message: &str) -> Result<(), E> {
    panic!("{message}")
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_lesser_task_is_only_logged() {
    let logged = capture();
    let shutdown = Shutdown::new();
    let scope = shutdown.child();
    scope.spawn("connection", OnError::Log, async { Err(Outer(Inner)) });
    scope.spawn("connection", OnError::Log, async { panic_with::<Outer>("odd frame") });
    tokio::time::timeout(PATIENCE, scope.tasks.emptied()).await.unwrap();
    assert!(!shutdown.token().is_cancelled() && !shutdown.failed());
    assert!(logged.contains("disk full") && logged.contains("odd frame"));
}

#[tokio::test(start_paused = true)]
async fn an_error_after_the_cancellation_is_no_failure() {
    let shutdown = Shutdown::new();
    let token = shutdown.token().clone();
    shutdown.spawn("session", OnError::Shutdown, async move {
        token.cancelled().await;
        Err(Outer(Inner))
    });
    shutdown.drain(PATIENCE).await.unwrap();
    assert!(!shutdown.failed());
}

#[tokio::test(start_paused = true)]
async fn a_child_ends_alone_and_with_its_parent() {
    let shutdown = Shutdown::new();
    let (ended, running) = (shutdown.child(), shutdown.child());
    ended.trigger();
    assert!(!shutdown.token().is_cancelled() && !running.token().is_cancelled());
    ended.drain(PATIENCE).await.unwrap();
    shutdown.trigger();
    assert!(running.token().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn draining_a_child_leaves_the_others_alone() {
    let shutdown = Shutdown::new();
    let (epoch, other) = (shutdown.child(), shutdown.child());
    epoch.child().spawn("planner", OnError::Shutdown, until_cancelled(&epoch));
    other.spawn("session", OnError::Log, until_cancelled(&other));
    epoch.drain(PATIENCE).await.unwrap();
    assert_eq!(shutdown.tasks.names(), ["session"]);
}

#[tokio::test]
async fn waiting_for_a_signal_returns_when_triggered() {
    let shutdown = Shutdown::new();
    let waiting = shutdown.clone();
    let (done, ended) = tokio::sync::oneshot::channel();
    shutdown.spawn("wait", OnError::Log, async move {
        waiting.wait_for_signal().await;
        done.send(()).map_err(|()| "nobody waits")
    });
    shutdown.trigger();
    tokio::time::timeout(PATIENCE, ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn sigterm_cancels_the_scope() {
    let shutdown = Shutdown::new();
    let mut waiting = std::pin::pin!(shutdown.wait_for_signal());
    // The first poll starts to listen; without it the signal would end the test.
    assert!(futures::poll!(&mut waiting).is_pending());
    let own = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &own]).status().unwrap().success());
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    assert!(shutdown.token().is_cancelled() && !shutdown.failed());
}
