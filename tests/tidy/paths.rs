//! The paths that a Rust file names: `use` trees opened up, `crate`, `self` and `super` followed, inline paths too.

use super::lexer::{Token, is_word, tokens};

/// A path such as `berth_controller::api::cluster`, and the line it is on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

/// Every path of two words or more in a file, and every single word that a `use` takes.
///
/// `file` is the file's own module path from the crate's root (`["api", "cluster"]`); paths into the own crate start
/// with `crate`.
pub(crate) fn named(source: &str, file: &[String]) -> Vec<Named> {
    let tokens = tokens(source);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].text == "use" {
            at = tree(&tokens, at + 1, &[], &mut found);
        } else if is_word(&tokens[at].text) && text(&tokens, at + 1) == "::" {
            at = inline(&tokens, at, &mut found);
        } else {
            at += 1;
        }
    }
    for named in &mut found {
        named.path = resolve(std::mem::take(&mut named.path), file);
    }
    found
}

/// One `use` tree from `at` on; returns where it ends.
fn tree(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    let mut path = prefix.to_vec();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        match text(tokens, at) {
            "{" => return group(tokens, at + 1, &path, found),
            "::" => at += 1,
            "as" => at += 2,
            word if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            "*" => at += 1,
            _ => {
                found.push(Named { path, line });
                return at;
            }
        }
    }
}

fn group(tokens: &[Token], mut at: usize, prefix: &[String], found: &mut Vec<Named>) -> usize {
    loop {
        match text(tokens, at) {
            "," => at += 1,
            "}" => return at + 1,
            "" => return at,
            _ => at = tree(tokens, at, prefix, found),
        }
    }
}

fn inline(tokens: &[Token], mut at: usize, found: &mut Vec<Named>) -> usize {
    let line = tokens[at].line;
    let mut path = vec![tokens[at].text.clone()];
    while text(tokens, at + 1) == "::" && is_word(text(tokens, at + 2)) {
        at += 2;
        path.push(tokens[at].text.clone());
    }
    found.push(Named { path, line });
    at + 1
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

/// `self` and `super` as paths from the crate's root. A module inside the file (of tests, mostly) is not counted as a
/// level: walls stand between folders, so one level within a file makes no difference.
fn resolve(path: Vec<String>, file: &[String]) -> Vec<String> {
    let supers = path.iter().take_while(|word| *word == "super").count();
    if supers == 0 && path.first().is_none_or(|first| first != "self") {
        return path;
    }
    let kept = file.len().saturating_sub(supers);
    let rest = path.into_iter().skip_while(|word| word == "super" || word == "self");
    std::iter::once("crate".to_owned()).chain(file[..kept].iter().cloned()).chain(rest).collect()
}

#[test]
fn opens_use_trees_and_follows_super() {
    let source =
        "use crate::{a::{B, c as d}, e::*}; use super::f; fn g() { super::super::h::i(); tokio::spawn(x) }";
    let file = ["x", "y", "z"].map(str::to_owned);
    let paths: Vec<_> = named(source, &file).into_iter().map(|named| named.path.join("::")).collect();
    let expected =
        ["crate::a::B", "crate::a::c", "crate::e", "crate::x::y::f", "crate::x::h::i", "tokio::spawn"];
    assert_eq!(paths, expected);
}
