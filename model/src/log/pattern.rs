//! The filter language of log events: terms, conditions on JSON, conditions on columns.
//!
//! ```text
//! ERROR -timeout ?slow "two words" %5\d\d%        terms
//! { $.level = "error" && $.user.id != 7 }         JSON
//! [ip, user, ..., status = 4*, bytes > 1000]      columns, separated by blanks
//! ```
//!
//! Source: CloudWatch Logs user guide, "Filter pattern syntax".

use crate::limits::FILTER_PATTERN_LENGTH;

mod columns;
mod compare;
mod json;
mod scan;
mod terms;

use columns::Columns;
use json::Condition;
use scan::Scanner;
use terms::Terms;

/// Says of a message whether it is wanted.
#[derive(Clone, Debug)]
pub struct Pattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Terms(Terms),
    Json(Condition),
    Columns(Columns),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid filter pattern: {problem} at character {at}.")]
pub struct Invalid {
    /// What is wrong.
    pub problem: String,
    /// Where, counted from 1.
    pub at: usize,
}

// === impl Pattern ===

impl Pattern {
    /// Reads a pattern. The empty one wants everything.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.chars().count() > FILTER_PATTERN_LENGTH {
            let problem = format!("more than {FILTER_PATTERN_LENGTH} characters");
            return Err(Invalid { problem, at: FILTER_PATTERN_LENGTH });
        }
        let mut scanner = Scanner::new(text);
        let kind = if scanner.eat("{") {
            let condition = json::parse(&mut scanner)?;
            scanner.expect("}")?;
            Kind::Json(condition)
        } else if scanner.eat("[") {
            let columns = columns::parse(&mut scanner)?;
            scanner.expect("]")?;
            Kind::Columns(columns)
        } else {
            Kind::Terms(terms::parse(&mut scanner)?)
        };
        scanner.finish()?;
        Ok(Self(kind))
    }

    /// Whether this message is wanted.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(condition) => {
                serde_json::from_str(message).is_ok_and(|document| condition.holds(&document))
            }
            Kind::Columns(columns) => columns.matches(message),
        }
    }
}

#[cfg(test)]
mod tests;
