//! The outermost layer: gives every call an id, counts it, and sees that no client gets an error without a reason.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use berth_model::arn::uuid;
use berth_process::entropy::Entropy;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::error;
use super::metrics::Metrics;

/// The metadata in which a call's id is returned.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Identifies one call in logs, traces and answers. In the extensions of every request behind this layer; one that is
/// there already is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

/// What the layer knows.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    /// Where ids come from.
    pub(crate) entropy: Entropy,
    /// What calls are counted in.
    pub(crate) metrics: Metrics,
}

/// The layer.
pub(crate) async fn edge(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let (began, in_flight) = (Instant::now(), edge.metrics.begin());
    let id = request.extensions().get::<RequestId>().cloned();
    let id = id.unwrap_or_else(|| RequestId::new(edge.entropy.u128()));
    request.extensions_mut().insert(id.clone());
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    drop(in_flight);
    if is_of_clients(&path) {
        give_reason(response.headers_mut());
    }
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    edge.metrics.answered(&path, code, began.elapsed());
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// What clients call.
const PACKAGES: [&str; 6] = [
    "/berth.ecs.v1.",
    "/berth.sts.v1.",
    "/berth.ssm.v1.",
    "/berth.secretsmanager.v1.",
    "/berth.logs.v1.",
    "/berth.admin.v1.",
];

/// Whether clients call it, rather than agents or other controllers.
pub(crate) fn is_of_clients(path: &str) -> bool {
    PACKAGES.iter().any(|package| path.starts_with(package))
}

/// Gives an error that the gRPC library made by itself the reason that it lacks.
fn give_reason(headers: &mut HeaderMap) {
    let Some(bare) = Status::from_header_map(headers) else { return };
    if bare.code() != Code::Ok && bare.details().is_empty() {
        // What cannot be written as headers stays as it was.
        let _ = error::with_reason(&bare).add_header(headers);
    }
}

// === impl RequestId ===

impl RequestId {
    /// In the shape of AWS's: a UUID.
    pub fn new(number: u128) -> Self {
        Self(uuid(number).into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
