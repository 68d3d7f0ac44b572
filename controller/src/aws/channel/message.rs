//! The messages of a data channel: a header of fixed length, and a payload.
//!
//! ```text
//!   0  4  length of the header, 116        80 32  SHA-256 of the payload
//!   4 32  type, padded with spaces        112  4  type of the payload
//!  36  4  version of the schema, 1        116  4  length of the payload
//!  40  8  when it was made, in ms         120     payload
//!  48  8  sequence number
//!  56  8  flags: 1 begin, 2 end
//!  64 16  id, the lower half first
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ring::digest::{SHA256, digest};

/// Of everything before the length of the payload.
const HEADER_BYTES: u32 = 116;
/// Of everything before the payload.
const PREFIX_BYTES: usize = 120;
const TYPE_BYTES: usize = 32;
const SCHEMA_VERSION: u32 = 1;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From the client, in sequence.
    Input,
    /// To the client, in sequence.
    Output,
    /// Either side has got one.
    Acknowledge,
    /// To the client: it is over.
    Closed,
    /// Something that means nothing here.
    Other,
}

/// What a payload in sequence is.
pub(super) mod payload {
    /// What is typed or printed.
    pub(in super::super) const OUTPUT: u32 = 1;
    /// The size of the client's terminal.
    pub(in super::super) const SIZE: u32 = 3;
    /// What the client is asked to do first.
    pub(in super::super) const HANDSHAKE_REQUEST: u32 = 5;
    /// What it did of that.
    pub(in super::super) const HANDSHAKE_RESPONSE: u32 = 6;
    /// That was all.
    pub(in super::super) const HANDSHAKE_COMPLETE: u32 = 7;
    /// A number that says what is to happen.
    pub(in super::super) const FLAG: u32 = 10;
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) sequence: i64,
    pub(super) flags: u64,
    pub(super) id: u128,
    pub(super) payload_type: u32,
    pub(super) payload: Bytes,
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a message has a header of {HEADER_BYTES} bytes")]
    Header,
    #[error("a message is as long as its header says")]
    Length,
    #[error("the digest of a message is that of its payload")]
    Digest,
}

// === impl Kind ===

impl Kind {
    const ALL: [Self; 4] = [Self::Input, Self::Output, Self::Acknowledge, Self::Closed];

    /// As it stands in a message, and in what is said of one.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Input => "input_stream_data",
            Self::Output => "output_stream_data",
            Self::Acknowledge => "acknowledge",
            Self::Closed => "channel_closed",
            Self::Other => "",
        }
    }
}

// === impl Message ===

impl Message {
    /// The bytes of a message that is made now.
    pub(super) fn encode(&self, now_unix_ms: i64) -> Bytes {
        let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + self.payload.len());
        bytes.put_u32(HEADER_BYTES);
        let name = self.kind.name();
        bytes.put_slice(name.as_bytes());
        bytes.put_bytes(b' ', TYPE_BYTES - name.len());
        bytes.put_u32(SCHEMA_VERSION);
        bytes.put_i64(now_unix_ms);
        bytes.put_i64(self.sequence);
        bytes.put_u64(self.flags);
        bytes.put_u128(self.id.rotate_left(64));
        bytes.put_slice(digest(&SHA256, &self.payload).as_ref());
        bytes.put_u32(self.payload_type);
        bytes.put_u32(u32::try_from(self.payload.len()).expect("payloads are cut to a few KiB"));
        bytes.put_slice(&self.payload);
        bytes.freeze()
    }

    /// The message that these bytes are.
    pub(super) fn decode(mut bytes: Bytes) -> Result<Self, Malformed> {
        if bytes.len() < PREFIX_BYTES || bytes.get_u32() != HEADER_BYTES {
            return Err(Malformed::Header);
        }
        let name = bytes.split_to(TYPE_BYTES);
        let name = name.trim_ascii_end();
        let kind = Kind::ALL.into_iter().find(|kind| kind.name().as_bytes() == name).unwrap_or(Kind::Other);
        bytes.advance(4 + 8);
        let (sequence, flags) = (bytes.get_i64(), bytes.get_u64());
        let id = bytes.get_u128().rotate_left(64);
        let expected = bytes.split_to(32);
        let payload_type = bytes.get_u32();
        if usize::try_from(bytes.get_u32()) != Ok(bytes.len()) {
            return Err(Malformed::Length);
        }
        if digest(&SHA256, &bytes).as_ref() != &expected[..] {
            return Err(Malformed::Digest);
        }
        Ok(Self { kind, sequence, flags, id, payload_type, payload: bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            kind: Kind::Output,
            sequence: 7,
            flags: 1,
            id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
            payload_type: payload::OUTPUT,
            payload: Bytes::from_static(b"hello"),
        }
    }

    #[test]
    fn a_message_stands_where_the_client_looks_for_it() {
        let bytes = message().encode(0x0102);
        assert_eq!(&bytes[..4], &[0, 0, 0, 116]);
        assert_eq!(&bytes[4..36], b"output_stream_data              ");
        assert_eq!(&bytes[36..40], &[0, 0, 0, 1]);
        assert_eq!(&bytes[40..48], &[0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(&bytes[48..56], &[0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(&bytes[56..64], &[0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(&bytes[64..72], &[0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff], "the lower half first");
        assert_eq!(&bytes[72..80], &[0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]);
        assert_eq!(&bytes[80..84], &[0x2c, 0xf2, 0x4d, 0xba], "SHA-256 of hello");
        assert_eq!(&bytes[112..120], &[0, 0, 0, 1, 0, 0, 0, 5]);
        assert_eq!(&bytes[120..], b"hello");
        assert_eq!(Message::decode(bytes), Ok(message()));
    }

    #[test]
    fn what_is_cut_or_changed_is_no_message() {
        let bytes = message().encode(0);
        for length in 0..bytes.len() {
            assert!(Message::decode(bytes.slice(..length)).is_err(), "{length}");
        }
        let mut changed = bytes.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(Message::decode(changed.into()), Err(Malformed::Digest));
    }
}
