//! Protection of a task from scale-in, asked for by one of its containers.

use axum::http::StatusCode;
use axum::response::Response;
use berth_proto::agent::v1 as wire;
use serde::Deserialize;
use serde_json::{Value, json};

use super::json;
use super::server::{Caller, Server};
use crate::controllers::request;
use crate::task::unix_ms;

/// What a container sends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wanted {
    protection_enabled: bool,
    expires_in_minutes: Option<i32>,
}

// === impl Server ===

impl Server {
    pub(super) async fn protection(&self, caller: &Caller) -> Response {
        self.ask_for_protection(caller, None).await
    }

    pub(super) async fn protect(&self, caller: &Caller, body: &[u8]) -> Response {
        match serde_json::from_slice(body) {
            Ok(wanted) => self.ask_for_protection(caller, Some(wanted)).await,
            Err(error) => {
                let arn = &caller.task.desired.arn;
                let text = format!("UpdateTaskProtection: the request is not what it has to be: {error}");
                failed(StatusCode::BAD_REQUEST, arn, "InvalidParameterException", &text)
            }
        }
    }

    async fn ask_for_protection(&self, caller: &Caller, wanted: Option<Wanted>) -> Response {
        let task = &caller.task.desired;
        let Some(mut client) = self.parts.controllers.client() else {
            let text = "no controller answers; try again";
            return failed(StatusCode::GATEWAY_TIMEOUT, &task.arn, "RequestCanceled", text);
        };
        let question = wire::ProtectTaskRequest {
            container_instance_id: self.parts.instance_id.clone(),
            task_id: task.id.clone(),
            protection_enabled: wanted.as_ref().map(|wanted| wanted.protection_enabled),
            expires_in_minutes: wanted.and_then(|wanted| wanted.expires_in_minutes),
        };
        match client.protect_task(request(question)).await {
            Ok(answer) => show(&answer.into_inner()),
            Err(status) if status.code() == tonic::Code::InvalidArgument => {
                failed(StatusCode::BAD_REQUEST, &task.arn, "InvalidParameterException", status.message())
            }
            Err(status) => {
                failed(StatusCode::INTERNAL_SERVER_ERROR, &task.arn, "ServerException", status.message())
            }
        }
    }
}

fn show(answer: &wire::ProtectTaskResponse) -> Response {
    let document = match (&answer.failure, &answer.protection) {
        (Some(failure), _) => json!({
            "failure": { "Arn": failure.arn, "Detail": failure.detail, "Reason": failure.reason }
        }),
        (None, Some(protection)) => json!({
            "protection": {
                "ExpirationDate": json::time(protection.expiration_date.as_ref().map(unix_ms)),
                "ProtectionEnabled": protection.protection_enabled(),
                "TaskArn": protection.task_arn,
            }
        }),
        (None, None) => Value::Null,
    };
    json::answer(StatusCode::OK, document)
}

fn failed(status: StatusCode, arn: &str, code: &str, message: &str) -> Response {
    json::answer(status, json!({ "error": { "Arn": arn, "Code": code, "Message": message } }))
}
