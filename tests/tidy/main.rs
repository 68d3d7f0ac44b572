//! What holds for the source itself: the walls between crates, names, comments, documents, the wire's numbers.
//!
//! Ordinary tests. Each reads the tree as it is and names file and line of what it objects to. A rule with an
//! exception carries the exception's reason beside it.
#![forbid(unsafe_code)]

mod documents;
mod files;
mod lexer;
mod names;
mod numbers;
mod paths;
mod walls;

/// Fails with every objection at once.
fn assert_clean(rule: &str, objections: &[String]) {
    assert!(objections.is_empty(), "{rule}:\n  {}", objections.join("\n  "));
}
