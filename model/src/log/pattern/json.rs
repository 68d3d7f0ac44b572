//! Conditions on a message that is a JSON document.

use serde_json::Value;

use super::Invalid;
use super::compare::{self, Comparison};
use super::scan::Scanner;
use crate::limits::FILTER_PATTERN_DEPTH;

/// What has to hold of a document.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Test(Vec<Step>, Test),
}

/// One step from a value to one within it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Member(String),
    Element(usize),
    AnyElement,
}

/// What has to hold of a value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Compares(Comparison),
    Is(Value),
    Exists,
    NotExists,
}

/// The condition that comes next.
pub(super) fn parse(scanner: &mut Scanner<'_>) -> Result<Condition, Invalid> {
    any(scanner, 0)
}

fn any(scanner: &mut Scanner<'_>, depth: usize) -> Result<Condition, Invalid> {
    let mut parts = vec![all(scanner, depth)?];
    while scanner.eat("||") {
        parts.push(all(scanner, depth)?);
    }
    Ok(Condition::Any(parts))
}

fn all(scanner: &mut Scanner<'_>, depth: usize) -> Result<Condition, Invalid> {
    let mut parts = vec![unit(scanner, depth)?];
    while scanner.eat("&&") {
        parts.push(unit(scanner, depth)?);
    }
    Ok(Condition::All(parts))
}

fn unit(scanner: &mut Scanner<'_>, depth: usize) -> Result<Condition, Invalid> {
    if scanner.eat("(") {
        if depth == FILTER_PATTERN_DEPTH {
            return Err(scanner.invalid("too many parentheses within each other".to_owned()));
        }
        let inner = any(scanner, depth + 1)?;
        scanner.expect(")")?;
        return Ok(inner);
    }
    scanner.expect("$")?;
    let steps = steps(scanner)?;
    Ok(Condition::Test(steps, test(scanner)?))
}

fn steps(scanner: &mut Scanner<'_>) -> Result<Vec<Step>, Invalid> {
    let mut steps = Vec::new();
    loop {
        if scanner.eat(".") {
            let name = scanner.take_while(|char| char.is_alphanumeric() || "_-@".contains(char));
            if name.is_empty() {
                return Err(scanner.invalid("the name of a member is missing".to_owned()));
            }
            steps.push(Step::Member(name.to_owned()));
        } else if scanner.eat("[") {
            steps.push(element(scanner)?);
            scanner.expect("]")?;
        } else {
            return Ok(steps);
        }
    }
}

fn element(scanner: &mut Scanner<'_>) -> Result<Step, Invalid> {
    match scanner.rest().chars().next() {
        Some(mark @ ('"' | '\'')) => scanner.quoted(mark).map(Step::Member),
        Some('*') if scanner.eat("*") => Ok(Step::AnyElement),
        _ => {
            let digits = scanner.take_while(|char| char.is_ascii_digit());
            let number =
                digits.parse().map_err(|_| scanner.invalid("the number of an element is missing".to_owned()));
            number.map(Step::Element)
        }
    }
}

fn test(scanner: &mut Scanner<'_>) -> Result<Test, Invalid> {
    if scanner.eat_word("IS") {
        let words = [("TRUE", Value::Bool(true)), ("FALSE", Value::Bool(false)), ("NULL", Value::Null)];
        let found = words.into_iter().find(|(word, _)| scanner.eat_word(word));
        return match found {
            Some((_, value)) => Ok(Test::Is(value)),
            None => Err(scanner.invalid("expected TRUE, FALSE or NULL".to_owned())),
        };
    }
    if scanner.eat_word("EXISTS") {
        return Ok(Test::Exists);
    }
    if scanner.eat_word("NOT") {
        return if scanner.eat_word("EXISTS") {
            Ok(Test::NotExists)
        } else {
            Err(scanner.invalid("expected EXISTS".to_owned()))
        };
    }
    let comparison = compare::parse(scanner)?;
    comparison.map(Test::Compares).ok_or_else(|| scanner.invalid("expected a comparison".to_owned()))
}

// === impl Condition ===

impl Condition {
    pub(super) fn holds(&self, document: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(document)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(document)),
            Self::Test(steps, test) => {
                let mut found = Vec::new();
                find(document, steps, &mut found);
                match test {
                    Test::NotExists => found.is_empty(),
                    Test::Exists => !found.is_empty(),
                    Test::Is(wanted) => found.contains(&wanted),
                    Test::Compares(comparison) => found.into_iter().any(|value| compares(comparison, value)),
                }
            }
        }
    }
}

fn find<'a>(value: &'a Value, steps: &[Step], found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else {
        found.push(value);
        return;
    };
    match step {
        Step::Member(name) => value.get(name).into_iter().for_each(|inner| find(inner, rest, found)),
        Step::Element(at) => value.get(at).into_iter().for_each(|inner| find(inner, rest, found)),
        Step::AnyElement => {
            value.as_array().into_iter().flatten().for_each(|inner| find(inner, rest, found));
        }
    }
}

fn compares(comparison: &Comparison, value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| comparison.holds_for_number(number)),
        Value::String(text) => comparison.holds_for_text(text),
        Value::Bool(flag) => comparison.holds_for_text(if *flag { "true" } else { "false" }),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
