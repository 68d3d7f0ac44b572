//! What makes a container in blocking mode wait for its log: it is paused while too much of what it wrote is not read.
//!
//! The runtime writes down what a container writes as fast as it comes, and lets the oldest go. So whoever reads looks at how much
//! of that is ahead of him, and has the container paused before something would go. A paused container runs, as far as its
//! task is concerned. It is resumed when its log was read, before it is stopped, and when the agent ends in order; one whose
//! agent was killed is resumed by the next.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::metrics::Metrics;
use crate::runtime::{Backlog, Error, Runtime, Unread};

/// How often is looked. What a container writes in this time must fit into what is left when it is paused.
const LOOK: Duration = Duration::from_millis(50);

/// A container is paused when more of its log than this part is not read.
const PAUSE_AT_ONE_IN: u64 = 4;
/// And resumed when it is less than this part.
const RESUME_AT_ONE_IN: u64 = 16;

/// The valve of one container.
pub(super) struct Valve {
    runtime: Arc<dyn Runtime>,
    runtime_id: String,
    metrics: Arc<Metrics>,
    /// Held while the runtime is told something: a container that is stopped is never paused after that.
    state: Mutex<State>,
}

struct State {
    position: Position,
    /// The container is stopped, or the agent ends: it is not paused again.
    is_over: bool,
    /// It was said that it is paused.
    is_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// The agent has just begun: an earlier one may have paused it.
    Unknown,
    Open,
    Shut,
}

/// What is to be done; none if it is as it should be.
fn decide(position: Position, unread: Option<Unread>) -> Option<Position> {
    // Where nobody can tell, nothing would ever resume it.
    let Unread { bytes, most_bytes } = unread.unwrap_or_default();
    let wanted = if bytes > most_bytes / PAUSE_AT_ONE_IN {
        Position::Shut
    } else if bytes <= most_bytes / RESUME_AT_ONE_IN {
        Position::Open
    } else {
        position
    };
    (wanted != position).then_some(wanted)
}

// === impl Valve ===

impl Valve {
    pub(super) fn new(runtime: Arc<dyn Runtime>, runtime_id: String, metrics: Arc<Metrics>) -> Arc<Self> {
        let state = State { position: Position::Unknown, is_over: false, is_told: false };
        Arc::new(Self { runtime, runtime_id, metrics, state: Mutex::new(state) })
    }

    /// Pauses and resumes, until it is dropped.
    pub(super) async fn watch(&self, backlog: &Backlog) {
        loop {
            tokio::time::sleep(LOOK).await;
            let backlog = backlog.clone();
            // A few questions to the file system. It ends before it is looked at, or never panics.
            let unread = tokio::task::spawn_blocking(move || backlog.unread()).await.unwrap_or_default();
            self.regulate(unread).await;
        }
    }

    async fn regulate(&self, unread: Option<Unread>) {
        let mut state = self.state.lock().await;
        match decide(state.position, unread) {
            Some(Position::Shut) if !state.is_over => self.shut(&mut state).await,
            Some(Position::Open) => self.open(&mut state).await,
            _ => {}
        }
    }

    /// The container is about to be stopped, or nobody looks after it any more.
    pub(super) async fn end(&self) {
        let mut state = self.state.lock().await;
        state.is_over = true;
        if state.position != Position::Open {
            self.open(&mut state).await;
        }
    }

    async fn shut(&self, state: &mut State) {
        // Should nobody wait for the answer.
        state.position = Position::Unknown;
        match self.runtime.pause(&self.runtime_id).await {
            Ok(()) => {
                self.moved(state, Position::Shut);
                if !std::mem::replace(&mut state.is_told, true) {
                    tracing::warn!(
                        runtime_id = self.runtime_id,
                        "a container in blocking mode is paused until its log was sent"
                    );
                }
            }
            // It may have ended.
            Err(error) => {
                tracing::debug!(runtime_id = self.runtime_id, %error, "a container cannot be paused");
            }
        }
    }

    async fn open(&self, state: &mut State) {
        match self.runtime.resume(&self.runtime_id).await {
            Ok(()) | Err(Error::NotFound(_)) => self.moved(state, Position::Open),
            Err(error) => {
                tracing::debug!(runtime_id = self.runtime_id, %error, "a container cannot be resumed now");
            }
        }
    }

    fn moved(&self, state: &mut State, position: Position) {
        let was_shut = std::mem::replace(&mut state.position, position) == Position::Shut;
        self.metrics.paused_for_its_log(was_shut, position == Position::Shut);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_paused_at_a_quarter_and_resumed_at_a_sixteenth() {
        let unread = |bytes| Some(Unread { bytes, most_bytes: 1_600 });
        let rows = [
            (Position::Open, unread(400), None),
            (Position::Open, unread(401), Some(Position::Shut)),
            (Position::Shut, unread(101), None),
            (Position::Shut, unread(100), Some(Position::Open)),
            (Position::Unknown, unread(0), Some(Position::Open)),
            (Position::Unknown, unread(1_000), Some(Position::Shut)),
            (Position::Shut, None, Some(Position::Open)),
        ];
        for (position, unread, expected) in rows {
            assert_eq!(decide(position, unread), expected, "{position:?} {unread:?}");
        }
    }
}
