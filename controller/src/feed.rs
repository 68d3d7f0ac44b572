//! What happened, for whoever wants to know: the newest view, and the changes that led to it.
//!
//! There is one publisher, the state machine. A view is published before the changes that are in it, so whoever
//! learns of a change at revision R finds it in [`Feed::view`]. Changes say where to look and never what to do; a
//! subscriber that falls behind by more than [`CHANGE_RING`] batches is not waited for: it is told that it missed
//! some, looks at the whole view, and goes on from there.

use std::sync::Arc;

use berth_model::change::Change;
use berth_model::id::{Region, Revision};
use berth_model::state::{State, View};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use crate::limits::CHANGE_RING;

/// Where views and changes come from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Feed {
    views: watch::Receiver<View>,
    /// Weak: the feed ends with its publisher, not with the last of its readers.
    changes: broadcast::WeakSender<Published>,
}

/// One reader's place in the changes.
#[derive(Debug)]
pub struct Subscription {
    views: watch::Receiver<View>,
    changes: Option<broadcast::Receiver<Published>>,
}

/// What a subscriber learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These things changed.
    Changed(Changes),
    /// Anything may have changed: this subscriber was too slow, or the state came from a snapshot. The newest view has
    /// at least this revision. Changes that are in it may still follow.
    Missed {
        /// The revision to look at.
        revision: Revision,
    },
}

/// What one log entry changed in one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The entry's index.
    pub revision: Revision,
    /// The region, unless it is the deployment's own.
    pub region: Option<Region>,
    /// Never empty.
    pub changes: Arc<[Change]>,
}

/// The feed has ended: this controller is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this controller is stopping")]
pub struct Ended;

/// The one end that views and changes are put in at.
#[derive(Debug)]
pub(crate) struct Publisher {
    views: watch::Sender<View>,
    changes: broadcast::Sender<Published>,
}

#[derive(Clone, Debug)]
enum Published {
    Changes(Changes),
    Everything,
}

/// A feed that begins with an empty state.
pub(crate) fn channel() -> (Publisher, Feed) {
    let (views, newest) = watch::channel(Arc::new(State::default()));
    let (changes, _nobody_yet) = broadcast::channel(CHANGE_RING);
    let feed = Feed { views: newest, changes: changes.downgrade() };
    (Publisher { views, changes }, feed)
}

// === impl Publisher ===

impl Publisher {
    /// Publishes a view and what changed since the one before.
    pub(crate) fn publish(&self, view: View, changes: Vec<Changes>) {
        self.views.send_replace(view);
        for changes in changes {
            self.send(Published::Changes(changes));
        }
    }

    /// Publishes a view that may differ from the one before in anything.
    pub(crate) fn replace(&self, view: View) {
        self.views.send_replace(view);
        self.send(Published::Everything);
    }

    fn send(&self, published: Published) {
        // Fails when nobody has subscribed, which is nobody's loss.
        drop(self.changes.send(published));
    }
}

// === impl Feed ===

impl Feed {
    /// The newest view.
    pub fn view(&self) -> View {
        Arc::clone(&self.views.borrow())
    }

    /// The newest view, and every one after it.
    pub fn views(&self) -> watch::Receiver<View> {
        self.views.clone()
    }

    /// The revision of the newest view.
    pub fn revision(&self) -> Revision {
        self.views.borrow().revision()
    }

    /// The first view from now on that has this revision or a newer one. The caller sets the deadline.
    pub async fn wait_for_revision(&self, revision: Revision) -> Result<View, Ended> {
        let mut views = self.views.clone();
        let view = views.wait_for(|view| view.revision() >= revision).await;
        view.map(|view| Arc::clone(&view)).map_err(|_closed| Ended)
    }

    /// The newest view, and every change that is not in it. Changes that are in it already may follow first.
    pub fn subscribe(&self) -> (View, Subscription) {
        let changes = self.changes.upgrade().map(|changes| changes.subscribe());
        let subscription = Subscription { views: self.views.clone(), changes };
        (self.view(), subscription)
    }
}

// === impl Subscription ===

impl Subscription {
    /// What happened next. Cancel-safe: an event that is not returned is not lost.
    pub async fn next(&mut self) -> Result<Event, Ended> {
        match self.changes.as_mut().ok_or(Ended)?.recv().await {
            Ok(Published::Changes(changes)) => Ok(Event::Changed(changes)),
            Ok(Published::Everything) | Err(RecvError::Lagged(_)) => {
                Ok(Event::Missed { revision: self.views.borrow().revision() })
            }
            Err(RecvError::Closed) => Err(Ended),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    fn view(revision: Revision) -> View {
        let mut state = State::default();
        state.skip(revision);
        Arc::new(state)
    }

    fn changes(revision: Revision) -> Changes {
        Changes { revision, region: None, changes: [Change::History].into() }
    }

    #[tokio::test]
    async fn whoever_learns_of_a_change_finds_it_in_the_view() {
        let (publisher, feed) = channel();
        let (_before, mut subscription) = feed.subscribe();
        publisher.publish(view(3), vec![changes(2), changes(3)]);
        for revision in [2, 3] {
            assert_eq!(subscription.next().await, Ok(Event::Changed(changes(revision))));
            assert!(feed.revision() >= revision);
        }
        assert_eq!(subscription.next().now_or_never(), None);
    }

    #[tokio::test]
    async fn a_slow_subscriber_is_told_that_it_missed_some() {
        let (publisher, feed) = channel();
        let (_before, mut subscription) = feed.subscribe();
        let newest = u64::try_from(CHANGE_RING).unwrap() + 5;
        for revision in 1..=newest {
            publisher.publish(view(revision), vec![changes(revision)]);
        }
        assert_eq!(subscription.next().await, Ok(Event::Missed { revision: newest }));
        assert!(matches!(subscription.next().await, Ok(Event::Changed(_))));
    }

    #[tokio::test]
    async fn a_replaced_state_may_differ_in_anything() {
        let (publisher, feed) = channel();
        let (_before, mut subscription) = feed.subscribe();
        publisher.replace(view(40));
        assert_eq!(subscription.next().await, Ok(Event::Missed { revision: 40 }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_revision_is_waited_for() {
        let (publisher, feed) = channel();
        let waited = async { feed.wait_for_revision(7).await.map(|view| view.revision()) };
        let published = async {
            publisher.publish(view(6), vec![]);
            tokio::task::yield_now().await;
            publisher.publish(view(9), vec![]);
        };
        assert_eq!(tokio::join!(waited, published).0, Ok(9));
        let never = tokio::time::timeout(Duration::from_secs(60), feed.wait_for_revision(10)).await;
        assert!(never.is_err());
    }

    #[tokio::test]
    async fn the_feed_ends_with_its_publisher() {
        let (publisher, feed) = channel();
        let (_before, mut subscription) = feed.subscribe();
        drop(publisher);
        assert_eq!(subscription.next().await, Err(Ended));
        assert_eq!(feed.wait_for_revision(1).await.map(|_view| ()), Err(Ended));
        assert_eq!(feed.subscribe().1.next().await, Err(Ended));
    }
}
