//! Enough of Rust's grammar to find names: comments and literals dropped, the rest cut into words and marks.

/// A word or a mark of the source, and the line it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The tokens of a source file. `::` is one mark; a lifetime is a word with its quote.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: source.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.tokens
}

/// Whether this is an identifier and no keyword-like mark.
pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

// === impl Lexer ===

impl Lexer {
    fn step(&mut self) {
        let (this, next) = (self.chars[self.at], self.peek(1));
        match (this, next) {
            ('/', Some('/')) => self.skip_while(|char| char != '\n'),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            (':', Some(':')) => self.push(2),
            _ if this.is_alphanumeric() || this == '_' => self.word(),
            _ if this.is_whitespace() => self.advance(1),
            _ => self.push(1),
        }
    }

    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn advance(&mut self, count: usize) {
        let end = (self.at + count).min(self.chars.len());
        self.line += self.chars[self.at..end].iter().filter(|char| **char == '\n').count();
        self.at = end;
    }

    fn skip_while(&mut self, more: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&more) {
            self.advance(1);
        }
    }

    fn push(&mut self, count: usize) {
        let end = (self.at + count).min(self.chars.len());
        self.tokens.push(Token { text: self.chars[self.at..end].iter().collect(), line: self.line });
        self.advance(count);
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (None, _) => return,
                _ => {
                    self.advance(1);
                    continue;
                }
            }
            self.advance(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.advance(1);
        while let Some(char) = self.peek(0) {
            self.advance(if char == '\\' { 2 } else { 1 });
            if char == '"' {
                return;
            }
        }
    }

    /// A raw string, the opening `r` or `br` of which is passed already.
    fn raw_string(&mut self) {
        let hashes = (0..).take_while(|offset| self.peek(*offset) == Some('#')).count();
        self.advance(hashes + 1);
        while let Some(char) = self.peek(0) {
            self.advance(1);
            if char == '"' && (0..hashes).all(|offset| self.peek(offset) == Some('#')) {
                return self.advance(hashes);
            }
        }
    }

    /// A character, or a lifetime: `'a'` has a second quote where `'a` has none.
    fn quote(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.advance(3);
                self.skip_while(|char| char != '\'');
                self.advance(1);
            }
            (Some(_), Some('\'')) => self.advance(3),
            _ => self.push(1),
        }
    }

    fn word(&mut self) {
        let length = (0..)
            .take_while(|offset| self.peek(*offset).is_some_and(|char| char.is_alphanumeric() || char == '_'))
            .count();
        let word: String = self.chars[self.at..self.at + length].iter().collect();
        let after = (self.peek(length), self.peek(length + 1));
        match (word.as_str(), after) {
            ("r" | "br" | "cr", (Some('"'), _) | (Some('#'), Some('"' | '#'))) => {
                self.advance(length);
                self.raw_string();
            }
            ("b" | "c", (Some('"'), _)) => {
                self.advance(length);
                self.string();
            }
            ("b", (Some('\''), _)) => {
                self.advance(length);
                self.quote();
            }
            _ => self.push(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).filter(|text| is_word(text)).collect()
    }

    #[test]
    fn drops_comments_and_literals() {
        let source = "a /* b /* c */ d */ \"e \\\" f\" r#\"g \" h\"# 'i' '\\'' b'j' // k\nl";
        assert_eq!(words(source), ["a", "l"]);
    }

    #[test]
    fn knows_a_lifetime_from_a_character() {
        assert_eq!(words("fn f<'a>(x: &'a str) -> char { 'x' }"), ["fn", "f", "a", "x", "a", "str", "char"]);
    }

    #[test]
    fn counts_lines_over_literals() {
        assert_eq!(tokens("\"\n\n\" x")[0], Token { text: "x".to_owned(), line: 3 });
    }
}
