//! The server: which path asks for what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use berth_process::clock::Clock;
use berth_process::net::{self, Protocol};
use berth_process::shutdown::Shutdown;
use tonic::service::Routes;

use super::credentials::Credentials;
use super::stats::Samples;
use super::throttle::Throttle;
use super::{Endpoint, Opened, json};
use crate::controllers::Controllers;
use crate::engine::{self, Known};
use crate::network::Network;
use crate::runtime::Runtime;

/// What the endpoint is served from.
pub(crate) struct Parts {
    /// Knows the tasks.
    pub(crate) engine: engine::Handle,
    /// Knows the containers.
    pub(crate) runtime: Arc<dyn Runtime>,
    /// Know the rest.
    pub(crate) controllers: Arc<Controllers>,
    /// The instance's id.
    pub(crate) instance_id: String,
    /// The instance's zone; empty when it is in none.
    pub(crate) zone: String,
    /// Knows the addresses.
    pub(crate) network: Option<Arc<Network>>,
    /// The present.
    pub(crate) clock: Clock,
}

/// Serves the endpoint.
pub(crate) struct Server {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) parts: Parts,
    pub(super) samples: Samples,
    pub(super) credentials: Credentials,
    throttle: Throttle,
}

type Shared = State<Arc<Server>>;

/// A container that asks, and its task.
pub(super) struct Caller {
    pub(super) at: usize,
    pub(super) task: Known,
}

// === impl Server ===

impl Server {
    /// Serves until the shutdown, and gives the address back then.
    pub(crate) async fn run(opened: Opened, parts: Parts, shutdown: Shutdown) -> Result<(), net::Error> {
        let Opened { endpoint, listen, interface, redirect } = opened;
        let server = Arc::new(Self {
            endpoint,
            parts,
            samples: Samples::default(),
            credentials: Credentials::default(),
            throttle: Throttle::default(),
        });
        let routes = Routes::from(router(server));
        let serve = net::serve_as(Protocol::Http1, routes, listen, None, &shutdown);
        let served = match &redirect {
            None => serve.await,
            // Cancel-safe: looking never ends, and what it looks after is taken away below.
            Some(redirect) => tokio::select! {
                served = serve => served,
                () = redirect.keep() => Ok(()),
            },
        };
        if redirect.is_some() {
            super::redirect::remove().await;
        }
        interface.remove().await;
        served
    }

    async fn caller(&self, id: &str) -> Option<Caller> {
        let (task_id, at) = self.endpoint.ids.container(id)?;
        let task = self.parts.engine.task(task_id).await?;
        (at < task.containers.len()).then_some(Caller { at, task })
    }
}

fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/v4/{id}", get(container))
        .route("/v4/{id}/task", get(task))
        .route("/v4/{id}/taskWithTags", get(task_with_tags))
        .route("/v4/{id}/stats", get(container_stats))
        .route("/v4/{id}/task/stats", get(task_stats))
        .route("/v3/{id}", get(container))
        .route("/v3/{id}/task", get(task))
        .route("/v3/{id}/taskWithTags", get(task_with_tags))
        .route("/v3/{id}/stats", get(container_stats))
        .route("/v3/{id}/task/stats", get(task_stats))
        .route("/api/{id}/task-protection/v1/state", get(protection).put(protect))
        .route("/v2/credentials/{id}", get(credentials))
        .route("/v2/credentials", get(no_credentials))
        .layer(from_fn_with_state(Arc::clone(&server), throttle))
        .fallback(async || StatusCode::NOT_FOUND)
        .with_state(server)
}

async fn throttle(State(server): Shared, request: Request, next: Next) -> Response {
    let id = request.uri().path().split('/').nth(2).unwrap_or_default();
    // Ids of nobody share one bucket: they are not to fill the memory.
    let id = if server.endpoint.ids.container(id).is_some() { id } else { "" };
    let is_credentials = request.uri().path().starts_with("/v2/credentials");
    if is_credentials || server.throttle.admits(id) {
        return next.run(request).await;
    }
    (StatusCode::TOO_MANY_REQUESTS, "You have reached maximum request limit.").into_response()
}

async fn container(State(server): Shared, Path(id): Path<String>) -> Response {
    match server.caller(&id).await {
        Some(caller) => json::answer(StatusCode::OK, server.container(&caller.task, caller.at).await),
        None => unknown(&id, "container metadata"),
    }
}

async fn task(State(server): Shared, Path(id): Path<String>) -> Response {
    match server.caller(&id).await {
        Some(caller) => json::answer(StatusCode::OK, server.task(&caller.task).await),
        None => unknown(&id, "task metadata"),
    }
}

async fn task_with_tags(State(server): Shared, Path(id): Path<String>) -> Response {
    match server.caller(&id).await {
        Some(caller) => json::answer(StatusCode::OK, server.task_with_tags(&caller.task).await),
        None => unknown(&id, "task metadata"),
    }
}

async fn container_stats(State(server): Shared, Path(id): Path<String>) -> Response {
    let Some(caller) = server.caller(&id).await else { return unknown(&id, "container stats") };
    let stats = server.container_stats(&caller.task, caller.at).await;
    json::answer(StatusCode::OK, stats.unwrap_or_else(|| serde_json::json!({})))
}

async fn task_stats(State(server): Shared, Path(id): Path<String>) -> Response {
    match server.caller(&id).await {
        Some(caller) => json::answer(StatusCode::OK, server.task_stats(&caller.task).await),
        None => unknown(&id, "task stats"),
    }
}

async fn protection(State(server): Shared, Path(id): Path<String>) -> Response {
    match server.caller(&id).await {
        Some(caller) => server.protection(&caller).await,
        None => unknown(&id, "task protection"),
    }
}

async fn protect(State(server): Shared, Path(id): Path<String>, body: bytes::Bytes) -> Response {
    match server.caller(&id).await {
        Some(caller) => server.protect(&caller, &body).await,
        None => unknown(&id, "task protection"),
    }
}

async fn credentials(State(server): Shared, Path(id): Path<String>) -> Response {
    server.credentials(&id).await
}

async fn no_credentials() -> Response {
    super::credentials::refusal(
        StatusCode::BAD_REQUEST,
        "NoIdInRequest",
        "CredentialsV2Request: No ID in the request",
    )
}

fn unknown(id: &str, what: &str) -> Response {
    let text = format!("unable to get {what}: no container of this host has the id {id:?}");
    json::answer(StatusCode::NOT_FOUND, text.into())
}
