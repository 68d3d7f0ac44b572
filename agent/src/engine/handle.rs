//! The way to talk to an engine.

use std::collections::BTreeSet;
use std::sync::Arc;

use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1 as wire;
use tokio::sync::{mpsc, oneshot};

use super::{Error, Loop, Options, Parts};
use crate::limits;
use crate::manifest::{DesiredTask, Set};
use crate::task::{Container, Task};

/// An engine that has adopted what it found and has not begun to act.
pub struct Engine {
    state: Loop,
    mailbox: mpsc::Receiver<Message>,
}

/// Talks to an engine. When the engine has ended, nothing is answered.
#[derive(Clone)]
pub struct Handle {
    mailbox: mpsc::Sender<Message>,
}

/// Where a container of a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Its name in the task definition.
    pub container: String,
    /// The runtime's id.
    pub runtime_id: String,
}

/// A task as it is.
#[derive(Clone, Debug)]
pub struct Known {
    /// What the controller sent.
    pub desired: Arc<DesiredTask>,
    /// Its containers, in the order of the task definition.
    pub containers: Vec<Container>,
    /// What it says of itself.
    pub report: wire::TaskReport,
    /// Everything has ended.
    pub is_finished: bool,
}

pub(super) enum Message {
    Follow(Arc<Set>),
    Confirm(wire::StopConfirmation),
    Acknowledge(Vec<(String, u64)>),
    Snapshot(oneshot::Sender<Vec<wire::TaskReport>>),
    Active(oneshot::Sender<BTreeSet<String>>),
    Task(String, oneshot::Sender<Option<Known>>),
    Locate { task_id: String, container: String, reply: oneshot::Sender<Vec<Located>> },
}

// === impl Engine ===

impl Engine {
    /// Adopts what an earlier run left. It waits for the runtime as long as it takes.
    pub async fn adopt(options: Options, parts: Parts) -> (Self, Handle) {
        let (sender, mailbox) = mpsc::channel(limits::MAILBOX);
        let state = Loop::adopt(options, parts).await;
        (Self { state, mailbox }, Handle { mailbox: sender })
    }

    /// Begins to act, until the shutdown. Containers keep running after that.
    pub fn start(self, shutdown: &Shutdown) {
        let token = shutdown.token().clone();
        let run = async move { self.state.run(self.mailbox, token).await };
        shutdown.spawn::<_, Error>("engine", OnError::Shutdown, run);
    }
}

// === impl Known ===

impl Known {
    pub(super) fn of(task: &Task) -> Self {
        Self {
            desired: task.desired().clone(),
            containers: task.containers().to_vec(),
            report: task.report(),
            is_finished: task.is_finished(),
        }
    }
}

// === impl Handle ===

impl Handle {
    /// Follows a desired set that is in the ledger.
    pub async fn follow(&self, set: Arc<Set>) {
        self.send(Message::Follow(set)).await;
    }

    /// Stops orphans that a controller says are to stop.
    pub async fn confirm(&self, confirmation: wire::StopConfirmation) {
        self.send(Message::Confirm(confirmation)).await;
    }

    /// Notes which versions of which tasks a controller has.
    pub async fn acknowledge(&self, reports: Vec<(String, u64)>) {
        self.send(Message::Acknowledge(reports)).await;
    }

    /// Every task as it is.
    pub async fn snapshot(&self) -> Vec<wire::TaskReport> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Snapshot(reply)).await;
        answer.await.unwrap_or_default()
    }

    /// The tasks that have not ended; none when the engine has, for then nothing is known.
    pub async fn active(&self) -> Option<BTreeSet<String>> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Active(reply)).await;
        answer.await.ok()
    }

    /// A task, if there is one with this id.
    pub async fn task(&self, task_id: &str) -> Option<Known> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Task(task_id.to_owned(), reply)).await;
        answer.await.ok()?
    }

    /// The containers of a task that exist: all of them, or the one with this name.
    pub async fn locate(&self, task_id: &str, container: &str) -> Vec<Located> {
        let (reply, answer) = oneshot::channel();
        let (task_id, container) = (task_id.to_owned(), container.to_owned());
        self.send(Message::Locate { task_id, container, reply }).await;
        answer.await.unwrap_or_default()
    }

    async fn send(&self, message: Message) {
        // It fails when the engine has ended, and then so does the process.
        let _ = self.mailbox.send(message).await;
    }
}

// === impl Loop ===

impl Loop {
    /// The containers of a task that exist: that of this name, or all of them.
    pub(super) fn locate(&self, task_id: &str, container: &str) -> Vec<Located> {
        let Some(task) = self.tasks.get(task_id) else { return Vec::new() };
        let names = task.desired().definition.containers.iter().map(|definition| definition.name());
        let wanted =
            names.zip(task.containers()).filter(|(name, _)| container.is_empty() || container == *name);
        wanted
            .filter_map(|(name, container)| {
                Some(Located { container: name.to_owned(), runtime_id: container.runtime_id.clone()? })
            })
            .collect()
    }
}
