//! Patterns on messages, and what is no pattern.

use super::*;

/// Whether each message is wanted by the pattern before it.
fn check(rows: &[(&str, &str, bool)]) {
    for (pattern, message, expected) in rows {
        let parsed = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(parsed.matches(message), *expected, "{pattern} on {message}");
    }
}

#[test]
fn terms_are_all_wanted_some_wanted_or_unwanted() {
    check(&[
        ("", "anything", true),
        ("  ", "anything", true),
        ("ERROR", "[ERROR 400] BAD REQUEST", true),
        ("ERROR", "[error 400] bad request", false),
        ("ERROR ARGUMENTS", "ERROR 419 MISSING ARGUMENTS", true),
        ("ERROR ARGUMENTS", "ERROR 401 UNAUTHORIZED", false),
        ("?ERROR ?ARGUMENTS", "ERROR 401", true),
        ("?ERROR ?ARGUMENTS", "all is well", false),
        ("ERROR -ARGUMENTS", "ERROR 419 MISSING ARGUMENTS", false),
        ("ERROR -ARGUMENTS", "ERROR 401 UNAUTHORIZED", true),
        ("ERROR ?x", "ERROR", true),
        ("-DEBUG", "INFO", true),
        ("\"INTERNAL SERVER ERROR\"", "ERROR 500 INTERNAL SERVER ERROR", true),
        ("\"INTERNAL SERVER ERROR\"", "INTERNAL ERROR", false),
        ("-\"two words\"", "two words", false),
        (r#""say \"yes\"""#, r#"they say "yes""#, true),
        (r"%5\d\d%", "status 503", true),
        (r"%5\d\d%", "status 404", false),
        (r"-%\d%", "no digits", true),
    ]);
}

#[test]
fn conditions_on_json_compare_members() {
    let event = r#"{"level":"error","status":404,"size":1.5e3,"ok":false,"none":null,"user":{"id":"u-1","tags":["a","b"]},"a.b":1}"#;
    let rows = [
        (r#"{ $.level = "error" }"#, true),
        ("{ $.level = error }", true),
        (r#"{ $.level != "error" }"#, false),
        (r#"{ $.missing != "error" }"#, false),
        ("{$.status=404}", true),
        ("{ $.status >= 400 && $.status < 500 }", true),
        ("{ $.status > 404 }", false),
        ("{ $.size = 1500 }", true),
        ("{ $.status = 4* }", true),
        ("{ $.ok IS FALSE }", true),
        ("{ $.ok is true }", false),
        ("{ $.none IS NULL }", true),
        ("{ $.missing NOT EXISTS }", true),
        ("{ $.user.id NOT EXISTS }", false),
        ("{ $.user.id EXISTS }", true),
        (r#"{ $.user.id = "u-*" }"#, true),
        (r#"{ $.user.id = "*-2" }"#, false),
        (r#"{ $.user.tags[1] = "b" }"#, true),
        (r#"{ $.user.tags[0] = "b" }"#, false),
        (r#"{ $.user.tags[*] = "b" }"#, true),
        (r#"{ $['a.b'] = 1 }"#, true),
        (r"{ $.user.id = %^u-\d$% }", true),
        (r#"{ ($.level = "info" || $.status = 404) && $.ok IS FALSE }"#, true),
        (r#"{ $.level = "info" || $.status = 1 }"#, false),
    ];
    for (pattern, expected) in rows {
        check(&[(pattern, event, expected), (pattern, "not JSON", false)]);
    }
}

#[test]
fn conditions_on_columns_count_and_compare_them() {
    let line = r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
    let rows = [
        ("[ip, user, name, time, request, status, bytes]", true),
        ("[ip, user, name]", false),
        ("[ip, ..., bytes]", true),
        ("[..., status = 4*, bytes]", true),
        ("[..., status = 5*, bytes]", false),
        ("[..., bytes > 1000]", true),
        ("[..., bytes > 2000]", false),
        ("[ip, user, name, time, request = *html*, status = 404 || status = 500, bytes]", true),
        ("[ip = 127.*, ...]", true),
        ("[ip, user, name = \"frank\", ...]", true),
        ("[ip, user, name != frank, ...]", false),
        ("[..., status >= 400 && status < 500, bytes]", true),
    ];
    for (pattern, expected) in rows {
        check(&[(pattern, line, expected)]);
    }
}

#[test]
fn what_is_no_pattern_is_refused_with_the_place() {
    let long = "x".repeat(FILTER_PATTERN_LENGTH + 1);
    let deep = format!("{{ {} $.a = 1", "(".repeat(40));
    let rows = [
        ("{ $.a = }", 9),
        ("{ $.a }", 7),
        ("{ $.a = 1", 10),
        ("{ $.a = 1 } x", 13),
        ("{ $. = 1 }", 5),
        ("{ $.a < \"x\" }", 12),
        ("{ a = 1 }", 3),
        ("[a, , b]", 5),
        ("[a = 1 && b = 2]", 12),
        ("[..., ...]", 10),
        ("\"open", 1),
        ("%(%", 1),
        ("%open", 1),
        ("ok ?", 5),
    ];
    for (pattern, at) in rows {
        assert_eq!(Pattern::parse(pattern).expect_err(pattern).at, at, "{pattern}");
    }
    assert!(Pattern::parse(&long).is_err());
    assert!(Pattern::parse(&deep).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(pattern in ".{0,60}", message in ".{0,60}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            pattern.matches(&message);
        }
    }

    #[test]
    fn no_text_of_its_own_signs_makes_it_panic(pattern in r#"[\[{][a $.*="%\[\](){}|&<>!,1é]{0,40}[\]}]"#) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            pattern.matches(r#"{"a":{"é":["1",null]}} [x] "y"#);
        }
    }
}
