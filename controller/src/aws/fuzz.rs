//! What has to hold for any bytes that anybody sends. Asked by the targets of `fuzz/`, and by tests.

use super::json::{Times, read, write};
use super::schema::Schema;
use super::sigv4::{Authorization, DATE};

/// 2023-11-14T22:13:20Z.
const NOW_MS: i64 = 1_700_000_000_000;

/// Any document, as any message: what can be read can be written, and reads the same again. Gives whether it could be read.
pub fn transcoder(place: u16, document: &[u8]) -> bool {
    let names: Vec<&str> = Schema::get().names().collect();
    let name = names[usize::from(place) % names.len()];
    let index = Schema::get().message(name).expect("a message of the schema");
    let Ok(message) = read(index, document) else { return false };
    let written = |message: &[u8]| {
        let mut document = Vec::new();
        write(index, message, Times::EpochSeconds, &mut document).expect("the reader writes messages");
        document
    };
    let once = written(&message);
    let again = read(index, &once).expect("the writer writes documents");
    assert_eq!(once, written(&again), "{name}");
    true
}

/// Any signature of any request by whom we do not know: it is refused. Gives whether it could be read.
pub fn signature(value: &str, date: &str, body: &[u8]) -> bool {
    let Ok(authorization) = Authorization::parse(value) else { return false };
    let request = http::Request::post("/").header("host", "berth").header(DATE, date).body(());
    let Ok(request) = request else { return false };
    let verdict = authorization.verify(&request.into_parts().0, body, "a secret that nobody guesses", NOW_MS);
    assert!(verdict.is_err(), "{value}");
    true
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=BKADMIN/20231114/us-east-1/ecs/aws4_request, \
        SignedHeaders=host;x-amz-date, \
        Signature=99efe71b27b3d0238acf04fca1863f70019b439e9507a2ab088ba0c306b2b7cb";
    const DATE_TIME: &str = "20231114T221320Z";
    /// What documents and signatures are made of.
    const PIECES: [&[u8]; 16] = [
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b",",
        b":",
        b"null",
        b"-1e308",
        b"18446744073709551616",
        b"\\u0000",
        b"\xff",
        b"=",
        b"/",
        b";",
        b"",
    ];

    /// One thing is wrong with it: a byte, a part that is gone or there twice, or a piece of something else.
    fn damage(bytes: &mut Vec<u8>, rng: &mut StdRng) {
        if bytes.is_empty() {
            return;
        }
        let from = rng.random_range(0..bytes.len());
        let to = rng.random_range(from..bytes.len().min(from + 40)) + 1;
        match rng.random_range(0..4) {
            0 => bytes[from] ^= 1 << rng.random_range(0..8),
            1 => drop(bytes.drain(from..to)),
            2 => {
                let part = bytes[from..to].to_vec();
                bytes.splice(to..to, part);
            }
            _ => drop(bytes.splice(from..from, PIECES[rng.random_range(0..PIECES.len())].iter().copied())),
        }
    }

    /// Documents that are right, one a message of the schema.
    fn documents(seed: u64) -> Vec<Vec<u8>> {
        let document = |name: &str| {
            let message = super::super::json::tests::random_message(name, seed);
            let index = Schema::get().message(name).expect("a message of the schema");
            let mut document = Vec::new();
            write(index, &message, Times::EpochSeconds, &mut document).expect("a message");
            document
        };
        Schema::get().names().map(document).collect()
    }

    #[test]
    fn a_damaged_document_is_refused_or_read_whole() {
        let (mut read, mut all) = (0, 0);
        for seed in 0..10 {
            let mut rng = StdRng::seed_from_u64(seed);
            for (place, mut document) in documents(seed).into_iter().enumerate() {
                let place = u16::try_from(place).expect("few messages");
                assert!(transcoder(place, &document), "undamaged it can be read");
                for _ in 0..3 {
                    damage(&mut document, &mut rng);
                    read += usize::from(transcoder(place, &document));
                    all += 1;
                }
            }
        }
        assert!(
            0 < read && read < all,
            "{read} of {all} could be read: the damage is too great or too small"
        );
    }

    #[test]
    fn a_damaged_signature_is_refused() {
        let (mut read, all) = (0, 20_000);
        for seed in 0..all {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut value, mut date) = (AUTHORIZATION.as_bytes().to_vec(), DATE_TIME.as_bytes().to_vec());
            damage(&mut value, &mut rng);
            damage(&mut date, &mut rng);
            let (value, date) = (String::from_utf8_lossy(&value), String::from_utf8_lossy(&date));
            read += u64::from(signature(&value, &date, b"{}"));
        }
        assert!(
            0 < read && read < all,
            "{read} of {all} could be read: the damage is too great or too small"
        );
    }
}
