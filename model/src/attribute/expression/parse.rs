//! Reading an expression.
//!
//! ```text
//! expr    := and { ("or" | "||") and }
//! and     := unary { ("and" | "&&") unary }
//! unary   := ("not" | "!") unary | "(" expr ")" | subject operator [argument]
//! ```
//! Words may stand bare or in single quotes. A bare pattern reaches to the next space, or to a parenthesis that it did
//! not open.

use super::{Comparison, Condition, Expression, ParseError, Pattern, Predicate, Subject, Value};

/// How deep parentheses and negations may nest: an expression is not to exhaust the stack.
const DEPTH: usize = 64;

pub(super) struct Parser<'a> {
    text: &'a str,
    /// Byte at which reading goes on.
    at: usize,
    depth: usize,
}

/// An operator as it was written, before its argument.
#[derive(Clone, Copy)]
enum Operator {
    Exists(bool),
    Compares(Comparison),
    In(bool),
    Matches(bool),
}

// === impl Parser ===

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// The whole text as one expression.
    pub(super) fn whole(mut self) -> Result<Expression, ParseError> {
        let expression = self.any()?;
        self.skip_spaces();
        if self.rest().is_empty() {
            return Ok(expression);
        }
        Err(self.expected("and, or, or the end"))
    }

    fn any(&mut self) -> Result<Expression, ParseError> {
        let mut alternatives = vec![self.all()?];
        while self.take_connective("or", "||") {
            alternatives.push(self.all()?);
        }
        Ok(one_or(alternatives, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, ParseError> {
        let mut conditions = vec![self.unary()?];
        while self.take_connective("and", "&&") {
            conditions.push(self.unary()?);
        }
        Ok(one_or(conditions, Expression::All))
    }

    fn unary(&mut self) -> Result<Expression, ParseError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error(format!("nested deeper than {DEPTH} levels")));
        }
        let expression = if self.take_symbol("!") || self.take_keyword("not") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.take_symbol("(") {
            let inner = self.any()?;
            if !self.take_symbol(")") {
                return Err(self.expected("`)`"));
            }
            inner
        } else {
            Expression::Holds(self.predicate()?)
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn predicate(&mut self) -> Result<Predicate, ParseError> {
        let subject = self.subject()?;
        self.skip_spaces();
        let before = self.at;
        let operator = self.operator()?;
        if !has_operator(&subject, operator) {
            self.at = before;
            return Err(self.expected(&format!("an operator that {subject} has")));
        }
        let condition = self.condition(&subject, operator)?;
        Ok(Predicate { subject, condition })
    }

    fn subject(&mut self) -> Result<Subject, ParseError> {
        const KNOWN: [(&str, Subject); 6] = [
            ("agentConnected", Subject::AgentConnected),
            ("agentVersion", Subject::AgentVersion),
            ("ec2InstanceId", Subject::Ec2InstanceId),
            ("registeredAt", Subject::RegisteredAt),
            ("runningTasksCount", Subject::RunningTasksCount),
            ("task:group", Subject::TaskGroup),
        ];
        self.skip_spaces();
        let word = self.peek_word();
        let subject = match word.strip_prefix("attribute:") {
            Some(name) if is_attribute_name(name) => Some(Subject::Attribute(name.to_owned())),
            Some(_) => None,
            None => KNOWN.into_iter().find(|(name, _)| *name == word).map(|(_, subject)| subject),
        };
        let Some(subject) = subject else {
            return Err(self.expected(
                "attribute:NAME, task:group, agentConnected, agentVersion, ec2InstanceId, registeredAt or \
                 runningTasksCount",
            ));
        };
        self.at += word.len();
        Ok(subject)
    }

    fn operator(&mut self) -> Result<Operator, ParseError> {
        /// Longer ones before those they begin with.
        const SYMBOLS: [(&str, Operator); 10] = [
            ("==", Operator::Compares(Comparison::Equal)),
            ("!=", Operator::Compares(Comparison::NotEqual)),
            (">=", Operator::Compares(Comparison::GreaterOrEqual)),
            ("<=", Operator::Compares(Comparison::LessOrEqual)),
            ("=~", Operator::Matches(true)),
            ("!~", Operator::Matches(false)),
            (">", Operator::Compares(Comparison::Greater)),
            ("<", Operator::Compares(Comparison::Less)),
            ("!exists", Operator::Exists(false)),
            ("!in", Operator::In(false)),
        ];
        const WORDS: [(&str, Operator); 12] = [
            ("equals", Operator::Compares(Comparison::Equal)),
            ("not_equals", Operator::Compares(Comparison::NotEqual)),
            ("greater_than", Operator::Compares(Comparison::Greater)),
            ("greater_than_equal", Operator::Compares(Comparison::GreaterOrEqual)),
            ("less_than", Operator::Compares(Comparison::Less)),
            ("less_than_equal", Operator::Compares(Comparison::LessOrEqual)),
            ("exists", Operator::Exists(true)),
            ("not_exists", Operator::Exists(false)),
            ("in", Operator::In(true)),
            ("not_in", Operator::In(false)),
            ("matches", Operator::Matches(true)),
            ("not_matches", Operator::Matches(false)),
        ];
        let word = self.peek_word();
        if let Some((name, operator)) = WORDS.into_iter().find(|(name, _)| *name == word) {
            self.at += name.len();
            return Ok(operator);
        }
        match SYMBOLS.into_iter().find(|(symbol, _)| self.rest().starts_with(symbol)) {
            Some((symbol, operator)) => {
                self.at += symbol.len();
                Ok(operator)
            }
            None => Err(self.expected("an operator such as ==, in, =~ or exists")),
        }
    }

    fn condition(&mut self, subject: &Subject, operator: Operator) -> Result<Condition, ParseError> {
        Ok(match operator {
            Operator::Exists(true) => Condition::Exists,
            Operator::Exists(false) => Condition::NotExists,
            Operator::Compares(comparison) => Condition::Compares(comparison, self.value(subject)?),
            Operator::In(true) => Condition::In(self.list(subject)?),
            Operator::In(false) => Condition::NotIn(self.list(subject)?),
            Operator::Matches(true) => Condition::Matches(self.pattern()?),
            Operator::Matches(false) => Condition::NotMatches(self.pattern()?),
        })
    }

    fn value(&mut self, subject: &Subject) -> Result<Value, ParseError> {
        let before = self.at;
        let text = self.word()?;
        Value::read(subject, &text).map_err(|expected| {
            self.at = before;
            self.skip_spaces();
            self.expected(expected)
        })
    }

    fn list(&mut self, subject: &Subject) -> Result<Vec<String>, ParseError> {
        if !self.take_symbol("[") {
            return Err(self.expected("a list such as [a, b]"));
        }
        let mut values = Vec::new();
        loop {
            let before = self.at;
            let word = self.word()?;
            if let Err(expected) = Value::read(subject, &word) {
                self.at = before;
                self.skip_spaces();
                return Err(self.expected(expected));
            }
            values.push(word);
            if self.take_symbol("]") {
                return Ok(values);
            }
            if !self.take_symbol(",") {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn pattern(&mut self) -> Result<Pattern, ParseError> {
        self.skip_spaces();
        let before = self.at;
        let text = if self.rest().starts_with('\'') { self.word()? } else { self.bare_pattern().to_owned() };
        if text.is_empty() {
            return Err(self.expected("a regular expression"));
        }
        Pattern::new(&text).map_err(|error| {
            self.at = before;
            self.error(format!("`{text}` is not a regular expression: {error}"))
        })
    }

    fn bare_pattern(&mut self) -> &'a str {
        let rest = self.rest();
        let mut open = 0_usize;
        let ends = |char: char| match char {
            '(' => {
                open += 1;
                false
            }
            ')' if open == 0 => true,
            ')' => {
                open -= 1;
                false
            }
            _ => char.is_whitespace(),
        };
        let length = rest.find(ends).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A word, bare or quoted.
    fn word(&mut self) -> Result<String, ParseError> {
        self.skip_spaces();
        if let Some(quoted) = self.rest().strip_prefix('\'') {
            let Some(length) = quoted.find('\'') else {
                return Err(self.error("the quote is not closed".into()));
            };
            self.at += length + 2;
            return Ok(quoted[..length].to_owned());
        }
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(word.to_owned())
    }

    /// The bare word that comes next; empty when something else does.
    fn peek_word(&self) -> &'a str {
        let rest = self.rest();
        let ends = |char: char| char.is_whitespace() || "()[],'=!<>&|~".contains(char);
        &rest[..rest.find(ends).unwrap_or(rest.len())]
    }

    fn take_connective(&mut self, word: &str, symbol: &str) -> bool {
        self.take_symbol(symbol) || self.take_keyword(word)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        self.skip_spaces();
        let found = self.peek_word().eq_ignore_ascii_case(keyword);
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> ParseError {
        let found = match self.rest().split_whitespace().next() {
            None => "the end".to_owned(),
            Some(word) => format!("`{word}`"),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    fn error(&self, message: String) -> ParseError {
        ParseError { position: self.text[..self.at].chars().count() + 1, message }
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 { parts.remove(0) } else { many(parts) }
}

fn is_attribute_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/\\.".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(allowed)
}

/// Source: ECS developer guide: which operators a subject has.
fn has_operator(subject: &Subject, operator: Operator) -> bool {
    let ordered = matches!(operator, Operator::Compares(_));
    let compared = matches!(operator, Operator::Compares(Comparison::Equal | Comparison::NotEqual));
    let chosen = compared || matches!(operator, Operator::In(_) | Operator::Matches(_));
    match subject {
        Subject::Attribute(_) => true,
        Subject::AgentVersion | Subject::RegisteredAt | Subject::RunningTasksCount => ordered,
        Subject::AgentConnected | Subject::Ec2InstanceId => chosen,
        Subject::TaskGroup => chosen || matches!(operator, Operator::Exists(_)),
    }
}
