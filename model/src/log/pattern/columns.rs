//! Conditions on the columns of a message, which blanks separate. What stands in quotes or brackets is one column.

use super::Invalid;
use super::compare::{self, Comparison};
use super::scan::Scanner;

/// What has to hold of the columns.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    before: Vec<Column>,
    /// After an ellipsis, which stands for any number of columns; none when there is no ellipsis.
    after: Option<Vec<Column>>,
}

/// What has to hold of one column: one of these, and of it all.
type Column = Vec<Vec<Comparison>>;

/// The columns up to the closing bracket.
pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Columns, Invalid> {
    let mut columns = Columns { before: Vec::new(), after: None };
    loop {
        if scanner.eat("...") {
            if columns.after.replace(Vec::new()).is_some() {
                return Err(scanner.invalid("only one ellipsis can be".to_owned()));
            }
        } else {
            let column = column(scanner)?;
            columns.after.as_mut().unwrap_or(&mut columns.before).push(column);
        }
        if !scanner.eat(",") {
            return Ok(columns);
        }
    }
}

fn column(scanner: &mut Scanner<'_>) -> Result<Column, Invalid> {
    let name = name(scanner)?;
    let Some(first) = compare::parse(scanner)? else { return Ok(Vec::new()) };
    let mut column = vec![vec![first]];
    loop {
        let is_alternative = scanner.eat("||");
        if !is_alternative && !scanner.eat("&&") {
            return Ok(column);
        }
        if self::name(scanner)? != name {
            return Err(scanner.invalid("conditions of one column have its name".to_owned()));
        }
        let next = compare::parse(scanner)?;
        let next = next.ok_or_else(|| scanner.invalid("expected a comparison".to_owned()))?;
        match column.last_mut() {
            Some(all) if !is_alternative => all.push(next),
            _ => column.push(vec![next]),
        }
    }
}

fn name<'a>(scanner: &mut Scanner<'a>) -> Result<&'a str, Invalid> {
    scanner.rest();
    let name = scanner.take_while(|char| char.is_alphanumeric() || char == '_');
    if name.is_empty() {
        Err(scanner.invalid("the name of a column is missing".to_owned()))
    } else {
        Ok(name)
    }
}

// === impl Columns ===

impl Columns {
    pub(super) fn matches(&self, message: &str) -> bool {
        let words = split(message);
        let hold = |columns: &[Column], words: &[&str]| {
            columns.iter().zip(words).all(|(column, word)| {
                let all =
                    |all: &Vec<Comparison>| all.iter().all(|comparison| comparison.holds_for_word(word));
                column.is_empty() || column.iter().any(all)
            })
        };
        match &self.after {
            None => words.len() == self.before.len() && hold(&self.before, &words),
            Some(after) => {
                words.len() >= self.before.len() + after.len()
                    && hold(&self.before, &words)
                    && hold(after, &words[words.len() - after.len()..])
            }
        }
    }
}

fn split(message: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = message.trim();
    while !rest.is_empty() {
        let closing = match rest.as_bytes().first() {
            Some(b'"') => Some('"'),
            Some(b'[') => Some(']'),
            _ => None,
        };
        let enclosed = closing.and_then(|closing| rest[1..].split_once(closing));
        let (word, left) = match enclosed {
            Some((word, left)) => (word, left),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word);
        rest = left.trim_start();
    }
    words
}
