//! One container's log: read while it runs, sent until all of it has arrived.

use std::sync::Arc;
use std::time::Duration;

use berth_process::backoff::Backoff;
use berth_proto::agent::v1 as wire;
use futures::StreamExt as _;

use super::buffer::{Batch, Buffer};
use super::lines::Lines;
use super::{LONGEST_PAUSE, Logs, Options, SHORTEST_PAUSE};
use crate::controllers::request;
use crate::limits::LOG_LINE_PATIENCE;
use crate::runtime::{Backlog, Error, Status};

/// Standard output and standard error are written by two threads of the runtime, each with a time of its own, so that lines
/// may be a little out of order: a reader that begins again goes back this far.
const OVERLAP_NS: i64 = 1_000_000_000;

/// Follows one container.
pub(super) struct Follower {
    logs: Arc<Logs>,
    runtime_id: String,
    options: Options,
}

/// How a look at the log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The runtime has no more of it.
    Complete,
    /// It was cut off.
    Broken,
}

// === impl Follower ===

impl Follower {
    pub(super) fn new(logs: Arc<Logs>, runtime_id: String, options: Options) -> Self {
        Self { logs, runtime_id, options }
    }

    /// Follows until the container has ended and everything it wrote was sent.
    pub(super) async fn run(self) {
        loop {
            let starts = self.logs.starts(&self.runtime_id);
            let budget = self.logs.budget.clone();
            let buffer = Buffer::new(self.options.mode, self.options.buffer_bytes, budget);
            let (backlog, valve) = (Backlog::default(), self.logs.valve_of(&self.runtime_id));
            let regulated = async {
                match &valve {
                    Some(valve) => valve.watch(&backlog).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Not cancel-safe, and need not be: the other arm never ends.
                _ = async { tokio::join!(self.read(&buffer, &backlog), self.send(&buffer)) } => {}
                // Not cancel-safe: whoever stops a container waits for what the runtime is told meanwhile.
                () = regulated => {}
            }
            self.logs.progress.done(&self.runtime_id);
            if self.logs.leave(&self.runtime_id, starts) {
                return;
            }
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE, self.logs.entropy.clone())
    }

    /// Reads until the container has ended and its log with it.
    async fn read(&self, buffer: &Buffer, backlog: &Backlog) {
        let mut backoff = self.backoff();
        let mut position_ns = self.logs.progress.position_ns(&self.runtime_id);
        loop {
            let before_ns = position_ns;
            let end = self.read_on(&mut position_ns, buffer, backlog).await;
            // A container that ended before the log was cut off has more to read.
            let is_over = match self.logs.runtime.inspect(&self.runtime_id).await {
                Ok(Some(found)) => found.status != Status::Running && end == End::Complete,
                Ok(None) | Err(Error::NotFound(_)) => true,
                Err(_) => false,
            };
            if is_over {
                break;
            }
            if position_ns > before_ns {
                backoff.reset();
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
        buffer.close();
    }

    /// Reads on from the last event that is known, which may be read again.
    async fn read_on(&self, position_ns: &mut Option<i64>, buffer: &Buffer, backlog: &Backlog) -> End {
        let first_line = self.options.first_line.clone();
        let overlap_ns = if first_line.is_some() { 0 } else { OVERLAP_NS };
        let mut lines = Lines::new(&self.runtime_id, first_line, position_ns.is_some());
        let since_ns = position_ns.map(|at| at.saturating_sub(overlap_ns));
        let ended = self.logs.end_of(&self.runtime_id);
        let mut records = self.logs.runtime.follow_log(&self.runtime_id, since_ns, ended, backlog.clone());
        let mut events = Vec::new();
        let end = loop {
            let patience = if lines.is_waiting() { LOG_LINE_PATIENCE } else { Duration::MAX };
            // Cancel-safe: the stream keeps what was not taken.
            match tokio::time::timeout(patience, records.next()).await {
                Ok(Some(Ok(record))) => {
                    if record.is_after_gap {
                        buffer.note_gap();
                    }
                    lines.push(record, &mut events);
                }
                Ok(Some(Err(Error::NotFound(_))) | None) => break End::Complete,
                Ok(Some(Err(error))) => {
                    tracing::debug!(runtime_id = self.runtime_id, error = %error, "the log of a container was cut off");
                    break End::Broken;
                }
                Err(_) => lines.flush(&mut events),
            }
            self.pass_on(&mut events, position_ns, buffer).await;
        };
        if end == End::Complete {
            lines.flush(&mut events);
            self.pass_on(&mut events, position_ns, buffer).await;
        }
        end
    }

    async fn pass_on(
        &self,
        events: &mut Vec<wire::ContainerLogEvent>,
        position_ns: &mut Option<i64>,
        buffer: &Buffer,
    ) {
        for event in events.drain(..) {
            *position_ns = (*position_ns).max(i64::try_from(event.order).ok());
            buffer.push(event).await;
        }
    }

    /// Sends until nothing more will come.
    async fn send(&self, buffer: &Buffer) {
        while let Some(batch) = buffer.batch().await {
            // Few at a time, for what is being sent is in memory twice. Never closed.
            let _turn = self.logs.senders.acquire().await;
            self.deliver(batch).await;
        }
    }

    /// Sends a batch until a controller has taken it, or says that none ever will.
    async fn deliver(&self, batch: Batch) {
        let Batch { events, dropped } = batch;
        self.logs.metrics.log_events(events.len(), dropped);
        let last_ns = events.iter().filter_map(|event| i64::try_from(event.order).ok()).max();
        let message = wire::PutContainerLogRequest {
            container_instance_id: self.logs.instance_id.clone(),
            task_id: self.options.task_id.clone(),
            container: self.options.container.clone(),
            stream: self.options.stream.clone(),
            events,
        };
        let mut backoff = self.backoff();
        loop {
            let mut client = self.logs.controllers.connected().await;
            match client.put_container_log(request(message.clone())).await {
                Ok(answer) => {
                    let refused = answer.into_inner().refused;
                    if !refused.is_empty() {
                        let (task, container) = (&self.options.task_id, &self.options.container);
                        tracing::info!(
                            task,
                            container,
                            reason = refused,
                            "the log of a container has no place any more"
                        );
                    }
                    break;
                }
                Err(status) => {
                    tracing::debug!(runtime_id = self.runtime_id, error = %status, "log events were not taken; trying again");
                }
            }
            tokio::time::sleep(backoff.next_delay()).await;
        }
        if let Some(last_ns) = last_ns {
            self.logs.progress.sent(&self.runtime_id, last_ns);
        }
    }
}
