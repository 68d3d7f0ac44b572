//! Ports in a row, as ECS writes them: `8000-8010`. A range has at least two ports, and none is port 0.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Ports in a row, the first and the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// A text that is no range of ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be two ports from 1 to 65535 with a hyphen between them, the lower first.")]
pub struct NotARange;

// === impl PortRange ===

impl PortRange {
    /// The range from `first` and further ports after it; none when it would be a single port or go past the last there is.
    pub fn new(first: u16, further: u16) -> Option<Self> {
        let last = first.checked_add(further)?;
        (first > 0 && further > 0).then_some(Self { first, last })
    }

    /// Its lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// How many ports follow the first.
    pub fn further(self) -> u16 {
        self.last - self.first
    }

    /// Every port of it.
    pub fn ports(self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// Whether a port is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl FromStr for PortRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let (first, last) = text.split_once('-').ok_or(NotARange)?;
        let port = |text: &str| text.parse::<u16>().map_err(|_| NotARange);
        let (first, last) = (port(first)?, port(last)?);
        last.checked_sub(first).and_then(|further| Self::new(first, further)).ok_or(NotARange)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_two_ports_the_lower_first() {
        for text in ["8000-8010", "1-2", "65534-65535"] {
            assert_eq!(text.parse::<PortRange>().map(|range| range.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "8000", "8000-8000", "8010-8000", "0-1", "65535-65536", "a-b", "1-2-3"] {
            assert_eq!(text.parse::<PortRange>(), Err(NotARange), "{text}");
        }
        assert_eq!(PortRange::new(65_535, 1), None);
    }

    #[test]
    fn ranges_that_share_a_port_overlap() {
        let range = |text: &str| text.parse::<PortRange>().unwrap();
        assert!(range("1-9").overlaps(range("9-10")) && range("9-10").overlaps(range("1-9")));
        assert!(!range("1-9").overlaps(range("10-11")));
    }
}
