//! The slices of one disk: events by when they arrived. The newest is written to; the oldest goes when there is too much.

use std::collections::BTreeMap;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use parking_lot::RwLock;

/// How many slices the space is for. One more makes the oldest go, so at most this part of a full archive is lost at once.
const SLICES: u64 = 16;

/// A slice is not closed before it has this much, however little space there is.
const LEAST_BYTES: u64 = 1 << 20;

/// What of the newest events is held in memory until it is sorted into files: this part of the space, within bounds.
const MEMTABLE_PART: u64 = 64;
const MOST_MEMTABLE_BYTES: u64 = 8 << 20;
const LEAST_MEMTABLE_BYTES: u64 = 256 << 10;

const PREFIX: &str = "events-";

/// All slices, by number.
pub(super) struct Slices {
    database: Database,
    by_number: RwLock<BTreeMap<u64, Keyspace>>,
    most_bytes: u64,
}

// === impl Slices ===

impl Slices {
    pub(super) fn open(database: &Database, most_bytes: u64) -> Result<Self, fjall::Error> {
        let mut by_number = BTreeMap::new();
        for name in database.list_keyspace_names() {
            if let Some(number) = name.strip_prefix(PREFIX).and_then(|digits| digits.parse().ok()) {
                by_number.insert(number, database.keyspace(&name, || options(most_bytes))?);
            }
        }
        let slices = Self { database: database.clone(), by_number: RwLock::new(by_number), most_bytes };
        if slices.by_number.read().is_empty() {
            slices.begin(1)?;
        }
        Ok(slices)
    }

    /// The one that is written to.
    pub(super) fn newest(&self) -> (u64, Keyspace) {
        let slices = self.by_number.read();
        let (number, slice) = slices.last_key_value().expect("there is a slice from the beginning");
        (*number, slice.clone())
    }

    /// Those between two, the two included.
    pub(super) fn between(&self, first: u64, last: u64) -> Vec<Keyspace> {
        if first > last {
            return Vec::new();
        }
        self.by_number.read().range(first..=last).map(|(_, slice)| slice.clone()).collect()
    }

    /// The first one with this number or a greater one.
    pub(super) fn from(&self, number: u64) -> Option<(u64, Keyspace)> {
        self.by_number.read().range(number..).next().map(|(number, slice)| (*number, slice.clone()))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Keyspace> {
        self.by_number.read().values().cloned().collect()
    }

    /// Begins a slice when the newest is full, and lets the oldest go while there is too much. How many went.
    pub(super) fn make_room(&self) -> Result<usize, fjall::Error> {
        let (number, newest) = self.newest();
        if newest.disk_space() >= (self.most_bytes / SLICES).max(LEAST_BYTES) {
            self.begin(number + 1)?;
        }
        let mut gone = 0;
        while self.bytes() > self.most_bytes {
            let oldest = {
                let mut slices = self.by_number.write();
                if slices.len() < 2 {
                    break;
                }
                slices.pop_first()
            };
            if let Some((_, oldest)) = oldest {
                self.database.delete_keyspace(oldest)?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    /// What all slices take on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.by_number.read().values().map(Keyspace::disk_space).sum()
    }

    fn begin(&self, number: u64) -> Result<(), fjall::Error> {
        let slice = self.database.keyspace(&format!("{PREFIX}{number}"), || options(self.most_bytes))?;
        self.by_number.write().insert(number, slice);
        Ok(())
    }
}

fn options(most_bytes: u64) -> KeyspaceCreateOptions {
    let memtable = (most_bytes / MEMTABLE_PART).clamp(LEAST_MEMTABLE_BYTES, MOST_MEMTABLE_BYTES);
    KeyspaceCreateOptions::default().max_memtable_size(memtable)
}
