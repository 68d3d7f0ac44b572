//! `berth task usage`: what the containers of a task use, and what they wait for.

use std::time::Duration;

use berth_proto::admin::v1::{ReadUsageRequest, ReadUsageResponse};
use clap::Args;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::time::parse_duration;
use crate::view;

/// What the containers of a task use; an hour of it is kept on the host
#[derive(Debug, Args)]
#[command(after_help = "\
Processors are counted in CPU units, 1024 to a core. `-o json` shows every sample.

Examples:
  berth task usage 3f2a91c0b7e4
  berth task usage 3f2a91c0b7e4 --since 5m -o json")]
pub(crate) struct Usage {
    /// The task: its id, the beginning of it, or its ARN
    task: String,
    /// Over this time, as 90s, 5m or 1h
    #[arg(long, value_parser = parse_duration, value_name = "TIME", default_value = "1h")]
    since: Duration,
}

// === impl Usage ===

impl Usage {
    pub(crate) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let seconds = u32::try_from(self.since.as_secs()).unwrap_or(u32::MAX);
        let response = of_task(session, &self.task, Some(seconds)).await?;
        context.output.result(
            &response,
            || response.containers.iter().map(|container| container.name.clone()).collect(),
            || {
                let pulls = view::usage::pulls(&response.pulls, context.now_unix_ms());
                let table = context.output.table(
                    &view::usage::containers(&response.containers),
                    "Nothing is known yet: a container is looked at every five seconds while it runs.",
                );
                pulls.into_iter().map(|line| line + "\n").chain([table]).collect()
            },
        )
    }
}

/// What a task uses, as its agent tells.
pub(crate) async fn of_task(
    session: &Session,
    task: &str,
    since_seconds: Option<u32>,
) -> Result<ReadUsageResponse, Failure> {
    let task = api::whole_task_ids(session, &[task.to_owned()]).await?.pop().unwrap_or_default();
    let cluster = session.cluster.clone();
    session.client.call(ReadUsageRequest { cluster, task, since_seconds }).await
}
