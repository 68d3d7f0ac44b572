//! Log groups, and where an event stands in a log.
//!
//! Groups are few and part of the state. Streams and events are many and are not: they are on the controllers' disks, found by
//! the id of their group, so that a group which is made again under the name of another begins empty.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_proto::peer::v1 as peer;
use serde::{Deserialize, Serialize};

use crate::id::Generation;
use crate::time::Timestamp;

pub mod pattern;

/// For how many days a group may keep its events. Source: CloudWatch Logs API, `PutRetentionPolicy`.
pub const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Its name.
    pub name: String,
    /// Under which its streams are kept. Random, and another for each group that ever had this name.
    pub id: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// For how long it keeps events; for ever without.
    pub retention_days: Option<u32>,
    /// Tags by their keys.
    pub tags: BTreeMap<String, String>,
    /// The key that its maker named. Echoed: events are on the controllers' disks as they are.
    pub key_id: String,
    /// Such as `STANDARD`. Echoed.
    pub class: String,
    /// Counts its changes, from 1.
    pub generation: Generation,
}

/// Where an event stands in a log, and which it is: events with the same position in the same stream are one event that
/// was sent twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The event's own time.
    pub timestamp_ms: i64,
    /// Orders events of one millisecond.
    pub order: u64,
    /// Tells apart events of one order.
    pub origin: u64,
}

/// Digits of a [`Position`] as text: 16 of the time, 20 of each number.
const TIME_DIGITS: usize = 16;
const NUMBER_DIGITS: usize = 20;

// === impl LogGroup ===

impl LogGroup {
    /// A group that keeps its events for ever.
    pub fn new(name: String, id: u64, now: Timestamp) -> Self {
        Self {
            name,
            id,
            created_at: now,
            retention_days: None,
            tags: BTreeMap::new(),
            key_id: String::new(),
            class: "STANDARD".to_owned(),
            generation: 1,
        }
    }

    /// Events before this time are no longer kept.
    pub fn expired_before(&self, now: Timestamp) -> Option<Timestamp> {
        let days = self.retention_days?;
        let kept_ms = i64::try_from((DAY * days).as_millis()).unwrap_or(i64::MAX);
        Some(Timestamp::from_unix_ms(now.unix_ms().saturating_sub(kept_ms)))
    }
}

// === impl Position ===

impl Position {
    /// Before everything of this time.
    pub const fn at(timestamp_ms: i64) -> Self {
        Self { timestamp_ms, order: 0, origin: 0 }
    }

    /// The next there could be.
    pub const fn next(self) -> Self {
        let Self { timestamp_ms, order, origin } = self;
        match (origin.checked_add(1), order.checked_add(1)) {
            (Some(origin), _) => Self { timestamp_ms, order, origin },
            (None, Some(order)) => Self { timestamp_ms, order, origin: 0 },
            (None, None) => Self::at(timestamp_ms.saturating_add(1)),
        }
    }

    /// As controllers tell it to each other.
    pub const fn to_message(self) -> peer::LogEventKey {
        peer::LogEventKey { timestamp_ms: self.timestamp_ms, order: self.order, origin: self.origin }
    }

    /// What [`Self::to_message`] made.
    pub const fn from_message(message: &peer::LogEventKey) -> Self {
        Self { timestamp_ms: message.timestamp_ms, order: message.order, origin: message.origin }
    }

    /// Fifty-six digits, as many as an event's id has in AWS.
    pub fn to_text(self) -> String {
        let Self { timestamp_ms, order, origin } = self;
        format!("{:0TIME_DIGITS$}{order:0NUMBER_DIGITS$}{origin:0NUMBER_DIGITS$}", timestamp_ms.max(0))
    }

    /// What [`Self::to_text`] made.
    pub fn from_text(text: &str) -> Option<Self> {
        let is_ours =
            text.len() == TIME_DIGITS + 2 * NUMBER_DIGITS && text.bytes().all(|it| it.is_ascii_digit());
        if !is_ours {
            return None;
        }
        let (time, numbers) = text.split_at(TIME_DIGITS);
        let (order, origin) = numbers.split_at(NUMBER_DIGITS);
        Some(Self {
            timestamp_ms: time.parse().ok()?,
            order: order.parse().ok()?,
            origin: origin.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_survives_its_text_and_keeps_its_place() {
        let last = Position { timestamp_ms: 1_700_000_000_000, order: u64::MAX, origin: u64::MAX };
        let positions =
            [Position::default(), Position::at(5), Position { order: 7, origin: 9, ..Position::at(5) }, last];
        let texts: Vec<String> = positions.iter().map(|position| position.to_text()).collect();
        assert!(texts.is_sorted(), "{texts:?}");
        for (position, text) in positions.iter().zip(&texts) {
            assert_eq!(text.len(), 56);
            assert_eq!(Position::from_text(text), Some(*position));
        }
        assert_eq!(last.next(), Position::at(1_700_000_000_001));
        assert!(positions.iter().all(|position| position.next() > *position));
        assert_eq!(Position::from_text("12"), None);
    }

    #[test]
    fn a_group_without_retention_forgets_nothing() {
        let now = Timestamp::from_unix_ms(200_000_000);
        let group = LogGroup::new("g".into(), 1, now);
        assert_eq!(group.expired_before(now), None);
        let day = LogGroup { retention_days: Some(1), ..group };
        assert_eq!(day.expired_before(now), Some(Timestamp::from_unix_ms(113_600_000)));
    }
}
