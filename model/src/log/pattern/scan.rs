//! Reading a pattern from left to right.

use regex::{Regex, RegexBuilder};

use super::Invalid;

/// What a regular expression may take, compiled; a larger one is refused.
const REGEX_BYTES: usize = 1 << 18;

/// A place in a pattern.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What is left, blanks before it skipped.
    pub(super) fn rest(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let rest = rest.trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    /// Takes this away, if it comes next.
    pub(super) fn eat(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        if is_next {
            self.at += token.len();
        }
        is_next
    }

    /// Takes this word away in any case, if it comes next.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let is_next = rest.get(..word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word))
            && !rest[word.len()..].starts_with(|next: char| next.is_alphanumeric());
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), Invalid> {
        if self.eat(token) { Ok(()) } else { Err(self.invalid(format!("expected {token}"))) }
    }

    /// Nothing may be left.
    pub(super) fn finish(&mut self) -> Result<(), Invalid> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.invalid("unexpected text".to_owned())) }
    }

    /// As many characters as satisfy this, not even one perhaps, without skipping blanks.
    pub(super) fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|char: char| !wanted(char)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// What stands between this mark and the next; a backslash before either stands for itself.
    pub(super) fn quoted(&mut self, mark: char) -> Result<String, Invalid> {
        let begin = self.at;
        let rest = &self.text[self.at..];
        let mut chars = rest.char_indices().skip(1);
        let mut text = String::new();
        while let Some((offset, char)) = chars.next() {
            if char == mark {
                self.at += offset + char.len_utf8();
                return Ok(text);
            }
            match char {
                '\\' => match chars.next() {
                    Some((_, escaped)) if escaped == mark || escaped == '\\' => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                char => text.push(char),
            }
        }
        self.at = begin;
        Err(self.invalid(format!("a {mark} that is not closed")))
    }

    /// A regular expression between percent signs.
    pub(super) fn regex(&mut self) -> Result<Regex, Invalid> {
        let begin = self.at;
        let rest = &self.text[self.at + 1..];
        let Some(end) = rest.find('%') else {
            return Err(self.invalid("a % that is not closed".to_owned()));
        };
        self.at += end + 2;
        let compiled = RegexBuilder::new(&rest[..end]).size_limit(REGEX_BYTES).build();
        compiled.map_err(|_| {
            self.at = begin;
            self.invalid("a regular expression that cannot be used".to_owned())
        })
    }

    pub(super) fn invalid(&self, problem: String) -> Invalid {
        Invalid { problem, at: self.text[..self.at].chars().count() + 1 }
    }
}
