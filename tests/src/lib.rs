//! What the test binaries share: a fleet of real processes, the hosts it runs on, and ways to look at it.
//!
//! Everything here talks to Berth from outside: its command line, its gRPC API, its log files and the container
//! engines. Nothing reaches into a crate of the product.
#![forbid(unsafe_code)]

pub mod harness;
