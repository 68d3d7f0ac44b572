//! ECS as pure functions: the state, the commands that change it, and the planners that decide which commands
//! to issue.
//!
//! **Architecture invariant:** nothing here does IO, reads a clock, draws a random number or iterates a map whose
//! order differs between runs. "Now" and identifiers are arguments. Two controllers that apply the same log
//! therefore hold the same state, byte for byte.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

#[cfg(test)]
extern crate self as berth_model;

#[cfg(test)]
#[path = "../tests/sim/fixture.rs"]
mod fixture;

pub mod account_setting;
pub mod apply;
pub mod arn;
pub mod attribute;
pub mod capacity_provider;
pub mod change;
pub mod cluster;
pub mod command;
pub mod container_instance;
pub mod environment_file;
pub mod error;
pub mod fit;
pub mod id;
pub mod key;
pub mod limits;
pub mod log;
pub mod network;
pub mod parameter;
pub mod placement;
pub mod plan;
pub mod port_range;
pub mod resource;
pub mod secret;
pub mod service;
pub mod state;
pub mod task;
pub mod task_definition;
pub mod time;
pub mod validate;
pub mod wire;
