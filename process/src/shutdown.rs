//! Spawning, cancelling and draining: the life of every task of a process.
//!
//! A [`Shutdown`] is a scope. What is spawned into it has a name and an [`OnError`]: what its failure does to the
//! process. Scopes form a tree; cancelling one cancels everything below it, and draining one waits for
//! everything below it. A task learns of the cancellation through [`Shutdown::token`] and ends itself: no task is
//! ever aborted, so a write that was begun is finished or fails on its own.
//!
//! When a task of kind [`OnError::Shutdown`] fails, the **whole tree** is cancelled, whatever scope the task
//! was in, and [`Shutdown::failed`] stays true: the process ends with a code that makes its supervisor restart it.

mod registry;

use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::telemetry::chain;
use registry::Registry;

/// A scope of tasks. Cheap to clone; clones are the same scope.
#[derive(Clone, Debug)]
pub struct Shutdown {
    process: Arc<Process>,
    token: CancellationToken,
    tasks: Arc<Registry>,
}

/// What the failure of a task, an `Err` or a panic, does to the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is logged, and the process goes on: the task served one connection, one request, one task.
    Log,
    /// It is logged, and the process shuts down: without this task the process would only look alive.
    Shutdown,
}

/// Tasks that had not ended when the time to drain was over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("still running: {}", names.join(", "))]
pub struct Undrained {
    /// The tasks' names, sorted; a name that several tasks share is followed by their number.
    pub names: Vec<String>,
}

/// An error of any kind that a task may end with.
pub type TaskError = Box<dyn Error + Send + Sync>;

/// What every scope of one tree shares.
#[derive(Debug)]
struct Process {
    token: CancellationToken,
    failed: AtomicBool,
}

// === impl Shutdown ===

impl Shutdown {
    /// The root of a new tree. A process has one.
    #[expect(clippy::new_without_default, reason = "a second tree is never what was meant")]
    pub fn new() -> Self {
        let token = CancellationToken::new();
        let process = Arc::new(Process { token: token.clone(), failed: AtomicBool::new(false) });
        Self { process, token, tasks: Arc::new(Registry::root()) }
    }

    /// Cancelled when this scope is to end.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// A scope below this one: cancelled with it, and on its own.
    pub fn child(&self) -> Self {
        Self {
            process: Arc::clone(&self.process),
            token: self.token.child_token(),
            tasks: Arc::new(Registry::below(&self.tasks)),
        }
    }

    /// Runs `future` as a task of this scope, on the current tokio runtime. A task that is spawned after the
    /// cancellation still runs: it finds its token cancelled, and cleans up.
    pub fn spawn<F, E>(&self, name: &'static str, on_error: OnError, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<TaskError>,
    {
        let registered = self.tasks.register(name);
        let scope = self.clone();
        #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
        tokio::spawn(async move {
            match AssertUnwindSafe(future).catch_unwind().await {
                Ok(Ok(())) => debug!(name, "background task ended"),
                Ok(Err(error)) => scope.on_failure(name, on_error, error.into()),
                Err(panic) => scope.on_panic(name, on_error, &panic_text(&*panic)),
            }
            drop(registered);
        });
    }

    /// Cancels this scope and everything below it.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Waits for SIGTERM, SIGINT or the cancellation of this scope, whichever comes first; the scope is
    /// cancelled when this returns.
    pub async fn wait_for_signal(&self) {
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
        tokio::select! {
            biased;
            // Cancel-safe: the token stays cancelled.
            () = self.token.cancelled() => return,
            // Cancel-safe: a signal that is not taken here is not needed any more.
            () = received(&mut terminate) => info!(signal = "SIGTERM", "shutting down"),
            // Cancel-safe: as above.
            () = received(&mut interrupt) => info!(signal = "SIGINT", "shutting down"),
        }
        self.trigger();
    }

    /// Cancels this scope and waits until every task in it and below it has ended, at most `timeout`.
    pub async fn drain(&self, timeout: Duration) -> Result<(), Undrained> {
        self.trigger();
        match tokio::time::timeout(timeout, self.tasks.emptied()).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => Err(Undrained { names: self.tasks.names() }),
        }
    }

    /// Whether a task of kind [`OnError::Shutdown`] failed anywhere in the tree.
    pub fn failed(&self) -> bool {
        self.process.failed.load(Ordering::SeqCst)
    }

    /// An error after the cancellation is what cancelling looks like from inside (a closed channel, a broken
    /// stream): it is told, but it does not make the end of the process a failure.
    fn on_failure(&self, name: &'static str, on_error: OnError, error: TaskError) {
        let error = chain(&*error);
        match on_error {
            _ if self.token.is_cancelled() => {
                info!(name, %error, "background task ended while shutting down")
            }
            OnError::Log => warn!(name, %error, "background task failed"),
            OnError::Shutdown => {
                error!(name, %error, "background task failed; shutting down");
                self.fail();
            }
        }
    }

    /// A panic is a bug at any time, so it counts even while shutting down.
    fn on_panic(&self, name: &'static str, on_error: OnError, panic: &str) {
        error!(name, panic, "background task panicked");
        if on_error == OnError::Shutdown {
            self.fail();
        }
    }

    fn fail(&self) {
        self.process.failed.store(true, Ordering::SeqCst);
        self.process.token.cancel();
    }
}

/// `None` when the host does not let us listen; the process can then still be ended by its own means.
fn listen(kind: SignalKind) -> Option<Signal> {
    signal(kind).inspect_err(|error| warn!(%error, ?kind, "cannot listen for a signal")).ok()
}

async fn received(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(ToString::to_string);
    literal.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests;
