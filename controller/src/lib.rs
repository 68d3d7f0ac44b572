//! The controller: the API, consensus, the reconcilers and the agents' sessions.
//!
//! [`run`] puts the parts together. Each part is handed what it needs and nothing else; the listener, the connector, the
//! clock and the source of random numbers come from outside, so that a simulation can put its own in.
#![forbid(unsafe_code)]

pub mod api;
pub mod aws;
mod conduit;
pub mod config;
pub mod feed;
pub mod leader;
pub mod limits;
mod metrics;
pub mod proposer;
pub mod raft;
pub mod reconcile;
pub mod region;
pub mod session;
mod start;
mod webhook;
mod wiring;

pub use start::{Environment, Error, run};
