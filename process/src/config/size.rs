//! Sizes as people write them.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::quantity::{Notation, ParseError};

/// A number of bytes above zero: `512B`, `64KiB`, `64MiB`, `2GiB`, `1TiB`. The units of 1,000 bytes are not taken:
/// nobody agrees on what `64MB` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NonZeroBytes(NonZeroU64);

const NOTATION: Notation = Notation {
    what: "size",
    example: "512B, 64KiB, 64MiB or 2GiB",
    units: &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)],
};

// === impl NonZeroBytes ===

impl NonZeroBytes {
    /// `None` when it is zero.
    pub const fn new(bytes: u64) -> Option<Self> {
        match NonZeroU64::new(bytes) {
            Some(bytes) => Some(Self(bytes)),
            None => None,
        }
    }

    /// For defaults: `NonZeroBytes::from_mib(64)`. Zero does not compile in a constant, and panics elsewhere.
    pub const fn from_mib(mib: u64) -> Self {
        Self::new(mib << 20).expect("a default is above zero")
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The number of bytes, for whoever counts in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.get()).unwrap_or(usize::MAX)
    }
}

impl FromStr for NonZeroBytes {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bytes = NOTATION.parse(text)?;
        Ok(Self::new(bytes).expect("the notation refuses zero"))
    }
}

impl TryFrom<String> for NonZeroBytes {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl fmt::Display for NonZeroBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&NOTATION.render(self.get()))
    }
}

impl From<NonZeroBytes> for String {
    fn from(bytes: NonZeroBytes) -> Self {
        bytes.to_string()
    }
}
