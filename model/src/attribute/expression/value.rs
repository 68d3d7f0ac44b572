//! What subjects are compared with: words, counts, versions and times.

use std::cmp::Ordering;
use std::fmt;

use regex::RegexBuilder;
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime, PrimitiveDateTime};

use super::{Comparison, Pattern, Subject, Value};
use crate::time::Timestamp;

/// Bytes that one compiled pattern may take; a larger one is refused.
const PATTERN_BYTES: usize = 256 * 1024;

// === impl Value ===

impl Value {
    /// Reads a value as this subject has them; says what was expected otherwise.
    pub(super) fn read(subject: &Subject, text: &str) -> Result<Self, &'static str> {
        match subject {
            Subject::RunningTasksCount => text.parse().map(Self::Count).map_err(|_| "a number of tasks"),
            Subject::AgentVersion => version(text).map(Self::Version).ok_or("a version such as 1.2.3"),
            Subject::RegisteredAt => {
                time(text).map(Self::Time).ok_or("a time such as 2018-06-18T22:28:28Z or 2018-06-18")
            }
            Subject::AgentConnected if !matches!(text, "true" | "false") => Err("true or false"),
            Subject::AgentConnected | Subject::Attribute(_) | Subject::Ec2InstanceId | Subject::TaskGroup => {
                Ok(Self::Text(text.to_owned()))
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(formatter, "'{text}'"),
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Version(parts) => {
                let parts: Vec<String> = parts.iter().map(u64::to_string).collect();
                formatter.write_str(&parts.join("."))
            }
            Self::Time(at) => {
                let seconds = at.unix_ms().div_euclid(1000);
                write!(formatter, "{}", prost_types::Timestamp { seconds, nanos: 0 })
            }
        }
    }
}

// === impl Comparison ===

impl Comparison {
    /// Whether this order is the one asked for.
    pub(super) fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
        }
    }
}

// === impl Pattern ===

impl Pattern {
    /// Compiles a pattern that has to match the whole of a value.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let whole = format!("^(?:{text})$");
        let regex = RegexBuilder::new(&whole).size_limit(PATTERN_BYTES).build();
        let regex = regex.map_err(|error| {
            if matches!(error, regex::Error::CompiledTooBig(_)) {
                return "the pattern is too large".to_owned();
            }
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })?;
        Ok(Self { text: text.to_owned(), regex })
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

/// As numbers when both are, else as words.
pub(super) fn compare_words(one: &str, other: &str) -> Ordering {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) if one.is_finite() && other.is_finite() => one.total_cmp(&other),
        _ => one.cmp(other),
    }
}

/// Versions of different lengths compare as if the shorter one went on with zeros.
pub(super) fn compare_versions(one: &[u64], other: &[u64]) -> Ordering {
    let part = |parts: &[u64], place: usize| parts.get(place).copied().unwrap_or(0);
    let places = 0..one.len().max(other.len());
    places
        .map(|place| part(one, place).cmp(&part(other, place)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// `1.2.3`, also with a `v` before it and a suffix such as `-rc1`, which does not count.
pub(super) fn version(text: &str) -> Option<Vec<u64>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split(['-', '+']).next().unwrap_or_default();
    text.split('.').map(|part| part.parse().ok()).collect()
}

fn time(text: &str) -> Option<Timestamp> {
    let with_offset = OffsetDateTime::parse(text, &Rfc3339).ok();
    let without =
        || PrimitiveDateTime::parse(text, &Iso8601::PARSING).ok().map(PrimitiveDateTime::assume_utc);
    let date = || Date::parse(text, &Iso8601::PARSING).ok().map(|date| date.midnight().assume_utc());
    let at = with_offset.or_else(without).or_else(date)?;
    let unix_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
    Some(Timestamp::from_unix_ms(unix_ms))
}
