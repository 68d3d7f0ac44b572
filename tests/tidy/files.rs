//! The tree: which files there are, and what every Rust file must look like.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::assert_clean;

const LINES_MAX: usize = 500;

/// One text file of the repository.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Relative to the root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package is a folder of the workspace").to_owned()
}

/// Every text file that is, or would be, under version control.
pub(crate) fn all() -> Vec<SourceFile> {
    let root = root();
    let mut git = Command::new("git");
    git.current_dir(&root).args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let paths = match git.output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
        }
        // A release archive has no repository around it.
        _ => walk(&root, &root),
    };
    let read = |path: String| {
        let text = std::fs::read_to_string(root.join(&path)).ok()?;
        Some(SourceFile { path, text })
    };
    paths.into_iter().filter_map(read).collect()
}

/// The Rust files among them.
pub(crate) fn rust() -> Vec<SourceFile> {
    all().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

fn walk(root: &Path, dir: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != "target" && !name.to_string_lossy().starts_with('.') {
            paths.extend(walk(root, &path));
        } else if path.is_file() {
            paths.extend(path.strip_prefix(root).ok().map(|path| path.display().to_string()));
        }
    }
    paths
}

#[test]
fn every_file_says_what_it_owns() {
    let silent = rust().into_iter().filter(|file| !file.text.starts_with("//! "));
    let objections: Vec<_> = silent.map(|file| file.path).collect();
    assert_clean("a Rust file starts with a `//!` sentence", &objections);
}

#[test]
fn every_file_fits_in_a_head() {
    let long = rust()
        .into_iter()
        .map(|file| (file.text.lines().count(), file.path))
        .filter(|(lines, _)| *lines > LINES_MAX);
    let objections: Vec<_> = long.map(|(lines, path)| format!("{path}: {lines} lines")).collect();
    assert_clean("a file over 500 lines has two nouns in it: name the second", &objections);
}

#[test]
fn no_module_is_called_mod() {
    let objections: Vec<_> =
        rust().into_iter().map(|file| file.path).filter(|path| path.ends_with("/mod.rs")).collect();
    assert_clean("`foo.rs` with `foo/`, not `foo/mod.rs`", &objections);
}

#[test]
fn no_comment_leaves_work_behind() {
    // Spelled in two parts, so that this file passes its own rule.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("HA", "CK:")];
    let objections = lines_with(&rust(), |line| {
        marks.iter().any(|mark| line.contains(mark)) && !line.contains("https://") && !line.contains("mktemp")
    });
    assert_clean("an open end needs an issue's address beside it", &objections);
}

#[test]
fn nothing_tells_of_one_machine_or_of_how_it_was_written() {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("language ", "model"),
        concat!("AI-", "generated"),
        concat!("chat", "bot"),
        concat!("Co-authored", "-by"),
        concat!("as instruc", "ted"),
    ];
    let objections = lines_with(&all(), |line| words.iter().any(|word| line.contains(word)));
    assert_clean("the source speaks of Berth only", &objections);
}

fn lines_with(files: &[SourceFile], objectionable: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = files
        .iter()
        .flat_map(|file| (1..).zip(file.text.lines()).map(move |(number, line)| (file, number, line)));
    let bad = lines.filter(|(_, _, line)| objectionable(line));
    bad.map(|(file, number, line)| format!("{}:{number}: {}", file.path, line.trim())).collect()
}
