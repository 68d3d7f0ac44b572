//! How much may go on at a time: calls, and streams that stay open.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::edge::is_of_clients;
use super::error;
use crate::limits::{CONCURRENT_CALLS, OPEN_STREAMS};

/// The bounds. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    calls: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

// === impl Load ===

impl Load {
    /// With the bounds of [`crate::limits`].
    pub(crate) fn new() -> Self {
        Self::bounded(CONCURRENT_CALLS, OPEN_STREAMS)
    }

    /// With these bounds.
    pub(crate) fn bounded(calls: usize, streams: usize) -> Self {
        Self { calls: Arc::new(Semaphore::new(calls)), streams: Arc::new(Semaphore::new(streams)) }
    }

    /// The right to hold one more stream open, until it is dropped.
    pub(crate) fn open_stream(&self) -> Result<OwnedSemaphorePermit, Status> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| error::throttled())
    }
}

/// The layer that bounds clients' calls; agents and controllers are bounded by their number. A call counts until its
/// answer begins.
pub(crate) async fn bound(State(load): State<Load>, request: Request, next: Next) -> Response {
    if !is_of_clients(request.uri().path()) {
        return next.run(request).await;
    }
    match load.calls.try_acquire() {
        Ok(_running) => next.run(request).await,
        Err(_) => error::throttled().into_http(),
    }
}
