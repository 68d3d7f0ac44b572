//! What makes a data channel reliable, also over one WebSocket after another: every message in sequence is acknowledged,
//! kept until it is, and sent again until then; what comes twice is dropped, and what comes early waits its turn.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::message::Message;

/// Messages that are under way without an acknowledgement; more wait, and with them the command.
pub(super) const WINDOW: usize = 128;

/// Messages that came early; more are dropped, and come again.
const EARLY: usize = 64;

/// A message that is not acknowledged for so long is sent again. The client itself waits between 0.2 and 1 s.
pub(super) const RESEND_AFTER: Duration = Duration::from_millis(500);

/// What goes to the client.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    next: i64,
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    sequence: i64,
    bytes: Bytes,
    sent_at: Instant,
}

/// What comes from it.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    expected: i64,
    early: BTreeMap<i64, Message>,
}

/// What is to be done with a message that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next.
    Next,
    /// It was there before, or waits its turn: it is acknowledged.
    Noted,
    /// There is no room for it; it comes again.
    Dropped,
}

// === impl Outgoing ===

impl Outgoing {
    /// Whether there is room for another.
    pub(super) fn has_room(&self) -> bool {
        self.kept.len() < WINDOW
    }

    /// Whether all is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The number of the message that is kept next.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// Keeps a message that has this number and is sent now.
    pub(super) fn keep(&mut self, bytes: Bytes) {
        self.kept.push_back(Kept { sequence: self.next, bytes, sent_at: Instant::now() });
        self.next += 1;
    }

    /// The client has this one.
    pub(super) fn acknowledge(&mut self, sequence: i64) {
        self.kept.retain(|kept| kept.sequence != sequence);
    }

    /// When the oldest is to be sent again.
    pub(super) fn resend_at(&self) -> Option<Instant> {
        self.kept.front().map(|oldest| oldest.sent_at + RESEND_AFTER)
    }

    /// The oldest, which counts as sent now.
    pub(super) fn resend(&mut self) -> Option<Bytes> {
        let oldest = self.kept.front_mut()?;
        oldest.sent_at = Instant::now();
        Some(oldest.bytes.clone())
    }

    /// All that is kept, for a new connection.
    pub(super) fn resend_all(&mut self) -> Vec<Bytes> {
        let now = Instant::now();
        for kept in &mut self.kept {
            kept.sent_at = now;
        }
        self.kept.iter().map(|kept| kept.bytes.clone()).collect()
    }
}

// === impl Incoming ===

impl Incoming {
    /// Looks at a message that came. The next one is not taken yet: see [`Self::took`].
    pub(super) fn arrive(&mut self, message: &Message) -> Arrival {
        if message.sequence == self.expected {
            return Arrival::Next;
        }
        if message.sequence < self.expected || self.early.contains_key(&message.sequence) {
            return Arrival::Noted;
        }
        if self.early.len() >= EARLY {
            return Arrival::Dropped;
        }
        self.early.insert(message.sequence, message.clone());
        Arrival::Noted
    }

    /// The one that waits and is the next, if it is there.
    pub(super) fn waiting(&self) -> Option<Message> {
        self.early.get(&self.expected).cloned()
    }

    /// The next one was taken.
    pub(super) fn took(&mut self) {
        self.early.remove(&self.expected);
        self.expected += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::*;

    fn message(sequence: i64) -> Message {
        Message {
            kind: Kind::Input,
            sequence,
            flags: 0,
            id: 0,
            payload_type: 1,
            payload: Bytes::copy_from_slice(&sequence.to_be_bytes()),
        }
    }

    #[test]
    fn what_comes_in_any_order_and_more_than_once_is_taken_once_and_in_order() {
        let mut incoming = Incoming::default();
        let mut taken = Vec::new();
        for sequence in [1, 0, 0, 1, 3, 4, 3, 2, 4, 5, 0] {
            let message = message(sequence);
            if incoming.arrive(&message) == Arrival::Next {
                incoming.took();
                taken.push(message.sequence);
            }
            while let Some(early) = incoming.waiting() {
                incoming.took();
                taken.push(early.sequence);
            }
        }
        assert_eq!(taken, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn early_ones_are_bounded() {
        let mut incoming = Incoming::default();
        let last = i64::try_from(EARLY).unwrap();
        assert!((1..=last).all(|sequence| incoming.arrive(&message(sequence)) == Arrival::Noted));
        assert_eq!(incoming.arrive(&message(last + 1)), Arrival::Dropped);
        assert_eq!(incoming.arrive(&message(1)), Arrival::Noted, "a copy of one that waits");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_acknowledged_is_sent_again_and_bounded() {
        let mut outgoing = Outgoing::default();
        for number in 0..WINDOW {
            assert!(outgoing.has_room());
            outgoing.keep(Bytes::from(vec![u8::try_from(number).unwrap()]));
        }
        assert!(!outgoing.has_room());
        outgoing.acknowledge(1);
        assert!(outgoing.has_room());
        assert_eq!(outgoing.resend_at(), Some(Instant::now() + RESEND_AFTER));
        tokio::time::advance(RESEND_AFTER).await;
        assert_eq!(outgoing.resend(), Some(Bytes::from_static(&[0])));
        assert_eq!(outgoing.resend_at(), Some(Instant::now() + RESEND_AFTER));
        outgoing.acknowledge(0);
        assert_eq!(outgoing.resend_all().len(), WINDOW - 2);
        outgoing.acknowledge(0);
        assert_eq!(outgoing.resend_all()[0], Bytes::from_static(&[2]));
    }
}
