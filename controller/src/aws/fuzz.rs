//! What fuzzing drives: anything goes in, and nothing panics, is lost, or is believed that should not be.
//!
//! `fuzz/` hands these what libFuzzer makes up; the tests of the transcoder and of signatures hand them what begins as
//! something sensible and was then spoilt.

use super::json::{Times, read, write};
use super::schema::Schema;
use super::sigv4::{Authorization, DATE};

/// Reads a document as the message at a place of the schema. What can be read can be written, and reads the same again.
pub fn transcoder(place: u16, document: &[u8]) {
    let names: Vec<&str> = Schema::get().names().collect();
    let name = names[usize::from(place) % names.len()];
    let index = Schema::get().message(name).expect("a message of the schema");
    let Ok(message) = read(index, document) else { return };
    let mut written = Vec::new();
    write(index, &message, Times::EpochSeconds, &mut written).expect("the reader writes messages");
    let again = read(index, &written).expect("the writer writes documents");
    let mut twice = Vec::new();
    write(index, &again, Times::EpochSeconds, &mut twice).expect("the reader writes messages");
    assert_eq!(written, twice, "{name}");
}

/// Checks a signature of nobody who knows the secret, which is refused.
pub fn signature(value: &str, date: &str, body: &[u8]) {
    let Ok(authorization) = Authorization::parse(value) else { return };
    let request = http::Request::post("/").header("host", "berth").header(DATE, date).body(());
    let Ok(request) = request else { return };
    let request = request.into_parts().0;
    let verdict = authorization.verify(&request, body, "a secret that nobody guesses", 1_700_000_000_000);
    assert!(verdict.is_err(), "{value}");
}

#[cfg(test)]
pub(super) mod mutant {
    //! Spoilt inputs.

    use rand::Rng;
    use rand::rngs::StdRng;

    /// How many inputs a test tries; `BERTH_FUZZ_ROUNDS` says otherwise.
    pub(in crate::aws) fn rounds() -> u64 {
        let asked = std::env::var("BERTH_FUZZ_ROUNDS").ok();
        asked.map_or(20_000, |asked| asked.parse().expect("BERTH_FUZZ_ROUNDS is a number"))
    }

    /// What breaks JSON, numbers, paths and signatures more often than any byte would.
    const PIECES: [&str; 22] = [
        "\"",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "null",
        "true",
        "-",
        "1e999",
        "9223372036854775808",
        "0.1",
        "\\u0000",
        "\\ud800",
        "\\",
        "/",
        "=",
        "AWS4-HMAC-SHA256",
        "\u{1F6A2}",
        " ",
        "aws4_request",
    ];

    /// The input with a few of its parts changed, left out, doubled or moved.
    pub(in crate::aws) fn of(input: &[u8], rng: &mut StdRng) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..rng.random_range(1..5) {
            let at = rng.random_range(0..=bytes.len());
            let to = rng.random_range(at..=bytes.len().min(at + 12));
            match rng.random_range(0..5) {
                0 => drop(bytes.drain(at..to)),
                1 => drop(bytes.splice(at..to, [rng.random::<u8>()])),
                2 => {
                    let piece = PIECES[rng.random_range(0..PIECES.len())];
                    drop(bytes.splice(at..to, piece.bytes()));
                }
                3 => {
                    let part = bytes[at..to].to_vec();
                    let place = rng.random_range(0..=bytes.len());
                    drop(bytes.splice(place..place, part));
                }
                _ => bytes.truncate(to),
            }
        }
        bytes
    }
}
