//! `berth events`: what happens in the cluster.

use std::time::Duration;

use berth_proto::admin::v1::{Event, WatchEventsRequest};
use clap::Args;

use crate::api;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, from_status, is_loss};
use crate::output::Ink;
use crate::time::{parse_duration, unix_ms};
use crate::view;

/// What happens in the cluster
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  berth events --since 10m
  berth events -f --service web
  berth events -f -o json | jq -r 'select(.resourceKind == \"task\") | .message'")]
pub(crate) struct Events {
    /// Go on showing what happens
    #[arg(short, long)]
    follow: bool,
    /// Only of this service
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Only what happened in this time, as 90s, 5m or 1h30m
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    since: Option<Duration>,
    /// Of all clusters, and of the controllers themselves
    #[arg(short = 'A', long)]
    all_clusters: bool,
}

/// Names up to this long are aligned.
const NAME_WIDTH: usize = 30;

/// A controller that ends streams at once must not be asked again at once.
const RESUME: Duration = Duration::from_millis(500);

/// Where the watch is, so that it can go on after its connection broke.
#[derive(Default)]
struct Position {
    revision: u64,
    unix_ms: i64,
    /// Events of this revision that were shown.
    shown: Vec<Event>,
}

// === impl Events ===

impl Events {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let session = context.connect()?;
        let client = if self.follow { session.patient().client } else { session.client };
        let mut request = WatchEventsRequest {
            cluster: if self.all_clusters { String::new() } else { session.cluster },
            service: self.service.as_deref().map(api::service_name).unwrap_or_default(),
            follow: self.follow,
            since_seconds: self.since.map(|since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX)),
        };
        let mut position = Position::default();
        loop {
            self.watch(context, &client, &request, &mut position).await?;
            if !self.follow {
                return Ok(Exit::Success);
            }
            tokio::time::sleep(RESUME).await;
            if position.unix_ms > 0 {
                let ago_ms = context.now_unix_ms().saturating_sub(position.unix_ms).max(0);
                request.since_seconds = u32::try_from(ago_ms / 1_000 + 2).ok();
            }
        }
    }

    /// Shows events until the stream ends; a lost connection is such an end for who follows.
    async fn watch(
        &self,
        context: &Context,
        client: &Client,
        request: &WatchEventsRequest,
        position: &mut Position,
    ) -> Result<(), Failure> {
        let mut events = client.open(request.clone()).await?;
        loop {
            match events.message().await {
                Ok(Some(event)) => {
                    if position.advance(&event) {
                        print(context, &event)?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(status) if self.follow && is_loss(&status) => return Ok(()),
                Err(status) => return Err(from_status(&status)),
            }
        }
    }
}

fn print(context: &Context, event: &Event) -> Result<(), Failure> {
    context.output.record(event, || {
        let (time, name, message) = view::admin::event(event);
        format!(
            "{}  {}  {message}",
            context.output.ink(Ink::Dim, &time),
            context.output.ink(Ink::Bold, &format!("{name:NAME_WIDTH$}"))
        )
    })
}

// === impl Position ===

impl Position {
    /// True for an event that was not shown before.
    fn advance(&mut self, event: &Event) -> bool {
        if event.revision < self.revision || (event.revision == self.revision && self.shown.contains(event)) {
            return false;
        }
        if event.revision > self.revision {
            self.shown.clear();
        }
        self.revision = event.revision;
        self.unix_ms = event.time.as_ref().map(unix_ms).unwrap_or_default();
        self.shown.push(event.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_once_however_often_it_comes() {
        let event =
            |revision, message: &str| Event { revision, message: message.to_owned(), ..Event::default() };
        let mut position = Position::default();
        let seen: Vec<bool> =
            [event(1, "a"), event(1, "b"), event(1, "a"), event(2, "c"), event(1, "b"), event(2, "d")]
                .iter()
                .map(|event| position.advance(event))
                .collect();
        assert_eq!(seen, [true, true, false, true, false, true]);
    }
}
