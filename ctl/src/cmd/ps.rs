//! `berth ps`: what runs where.

use clap::Args;

use super::task::List;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// What runs where
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  berth ps                        every task that runs or is about to
  berth ps --service web -o wide
  berth ps --all                  also those that have stopped
  berth ps -o json | jq '.tasks[].containers[].exitCode'")]
pub(crate) struct Ps {
    #[command(flatten)]
    list: List,
}

// === impl Ps ===

impl Ps {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        self.list.show(context, &context.connect()?).await?;
        Ok(Exit::Success)
    }
}
