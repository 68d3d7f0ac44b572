//! From a request to a command, or to the exception that ECS would throw. Every text that the API answers is here.
//!
//! Pure: a request, the view and an [`Admission`] go in, commands (for calls that change something) or references into
//! the view (for calls that read) come out. Handlers propose the one and render the other; they decide nothing.
//!
//! Calls that change something give an [`Accepted`]: what the answer is about, and the command to propose. A command
//! that carries a generation (UpdateService) or a revision (RegisterTaskDefinition) is void when somebody else was
//! faster: on [`crate::command::Rejection::Stale`] and [`crate::command::Rejection::RevisionTaken`] the handler
//! validates the same request again on a newer view.

use berth_proto::ecs::v1 as pb;

use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::id::Ids;
use crate::time::Timestamp;

pub mod account_setting;
pub mod capacity_provider;
pub mod cluster;
pub mod container_instance;
pub mod daemon;
pub mod execute_command;
pub mod express_gateway_service;
pub mod gateway;
pub mod key;
mod launch;
pub mod log;
pub mod name;
pub mod page;
pub mod parameter;
mod placement;
pub mod report;
pub mod scheduler;
pub mod secret;
pub mod security_group;
pub mod service;
pub mod service_deployment;
pub mod session;
pub mod state_change;
pub mod tag;
pub mod tagging;
pub mod task;
pub mod task_definition;
pub mod task_endpoint;
pub mod task_protection;
pub mod task_set;

/// What a request may know besides itself and the view.
#[derive(Clone, Debug)]
pub struct Admission {
    /// When it came.
    pub now: Timestamp,
    /// Where the ids of what it makes come from.
    pub ids: Ids,
    /// Who sent it.
    pub principal: String,
    /// W3C trace context of the call.
    pub traceparent: Option<String>,
}

/// A request that changes something was admitted: what its answer is about, and the command to propose.
pub type Accepted<T> = Result<(T, Command), ApiError>;

/// As [`Accepted`], for a request that may come to nothing to change.
pub type Decided<T> = Result<(T, Option<Command>), ApiError>;

/// A request that reads something was admitted: what was found, and a `MISSING` failure for everything that was not.
pub type Found<'a, T> = Result<(Vec<&'a T>, Vec<pb::Failure>), ApiError>;

/// A request for a list was admitted: one page of it.
pub type Listed<T> = Result<page::Page<T>, ApiError>;

/// An entry of `failures`, which stands beside what could be done.
fn failure(arn: String, reason: impl Into<String>, detail: Option<&str>) -> pb::Failure {
    pb::Failure { arn: Some(arn), reason: Some(reason.into()), detail: detail.map(str::to_owned) }
}

/// ECS has it, and this deployment does not. Refusing it is better than leaving it out without a word.
fn unsupported(what: &str) -> ApiError {
    ApiError::new(Exception::UnsupportedFeature, format!("{what} is not supported yet."))
}

/// A text that has to be there: `Cluster can not be blank.`
fn given<'a>(what: &str, text: Option<&'a str>) -> Result<&'a str, ApiError> {
    text.filter(|text| !text.is_empty()).ok_or_else(|| ApiError::invalid(format!("{what} can not be blank.")))
}

/// Refuses a list that is empty or too long: `Tasks cannot be empty.`
fn check_names(what: &str, names: &[String], limit: usize) -> Result<(), ApiError> {
    if names.is_empty() {
        return Err(ApiError::invalid(format!("{what} cannot be empty.")));
    }
    if names.len() > limit {
        return Err(ApiError::invalid(format!("{what} cannot have more than {limit} elements.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
