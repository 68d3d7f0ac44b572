//! The API as AWS serves it, for clients that were written for AWS.
//!
//! ```text
//! HTTP/1.1 ► body (limit) ► signature ► unpack ► codec: read ► the API's routes, in-process ► codec: write
//! ```
//!
//! Every controller serves it on a port of its own. Handlers, authorisation, limits and traces are those of the gRPC
//! wire: the message goes through [`crate::api`]'s routes with its principal already in it. What is here knows how a
//! request is signed, named and spelled, and nothing of what it means.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::any;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::shutdown::Shutdown;
use http::HeaderMap;
use tonic::service::Routes;
use tracing::{debug, warn};

mod body;
mod call;
mod channel;
mod codec;
mod event_stream;
mod fault;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod json;
mod query;
pub mod schema;
pub mod sigv4;
pub mod target;

use channel::Channels;
use codec::{Codec, Response};
use fault::Fault;
use sigv4::{Authorization, Refusal, SESSION_TOKEN};
use target::Service;

use crate::api::Api;
use crate::api::auth::{Authenticator, Principal};
use crate::api::edge::RequestId;
use crate::api::error::{Error, IntoStatus, Unauthenticated};
use crate::api::execute_command::Door;
use crate::region::{Chosen, Regions};

/// What the endpoint is made of.
pub struct Endpoint {
    routes: Routes,
    authenticator: Arc<Authenticator>,
    regions: Regions,
    clock: Clock,
    entropy: Entropy,
    scheme: &'static str,
    channels: Arc<Channels>,
}

/// Whether the endpoint is served over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// It is not.
    Plain,
    /// It is.
    Tls,
}

// === impl Endpoint ===

impl Endpoint {
    /// An endpoint in front of `routes`, which are those of `api`. Data channels live no longer than `shutdown`.
    pub fn new(
        api: &Api,
        routes: Routes,
        (clock, entropy): (Clock, Entropy),
        transport: Transport,
        shutdown: Shutdown,
    ) -> Self {
        codec::warm_up();
        let (authenticator, regions) = (api.authenticator(), api.regions());
        let channels = Channels::new(channel::Parts {
            routes: routes.clone(),
            authenticator: Arc::clone(&authenticator),
            sessions: api.sessions(),
            regions: regions.clone(),
            clock: clock.clone(),
            entropy: entropy.clone(),
            shutdown,
        });
        let scheme = match transport {
            Transport::Plain => "ws",
            Transport::Tls => "wss",
        };
        Self { routes, authenticator, regions, clock, entropy, scheme, channels: Arc::new(channels) }
    }

    /// What to serve.
    pub fn into_routes(self) -> Routes {
        let channels =
            Router::new().route(channel::PATH, any(channel::connect)).with_state(Arc::clone(&self.channels));
        Routes::from(channels.fallback(serve).with_state(Arc::new(self)))
    }

    /// Where the caller found this endpoint, for what it is to open next.
    fn door(&self, headers: &HeaderMap) -> Door {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        // Whoever stands before it and ends TLS says so.
        let scheme = if text("x-forwarded-proto") == Some("https") { "wss" } else { self.scheme };
        text("host").map_or_else(Door::default, |host| Door(format!("{scheme}://{host}")))
    }

    async fn answer(&self, codec: Codec, request: Request, id: &RequestId) -> Result<Response, Fault> {
        let (request, body) = request.into_parts();
        let body = body::collect(body).await?;
        let authorization = Authorization::of(&request.headers)?;
        let principal = self.principal(&authorization, &request, &body)?;
        let body = body::unpack(&request.headers, body)?;
        let found = codec.operation(&request, &body);
        let (service, operation) = found.ok_or_else(Fault::unknown_operation)?;
        let region = self.region(&authorization, service)?;
        let message = codec.read(operation, &body)?;
        let caller = (principal, region, id.clone(), self.door(&request.headers));
        if operation.is_stream {
            let body = call::begin(&self.routes, operation, &message, caller, &request.headers).await?;
            return Ok(codec::stream(operation, body, id));
        }
        let answer = call::call(&self.routes, operation, &message, caller, &request.headers).await?;
        codec.answer(service, operation, &answer, id)
    }

    /// The region that the request is signed for. Refuses one that is not served, and another service.
    fn region(&self, signed: &Authorization<'_>, service: &Service) -> Result<Chosen, Refusal> {
        if signed.service != service.signing_name {
            let text = format!("Credential should be scoped to correct service: '{}'.", service.signing_name);
            return Err(Refusal::Invalid(text));
        }
        self.regions.choose(signed.region).ok_or_else(|| {
            let names = self.regions.names();
            Refusal::Invalid(format!("Credential should be scoped to a valid region: {names}."))
        })
    }

    /// Who signed the request.
    fn principal(
        &self,
        authorization: &Authorization<'_>,
        request: &http::request::Parts,
        body: &[u8],
    ) -> Result<Principal, Fault> {
        let token = request.headers.get(SESSION_TOKEN).map(|token| token.to_str());
        let token = token.transpose().map_err(|_| Refusal::Unrecognized)?;
        let now_unix_ms = self.clock.unix_ms();
        let held = self.authenticator.credentials(authorization.access_key_id, token, now_unix_ms);
        let held = held.map_err(not_held)?;
        authorization.verify(request, body, &held.secret, now_unix_ms)?;
        Ok(held.principal)
    }
}

/// AWS's own words for keys that nobody knows.
fn not_held(error: Error) -> Fault {
    match error {
        Error::Unauthenticated(Unauthenticated::UnknownKey(_)) => Refusal::Unrecognized.into(),
        Error::Unauthenticated(Unauthenticated::SessionExpired) => Refusal::Expired.into(),
        other => Fault::from(&other.into_status()),
    }
}

async fn serve(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let id = RequestId::new(endpoint.entropy.u128());
    let codec = Codec::of(request.headers());
    match endpoint.answer(codec, request, &id).await {
        Ok(response) => response,
        Err(fault) => {
            if fault.status().is_server_error() {
                warn!(request_id = %id, exception = fault.name, error = fault.message, "a call was not answered");
            } else {
                debug!(request_id = %id, exception = fault.name, error = fault.message, "a call was refused");
            }
            codec.fault(&fault, &id)
        }
    }
}
