//! Documents that people hand in: JSON as AWS writes it, or YAML, from a file or standard input.

use std::io::Read as _;

use serde_json::Value;

use crate::failure::{Failure, OrUsage as _};
use crate::json::{self, Described};

/// No document that the API takes is anywhere near this size; a larger one is the wrong file.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads the document at `path`; `-` is standard input.
pub(crate) fn read_document(path: &str) -> Result<Value, Failure> {
    let text = read_text(path)?;
    parse_document(&text).map_err(|problem| Failure::usage(format!("{}: {problem}", shown(path))))
}

/// A value that was given, or is to be read from a file. The line break that an editor or `echo` leaves at the end is no
/// part of a single line.
pub(crate) fn value_of(given: Option<String>, file: Option<&str>) -> Result<String, Failure> {
    if let Some(value) = given {
        return Ok(value);
    }
    let text = read_text(file.unwrap_or("-"))?;
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.filter(|line| !line.contains('\n')).map_or_else(|| text.clone(), str::to_owned))
}

/// Reads a message from a document of which `path` is the origin.
pub(crate) fn message_of<M: Described>(document: &Value, path: &str) -> Result<M, Failure> {
    json::from_value(document).map_err(|mistakes| Failure::usage(format!("{}:\n  {mistakes}", shown(path))))
}

fn shown(path: &str) -> &str {
    if path == "-" { "standard input" } else { path }
}

fn read_text(path: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let reading = || format!("reading {}", shown(path));
    if path == "-" {
        std::io::stdin().take(MAX_BYTES).read_to_string(&mut text).or_usage(reading)?;
    } else {
        let file = std::fs::File::open(path).or_usage(reading)?;
        file.take(MAX_BYTES).read_to_string(&mut text).or_usage(reading)?;
    }
    Ok(text)
}

/// JSON when it starts like an object, YAML otherwise.
fn parse_document(text: &str) -> Result<Value, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err("the document is empty".to_owned());
    }
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"));
    }
    serde_yaml_ng::from_str(text).map_err(|error| format!("not valid YAML: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_read_alike() {
        let json =
            r#"{"family": "web", "containerDefinitions": [{"name": "app", "cpu": 128, "essential": true}]}"#;
        let yaml = "family: web\ncontainerDefinitions:\n  - name: app\n    cpu: 128\n    essential: true\n";
        assert_eq!(parse_document(json), parse_document(yaml));
    }

    #[test]
    fn says_where_a_document_is_broken() {
        let problem = parse_document("{\"family\": }").expect_err("broken");
        assert!(problem.starts_with("not valid JSON") && problem.contains("line 1"), "{problem}");
        let problem = parse_document("family: [web").expect_err("broken");
        assert!(problem.starts_with("not valid YAML"), "{problem}");
        assert_eq!(parse_document(" \n"), Err("the document is empty".to_owned()));
    }
}
