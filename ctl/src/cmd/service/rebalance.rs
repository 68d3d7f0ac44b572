//! `berth service rebalance`: running tasks move to where they would be placed now.

use berth_proto::scheduler::v1::RebalanceRequest;
use clap::Args;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::names::short;
use crate::view;

/// Move running tasks to where they would be placed now
#[derive(Debug, Args)]
#[command(after_help = "\
Each task that moves is started elsewhere before it is stopped. At most a tenth of a service moves at a time: the
command begins moves and does not wait for them.

Examples:
  berth service rebalance --dry-run
  berth service rebalance web")]
pub(crate) struct Rebalance {
    /// The service [default: every service of the cluster]
    name: Option<String>,
    /// Only show what would move, and what not
    #[arg(long)]
    dry_run: bool,
}

// === impl Rebalance ===

impl Rebalance {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let request = RebalanceRequest {
            cluster: session.cluster.clone(),
            service: self.name.as_deref().map(api::service_name).unwrap_or_default(),
            dry_run: self.dry_run,
        };
        let response = session.client.call(request).await?;
        let tasks = || response.moves.iter().map(|one| short(&one.task_arn).to_owned()).collect();
        let table = view::scheduler::moves(&response);
        context.output.result(&response, tasks, || context.output.table(&table, "No task would move."))?;
        for why in &response.held_back {
            context.output.note(why);
        }
        Ok(())
    }
}
