//! Credentials of a task's role: asked of a controller, and kept for as long as they are good for a while yet.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;
use serde_json::json;

use super::json;
use super::server::Server;
use crate::controllers::request;
use crate::limits::TASKS_PER_INSTANCE;
use crate::task::unix_ms;

/// Clients ask again a quarter of an hour before the end, and want something then that lasts.
const FRESH_MS: i64 = 60 * 60 * 1_000;

/// Credentials by task. In memory only.
#[derive(Default)]
pub(super) struct Credentials(Mutex<HashMap<String, Arc<wire::GetTaskCredentialsResponse>>>);

/// `{code, message}`, as clients read it.
pub(super) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    json::answer(status, json!({ "code": code, "message": message, "HTTPErrorCode": status.as_u16() }))
}

// === impl Credentials ===

impl Credentials {
    /// Those that are kept and end only after this.
    fn kept(&self, task_id: &str, after_ms: i64) -> Option<Arc<wire::GetTaskCredentialsResponse>> {
        self.0.lock().get(task_id).filter(|kept| ends_ms(kept) > after_ms).cloned()
    }

    fn keep(&self, task_id: &str, made: Arc<wire::GetTaskCredentialsResponse>, now_ms: i64) {
        let mut kept = self.0.lock();
        if kept.len() >= TASKS_PER_INSTANCE {
            kept.retain(|_, kept| ends_ms(kept) > now_ms);
        }
        if kept.len() < TASKS_PER_INSTANCE {
            kept.insert(task_id.to_owned(), made);
        }
    }
}

fn ends_ms(credentials: &wire::GetTaskCredentialsResponse) -> i64 {
    credentials.expiration.as_ref().map(unix_ms).unwrap_or_default()
}

// === impl Server ===

impl Server {
    pub(super) async fn credentials(&self, id: &str) -> Response {
        let unknown = || {
            let text = "CredentialsV2Request: Credentials not found";
            refusal(StatusCode::BAD_REQUEST, "InvalidIdInRequest", text)
        };
        let Some(task_id) = self.endpoint.ids.credentials(id) else { return unknown() };
        let Some(task) = self.parts.engine.task(task_id).await else { return unknown() };
        if task.is_finished {
            return unknown();
        }
        let now_ms = self.parts.clock.unix_ms();
        if let Some(kept) = self.credentials.kept(task_id, now_ms + FRESH_MS) {
            return show(&kept);
        }
        match self.ask_for_credentials(task_id).await {
            Ok(made) => {
                let made = Arc::new(made);
                self.credentials.keep(task_id, Arc::clone(&made), now_ms);
                show(&made)
            }
            Err(error) => match self.credentials.kept(task_id, now_ms) {
                Some(kept) => show(&kept),
                None => {
                    tracing::info!(task = task_id, error, "no credentials for a task");
                    let text = "CredentialsV2Request: Credentials uninitialized for ID";
                    refusal(StatusCode::SERVICE_UNAVAILABLE, "CredentialsUninitialized", text)
                }
            },
        }
    }

    async fn ask_for_credentials(&self, task_id: &str) -> Result<wire::GetTaskCredentialsResponse, String> {
        let mut client = self.parts.controllers.client().ok_or("no controller answers")?;
        let question = wire::GetTaskCredentialsRequest {
            container_instance_id: self.parts.instance_id.clone(),
            task_id: task_id.to_owned(),
        };
        let answer = client.get_task_credentials(request(question)).await;
        answer.map(tonic::Response::into_inner).map_err(|status| status.message().to_owned())
    }
}

fn show(credentials: &wire::GetTaskCredentialsResponse) -> Response {
    json::answer(
        StatusCode::OK,
        json!({
            "RoleArn": credentials.role_arn,
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key,
            "Token": credentials.session_token,
            "Expiration": json::time(credentials.expiration.as_ref().map(unix_ms)),
        }),
    )
}
