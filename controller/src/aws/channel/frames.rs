//! Frames of smux, version 1, in which AWS's plugin sends many connections over one data channel.
//!
//! ```text
//!   0 1  version, 1
//!   1 1  what it is: 0 begins a connection, 1 ends it, 2 are bytes, 3 is nothing
//!   2 2  length of the bytes, the lower half first
//!   4 4  number of the connection, the lower half first
//!   8    the bytes
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 8;
/// What one frame carries at most. Source: the default of smux.
const PAYLOAD_BYTES: usize = 32 << 10;

const BEGIN: u8 = 0;
const END: u8 = 1;
const BYTES: u8 = 2;
const NOTHING: u8 = 3;

/// What the client says of one of its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// There is one more.
    Begin(u32),
    /// It is closed: nothing more is wanted of it.
    End(u32),
    /// It sends this.
    Bytes(u32, Bytes),
}

/// The bytes are none that the plugin sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client does not send its connections in frames: a session-manager-plugin of 1.2 or newer does")]
pub(super) struct NotFrames;

/// What has arrived, and is not read as frames yet.
#[derive(Debug, Default)]
pub(super) struct Frames(BytesMut);

// === impl Frames ===

impl Frames {
    /// Something arrives.
    pub(super) fn arrive(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next frame, once all of it has arrived.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, NotFrames> {
        loop {
            let Some(mut header) = self.0.get(..HEADER_BYTES) else { return Ok(None) };
            let (version, kind) = (header.get_u8(), header.get_u8());
            let (length, number) = (usize::from(header.get_u16_le()), header.get_u32_le());
            if version != VERSION || kind > NOTHING {
                return Err(NotFrames);
            }
            if self.0.len() < HEADER_BYTES + length {
                return Ok(None);
            }
            self.0.advance(HEADER_BYTES);
            let bytes = self.0.split_to(length).freeze();
            match kind {
                BEGIN => return Ok(Some(Frame::Begin(number))),
                END => return Ok(Some(Frame::End(number))),
                BYTES => return Ok(Some(Frame::Bytes(number, bytes))),
                _ => {}
            }
        }
    }
}

/// What a connection sends to the client.
pub(super) fn bytes(number: u32, bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(bytes.len() + HEADER_BYTES);
    for piece in bytes.chunks(PAYLOAD_BYTES) {
        let length = u16::try_from(piece.len()).expect("a piece has 32 KiB");
        header(&mut out, BYTES, length, number);
        out.put_slice(piece);
    }
    out.freeze()
}

/// A connection sends nothing more.
pub(super) fn end(number: u32) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_BYTES);
    header(&mut out, END, 0, number);
    out.freeze()
}

fn header(out: &mut BytesMut, kind: u8, length: u16, number: u32) {
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u16_le(length);
    out.put_u32_le(number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let sent = [
            &[1, 0, 0, 0, 3, 0, 0, 0][..],
            &[1, 2, 5, 0, 3, 0, 0, 0],
            b"hello",
            &[1, 3, 0, 0, 0, 0, 0, 0],
            &[1, 1, 0, 0, 3, 0, 0, 0],
        ]
        .concat();
        let expected = [Frame::Begin(3), Frame::Bytes(3, Bytes::from_static(b"hello")), Frame::End(3)];
        for size in 1..=sent.len() {
            let (mut frames, mut read) = (Frames::default(), Vec::new());
            for piece in sent.chunks(size) {
                frames.arrive(piece);
                while let Some(frame) = frames.next().unwrap() {
                    read.push(frame);
                }
            }
            assert_eq!(read, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_sent_is_read_as_it_was() {
        let long = vec![7; PAYLOAD_BYTES + 1];
        let mut frames = Frames::default();
        frames.arrive(&bytes(5, &long));
        frames.arrive(&end(5));
        let Ok(Some(Frame::Bytes(5, first))) = frames.next() else { panic!("bytes") };
        let Ok(Some(Frame::Bytes(5, second))) = frames.next() else { panic!("the rest") };
        assert_eq!([first, second].concat(), long);
        assert_eq!((frames.next(), frames.next()), (Ok(Some(Frame::End(5))), Ok(None)));
        assert!(bytes(5, b"").is_empty());
    }

    #[test]
    fn a_client_that_sends_no_frames_is_told_so() {
        let mut frames = Frames::default();
        frames.arrive(b"GET / HTTP/1.1\r\n");
        assert_eq!(frames.next(), Err(NotFrames));
    }
}
