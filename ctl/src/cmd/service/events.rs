//! `berth service events`: what happened to a service, in ECS's own words.

use std::collections::BTreeSet;
use std::time::Duration;

use berth_proto::ecs::v1::ServiceEvent;
use clap::Args;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::output::Ink;
use crate::time::date_time;

/// Show what happened to a service
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  berth service events web\n  berth service events web -f --tail 0")]
pub(crate) struct Events {
    /// The services
    #[arg(required = true)]
    names: Vec<String>,
    /// Go on showing them as they come
    #[arg(short, long)]
    follow: bool,
    /// Only the last so many of those that are kept
    #[arg(long, value_name = "COUNT")]
    tail: Option<usize>,
}

/// Events are for reading: a second late is soon enough.
const FOLLOW: Duration = Duration::from_secs(1);

// === impl Events ===

impl Events {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let session = if self.follow { session.patient() } else { session.clone() };
        let mut seen = BTreeSet::new();
        let mut skip = self.tail;
        loop {
            let response = api::services(&session, &self.names).await?;
            api::all_found(
                &response.failures,
                "service",
                "`berth service list` shows the services of the cluster",
            )?;
            let mut news: Vec<&ServiceEvent> = response
                .services
                .iter()
                .flat_map(|service| &service.events)
                .filter(|event| seen.insert(event.id().to_owned()))
                .collect();
            // Newest first in the API, oldest first for people.
            news.reverse();
            news.sort_by_key(|event| event.created_at.map(|at| (at.seconds, at.nanos)));
            let hidden = skip.take().map_or(0, |tail| news.len().saturating_sub(tail));
            for event in &news[hidden..] {
                let time = context.output.ink(Ink::Dim, &date_time(event.created_at.as_ref()));
                context.output.record(*event, || format!("{time}  {}", event.message()))?;
            }
            if !self.follow {
                return Ok(());
            }
            tokio::time::sleep(FOLLOW).await;
        }
    }
}
