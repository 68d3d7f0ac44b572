//! Any signature of any request: it is refused, and nothing panics.
#![no_main]

use berth_controller::aws::fuzz::signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (value, date, body) = input;
    signature(value, date, body);
});
