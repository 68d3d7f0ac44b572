//! Calling the API in-process: the bytes of a message in, the bytes of the answer out, through the same routes and
//! layers as every gRPC call.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::ServiceExt;

use super::fault::Fault;
use super::target::Operation;
use crate::api::auth::Principal;
use crate::api::edge::RequestId;
use crate::api::execute_command::Door;
use crate::region::Chosen;

/// The flag and the length before a message.
pub(super) const PREFIX_BYTES: usize = 5;

/// The header in which a caller sends the trace it is in.
const TRACEPARENT: &str = "traceparent";

/// Carries the message out as `principal`, and gives the answer's bytes.
pub(super) async fn call(
    routes: &Routes,
    operation: &Operation,
    message: &[u8],
    caller: (Principal, Chosen, RequestId, Door),
    headers: &HeaderMap,
) -> Result<Bytes, Fault> {
    let body = begin(routes, operation, message, caller, headers).await?;
    let body = body.collect().await.map_err(|status| Fault::from(&status))?;
    if let Some(status) = body.trailers().and_then(refused) {
        return Err(Fault::from(&status));
    }
    let mut frame = body.to_bytes();
    if frame.len() < PREFIX_BYTES {
        return Err(Fault::from(&Status::internal("an answer without a message")));
    }
    Ok(frame.split_off(PREFIX_BYTES))
}

/// The same, while the answer is still to come.
pub(super) async fn begin(
    routes: &Routes,
    operation: &Operation,
    message: &[u8],
    caller: (Principal, Chosen, RequestId, Door),
    headers: &HeaderMap,
) -> Result<Body, Fault> {
    let request = request(operation, message, caller, headers);
    let response = match routes.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match refused(response.headers()) {
        Some(status) => Err(Fault::from(&status)),
        None => Ok(response.into_body()),
    }
}

fn request(
    operation: &Operation,
    message: &[u8],
    (principal, region, id, door): (Principal, Chosen, RequestId, Door),
    headers: &HeaderMap,
) -> Request<Full<Bytes>> {
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).expect("requests are bounded to a few MiB"));
    frame.put_slice(message);
    let mut request = Request::new(Full::new(frame.freeze()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = operation.path.parse().expect("names of the schema are a path");
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    if let Some(trace) = headers.get(TRACEPARENT) {
        request.headers_mut().insert(TRACEPARENT, trace.clone());
    }
    request.extensions_mut().insert(principal);
    request.extensions_mut().insert(region);
    request.extensions_mut().insert(id);
    request.extensions_mut().insert(door);
    request
}

/// Why there is no answer, or no more of it.
pub(super) fn refused(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)
}
