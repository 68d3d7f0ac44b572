//! `berth`: the command line of a Berth cluster.
//!
//! Parses the arguments, runs one command against any controller over gRPC, prints, and exits with a code that
//! scripts can rely on. It knows the schema and nothing of how controllers and agents work.
#![forbid(unsafe_code)]

mod api;
mod args;
mod client;
mod cmd;
mod conduit;
mod context;
mod details;
mod dev;
mod failure;
mod input;
mod json;
mod logs;
mod names;
mod output;
mod profile;
mod progress;
mod syntax;
mod table;
mod time;
mod view;
mod wait;

use std::process::ExitCode;

use berth_process::clock::Clock;

use crate::args::Cli;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::Output;

fn main() -> ExitCode {
    let cli = args::parse();
    let output = Output::new(cli.global.output, cli.global.color, cli.global.quiet);
    let exit = run(cli, output.clone()).unwrap_or_else(|failure| {
        output.failure(&failure);
        failure.exit
    });
    ExitCode::from(exit.code())
}

fn run(cli: Cli, output: Output) -> Result<Exit, Failure> {
    let context =
        Context { output, clock: Clock::system(), home: profile::home()?, overrides: cli.global.overrides() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::usage(format!("starting: {error}")))?;
    let exit = runtime.block_on(cmd::run(cli.command, &context));
    // A read of standard input may still block a thread of the runtime; nothing is lost by leaving it.
    runtime.shutdown_background();
    exit
}
