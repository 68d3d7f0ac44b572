//! The query protocol: `Action=…&Version=…` in a form, XML in the answer.
//!
//! Requests are flat: members that are lists or structures come with the first service that has them.

use form_urlencoded::parse;
use http::StatusCode;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::json;
use super::json::Mistake;
use super::schema::{Index, Schema, Shape};
use super::target::{self, Service};
use crate::api::edge::RequestId;

/// The service and the name of the operation in a form.
pub(super) fn operation(form: &[u8]) -> Option<(&'static Service, String)> {
    let named = |wanted: &str| parse(form).find(|(name, _)| name == wanted).map(|(_, value)| value);
    Some((target::of_version(&named("Version")?)?, named("Action")?.into_owned()))
}

/// The message in a form.
pub(super) fn read(message: Index, form: &[u8]) -> Result<Vec<u8>, Mistake> {
    let message_shape = Schema::get().at(message);
    let mut members = Map::new();
    for (name, text) in parse(form) {
        let Some(member) = message_shape.by_json_name(&name) else { continue };
        let typed = match member.shape {
            Shape::Int32 | Shape::Int64 => text.parse::<i64>().ok().map(Value::from),
            Shape::Bool => text.parse::<bool>().ok().map(Value::from),
            _ => None,
        };
        // What is no number is refused where every wrong kind is.
        let value = typed.unwrap_or_else(|| Value::String(text.into_owned()));
        members.insert(name.into_owned(), value);
    }
    json::read(message, Value::Object(members).to_string().as_bytes())
}

/// The answer whose members are those of a JSON document.
pub(super) fn answer(service: &Service, operation: &str, document: &[u8], id: &RequestId) -> String {
    let result: Value = serde_json::from_slice(document).expect("our own writer wrote it");
    let mut xml = format!("<{operation}Response xmlns=\"{}\"><{operation}Result>", namespace(service));
    element(&result, &mut xml);
    xml.push_str(&format!(
        "</{operation}Result><ResponseMetadata><RequestId>{id}</RequestId></ResponseMetadata>"
    ));
    xml.push_str(&format!("</{operation}Response>"));
    xml
}

/// An error.
pub(super) fn fault(fault: &Fault, id: &RequestId) -> String {
    let kind = if fault.is_of_sender() { "Sender" } else { "Receiver" };
    let (code, message) = (code(&fault.name), escape(&fault.message));
    format!(
        "<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>{id}</RequestId></ErrorResponse>"
    )
}

/// The query protocol answers 403 to whom the JSON protocol answers 400 about who it is.
pub(super) fn status(fault: &Fault) -> StatusCode {
    if code(&fault.name) == fault.name.trim_end_matches("Exception") && fault.name != "AccessDeniedException"
    {
        return fault.status();
    }
    StatusCode::FORBIDDEN
}

fn namespace(service: &Service) -> String {
    format!("https://{}.amazonaws.com/doc/{}/", service.signing_name, service.query_version)
}

/// The names that the query protocol has for the same errors.
fn code(name: &str) -> &str {
    match name {
        "InvalidSignatureException" => "SignatureDoesNotMatch",
        "UnrecognizedClientException" => "InvalidClientTokenId",
        "ExpiredTokenException" => "ExpiredToken",
        "MissingAuthenticationTokenException" => "MissingAuthenticationToken",
        "UnknownOperationException" => "InvalidAction",
        "InvalidParameterException" => "ValidationError",
        "ServerException" => "InternalFailure",
        other => other.trim_end_matches("Exception"),
    }
}

fn element(value: &Value, xml: &mut String) {
    match value {
        Value::Null => {}
        Value::Bool(truth) => xml.push_str(&truth.to_string()),
        Value::Number(number) => xml.push_str(&number.to_string()),
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Array(items) => items.iter().for_each(|item| named("member", item, xml)),
        Value::Object(members) => members.iter().for_each(|(name, value)| named(name, value, xml)),
    }
}

fn named(name: &str, value: &Value, xml: &mut String) {
    xml.push_str(&format!("<{name}>"));
    element(value, xml);
    xml.push_str(&format!("</{name}>"));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
