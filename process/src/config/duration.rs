//! Durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::quantity::{Notation, ParseError};

/// A duration above zero, to the millisecond: `500ms`, `10s`, `5m`, `1h30m`, `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NonZeroDuration(Duration);

const NOTATION: Notation = Notation {
    what: "duration",
    example: "500ms, 10s, 5m, 1h30m or 7d",
    units: &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)],
};

// === impl NonZeroDuration ===

impl NonZeroDuration {
    /// `None` when it is shorter than a millisecond. What is finer than a millisecond is cut off.
    pub const fn new(duration: Duration) -> Option<Self> {
        let ms = duration.as_millis();
        if ms == 0 || ms > u64::MAX as u128 {
            return None;
        }
        Some(Self(Duration::from_millis(ms as u64)))
    }

    /// For defaults: `NonZeroDuration::from_secs(10)`. Zero does not compile in a constant, and panics elsewhere.
    pub const fn from_secs(seconds: u64) -> Self {
        Self::new(Duration::from_secs(seconds)).expect("a default is above zero")
    }

    /// For defaults below a second. Zero does not compile in a constant, and panics elsewhere.
    pub const fn from_millis(ms: u64) -> Self {
        Self::new(Duration::from_millis(ms)).expect("a default is above zero")
    }

    /// The duration.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for NonZeroDuration {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        NOTATION.parse(text).map(Self::from_millis)
    }
}

impl TryFrom<String> for NonZeroDuration {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl fmt::Display for NonZeroDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&NOTATION.render(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl From<NonZeroDuration> for String {
    fn from(duration: NonZeroDuration) -> Self {
        duration.to_string()
    }
}

impl From<NonZeroDuration> for Duration {
    fn from(duration: NonZeroDuration) -> Self {
        duration.0
    }
}
