//! Comparing one value with what a condition says of it.

use regex::Regex;

use super::Invalid;
use super::scan::Scanner;

/// What a condition says of a value.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    operator: Operator,
    operand: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
enum Operand {
    Number(f64),
    /// Its parts between asterisks, which stand for any text.
    Text(Vec<String>),
    Regex(Regex),
}

/// Those that begin with another come after it, so that the longer is found first.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::Unequal),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// The operator and the value that come next; none when no operator does.
pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Option<Comparison>, Invalid> {
    let Some((_, operator)) = OPERATORS.into_iter().find(|(token, _)| scanner.eat(token)) else {
        return Ok(None);
    };
    let operand = operand(scanner)?;
    let is_ordered = !matches!(operator, Operator::Equal | Operator::Unequal);
    if is_ordered && !matches!(operand, Operand::Number(_)) {
        return Err(scanner.invalid("only numbers can be less or greater".to_owned()));
    }
    Ok(Some(Comparison { operator, operand }))
}

fn operand(scanner: &mut Scanner<'_>) -> Result<Operand, Invalid> {
    match scanner.rest().chars().next() {
        Some('"') => Ok(Operand::wildcard(&scanner.quoted('"')?)),
        Some('%') => scanner.regex().map(Operand::Regex),
        _ => {
            let is_word = |char: char| !char.is_whitespace() && !",)]}&|(".contains(char);
            let word = scanner.take_while(is_word);
            if word.is_empty() {
                return Err(scanner.invalid("a value is missing".to_owned()));
            }
            let number = word.parse().ok().filter(|number: &f64| number.is_finite());
            Ok(number.map_or_else(|| Operand::wildcard(word), Operand::Number))
        }
    }
}

// === impl Comparison ===

impl Comparison {
    pub(super) fn holds_for_number(&self, number: f64) -> bool {
        match (&self.operand, self.operator) {
            (Operand::Number(wanted), Operator::Equal) => number == *wanted,
            (Operand::Number(wanted), Operator::Unequal) => number != *wanted,
            (Operand::Number(wanted), Operator::Less) => number < *wanted,
            (Operand::Number(wanted), Operator::LessOrEqual) => number <= *wanted,
            (Operand::Number(wanted), Operator::Greater) => number > *wanted,
            (Operand::Number(wanted), Operator::GreaterOrEqual) => number >= *wanted,
            (Operand::Text(_) | Operand::Regex(_), _) => self.holds_for_text(&number.to_string()),
        }
    }

    pub(super) fn holds_for_text(&self, text: &str) -> bool {
        let is_like = match &self.operand {
            Operand::Number(_) => false,
            Operand::Text(parts) => is_like(parts, text),
            Operand::Regex(regex) => regex.is_match(text),
        };
        is_like == (self.operator == Operator::Equal)
    }

    /// A text that is a number if it is compared with one.
    pub(super) fn holds_for_word(&self, word: &str) -> bool {
        match (&self.operand, word.parse::<f64>()) {
            (Operand::Number(_), Ok(number)) => self.holds_for_number(number),
            _ => self.holds_for_text(word),
        }
    }
}

// === impl Operand ===

impl Operand {
    fn wildcard(text: &str) -> Self {
        Self::Text(text.split('*').map(str::to_owned).collect())
    }
}

/// Whether the text is these parts, with anything between them.
fn is_like(parts: &[String], text: &str) -> bool {
    let [first, middle @ .., last] = parts else {
        return parts.first().is_some_and(|only| only == text);
    };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in middle {
        match rest.find(part.as_str()) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}
