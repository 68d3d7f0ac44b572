//! Log entries as sled holds them.
//!
//! An entry is MessagePack with named members, cut into parts. The key of a part is the entry's index and the part's
//! number, both big-endian, so that sled's order is the log's. The first part begins with a version and the number of
//! parts: an entry of which some part is missing is seen as such.
//!
//! Why parts: sled keeps up to 17 keys on a page, and a page of more than 128 KiB goes into a "blob" file of its own,
//! which sled never syncs. With parts of 6 KiB no page grows that large.

use std::ops::Range;

use super::super::Entry;
use super::super::disk::DiskError;

/// An encoded entry.
pub(super) struct Encoded {
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
}

/// Version of the layout of an entry.
const VERSION: u8 = 1;

/// 17 parts and their keys stay well below the 128 KiB at which sled makes a blob of a page.
const PART_BYTES: usize = 6 << 10;

/// Version and number of parts.
const HEADER_BYTES: usize = 3;

/// How an entry goes to disk.
pub(super) fn encode(entry: &Entry) -> Encoded {
    let bytes = rmp_serde::to_vec_named(entry).expect("an entry always encodes into memory");
    Encoded { index: entry.log_id.index, bytes }
}

/// Adds the parts of an entry to what is written at once.
pub(super) fn insert(batch: &mut sled::Batch, entry: &Encoded) {
    let parts = entry.bytes.len().div_ceil(PART_BYTES).max(1);
    let count = u16::try_from(parts).expect("an entry is smaller than 65,535 parts: its size is bounded");
    for (number, chunk) in (0..count).zip(entry.bytes.chunks(PART_BYTES)) {
        let value = if number == 0 { with_header(count, chunk) } else { chunk.to_vec() };
        batch.insert(&part_key(entry.index, number), value);
    }
}

/// The key at which the parts of entry `index` begin.
pub(super) fn key(index: u64) -> [u8; 10] {
    part_key(index, 0)
}

/// The index and part that a key stands for.
pub(super) fn parse_key(key: &[u8]) -> Result<(u64, u16), DiskError> {
    let key = <[u8; 10]>::try_from(key)
        .map_err(|_wrong_length| DiskError::Malformed { what: "key of a log entry" })?;
    let (mut index, mut part) = ([0; 8], [0; 2]);
    index.copy_from_slice(&key[..8]);
    part.copy_from_slice(&key[8..]);
    Ok((u64::from_be_bytes(index), u16::from_be_bytes(part)))
}

/// Reads the entries of `range` in order, each with its encoded size. Stops early at the first that is missing, and
/// after the first that brings the total to `bytes_max`.
pub(super) fn read(
    tree: &sled::Tree,
    range: Range<u64>,
    bytes_max: usize,
) -> Result<Vec<(Entry, usize)>, DiskError> {
    let mut entries = Vec::new();
    let mut total = 0;
    let mut pairs = tree.range(key(range.start)..key(range.end));
    for expected in range {
        let Some(bytes) = read_parts(&mut pairs, expected)? else { break };
        let entry =
            rmp_serde::from_slice(&bytes).map_err(|_malformed| DiskError::Malformed { what: "log entry" })?;
        total += bytes.len();
        entries.push((entry, bytes.len()));
        if total >= bytes_max {
            break;
        }
    }
    Ok(entries)
}

/// Deletes every entry from `index` on.
pub(super) fn remove_from(tree: &sled::Tree, index: u64) -> Result<(), DiskError> {
    let mut batch = sled::Batch::default();
    for key in tree.range(key(index)..).keys() {
        batch.remove(key.map_err(DiskError::read)?);
    }
    tree.apply_batch(batch).map_err(DiskError::write)
}

/// Deletes up to `keys_max` parts of the entries below `index`, and returns how many went.
pub(super) fn remove_below(tree: &sled::Tree, index: u64, keys_max: usize) -> Result<usize, DiskError> {
    let mut batch = sled::Batch::default();
    let mut removed = 0;
    for key in tree.range(..key(index)).keys().take(keys_max) {
        batch.remove(key.map_err(DiskError::read)?);
        removed += 1;
    }
    tree.apply_batch(batch).map_err(DiskError::write)?;
    Ok(removed)
}

/// The bytes of entry `expected`, whose first part is next; nothing if it is not, or not whole.
fn read_parts(pairs: &mut sled::Iter, expected: u64) -> Result<Option<Vec<u8>>, DiskError> {
    let Some((key, first)) = next(pairs)? else { return Ok(None) };
    if parse_key(&key)? != (expected, 0) {
        return Ok(None);
    }
    let count = part_count(&first)?;
    let mut bytes = first[HEADER_BYTES..].to_vec();
    for number in 1..count {
        match next(pairs)? {
            Some((key, part)) if parse_key(&key)? == (expected, number) => bytes.extend_from_slice(&part),
            _ => return Ok(None),
        }
    }
    Ok(Some(bytes))
}

/// How many parts the entry with this first part has.
pub(super) fn part_count(first: &[u8]) -> Result<u16, DiskError> {
    match first {
        [VERSION, high, low, ..] => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(DiskError::Malformed { what: "header of a log entry" }),
    }
}

fn next(pairs: &mut sled::Iter) -> Result<Option<(sled::IVec, sled::IVec)>, DiskError> {
    pairs.next().transpose().map_err(DiskError::read)
}

fn part_key(index: u64, part: u16) -> [u8; 10] {
    let mut key = [0; 10];
    key[..8].copy_from_slice(&index.to_be_bytes());
    key[8..].copy_from_slice(&part.to_be_bytes());
    key
}

fn with_header(count: u16, chunk: &[u8]) -> Vec<u8> {
    let [high, low] = count.to_be_bytes();
    let mut value = Vec::with_capacity(HEADER_BYTES + chunk.len());
    value.extend_from_slice(&[VERSION, high, low]);
    value.extend_from_slice(chunk);
    value
}
