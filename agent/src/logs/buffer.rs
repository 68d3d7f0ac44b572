//! What was read and not yet sent, within bounds: its own, and one for all containers together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use berth_model::limits::{LOG_EVENT_OVERHEAD, LOG_EVENTS_PER_PUT};
use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::options::Mode;
use crate::limits::{LOG_BATCH_BYTES, LOG_BATCH_DELAY};

/// What all buffers of an instance may hold together.
#[derive(Debug)]
pub(super) struct Budget {
    held: AtomicUsize,
    most: usize,
}

/// The buffer of one container.
#[derive(Debug)]
pub(super) struct Buffer {
    state: Mutex<State>,
    added: Notify,
    taken: Notify,
    mode: Mode,
    most: usize,
    budget: Arc<Budget>,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<wire::ContainerLogEvent>,
    bytes: usize,
    /// Since that was last told.
    dropped: u64,
    /// Others were gone before they could be read.
    has_gap: bool,
    is_closed: bool,
}

/// Events to send together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) events: Vec<wire::ContainerLogEvent>,
    /// How many were dropped before them.
    pub(super) dropped: u64,
}

/// Between two events of a container that cannot keep up, when all it has is what is told here.
const NANOS_PER_MILLI: u64 = 1_000_000;

// === impl Budget ===

impl Budget {
    pub(super) const fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }

    fn has(&self, bytes: usize) -> bool {
        self.held.load(Ordering::Relaxed) + bytes <= self.most
    }

    fn take(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

// === impl Buffer ===

impl Buffer {
    pub(super) fn new(mode: Mode, most: usize, budget: Arc<Budget>) -> Self {
        Self { state: Mutex::default(), added: Notify::new(), taken: Notify::new(), mode, most, budget }
    }

    /// Adds an event. When there is no room, the oldest go or, in blocking mode, the caller waits.
    pub(super) async fn push(&self, event: wire::ContainerLogEvent) {
        let bytes = weight(&event);
        if self.mode == Mode::Blocking {
            while !self.has_room(bytes) {
                self.taken.notified().await;
            }
        }
        self.add(event, bytes);
        self.added.notify_one();
    }

    /// Something is gone before what comes next, nobody knows how much.
    pub(super) fn note_gap(&self) {
        self.state.lock().has_gap = true;
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.added.notify_one();
    }

    /// What is to be sent next, once enough is there or it has waited long enough; none at the end.
    pub(super) async fn batch(&self) -> Option<Batch> {
        loop {
            let (is_empty, is_closed) = {
                let state = self.state.lock();
                (state.events.is_empty(), state.is_closed)
            };
            match (is_empty, is_closed) {
                (true, true) => return None,
                (true, false) => self.added.notified().await,
                (false, _) => break,
            }
        }
        // More that comes soon goes with it.
        let _ = tokio::time::timeout(LOG_BATCH_DELAY, self.filled()).await;
        let batch = self.take();
        self.taken.notify_one();
        Some(batch)
    }

    async fn filled(&self) {
        loop {
            {
                let state = self.state.lock();
                if state.bytes >= LOG_BATCH_BYTES || state.is_closed {
                    return;
                }
            }
            self.added.notified().await;
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        let state = self.state.lock();
        // One event always has, or it would wait for ever.
        state.events.is_empty() || state.bytes + bytes <= self.most && self.budget.has(bytes)
    }

    fn add(&self, event: wire::ContainerLogEvent, bytes: usize) {
        let mut state = self.state.lock();
        while state.bytes + bytes > self.most || !self.budget.has(bytes) {
            let Some(oldest) = state.events.pop_front() else { break };
            let freed = weight(&oldest);
            state.bytes -= freed;
            self.budget.give(freed);
            state.dropped += 1;
        }
        state.bytes += bytes;
        self.budget.take(bytes);
        state.events.push_back(event);
    }

    fn take(&self) -> Batch {
        let mut state = self.state.lock();
        let mut batch = Batch { dropped: std::mem::take(&mut state.dropped), events: Vec::new() };
        let has_gap = std::mem::take(&mut state.has_gap);
        if let Some(next) = state.events.front().filter(|_| has_gap || batch.dropped > 0) {
            batch.events.push(notice(next, batch.dropped, has_gap));
        }
        let mut bytes = 0;
        while batch.events.len() < LOG_EVENTS_PER_PUT {
            let Some(event) = state.events.front() else { break };
            let weight = weight(event);
            if bytes > 0 && bytes + weight > LOG_BATCH_BYTES {
                break;
            }
            bytes += weight;
            batch.events.extend(state.events.pop_front());
        }
        state.bytes -= bytes;
        self.budget.give(bytes);
        batch
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.budget.give(self.state.lock().bytes);
    }
}

/// An event that stands in the log where others are missing.
fn notice(next: &wire::ContainerLogEvent, dropped: u64, has_gap: bool) -> wire::ContainerLogEvent {
    let many = match (dropped, has_gap) {
        (dropped, false) => dropped.to_string(),
        (0, true) => "An unknown number of".to_owned(),
        (dropped, true) => format!("{dropped} and an unknown number of other"),
    };
    let order = next.order.saturating_sub(1);
    wire::ContainerLogEvent {
        timestamp_ms: i64::try_from(order / NANOS_PER_MILLI).unwrap_or(i64::MAX),
        order,
        origin: next.origin,
        message: format!(
            "[berth] {many} log events are missing here: the container wrote them faster than they could be sent"
        ),
    }
}

fn weight(event: &wire::ContainerLogEvent) -> usize {
    event.message.len() + LOG_EVENT_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(order: u64) -> wire::ContainerLogEvent {
        let message = "x".repeat(1_000 - LOG_EVENT_OVERHEAD);
        wire::ContainerLogEvent { order, message, ..Default::default() }
    }

    fn buffer(mode: Mode, budget: &Arc<Budget>) -> Buffer {
        Buffer::new(mode, 5_000, budget.clone())
    }

    fn orders(batch: &Batch) -> Vec<u64> {
        batch.events.iter().map(|event| event.order).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_go_and_the_log_says_how_many() {
        let budget = Arc::new(Budget::new(1 << 20));
        let buffer = buffer(Mode::NonBlocking, &budget);
        for order in 1..=8 {
            buffer.push(event(order * 10)).await;
        }
        let batch = buffer.batch().await.expect("there is something");
        assert_eq!((batch.dropped, orders(&batch)), (3, vec![39, 40, 50, 60, 70, 80]));
        assert!(batch.events[0].message.contains("3 log events are missing"));
        buffer.push(event(90)).await;
        assert_eq!(orders(&buffer.batch().await.expect("there is something")), [90], "it is told once");
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocking_buffer_loses_nothing_and_makes_its_reader_wait() {
        let buffer = Arc::new(buffer(Mode::Blocking, &Arc::new(Budget::new(1 << 20))));
        let writing = async {
            for order in 1..=12 {
                buffer.push(event(order)).await;
            }
            buffer.close();
        };
        let reading = async {
            let mut seen = Vec::new();
            while let Some(batch) = buffer.batch().await {
                assert!(batch.events.len() <= 5);
                seen.extend(orders(&batch));
            }
            seen
        };
        let ((), seen) = tokio::join!(writing, reading);
        assert_eq!(seen, (1..=12).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn all_buffers_together_keep_within_one_bound() {
        let budget = Arc::new(Budget::new(7_000));
        let (one, other) = (buffer(Mode::NonBlocking, &budget), buffer(Mode::NonBlocking, &budget));
        for order in 1..=5 {
            one.push(event(order)).await;
        }
        for order in 1..=5 {
            other.push(event(order)).await;
        }
        assert!(budget.held.load(Ordering::Relaxed) <= 7_000);
        assert_eq!(other.batch().await.expect("there is something").dropped, 3);
        drop(one);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_at_the_end_does_not_wait_for_more() {
        let buffer = buffer(Mode::NonBlocking, &Arc::new(Budget::new(1 << 20)));
        buffer.push(event(1)).await;
        buffer.close();
        let before = tokio::time::Instant::now();
        assert_eq!(orders(&buffer.batch().await.expect("the last")), [1]);
        assert!(before.elapsed().is_zero());
        assert_eq!(buffer.batch().await, None);
    }
}
