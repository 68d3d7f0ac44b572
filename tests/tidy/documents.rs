//! Documents that name things: what they name exists.

use std::collections::BTreeSet;
use std::path::Path;

use super::assert_clean;
use super::files::{SourceFile, all, root};

#[test]
fn every_make_command_of_a_document_is_a_target() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
    let targets = targets(&makefile);
    let mut objections = Vec::new();
    for document in documents() {
        let missing = make_commands(&document.text).into_iter().filter(|target| !targets.contains(target));
        objections.extend(missing.map(|target| format!("{}: make {target}", document.path)));
    }
    assert_clean("a command that does not exist", &objections);
}

#[test]
fn every_decision_is_in_the_index() {
    let folder = "docs/adr/";
    let index = std::fs::read_to_string(root().join(folder).join("README.md")).unwrap_or_default();
    let records = documents().into_iter().filter_map(|it| it.path.strip_prefix(folder).map(str::to_owned));
    let records: BTreeSet<_> = records.filter(|name| name != "README.md").collect();
    let mut objections: Vec<_> = records
        .iter()
        .filter(|name| !index.contains(&format!("({name})")))
        .map(|name| format!("{name} is not in the index"))
        .collect();
    for (expected, name) in (1..).zip(&records) {
        let number = name.split('-').next().and_then(|number| number.parse::<u32>().ok());
        if number != Some(expected) {
            objections.push(format!("{name}: expected number {expected:04}"));
        }
    }
    assert_clean("docs/adr/README.md lists every record, numbered without a gap", &objections);
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut objections = Vec::new();
    for document in documents() {
        let folder = root().join(&document.path).parent().map(Path::to_owned).expect("a file is in a folder");
        for link in links(&document.text) {
            let file = link.split('#').next().unwrap_or_default();
            if !file.is_empty()
                && !file.contains("://")
                && !file.starts_with("mailto:")
                && !folder.join(file).exists()
            {
                objections.push(format!("{}: {link}", document.path));
            }
        }
    }
    assert_clean("a broken link", &objections);
}

fn documents() -> Vec<SourceFile> {
    all().into_iter().filter(|file| file.path.ends_with(".md")).collect()
}

fn targets(makefile: &str) -> BTreeSet<String> {
    let rules = makefile.lines().filter(|line| !line.starts_with(['\t', ' ', '#', '.']));
    let names = rules.filter_map(|line| line.split_once(':').filter(|(_, rest)| !rest.starts_with('=')));
    names.flat_map(|(names, _)| names.split_whitespace().map(str::to_owned)).collect()
}

/// The targets of `make x y` in code spans and code blocks.
fn make_commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        let spans: Vec<&str> =
            if in_block { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        for words in spans.iter().map(|span| span.split_whitespace().collect::<Vec<_>>()) {
            let Some(make) = words.iter().position(|word| *word == "make") else { continue };
            // `VARIABLE=value make target`, but not "to make sure" in a comment of a block.
            if words[..make].iter().all(|word| word.contains('=') || ["$", "&&", "cd", "sudo"].contains(word))
            {
                let targets = words[make + 1..].iter().take_while(|word| is_target(word));
                commands.extend(targets.map(|word| (*word).to_owned()));
            }
        }
    }
    commands
}

fn is_target(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-')
}

/// What stands between `](` and `)`.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

#[test]
fn finds_commands_in_spans_and_blocks_only() {
    let text = "We make sure. Run `make demo`, then:\n```sh\nmake test bench   # twice\n# to make sense\n```\n`CI=true make lint`";
    assert_eq!(make_commands(text), ["demo", "test", "bench", "lint"]);
}

#[test]
fn finds_targets() {
    let makefile = ".PHONY: x\nBIN := a\na b: c\n\techo d: e\n";
    assert_eq!(targets(makefile).into_iter().collect::<Vec<_>>(), ["a", "b"]);
}
