//! What happens only on the leader, for as long as it leads.
//!
//! An epoch begins once this controller has applied everything that earlier leaders committed, so that no planner looks
//! at less than its predecessor did. It ends with the leadership; everything in it is dropped, because nothing in it
//! is worth keeping.

use std::sync::Arc;
use std::time::Duration;

use berth_process::net::Web;
use berth_process::shutdown::{OnError, Shutdown};
use tokio::sync::watch;

use crate::feed::{Ended, Event, Feed};
use crate::raft::Consensus;
use crate::reconcile::{Context, Reconcilers};
use crate::webhook;

/// How long an epoch's tasks may take to end. They hold nothing, so they only have to notice.
const END_OF_EPOCH: Duration = Duration::from_secs(5);

/// How soon to try again when the read round that begins an epoch fails.
const RETRY: Duration = Duration::from_millis(50);

/// The reconcilers that run here now, if this controller leads.
pub type Current = Arc<watch::Sender<Option<Reconcilers>>>;

/// Leads whenever it is this controller's turn, until the consensus ends.
pub async fn run(
    consensus: Consensus,
    context: Context,
    begin: impl Fn() + Send + Sync,
    web: Web,
    current: Current,
    shutdown: Shutdown,
) {
    let mut leadership = consensus.leadership();
    loop {
        let term = match leadership.wait_for(|now| now.is_leader).await {
            Ok(turn) => turn.term,
            Err(_ended) => return,
        };
        if consensus.linearize().await.is_err() {
            tokio::time::sleep(RETRY).await;
            continue;
        }
        begin();
        tracing::info!(term, controller = %consensus.id(), "an epoch begins");
        let epoch = shutdown.child();
        let reconcilers = Reconcilers::start(&context, &epoch);
        current.send_replace(Some(reconcilers.clone()));
        let feed = consensus.feed().clone();
        let webhooks = webhook::run(feed.clone(), context.proposer.clone(), web.clone(), epoch.clone());
        epoch.spawn("webhooks", OnError::Shutdown, webhooks);
        epoch.spawn("wake-ups", OnError::Shutdown, wake(feed, reconcilers, epoch.clone()));
        let over = leadership.wait_for(|now| !now.is_leader || now.term != term).await.is_err();
        current.send_replace(None);
        tracing::info!(term, controller = %consensus.id(), "the epoch is over");
        if let Err(error) = epoch.drain(END_OF_EPOCH).await {
            tracing::error!(%error, "reconcilers of an earlier term do not end");
        }
        if over {
            return;
        }
    }
}

async fn wake(feed: Feed, reconcilers: Reconcilers, epoch: Shutdown) -> Result<(), std::convert::Infallible> {
    let (_view, mut changes) = feed.subscribe();
    // What happened between the start of the rows and this subscription.
    reconcilers.wake_all();
    loop {
        tokio::select! {
            biased;
            // Cancel-safe: the token stays cancelled.
            () = epoch.token().cancelled() => return Ok(()),
            // Cancel-safe: an event that was not returned stays in the ring.
            event = changes.next() => match event {
                Ok(Event::Changed(changes)) => reconcilers.wake(&feed.view(), &changes),
                Ok(Event::Missed { .. }) => reconcilers.wake_all(),
                Err(Ended) => return Ok(()),
            }
        }
    }
}
