//! The cluster query language: conditions on container instances, as `memberOf` constraints and
//! ListContainerInstances' `filter` have them. Source: ECS developer guide, "Create expressions to define container
//! instances".
//!
//! An expression is parsed once and evaluated for many instances. Whatever parses can be evaluated: an operator that a
//! subject does not have, a malformed number, time or pattern is refused when the expression is read.

use std::fmt;

use regex::Regex;

use crate::container_instance::ContainerInstance;
use crate::time::Timestamp;

mod evaluate;
mod parse;
mod value;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// At least one holds.
    Any(Vec<Expression>),
    /// All hold.
    All(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
    /// A condition on one thing.
    Holds(Predicate),
}

/// A condition on one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    /// What it is about.
    pub subject: Subject,
    /// What must be true of it.
    pub condition: Condition,
}

/// What a condition is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `agentConnected`: `true` or `false`.
    AgentConnected,
    /// `agentVersion`.
    AgentVersion,
    /// `attribute:NAME`.
    Attribute(String),
    /// `ec2InstanceId`.
    Ec2InstanceId,
    /// `registeredAt`.
    RegisteredAt,
    /// `runningTasksCount`.
    RunningTasksCount,
    /// `task:group`: the group of any task on the instance.
    TaskGroup,
}

/// What must be true of a subject.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// It is there.
    Exists,
    /// It is not.
    NotExists,
    /// It compares so with a value.
    Compares(Comparison, Value),
    /// It is one of these.
    In(Vec<String>),
    /// It is none of these.
    NotIn(Vec<String>),
    /// The pattern matches the whole of it.
    Matches(Pattern),
    /// The pattern does not.
    NotMatches(Pattern),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`: also of what is not there.
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// What a subject is compared with, read as the subject's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word; compared as a number when both sides are numbers.
    Text(String),
    /// A number of tasks.
    Count(u64),
    /// A version: numbers between dots.
    Version(Vec<u64>),
    /// A point in time.
    Time(Timestamp),
}

/// A regular expression for the whole of a value.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// An expression could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {position}: {message}")]
pub struct ParseError {
    /// Counted from 1.
    pub position: usize,
    /// What was expected, and what was there.
    pub message: String,
}

/// An instance as an expression sees it.
pub trait Instance {
    /// The instance itself.
    fn instance(&self) -> &ContainerInstance;
    /// Whether any task on it is of a group for which `test` is true.
    fn has_group(&self, test: &dyn Fn(&str) -> bool) -> bool;
}

// === impl Expression ===

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::Parser::new(text).whole()
    }

    /// Whether it is true of an instance.
    pub fn holds(&self, instance: &dyn Instance) -> bool {
        match self {
            Self::Any(alternatives) => alternatives.iter().any(|one| one.holds(instance)),
            Self::All(conditions) => conditions.iter().all(|one| one.holds(instance)),
            Self::Not(negated) => !negated.holds(instance),
            Self::Holds(predicate) => predicate.holds(instance),
        }
    }

    /// Whether it says anything of this attribute.
    pub fn mentions(&self, attribute: &str) -> bool {
        match self {
            Self::Any(parts) | Self::All(parts) => parts.iter().any(|part| part.mentions(attribute)),
            Self::Not(negated) => negated.mentions(attribute),
            Self::Holds(predicate) => {
                matches!(&predicate.subject, Subject::Attribute(name) if name == attribute)
            }
        }
    }
}

// === impl Comparison ===

impl Comparison {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Expression {
    /// Writes it so that it reads back as the same expression.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |formatter: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (place, part) in parts.iter().enumerate() {
                if place > 0 {
                    write!(formatter, " {word} ")?;
                }
                write!(formatter, "({part})")?;
            }
            Ok(())
        };
        match self {
            Self::Any(alternatives) => join(formatter, alternatives, "or"),
            Self::All(conditions) => join(formatter, conditions, "and"),
            Self::Not(negated) => write!(formatter, "not ({negated})"),
            Self::Holds(predicate) => write!(formatter, "{} {}", predicate.subject, predicate.condition),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AgentConnected => formatter.write_str("agentConnected"),
            Self::AgentVersion => formatter.write_str("agentVersion"),
            Self::Attribute(name) => write!(formatter, "attribute:{name}"),
            Self::Ec2InstanceId => formatter.write_str("ec2InstanceId"),
            Self::RegisteredAt => formatter.write_str("registeredAt"),
            Self::RunningTasksCount => formatter.write_str("runningTasksCount"),
            Self::TaskGroup => formatter.write_str("task:group"),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[String]| {
            let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
            quoted.join(", ")
        };
        match self {
            Self::Exists => formatter.write_str("exists"),
            Self::NotExists => formatter.write_str("not_exists"),
            Self::Compares(comparison, value) => write!(formatter, "{} {value}", comparison.as_str()),
            Self::In(values) => write!(formatter, "in [{}]", list(values)),
            Self::NotIn(values) => write!(formatter, "not_in [{}]", list(values)),
            Self::Matches(pattern) => write!(formatter, "=~ '{}'", pattern.text),
            Self::NotMatches(pattern) => write!(formatter, "!~ '{}'", pattern.text),
        }
    }
}

#[cfg(test)]
mod tests;
