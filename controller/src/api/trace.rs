//! The innermost layer: a span around every call, below the caller's own when it sent one.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use berth_model::error::{ApiError, Exception};
use berth_process::telemetry;
use futures::FutureExt;
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::{Instrument, Span, debug, debug_span, error, field, info_span};

use super::auth::Principal;
use super::edge::RequestId;
use super::error::IntoStatus;

/// The metadata in which a caller sends the trace it is in.
const TRACEPARENT: &str = "traceparent";

/// Calls of controllers among themselves are thousands a second and say little: only a debugger wants to see them.
const PEERS: &str = "/berth.peer.v1.Peers/";

/// The layer.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let span = span(&request);
    if let Some(parent) = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok()) {
        telemetry::set_parent(&span, parent);
    }
    answer(request, next).instrument(span).await
}

async fn answer(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| crashed());
    let status = Status::from_header_map(response.headers());
    let code = status.as_ref().map_or(Code::Ok, Status::code);
    Span::current().record("rpc.grpc.status_code", i32::from(code));
    let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    match status {
        // Nothing that a caller sends may lead here: somebody must look.
        Some(status) if code == Code::Internal && !is_of_the_library(&status) => {
            error!(error = status.message(), "a call failed");
        }
        _ => debug!(?code, elapsed_us, "answered"),
    }
    response
}

/// Our own errors name a reason. An internal error that names none is the gRPC library's, of a message that it could not
/// read, or that never came because the caller went away.
fn is_of_the_library(status: &Status) -> bool {
    status.details().is_empty()
}

/// A defect in one handler is one caller's failure, not that of every call on its connection.
fn crashed() -> Response {
    ApiError::new(
        Exception::Server,
        "The request could not be carried out, because of a defect of this controller.",
    )
    .into_status()
    .into_http()
}

fn span(request: &Request) -> Span {
    let path = request.uri().path();
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or((path, ""));
    if path.starts_with(PEERS) {
        return debug_span!(
            "peer_call",
            otel.kind = "server",
            rpc.method = method,
            rpc.grpc.status_code = field::Empty
        );
    }
    let id = request.extensions().get::<RequestId>().map(RequestId::as_str);
    let principal = request.extensions().get::<Principal>().map(|principal| &*principal.access_key_id);
    info_span!(
        "call",
        otel.name = method,
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = field::Empty,
        request_id = id,
        principal,
        cluster = field::Empty,
    )
}
