//! Answers in JSON, without the members that are not known.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// An answer. Members that are null are left out, as the ECS agent leaves them out.
pub(super) fn answer(status: StatusCode, mut value: Value) -> Response {
    prune(&mut value);
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// A moment as the endpoint writes it; null for none.
pub(super) fn time(unix_ms: Option<i64>) -> Value {
    unix_ms.map_or(Value::Null, |at| crate::task::timestamp(at).to_string().into())
}

fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(prune);
        }
        Value::Array(entries) => entries.iter_mut().for_each(prune),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
