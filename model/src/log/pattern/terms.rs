//! Terms: texts that have to be in a message, or must not.

use regex::Regex;

use super::Invalid;
use super::scan::Scanner;

/// What has to be in a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    required: Vec<Needle>,
    /// One of them has to be there, unless others are required.
    optional: Vec<Needle>,
    excluded: Vec<Needle>,
}

#[derive(Clone, Debug)]
enum Needle {
    Text(String),
    Regex(Regex),
}

/// The terms up to the end of the pattern.
pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Terms, Invalid> {
    let mut terms = Terms::default();
    while !scanner.rest().is_empty() {
        let list = if scanner.eat("?") {
            &mut terms.optional
        } else if scanner.eat("-") {
            &mut terms.excluded
        } else {
            &mut terms.required
        };
        list.push(needle(scanner)?);
    }
    Ok(terms)
}

fn needle(scanner: &mut Scanner<'_>) -> Result<Needle, Invalid> {
    match scanner.rest().chars().next() {
        Some('"') => scanner.quoted('"').map(Needle::Text),
        Some('%') => scanner.regex().map(Needle::Regex),
        Some(_) => Ok(Needle::Text(scanner.take_while(|char| !char.is_whitespace()).to_owned())),
        None => Err(scanner.invalid("a term is missing".to_owned())),
    }
}

// === impl Terms ===

impl Terms {
    pub(super) fn matches(&self, message: &str) -> bool {
        let is_there = |needle: &Needle| match needle {
            Needle::Text(text) => message.contains(text.as_str()),
            Needle::Regex(regex) => regex.is_match(message),
        };
        let is_wanted = if self.required.is_empty() && !self.optional.is_empty() {
            self.optional.iter().any(is_there)
        } else {
            self.required.iter().all(is_there)
        };
        is_wanted && !self.excluded.iter().any(is_there)
    }
}
