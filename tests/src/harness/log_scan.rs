//! Reads the programs' logs after a test: a WARN or an ERROR that the test did not announce is a failure.

use std::path::Path;

/// The lines of a log at WARN or ERROR, and panics, that contain none of the allowed texts.
#[must_use]
pub fn unexpected(log: &str, allowed: &[&str]) -> Vec<String> {
    log.lines()
        .map(without_colour)
        .filter(|line| is_alarming(line))
        .filter(|line| !allowed.iter().any(|text| line.contains(text)))
        .collect()
}

/// The last lines of a log file, for the report of a failed test.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let log = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(lines).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// The level is the second word, after the time.
fn is_alarming(line: &str) -> bool {
    matches!(line.split_whitespace().nth(1), Some("WARN" | "ERROR")) || line.contains("panicked at")
}

fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut pieces = line.split('\u{1b}');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        plain.push_str(piece.split_once('m').map_or(piece, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-01T00:00:00Z  INFO a: WARN is only a word here\n\
        2026-01-01T00:00:01Z  WARN a: the disk is slow\n\
        \u{1b}[2m2026-01-01T00:00:02Z\u{1b}[0m \u{1b}[31mERROR\u{1b}[0m a: lost\n\
        thread 'main' panicked at src/lib.rs:1:1:\n";

    #[test]
    fn finds_alarms_by_their_level() {
        assert_eq!(unexpected(LOG, &[]).len(), 3);
    }

    #[test]
    fn what_the_test_announced_is_allowed() {
        assert_eq!(
            unexpected(LOG, &["the disk is slow", "panicked"]),
            ["2026-01-01T00:00:02Z ERROR a: lost"]
        );
    }
}
