//! Any document, as any message: what can be read can be written, and reads the same again.
#![no_main]

use berth_controller::aws::fuzz::transcoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (place, document) = input;
    transcoder(place, document);
});
