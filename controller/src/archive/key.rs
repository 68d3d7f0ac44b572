//! How streams and events are named on disk, so that the order of bytes is the order of reading.

use berth_model::log::Position;

/// Bytes of an event's key: its stream's number, its time, its order, its origin.
const EVENT_BYTES: usize = 32;

/// The key of an event.
pub(super) fn event(stream: u64, at: Position) -> [u8; EVENT_BYTES] {
    let mut key = [0; EVENT_BYTES];
    key[..8].copy_from_slice(&stream.to_be_bytes());
    // Negative times before positive ones.
    key[8..16].copy_from_slice(&(at.timestamp_ms.cast_unsigned() ^ 1 << 63).to_be_bytes());
    key[16..24].copy_from_slice(&at.order.to_be_bytes());
    key[24..].copy_from_slice(&at.origin.to_be_bytes());
    key
}

/// The position in the key of an event; none if it is not one.
pub(super) fn position(key: &[u8]) -> Option<Position> {
    let number = |at: usize| Some(u64::from_be_bytes(key.get(at..at + 8)?.try_into().ok()?));
    Some(Position {
        timestamp_ms: (number(8)? ^ 1 << 63).cast_signed(),
        order: number(16)?,
        origin: number(24)?,
    })
}

/// The key of a stream.
pub(super) fn stream(group: u64, name: &str) -> Vec<u8> {
    [&group.to_be_bytes(), name.as_bytes()].concat()
}

/// The group in the key of a stream.
pub(super) fn group(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(..8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_positions() {
        let positions = [
            Position::at(i64::MIN),
            Position::at(-1),
            Position::at(0),
            Position { order: 1, ..Position::at(0) },
            Position { order: 1, origin: 1, ..Position::at(0) },
            Position::at(1),
        ];
        let keys: Vec<_> = positions.iter().map(|at| event(7, *at)).collect();
        assert!(keys.is_sorted());
        for (at, key) in positions.iter().zip(&keys) {
            assert_eq!(position(key), Some(*at));
        }
        assert!(event(8, positions[0]) > keys[5]);
        assert_eq!(group(&stream(9, "a/b")), Some(9));
    }
}
