//! Numbers with a unit: `10s`, `1h30m`, `64MiB`.

/// Why a duration or a size does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is not numbers with units.
    #[error("{text:?} is not a {what}: write it as {example}")]
    Malformed {
        /// What was written.
        text: String,
        /// What it should be.
        what: &'static str,
        /// What that looks like.
        example: &'static str,
    },
    /// It is zero, which would mean never, at once or unlimited, depending on whom you ask.
    #[error("{text:?} is zero: a {what} must be above zero")]
    Zero {
        /// What was written.
        text: String,
        /// What it should be.
        what: &'static str,
    },
    /// It is larger than can be counted.
    #[error("{text:?} is too large a {what}")]
    TooLarge {
        /// What was written.
        text: String,
        /// What it should be.
        what: &'static str,
    },
}

/// How one kind of quantity is written.
pub(super) struct Notation {
    pub(super) what: &'static str,
    pub(super) example: &'static str,
    /// From the largest to the smallest, each a multiple of the last, which counts one.
    pub(super) units: &'static [(&'static str, u64)],
}

// === impl Notation ===

impl Notation {
    /// The sum of all parts, in the smallest unit. Never zero.
    pub(super) fn parse(&self, text: &str) -> Result<u64, ParseError> {
        let (mut rest, mut total) = (text.trim(), 0_u64);
        if rest.is_empty() {
            return Err(self.malformed(text));
        }
        while !rest.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit());
            let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
            let known = self.units.iter().find(|(name, _)| *name == unit);
            let (Some((_, factor)), false) = (known, number.is_empty()) else {
                return Err(self.malformed(text));
            };
            let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
            total = part.and_then(|part| total.checked_add(part)).ok_or_else(|| self.too_large(text))?;
            rest = after;
        }
        if total == 0 {
            return Err(ParseError::Zero { text: text.to_owned(), what: self.what });
        }
        Ok(total)
    }

    /// In the largest unit that needs no fraction.
    pub(super) fn render(&self, count: u64) -> String {
        let exact = self.units.iter().find(|(_, factor)| count.is_multiple_of(*factor));
        let (unit, factor) = exact.expect("the last unit counts one");
        format!("{}{unit}", count / factor)
    }

    pub(super) fn too_large(&self, text: &str) -> ParseError {
        ParseError::TooLarge { text: text.to_owned(), what: self.what }
    }

    fn malformed(&self, text: &str) -> ParseError {
        ParseError::Malformed { text: text.to_owned(), what: self.what, example: self.example }
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}
