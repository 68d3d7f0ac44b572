//! Waiting for things: how often to look, and what counts as done.

use std::time::Duration;

use clap::Args;

use crate::time::parse_duration;

pub(crate) mod service;

/// How often a wait looks: soon enough for a person, seldom enough for a controller.
pub(crate) const POLL: Duration = Duration::from_millis(250);

/// Whether and how long a change is waited for
#[derive(Clone, Debug, Args)]
pub(crate) struct WaitArgs {
    /// Wait until it is done, showing how far it is
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long at most; exits with 4 when the time is over
    #[arg(long, value_parser = parse_duration, default_value = "10m", value_name = "TIME")]
    pub(crate) timeout: Duration,
}
