//! The protocols in which AWS clients speak. Each reads a request into a message and writes a message as an answer; what
//! lies between is the same for all.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};
use tonic::body::Body;

use super::fault::Fault;
use super::json::Times;
use super::schema::Schema;
use super::target::{self, Operation, Service};
use super::{event_stream, json, query};
use crate::api::edge::RequestId;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// AWS JSON 1.1: the operation in a header, JSON in the body.
    Json,
    /// The query protocol: a form in the body, XML in the answer.
    Query,
}

/// A response to an AWS client.
pub(super) type Response = http::Response<Body>;

const TARGET: &str = "x-amz-target";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const XML: HeaderValue = HeaderValue::from_static("text/xml");

// === impl Codec ===

impl Codec {
    /// The protocol of a request, by its headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let form = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if form.is_some_and(|kind| kind.starts_with(FORM)) { Self::Query } else { Self::Json }
    }

    /// The service and the operation that a request is for.
    pub(super) fn operation(
        self,
        request: &Parts,
        body: &[u8],
    ) -> Option<(&'static Service, &'static Operation)> {
        let (service, name) = match self {
            Self::Json => {
                let target = request.headers.get(TARGET)?.to_str().ok()?;
                let (service, name) = target::of_target(target)?;
                (service, name.to_owned())
            }
            Self::Query => query::operation(body)?,
        };
        Some((service, service.operation(&name)?))
    }

    /// The message in a body.
    pub(super) fn read(self, operation: &Operation, body: &[u8]) -> Result<Vec<u8>, Fault> {
        Ok(match self {
            Self::Json => json::read(operation.input, body)?,
            Self::Query => query::read(operation.input, body)?,
        })
    }

    /// An answer.
    pub(super) fn answer(
        self,
        service: &Service,
        operation: &Operation,
        message: &[u8],
        id: &RequestId,
    ) -> Result<Response, Fault> {
        let mut document = Vec::with_capacity(message.len() * 2);
        let unreadable = |_| Fault::new("ServerException", "The answer could not be written.");
        let times = match self {
            Self::Json => Times::EpochSeconds,
            Self::Query => Times::Rfc3339,
        };
        json::write(operation.output, message, times, &mut document).map_err(unreadable)?;
        Ok(match self {
            Self::Json => response(StatusCode::OK, JSON, document, id),
            Self::Query => {
                let document = query::answer(service, &operation.name, &document, id);
                response(StatusCode::OK, XML, document.into_bytes(), id)
            }
        })
    }

    /// An error.
    pub(super) fn fault(self, fault: &Fault, id: &RequestId) -> Response {
        let mut response = match self {
            Self::Json => {
                let mut document = serde_json::json!({ "__type": fault.name, "message": fault.message });
                if !fault.resource_ids.is_empty() {
                    document["resourceIds"] = fault.resource_ids.clone().into();
                }
                response(fault.status(), JSON, document.to_string().into_bytes(), id)
            }
            Self::Query => response(query::status(fault), XML, query::fault(fault, id).into_bytes(), id),
        };
        if let Ok(name) = HeaderValue::from_str(&fault.name) {
            response.headers_mut().insert(ERROR_TYPE, name);
        }
        response
    }
}

/// An answer that goes on. There is one protocol for them.
pub(super) fn stream(operation: &'static Operation, body: Body, id: &RequestId) -> Response {
    let body = event_stream::body(operation, event_stream::messages(body));
    headed(StatusCode::OK, event_stream::KIND, body, id)
}

fn response(status: StatusCode, kind: HeaderValue, document: Vec<u8>, id: &RequestId) -> Response {
    headed(status, kind, Body::new(http_body_util::Full::new(Bytes::from(document))), id)
}

fn headed(status: StatusCode, kind: HeaderValue, body: Body, id: &RequestId) -> Response {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Built when the process starts, so that the first call is as fast as the others.
pub(super) fn warm_up() {
    let _ = Schema::get();
    for service in &target::SERVICES {
        let _ = service.operations().count();
    }
}
