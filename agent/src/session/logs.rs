//! Logs for people: a controller asks for them on the session and gets them on a stream of their own.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::agent::v1 as wire;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::Client;
use crate::engine::{Handle, Located};
use crate::limits;
use crate::runtime::{Listed, LogOptions, LogRecord, Runtime, label};
use crate::task::{timestamp, unix_ms};

const NANOS_PER_MILLI: i64 = 1_000_000;

/// The log streams of one session. They end with it.
pub(super) struct Logs {
    client: Client,
    engine: Handle,
    runtime: Arc<dyn Runtime>,
    scope: Shutdown,
    open: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

/// A type with a name: tonic asks for `'static`, and the compiler loses sight of that in a boxed trait object.
struct Chunks(BoxStream<'static, wire::LogChunk>);

// === impl Logs ===

impl Logs {
    pub(super) fn new(client: Client, engine: Handle, runtime: Arc<dyn Runtime>, scope: Shutdown) -> Self {
        Self { client, engine, runtime, scope, open: Arc::default() }
    }

    pub(super) fn open(&self, request: wire::OpenLogs) {
        let token = self.scope.token().child_token();
        let is_refused = {
            let mut open = self.open.lock();
            let is_full = open.len() >= limits::LOG_STREAMS;
            if !is_full {
                open.insert(request.request_id.clone(), token.clone());
            }
            is_full
        };
        let (open, engine, runtime) = (self.open.clone(), self.engine.clone(), self.runtime.clone());
        let mut client = self.client.clone();
        self.scope.spawn::<_, tonic::Status>("logs", OnError::Log, async move {
            let chunks = if is_refused {
                failure(
                    &request,
                    format!("more than {} log streams are open on this instance", limits::LOG_STREAMS),
                )
            } else {
                let located = match engine.locate(&request.task_id, &request.container).await {
                    located if located.is_empty() => left_over(&request, &*runtime).await,
                    located => located,
                };
                chunks(&request, located, &*runtime)
            };
            let chunks = stream::iter([announcement(&request)]).chain(chunks);
            let chunks = Chunks(chunks.take_until(token.cancelled_owned()).boxed());
            let result = client.push_logs(chunks).await;
            if !is_refused {
                open.lock().remove(&request.request_id);
            }
            result.map(drop)
        });
    }

    pub(super) fn close(&self, request_id: &str) {
        if let Some(token) = self.open.lock().remove(request_id) {
            token.cancel();
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.scope.trigger();
    }
}

// === impl Chunks ===

impl Stream for Chunks {
    type Item = wire::LogChunk;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

/// The containers of a task that is over: forgotten by the engine, and kept by the runtime for a while, for this.
async fn left_over(request: &wire::OpenLogs, runtime: &dyn Runtime) -> Vec<Located> {
    // A runtime that does not answer has no log to give either.
    let listed = runtime.list().await.unwrap_or_default();
    let label = |listed: &Listed, name: &str| listed.labels.get(name).cloned().unwrap_or_default();
    listed
        .iter()
        .filter(|listed| label(listed, label::TASK) == request.task_id)
        .map(|listed| Located {
            container: label(listed, label::CONTAINER_NAME),
            runtime_id: listed.runtime_id.clone(),
        })
        .filter(|located| request.container.is_empty() || request.container == located.container)
        .collect()
}

fn chunks(request: &wire::OpenLogs, located: Vec<Located>, runtime: &dyn Runtime) -> Chunks {
    if located.is_empty() {
        let container = if request.container.is_empty() { "container" } else { &request.container };
        return failure(request, format!("task {} has no {container} on this instance", request.task_id));
    }
    let options = LogOptions {
        follow: request.follow,
        tail: request.tail,
        since_ns: request.since.as_ref().map(|since| unix_ms(since).saturating_mul(NANOS_PER_MILLI)),
    };
    let streams = located.into_iter().map(|located| {
        let head = wire::LogChunk {
            request_id: request.request_id.clone(),
            task_id: request.task_id.clone(),
            container: located.container,
            ..Default::default()
        };
        let records = runtime.logs(&located.runtime_id, options.clone());
        records.flat_map(move |record| match record {
            Ok(record) => stream::iter(cut(&head, &record)),
            Err(error) => stream::iter(vec![wire::LogChunk { error: error.to_string(), ..head.clone() }]),
        })
    });
    Chunks(stream::select_all(streams.map(StreamExt::boxed)).boxed())
}

fn cut(head: &wire::LogChunk, record: &LogRecord) -> Vec<wire::LogChunk> {
    let source = if record.is_stderr { wire::LogSource::Stderr } else { wire::LogSource::Stdout };
    let chunk = |bytes: &[u8]| wire::LogChunk {
        source: source.into(),
        time: Some(timestamp(record.at_ns / NANOS_PER_MILLI)),
        bytes: bytes.to_vec(),
        ..head.clone()
    };
    record.bytes.chunks(limits::LOG_CHUNK_BYTES).map(chunk).collect()
}

/// Says whose log this is, so that even the end of an empty one means something to the controller.
fn announcement(request: &wire::OpenLogs) -> wire::LogChunk {
    wire::LogChunk {
        request_id: request.request_id.clone(),
        task_id: request.task_id.clone(),
        container: request.container.clone(),
        ..Default::default()
    }
}

fn failure(request: &wire::OpenLogs, error: String) -> Chunks {
    let chunk = wire::LogChunk { error, ..announcement(request) };
    Chunks(stream::iter([chunk]).boxed())
}
