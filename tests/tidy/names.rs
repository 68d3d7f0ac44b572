//! Names: ECS's words for things, and no words that say nothing. Only names that are given here count, not those of
//! other people's crates that are used.

use super::assert_clean;
use super::files::{SourceFile, rust};
use super::lexer::{Token, is_word, tokens};

const BANNED: [&str; 19] = [
    "node", "nodes", "pod", "pods", "job", "jobs", "replica", "replicas", "worker", "workers", "master",
    "manager", "helper", "helpers", "util", "utils", "misc", "info", "data",
];
const BANNED_PREFIXES: [&str; 3] = ["handle_", "process_", "do_"];

/// Names that somebody else gave, and the reason.
const ALLOWED: [(&str, &str); 10] = [
    ("Node", "openraft's type configuration"),
    ("NodeId", "openraft's type configuration"),
    ("Replica", "SchedulingStrategy's value in ECS"),
    ("REPLICA", "SchedulingStrategy's value in ECS"),
    ("data_dir", "the flag's name in every daemon"),
    ("data_type", "DataType in SSM"),
    ("is_replica", "asks for the scheduling strategy of this name"),
    ("node_id", "openraft's own argument"),
    ("version_info", "versionInfo in ECS"),
    ("VersionInfo", "versionInfo in ECS"),
];

/// A name that a file gives to something.
struct Given {
    name: String,
    line: usize,
}

#[test]
fn names_are_those_of_ecs() {
    let mut objections = Vec::new();
    for file in rust() {
        let bad = given_names(&tokens(&file.text)).into_iter().filter(|given| is_banned(&given.name));
        objections.extend(bad.map(|given| format!("{}:{}: `{}`", file.path, given.line, given.name)));
        let module = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        if is_banned(module) {
            objections.push(format!("{}: the module's name", file.path));
        }
    }
    assert_clean("CONTRIBUTING.md has the words for it", &objections);
}

#[test]
fn no_test_sleeps() {
    let mut objections = Vec::new();
    for file in rust() {
        // Where the clock is paused or simulated, sleeping costs nothing and races with nothing.
        if file.text.contains("start_paused") || file.path.contains("/simulated/") {
            continue;
        }
        let first_line = first_test_line(&file);
        let tokens = tokens(&file.text);
        let sleeps = tokens.iter().filter(|token| token.line >= first_line && token.text == "sleep");
        objections.extend(sleeps.map(|token| format!("{}:{}", file.path, token.line)));
    }
    assert_clean("wait for a condition with a deadline, or pause the clock", &objections);
}

/// The line from which on a file is test code.
fn first_test_line(file: &SourceFile) -> usize {
    // The test application is a program, not a test.
    let is_program = file.path.starts_with("tests/app/");
    let is_test =
        file.path.starts_with("tests/") || file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    if is_test && !is_program {
        return 0;
    }
    if is_program {
        return usize::MAX;
    }
    let marker = file.text.lines().position(|line| line.trim() == "#[cfg(test)]");
    marker.map_or(usize::MAX, |index| index + 1)
}

/// Names after `fn`, `struct` and their like, bound by `let`, and of public fields.
fn given_names(tokens: &[Token]) -> Vec<Given> {
    const KEYWORDS: [&str; 9] = ["fn", "struct", "enum", "trait", "type", "mod", "const", "static", "let"];
    let mut given = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let name = match token.text.as_str() {
            word if KEYWORDS.contains(&word) => after_modifiers(tokens, index + 1),
            "pub" => public_field(tokens, index + 1),
            _ => None,
        };
        if let Some(name) = name.filter(|name| is_word(&name.text)) {
            given.push(Given { name: name.text.clone(), line: name.line });
        }
    }
    given
}

fn after_modifiers(tokens: &[Token], index: usize) -> Option<&Token> {
    let token = tokens.get(index)?;
    let is_modifier = ["mut", "ref", "fn"].contains(&token.text.as_str());
    if is_modifier { tokens.get(index + 1) } else { Some(token) }
}

/// `pub name:` and `pub(crate) name:`.
fn public_field(tokens: &[Token], mut index: usize) -> Option<&Token> {
    if tokens.get(index)?.text == "(" {
        index += tokens[index..].iter().position(|token| token.text == ")")? + 1;
    }
    let name = tokens.get(index)?;
    (tokens.get(index + 1)?.text == ":").then_some(name)
}

fn is_banned(name: &str) -> bool {
    if ALLOWED.iter().any(|(allowed, _)| *allowed == name) {
        return false;
    }
    let segments = segments(name);
    segments.iter().any(|segment| BANNED.contains(&segment.as_str()))
        || BANNED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The words of a snake, camel or shouting name, in lower case.
fn segments(name: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut previous_lower = false;
    for char in name.chars() {
        if char == '_' || (char.is_uppercase() && previous_lower) {
            segments.push(String::new());
        }
        if char != '_' {
            segments.last_mut().expect("never empty").extend(char.to_lowercase());
        }
        previous_lower = char.is_lowercase() || char.is_ascii_digit();
    }
    segments.retain(|segment| !segment.is_empty());
    segments
}

#[test]
fn a_banned_word_is_found_inside_a_name_but_not_inside_a_word() {
    let banned =
        ["TaskManager", "list_nodes_of_node", "fn_helper", "WORKER_COUNT", "handle_request", "do_it"];
    let fine = ["inform", "podium", "Handle", "processed", "database", "doctor", "masterless", "dataset"];
    assert_eq!(banned.map(is_banned), [true; 6]);
    assert_eq!(fine.map(is_banned), [false; 8]);
}

#[test]
fn only_names_given_here_count() {
    let source =
        "use openraft::Node; fn spawn(node: Node) { let pod = 1; info!(node); } struct Job; pub data: u8";
    let names: Vec<_> = given_names(&tokens(source)).into_iter().map(|given| given.name).collect();
    assert_eq!(names, ["spawn", "pod", "Job", "data"]);
}
