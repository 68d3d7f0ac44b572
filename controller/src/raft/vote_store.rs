//! What this controller promised, and where its log begins.
//!
//! Only the log writer writes here, so that a vote and an entry reach the disk in the order in which openraft made
//! them; see the [first page](super).

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::{Disk, DiskError};
use super::{LogId, Vote};

/// The tree of the vote and its two companions.
#[derive(Clone)]
pub(super) struct VoteStore(sled::Tree);

const TREE: &str = "state";
const VOTE: &[u8] = b"vote";
const COMMITTED: &[u8] = b"committed";
const CUT: &[u8] = b"cut";

// === impl VoteStore ===

impl VoteStore {
    pub(super) fn open(disk: &Disk) -> Result<Self, DiskError> {
        disk.tree(TREE).map(Self)
    }

    /// The newest vote.
    pub(super) fn vote(&self) -> Result<Option<Vote>, DiskError> {
        self.get(VOTE, "vote")
    }

    /// The newest entry that was known to be committed; it may be older than what is, never newer.
    pub(super) fn committed(&self) -> Result<Option<LogId>, DiskError> {
        self.get(COMMITTED, "committed entry")
    }

    /// The newest entry that was purged.
    pub(super) fn cut(&self) -> Result<Option<LogId>, DiskError> {
        self.get(CUT, "purged entry")
    }

    /// Replaces the vote. Not durable before the next sync, like the two below.
    pub(super) fn put_vote(&self, vote: &Vote) -> sled::Result<()> {
        self.put(VOTE, vote)
    }

    /// Replaces the committed entry.
    pub(super) fn put_committed(&self, committed: Option<&LogId>) -> sled::Result<()> {
        match committed {
            Some(committed) => self.put(COMMITTED, committed),
            None => self.0.remove(COMMITTED).map(|_before| ()),
        }
    }

    /// Replaces the newest purged entry.
    pub(super) fn put_cut(&self, cut: &LogId) -> sled::Result<()> {
        self.put(CUT, cut)
    }

    fn get<T: DeserializeOwned>(&self, key: &[u8], what: &'static str) -> Result<Option<T>, DiskError> {
        let Some(bytes) = self.0.get(key).map_err(DiskError::read)? else { return Ok(None) };
        rmp_serde::from_slice(&bytes).map(Some).map_err(|_malformed| DiskError::Malformed { what })
    }

    fn put<T: Serialize>(&self, key: &[u8], value: &T) -> sled::Result<()> {
        let bytes = rmp_serde::to_vec_named(value).expect("plain numbers always encode");
        self.0.insert(key, bytes).map(|_before| ())
    }
}
