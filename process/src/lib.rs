//! What any long-running process of Berth needs: configuration, telemetry, shutdown, TLS, networking,
//! identity and the reconcile driver.
//!
//! This crate knows nothing of ECS: it never names a task, a service or a cluster's state. Time, chance and
//! the network enter a process here and only here, each behind a type that a simulation can replace:
//!
//! | What enters | Through | A simulation gives |
//! |---|---|---|
//! | wall clock | [`clock::Clock`] | `Clock::simulated`, `Clock::manual` |
//! | monotonic time | `tokio::time` | paused or simulated tokio time |
//! | chance | [`entropy::Entropy`] | `Entropy::seeded` |
//! | incoming connections | [`net::Listen`] | its own listener |
//! | outgoing connections | [`net::Connector`] | `Connector::custom` |
//!
//! Nothing is fire-and-forget: every task is spawned through [`shutdown::Shutdown`], which knows its name and
//! what its failure means.
#![forbid(unsafe_code)]

pub mod backoff;
pub mod bucket;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod identity;
pub mod net;
pub mod ops;
pub mod reconcile;
pub mod region;
pub mod shutdown;
pub mod telemetry;
pub mod tls;
pub mod token;
