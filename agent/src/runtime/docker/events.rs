//! Docker's events, for as long as the agent runs: over restarts of Docker, and without a gap.
//!
//! Docker keeps its last 256 events and replays them from a given moment, so a reader that was away for a moment misses
//! nothing. One that was away for longer is told to compare everything.

use std::collections::HashMap;
use std::time::Duration;

use berth_model::task::step::Health;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::Docker;
use super::error::explain;
use crate::runtime::{Error, Event};

/// Docker is on the same host: asking it again costs little, and every moment is a moment in which exits go unseen.
const RECONNECT_DELAY: Duration = Duration::from_millis(250);

struct Reader {
    docker: Docker,
    since_ms: i64,
    is_connected: bool,
    stream: Option<BoxStream<'static, Result<EventMessage, bollard::errors::Error>>>,
}

/// Events of this instance's containers.
pub(super) fn stream(docker: Docker) -> BoxStream<'static, Event> {
    let since_ms = docker.clock.unix_ms();
    let reader = Reader { docker, since_ms, is_connected: false, stream: None };
    Box::pin(futures::stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await;
        Some((event, reader))
    }))
}

// === impl Reader ===

impl Reader {
    async fn next(&mut self) -> Event {
        loop {
            let Some(stream) = &mut self.stream else {
                match self.connect().await {
                    Ok(()) => return Event::Resync,
                    Err(error) => {
                        self.say(&error);
                        tokio::time::sleep(RECONNECT_DELAY).await;
                        continue;
                    }
                }
            };
            match stream.next().await {
                Some(Ok(message)) => {
                    if let Some(event) = self.read(&message) {
                        return event;
                    }
                }
                Some(Err(error)) => {
                    self.say(&explain(error));
                    self.stream = None;
                }
                None => {
                    self.say(&Error::Unavailable("its event stream ended".to_owned()));
                    self.stream = None;
                }
            }
        }
    }

    async fn connect(&mut self) -> Result<(), Error> {
        let client = self.docker.client().await?;
        client.ping().await.map_err(explain)?;
        let mut filters: HashMap<_, _> = self.docker.own();
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        filters.insert("event".to_owned(), vec!["die".to_owned(), "health_status".to_owned()]);
        // The second before, for the clocks of events are cut to whole seconds.
        let since = (self.since_ms / 1_000).saturating_sub(1).to_string();
        let options = EventsOptions { since: Some(since), until: None, filters: Some(filters) };
        self.stream = Some(client.events(Some(options)).boxed());
        if !self.is_connected {
            tracing::info!("the container runtime answers");
        }
        self.is_connected = true;
        Ok(())
    }

    fn say(&mut self, error: &Error) {
        if self.is_connected {
            tracing::warn!(error = %error, "lost the container runtime; containers may keep running without it");
        }
        self.is_connected = false;
    }

    fn read(&mut self, message: &EventMessage) -> Option<Event> {
        let at_ms = message.time_nano? / 1_000_000;
        self.since_ms = self.since_ms.max(at_ms);
        let actor = message.actor.as_ref()?;
        let runtime_id = actor.id.clone()?;
        match message.action.as_deref()? {
            "die" => {
                let exit_code = actor.attributes.as_ref()?.get("exitCode")?.parse().ok()?;
                Some(Event::Exited { runtime_id, exit_code, at_ms })
            }
            "health_status: healthy" => Some(Event::Health { runtime_id, health: Health::Healthy }),
            "health_status: unhealthy" => Some(Event::Health { runtime_id, health: Health::Unhealthy }),
            _ => None,
        }
    }
}
