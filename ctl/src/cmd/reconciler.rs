//! `berth reconciler`: what keeps things as they should be, and why it did what it did.

use berth_proto::admin::v1::ListReconcilersRequest;
use clap::Subcommand;

use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::view;

/// Reconcilers: what keeps things as they should be
#[derive(Debug, Subcommand)]
pub(crate) enum Reconciler {
    /// Show what each did last, and what is waiting
    #[command(visible_alias = "ls")]
    List,
}

// === impl Reconciler ===

impl Reconciler {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Self::List = self;
        let response = context.connect()?.client.call(ListReconcilersRequest {}).await?;
        let table = view::admin::reconcilers(&response.reconcilers, context.now_unix_ms());
        context.output.result(
            &response,
            || response.reconcilers.iter().map(|one| one.name.clone()).collect(),
            || context.output.table(&table, "No reconciler runs: is there a leader? `berth controller list`"),
        )?;
        Ok(Exit::Success)
    }
}
