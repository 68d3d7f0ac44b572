//! Signatures that AWS clients make, and what is refused of them.

use http::{HeaderValue, Request};

use super::*;

const KEY: &str = "BKADMIN";
const SECRET: &str = "secret";
/// 2023-11-14T22:13:20Z.
const NOW_MS: i64 = 1_700_000_000_000;
const BODY: &[u8] = b"{}";
const BOTOCORE: &str = "AWS4-HMAC-SHA256 Credential=BKADMIN/20231114/us-east-1/ecs/aws4_request, \
    SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
    Signature=99efe71b27b3d0238acf04fca1863f70019b439e9507a2ab088ba0c306b2b7cb";

/// A request as boto3 signs it at `signed_at`, in seconds.
fn signed(signed_at: i64) -> Parts {
    let request = Request::post("/")
        .header("host", "127.0.0.1:7402")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.ListClusters")
        .header("x-amz-date", iso_8601(signed_at))
        .header("user-agent", "Boto3/1.44.5")
        .body(());
    let mut request = request.expect("a request").into_parts().0;
    let date = iso_8601(signed_at)[..8].to_owned();
    sign_again(&mut request, &date, "us-east-1", "content-type;host;x-amz-date;x-amz-target");
    request
}

/// Signs what the request now is.
fn sign_again(request: &mut Parts, date: &str, region: &str, headers: &str) {
    let credential = format!("{ALGORITHM} Credential={KEY}/{date}/{region}/ecs/aws4_request");
    let unsigned = format!("{credential}, SignedHeaders={headers}, Signature=0");
    let at = request.headers.get(DATE).and_then(|date| unix_seconds(date.to_str().ok()?)).expect("a date");
    let signature = Authorization::parse(&unsigned).unwrap().sign(request, BODY, SECRET, at).unwrap();
    let value = format!("{credential}, SignedHeaders={headers}, Signature={signature}");
    request.headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
}

fn check(request: &Parts, body: &[u8], secret: &str) -> Result<(), Refusal> {
    Authorization::of(&request.headers)?.verify(request, body, secret, NOW_MS)
}

fn message(refusal: Result<(), Refusal>) -> String {
    refusal.expect_err("refused").to_string()
}

#[test]
fn matches_the_signature_of_botocore() {
    // Made by botocore 1.44.5 for this request, key and time.
    let request = Request::post("/")
        .header("host", "127.0.0.1:7402")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-date", "20231114T221320Z")
        .header("x-amz-target", "AmazonEC2ContainerServiceV20141113.ListClusters")
        .header("authorization", BOTOCORE)
        .body(());
    let request = request.expect("a request").into_parts().0;
    assert_eq!(check(&request, BODY, SECRET), Ok(()));
}

#[test]
fn what_is_not_signed_may_change_and_what_is_may_not() {
    let original = signed(NOW_MS / 1_000);
    assert_eq!(check(&original, BODY, SECRET), Ok(()));
    let mismatch = "The request signature we calculated does not match";
    assert!(message(check(&original, b"{ }", SECRET)).starts_with(mismatch));
    assert!(message(check(&original, BODY, "other")).starts_with(mismatch));
    for (name, value) in [("x-amz-target", "AmazonEC2ContainerServiceV20141113.RunTask"), ("host", "evil")] {
        let mut altered = original.clone();
        altered.headers.insert(name, HeaderValue::from_static(value));
        assert!(message(check(&altered, BODY, SECRET)).starts_with(mismatch), "{name}");
    }
    let mut altered = original.clone();
    altered.uri = "/other".parse().unwrap();
    assert!(message(check(&altered, BODY, SECRET)).starts_with(mismatch));
    let mut altered = original;
    altered.headers.insert("user-agent", HeaderValue::from_static("proxy"));
    assert_eq!(check(&altered, BODY, SECRET), Ok(()));
}

#[test]
fn a_copy_is_good_for_five_minutes_in_both_directions() {
    let now = NOW_MS / 1_000;
    for age in [-300, 0, 300] {
        assert_eq!(check(&signed(now - age), BODY, SECRET), Ok(()), "{age}");
    }
    assert_eq!(
        message(check(&signed(now - 301), BODY, SECRET)),
        "Signature expired: 20231114T220819Z is now earlier than 20231114T220820Z (20231114T221320Z - 5 min.)"
    );
    assert!(message(check(&signed(now + 301), BODY, SECRET)).starts_with("Signature not yet current: "));
}

#[test]
fn the_scope_has_to_fit_the_date() {
    let mut request = signed(NOW_MS / 1_000);
    sign_again(&mut request, "20231113", "us-east-1", "host;x-amz-date;x-amz-target");
    assert!(message(check(&request, BODY, SECRET)).starts_with("Date in Credential scope does not match"));
}

#[test]
fn what_makes_another_request_of_it_has_to_be_signed() {
    for (headers, missing) in [
        ("content-type;host;x-amz-date", "x-amz-target"),
        ("content-type;x-amz-date;x-amz-target", "host"),
        ("content-type;host;x-amz-target", "x-amz-date"),
    ] {
        let mut request = signed(NOW_MS / 1_000);
        let authorization = format!(
            "{ALGORITHM} Credential={KEY}/20231114/us-east-1/ecs/aws4_request, SignedHeaders={headers}, Signature=0"
        );
        request.headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        let expected = format!("'{missing}' must be a 'SignedHeader' in the AWS Authorization.");
        assert_eq!(message(check(&request, BODY, SECRET)), expected);
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let rows = [
        ("", "MissingAuthenticationTokenException"),
        ("Bearer abc", "MissingAuthenticationTokenException"),
        ("AWS4-HMAC-SHA256 ", "IncompleteSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host",
            "IncompleteSignatureException",
        ),
        ("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1", "IncompleteSignatureException"),
        (
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws9, SignedHeaders=host, Signature=1",
            "InvalidSignatureException",
        ),
    ];
    for (value, expected) in rows {
        assert_eq!(Authorization::parse(value).unwrap_err().name(), expected, "{value}");
    }
    let mut request = signed(NOW_MS / 1_000);
    for date in ["", "yesterday", "20231114T2213200", "20231399T221320Z", "2023111\u{e9}T22132Z"] {
        if let Ok(date) = HeaderValue::from_bytes(date.as_bytes()) {
            request.headers.insert(DATE, date);
            assert!(check(&request, BODY, SECRET).is_err());
        }
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_sent_makes_the_parser_panic(value: String, date: String) {
        let prefixed = format!("{ALGORITHM} {value}");
        for value in [&value, &prefixed] {
            let _ = Authorization::parse(value);
        }
        let _ = unix_seconds(&date);
    }
}
