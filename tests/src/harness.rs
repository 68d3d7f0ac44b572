//! The harness of the end-to-end tests.
//!
//! A test asks for a [`fleet::Fleet`], does something to it, and waits ([`wait::until`]) for what must follow. When
//! a test panics or is killed, everything it started ends with it: processes through the parent-death signal,
//! hosts with their init process, containers by the next run's sweep (see [`slot`]).

pub mod api;
pub mod binary;
pub mod command;
pub mod daemon;
pub mod engine;
pub mod fleet;
pub mod hosts;
pub mod http;
pub mod log_scan;
pub mod probe;
pub mod registry;
pub mod requirement;
pub mod slot;
pub mod wait;
pub mod watchdog;

pub use requirement::{
    require_aws_clients, require_busybox, require_docker, require_hosts, require_quotas, require_registry,
    require_session_plugin, require_shell_image,
};
