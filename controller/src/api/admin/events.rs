//! WatchEvents: the history as it is, then, if asked for, as it grows.
//!
//! A stream remembers the revision up to which it has told and asks the newest view for what came after. Revisions
//! order the history and no view is published in the middle of one, so nothing is told twice and nothing is left out.
//! No view and no queue is kept for a client that reads slowly: it is told later. One that is so slow that the
//! history dropped entries it was not told ends with an error that says so.

use async_stream::try_stream;
use berth_model::id::{ClusterName, Region, Revision};
use berth_model::limits::HISTORY_ENTRIES;
use berth_model::state::{HistoryEntry, State};
use berth_model::time::Timestamp;
use berth_model::validate::name;
use berth_proto::admin::v1 as pb;
use futures::StreamExt;
use tonic::Status;

use super::super::call::{Shared, note_cluster};
use super::super::error::{IntoStatus, lagged};
use super::Stream;
use crate::limits::EVENTS_PER_BATCH;

/// Which events are asked for.
struct Filter {
    cluster: Option<ClusterName>,
    service: Option<String>,
    since: Option<Timestamp>,
}

/// The revision up to which a stream has told.
#[derive(Default)]
struct Told(Revision);

/// Opens a stream of events.
pub(super) async fn watch(
    shared: &Shared,
    region: Option<Region>,
    request: pb::WatchEventsRequest,
) -> Result<Stream<pb::Event>, Status> {
    note_cluster(&request);
    let slot = shared.load.open_stream()?;
    let view = shared.linearized_view(region.as_ref()).await?;
    let (filter, until) = (Filter::new(&request, &view, shared.now())?, view.revision());
    drop(view);
    shared.caught_up(until).await?;
    let mut views = shared.parts.consensus.views();
    let stream = try_stream! {
        // Held until the client goes away, which drops the stream.
        let _slot = slot;
        let mut told = Told::default();
        while request.follow || told.0 < until {
            let view = views.borrow_and_update().in_region(region.as_ref());
            let batch = told.next(&view, &filter)?;
            drop(view);
            match batch {
                Some(events) => for event in events { yield event },
                None if views.changed().await.is_err() => break,
                None => {}
            }
        }
    };
    Ok(stream.boxed())
}

// === impl Told ===

impl Told {
    /// The next events of this view, whole revisions of them; `None` when there is nothing new in it.
    fn next(&mut self, view: &State, filter: &Filter) -> Result<Option<Vec<pb::Event>>, Status> {
        if self.0 >= view.revision() {
            return Ok(None);
        }
        self.check_complete(view)?;
        let new: Vec<&HistoryEntry> =
            view.history().rev().take_while(|entry| entry.revision > self.0).collect();
        let mut events = Vec::new();
        let mut entries = new.into_iter().rev().peekable();
        while let Some(entry) = entries.next() {
            if filter.lets_through(entry) {
                events.push(event(entry));
            }
            let ends_revision = entries.peek().is_none_or(|next| next.revision > entry.revision);
            if ends_revision && events.len() >= EVENTS_PER_BATCH {
                self.0 = entry.revision;
                return Ok(Some(events));
            }
        }
        self.0 = view.revision();
        Ok(Some(events))
    }

    /// The history drops its oldest entries: if it is full and begins after what was told last, some may be missing.
    fn check_complete(&self, view: &State) -> Result<(), Status> {
        let begins_later = view.history().next().is_some_and(|oldest| oldest.revision > self.0);
        if self.0 > 0 && begins_later && view.history().count() >= HISTORY_ENTRIES {
            return Err(lagged());
        }
        Ok(())
    }
}

// === impl Filter ===

impl Filter {
    fn new(request: &pb::WatchEventsRequest, view: &State, now: Timestamp) -> Result<Self, Status> {
        let named = Some(request.cluster.as_str()).filter(|cluster| !cluster.is_empty());
        let cluster = named.map(|named| name::cluster(Some(named), view)).transpose();
        let since = request
            .since_seconds
            .map(|seconds| Timestamp::from_unix_ms(now.unix_ms().saturating_sub(i64::from(seconds) * 1_000)));
        Ok(Self {
            cluster: cluster.map_err(IntoStatus::into_status)?,
            service: Some(request.service.clone()).filter(|service| !service.is_empty()),
            since,
        })
    }

    fn lets_through(&self, entry: &HistoryEntry) -> bool {
        let of_service =
            |service: &String| entry.service.as_ref().is_some_and(|name| name.as_str() == service);
        self.cluster.as_ref().is_none_or(|cluster| entry.cluster == *cluster)
            && self.service.as_ref().is_none_or(of_service)
            && self.since.is_none_or(|since| entry.at > since)
    }
}

fn event(entry: &HistoryEntry) -> pb::Event {
    pb::Event {
        time: Some(entry.at.to_message()),
        revision: entry.revision,
        cluster: entry.cluster.to_string(),
        resource_kind: entry.kind.clone(),
        resource_id: entry.id.clone(),
        message: entry.message.clone(),
        service: entry.service.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}
