//! Any signature of any request: it is refused, and nothing panics.
#![no_main]

use berth_controller::aws::sigv4::{Authorization, DATE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (value, date, body) = input;
    let Ok(authorization) = Authorization::parse(value) else { return };
    let request = http::Request::post("/").header("host", "berth").header(DATE, date).body(());
    let Ok(request) = request else { return };
    let verdict = authorization.verify(&request.into_parts().0, body, "a secret that nobody guesses", 1_700_000_000_000);
    assert!(verdict.is_err());
});
