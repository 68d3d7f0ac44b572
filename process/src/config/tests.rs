//! Values as people write them, and files with more than one mistake.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Config {
    listen: std::net::SocketAddr,
    lost_after: NonZeroDuration,
    cache: NonZeroBytes,
    session: Session,
    zones: Vec<Zone>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Session {
    limit: u32,
    retry: Option<NonZeroDuration>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Zone {
    name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: "0.0.0.0:7400".parse().unwrap(),
            lost_after: NonZeroDuration::from_secs(10),
            cache: NonZeroBytes::from_mib(64),
            session: Session::default(),
            zones: Vec::new(),
        }
    }
}

#[test]
fn durations_are_read_with_their_units() {
    for (text, ms, rendered) in [
        ("500ms", 500, "500ms"),
        ("10s", 10_000, "10s"),
        ("90s", 90_000, "90s"),
        ("1h30m", 5_400_000, "90m"),
        (" 7d ", 604_800_000, "7d"),
        ("1500ms", 1_500, "1500ms"),
    ] {
        let duration: NonZeroDuration = text.parse().unwrap();
        assert_eq!(duration.get(), Duration::from_millis(ms), "{text}");
        assert_eq!(duration.to_string(), rendered);
        assert_eq!(rendered.parse(), Ok(duration));
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in ["", "10", "s", "10 s", "1.5h", "-1s", "10S", "10sec", "1h30"] {
        let error = text.parse::<NonZeroDuration>().unwrap_err();
        assert!(matches!(error, ParseError::Malformed { .. }), "{text:?}: {error}");
    }
    assert!(matches!("0s".parse::<NonZeroDuration>(), Err(ParseError::Zero { .. })));
    let endless = "99999999999999999999d".parse::<NonZeroDuration>();
    assert!(matches!(endless, Err(ParseError::TooLarge { .. })));
    assert_eq!(NonZeroDuration::new(Duration::from_micros(10)), None);
}

#[test]
fn sizes_are_read_with_their_units() {
    for (text, bytes, rendered) in [
        ("512B", 512, "512B"),
        ("64MiB", 64 << 20, "64MiB"),
        ("2048KiB", 2 << 20, "2MiB"),
        ("1GiB512MiB", 1536 << 20, "1536MiB"),
    ] {
        let size: NonZeroBytes = text.parse().unwrap();
        assert_eq!((size.get(), size.to_string().as_str()), (bytes, rendered));
    }
    for text in ["64", "64MB", "MiB", "64mib"] {
        assert!(matches!(text.parse::<NonZeroBytes>(), Err(ParseError::Malformed { .. })), "{text:?}");
    }
    assert!(matches!("0B".parse::<NonZeroBytes>(), Err(ParseError::Zero { .. })));
}

#[test]
fn a_file_overrides_defaults_and_tells_unknown_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("berth.toml");
    std::fs::write(&path, "lost_after = \"1m\"\ncolour = 3\n[session]\nlimit = 9\nlimits = 10\n").unwrap();
    let (config, unknown) = load_file::<Config>(&path).unwrap();
    assert_eq!(config.lost_after, NonZeroDuration::from_secs(60));
    assert_eq!((config.cache, config.session.limit), (NonZeroBytes::from_mib(64), 9));
    assert_eq!(unknown, ["colour", "session.limits"]);
}

#[test]
fn what_is_written_is_read_back() {
    let config = Config { zones: vec![Zone { name: "a".to_owned() }], ..Config::default() };
    let text = toml::to_string(&config).unwrap();
    assert_eq!(load_text::<Config>(&text), Ok((config, Vec::new())));
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let text =
        "listen = \"nowhere\"\nlost_after = \"0s\"\ncache = 64\n\n[session]\nlimit = -1\nretry = \"soon\"\n";
    let mistakes = load_text::<Config>(text).unwrap_err();
    let expected = [
        ("line 1, column 10: ", "invalid socket address"),
        ("line 2, column 14: ", "is zero"),
        ("line 3, column 9: ", "expected a string"),
        ("line 6, column 9: ", "-1"),
        ("line 7, column 9: ", "is not a duration"),
    ];
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for (mistake, (place, text)) in mistakes.iter().zip(expected) {
        assert!(mistake.starts_with(place) && mistake.contains(text), "{mistake}");
    }
}

#[test]
fn a_mistake_in_a_list_is_found_beside_others() {
    let text = "cache = \"1\"\n[[zones]]\nname = \"a\"\n[[zones]]\nname = 2\n[session]\nlimit = true\n";
    let mistakes = load_text::<Config>(text).unwrap_err();
    let told = |line: &str, what: &str| mistakes.iter().any(|m| m.starts_with(line) && m.contains(what));
    assert!(told("line 1, ", "is not a size") && told("line 7, ", "boolean"), "{mistakes:#?}");
    assert!(told("line 5, ", "expected a string") && !told("", "missing field"), "{mistakes:#?}");
}

#[test]
fn a_member_that_lacks_in_a_list_is_found_beside_others() {
    let text = "[[zones]]\n[[zones]]\nname = \"b\"\n[session]\nlimit = true\n";
    let mistakes = load_text::<Config>(text).unwrap_err();
    assert_eq!(mistakes.len(), 2, "{mistakes:#?}");
    assert!(mistakes[0].contains("missing field `name`"), "{mistakes:#?}");
}

#[test]
fn a_member_without_a_default_is_missed_only_when_it_is_missing() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Strict {
        name: String,
        limit: u32,
    }
    let told = |text: &str| load_text::<Strict>(text).unwrap_err();
    let wrong = "line 1, column 9: invalid type: boolean `true`, expected u32";
    assert_eq!(told("limit = true\nname = \"a\"\n"), [wrong]);
    assert_eq!(told("limit = 1\n"), ["line 1, column 1: missing field `name`"]);
    assert_eq!(told("limit = true\n"), ["line 1, column 1: missing field `name`", wrong]);
    assert_eq!(
        load_text("limit = 1\nname = \"a\"\n"),
        Ok((Strict { name: "a".to_owned(), limit: 1 }, vec![]))
    );
}

#[test]
fn every_syntax_error_is_reported() {
    let mistakes = load_text::<Config>("listen = \nlost_after = = 3\n").unwrap_err();
    assert!(mistakes.len() >= 2, "{mistakes:#?}");
    assert!(mistakes[0].starts_with("line 1, "), "{mistakes:#?}");
}

#[test]
fn an_unreadable_file_is_named() {
    let error = load_file::<Config>(Path::new("/no/such/berth.toml")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /no/such/berth.toml");
}
