//! A snapshot as bytes: on disk and on the wire alike.
//!
//! | Bytes | What |
//! |---|---|
//! | 8 | `BERTHSNP` |
//! | 4 | version of this layout, big-endian |
//! | 32 | SHA-256 of everything after it |
//! | 4 | length of the description, big-endian |
//! | | the description: openraft's meta data, MessagePack with named members |
//! | | the state, to the end, in the model's own format |

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::super::SnapshotMeta;

/// Why bytes are not a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// They do not begin like one.
    #[error("it does not begin like a snapshot")]
    Foreign,
    /// They were written by a newer build.
    #[error("it has layout version {found}, this build reads {VERSION}")]
    Version {
        /// The version they have.
        found: u32,
    },
    /// They are not what was written.
    #[error("it is torn or damaged: the checksum differs")]
    Checksum,
    /// They are what was written, and do not say what they should.
    #[error("its description cannot be read")]
    Description,
}

const MAGIC: [u8; 8] = *b"BERTHSNP";
const VERSION: u32 = 1;
const CHECKSUM_AT: usize = MAGIC.len() + size_of::<u32>();
const BODY_AT: usize = CHECKSUM_AT + SHA256_OUTPUT_LEN;

/// What comes before the bytes of the state. The state itself is not copied: it may be large.
pub(super) fn header(meta: &SnapshotMeta, state: &[u8]) -> Vec<u8> {
    let description = rmp_serde::to_vec_named(meta).expect("ids and addresses always encode");
    let length = u32::try_from(description.len()).expect("a description names a handful of controllers");
    let mut checksum = Context::new(&SHA256);
    for part in [&length.to_be_bytes()[..], &description, state] {
        checksum.update(part);
    }
    let mut bytes = Vec::with_capacity(BODY_AT + size_of::<u32>() + description.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(checksum.finish().as_ref());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&description);
    bytes
}

/// What a snapshot says of itself, and the bytes of the state in it. Everything is checked first.
pub(super) fn decode(bytes: &[u8]) -> Result<(SnapshotMeta, &[u8]), FormatError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(FormatError::Foreign)?;
    let (version, rest) = rest.split_first_chunk().ok_or(FormatError::Checksum)?;
    let version = u32::from_be_bytes(*version);
    if version != VERSION {
        return Err(FormatError::Version { found: version });
    }
    let (expected, body) = rest.split_at_checked(SHA256_OUTPUT_LEN).ok_or(FormatError::Checksum)?;
    if ring::digest::digest(&SHA256, body).as_ref() != expected {
        return Err(FormatError::Checksum);
    }
    let (length, body) = body.split_first_chunk().ok_or(FormatError::Description)?;
    let length =
        usize::try_from(u32::from_be_bytes(*length)).map_err(|_too_long| FormatError::Description)?;
    let (description, state) = body.split_at_checked(length).ok_or(FormatError::Description)?;
    let meta = rmp_serde::from_slice(description).map_err(|_malformed| FormatError::Description)?;
    Ok((meta, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(meta: &SnapshotMeta, state: &[u8]) -> Vec<u8> {
        [&header(meta, state), state].concat()
    }

    fn meta() -> SnapshotMeta {
        SnapshotMeta { snapshot_id: "7-3".to_owned(), ..SnapshotMeta::default() }
    }

    #[test]
    fn what_is_encoded_decodes() {
        let bytes = encode(&meta(), b"state");
        assert_eq!(decode(&bytes), Ok((meta(), &b"state"[..])));
    }

    #[test]
    fn every_torn_or_damaged_snapshot_is_refused() {
        let bytes = encode(&meta(), b"state");
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1;
            assert!(decode(&damaged).is_err(), "damaged at {position}");
        }
    }

    #[test]
    fn a_newer_layout_is_named() {
        let mut bytes = encode(&meta(), b"state");
        bytes[MAGIC.len() + 3] = 9;
        assert_eq!(decode(&bytes), Err(FormatError::Version { found: 9 }));
    }
}
