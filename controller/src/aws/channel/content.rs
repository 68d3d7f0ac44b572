//! What is said in JSON on a data channel.

use serde::{Deserialize, Serialize};

use super::message::{Kind, Message};
use crate::api::auth::grant::GrantedPort;
use crate::api::edge::RequestId;

/// The client proves by its token which session it is for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Opening {
    pub(super) token_value: String,
}

/// One message was received.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Acknowledgement {
    acknowledged_message_type: String,
    acknowledged_message_id: String,
    pub(super) acknowledged_message_sequence_number: i64,
    is_sequential_message: bool,
}

/// What the client is asked to do before anything else.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HandshakeRequest {
    agent_version: &'static str,
    requested_client_actions: Vec<RequestedAction>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RequestedAction {
    action_type: &'static str,
    action_parameters: SessionType,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionType {
    session_type: &'static str,
    properties: serde_json::Value,
}

/// What it did.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HandshakeResponse {
    #[serde(default)]
    processed_client_actions: Vec<ProcessedAction>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessedAction {
    action_status: i64,
    #[serde(default)]
    error: Option<String>,
}

/// Nothing more is asked of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct HandshakeComplete {
    /// In nanoseconds.
    handshake_time_to_complete: u64,
    customer_message: &'static str,
}

/// How large the client's terminal is.
#[derive(Debug, Deserialize)]
pub(super) struct Size {
    pub(super) cols: u32,
    pub(super) rows: u32,
}

/// It is over.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Closed<'a> {
    pub(super) message_id: String,
    pub(super) created_date: String,
    pub(super) destination_id: &'a str,
    pub(super) session_id: &'a str,
    pub(super) message_type: &'static str,
    pub(super) schema_version: u32,
    /// Why, if there is something to say.
    pub(super) output: &'a str,
}

/// What the agents of AWS call themselves; from some version on, clients expect more of an agent than is here.
const AGENT_VERSION: &str = "3.0.0.0";

/// From this version on, clients send several connections over one channel, and leave it to the channel to see whether the
/// other side is there. Source: session-manager-plugin, `config.go`.
const PORT_AGENT_VERSION: &str = "3.1.1600.0";

/// A command at a terminal.
const TERMINAL: &str = "InteractiveCommands";
/// Connections to a port.
const PORT: &str = "Port";
/// What clients call a port of theirs that leads to one elsewhere.
const FORWARDING: &str = "LocalPortForwarding";

/// How an action that was done is told.
const DONE: i64 = 1;

// === impl Acknowledgement ===

impl Acknowledgement {
    /// Of this message.
    pub(super) fn of(message: &Message) -> Self {
        Self {
            acknowledged_message_type: message.kind.name().to_owned(),
            acknowledged_message_id: RequestId::new(message.id).to_string(),
            acknowledged_message_sequence_number: message.sequence,
            is_sequential_message: matches!(message.kind, Kind::Input | Kind::Output),
        }
    }
}

// === impl HandshakeRequest ===

impl HandshakeRequest {
    /// The client is to be a terminal.
    pub(super) fn terminal() -> Self {
        let action_parameters = SessionType { session_type: TERMINAL, properties: serde_json::Value::Null };
        Self::to_be(AGENT_VERSION, action_parameters)
    }

    /// The client is to carry connections: those to a port of its own or, when there is only one, what it reads and writes.
    pub(super) fn port(granted: &GrantedPort) -> Self {
        let mut properties: serde_json::Map<String, serde_json::Value> =
            granted.local.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        properties.insert("portNumber".to_owned(), granted.port.to_string().into());
        if !granted.is_single {
            properties.insert("type".to_owned(), FORWARDING.into());
        }
        let action_parameters = SessionType { session_type: PORT, properties: properties.into() };
        Self::to_be(PORT_AGENT_VERSION, action_parameters)
    }

    fn to_be(agent_version: &'static str, action_parameters: SessionType) -> Self {
        let action = RequestedAction { action_type: "SessionType", action_parameters };
        Self { agent_version, requested_client_actions: vec![action] }
    }
}

// === impl HandshakeResponse ===

impl HandshakeResponse {
    /// What the client could not do.
    pub(super) fn failure(&self) -> Option<&str> {
        let failed = self.processed_client_actions.iter().find(|action| action.action_status != DONE)?;
        Some(failed.error.as_deref().filter(|error| !error.is_empty()).unwrap_or("it gives no reason"))
    }
}

// === impl HandshakeComplete ===

impl HandshakeComplete {
    /// After this time.
    pub(super) fn after(elapsed: std::time::Duration) -> Self {
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        Self { handshake_time_to_complete: nanoseconds, customer_message: "" }
    }
}

/// JSON of what certainly has one.
pub(super) fn json(content: &impl Serialize) -> bytes::Bytes {
    serde_json::to_vec(content).expect("texts and numbers have a JSON form").into()
}
