//! The one owner of every write to sled, and the only place that waits for the device.
//!
//! A thread of its own takes writes in the order in which openraft made them, puts everything that is waiting into
//! sled, syncs once, and then answers each in that order. While one sync runs the next writes gather: that is the
//! group commit. While nobody waits it deletes purged entries, a few at a time.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

use berth_process::telemetry::chain;
use openraft::storage::LogFlushed;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tracing::error;

use super::super::disk::{Disk, DiskError};
use super::super::vote_store::VoteStore;
use super::super::{LogId, TypeConfig, Vote};
use super::stored::{self, Encoded};
use super::tail::Tail;
use crate::limits::LOG_SWEEP_KEYS;

/// Where writes go. Clones write to the same log; the thread ends with the last of them.
#[derive(Clone)]
pub(super) struct Writer(Sender<Write>);

/// A change, and who waits for it.
struct Write {
    change: Change,
    done: Done,
}

/// What is to change on disk.
pub(super) enum Change {
    /// New entries, and the number of this write for [`Tail::written`].
    Append { entries: Vec<Encoded>, write: u64 },
    /// Every entry from this index on goes.
    Truncate { since: u64 },
    /// Every entry up to this one goes; only that it goes is durable at once.
    Purge { upto: LogId },
    /// A vote.
    Vote(Vote),
    /// What is known to be committed. Nobody waits for it.
    Committed(Option<LogId>),
}

/// Who waits for a change to be on the device.
enum Done {
    Nobody,
    Caller(oneshot::Sender<io::Result<()>>),
    Flushed(LogFlushed<TypeConfig>),
}

/// What the thread owns.
struct Thread {
    disk: Arc<Disk>,
    log: sled::Tree,
    votes: VoteStore,
    tail: Arc<Mutex<Tail>>,
    writes: Receiver<Write>,
    /// Entries below this index are purged and may still be in sled.
    sweep_below: Option<u64>,
    /// Set by the first failure. What is on the device is unknown from then on, so nothing is acknowledged any more.
    failed: Option<String>,
}

const STOPPED: &str = "the log writer has stopped";

/// Starts the thread. It begins by deleting what an earlier run purged and had no time to delete.
pub(super) fn start(
    disk: Arc<Disk>,
    log: sled::Tree,
    votes: VoteStore,
    tail: Arc<Mutex<Tail>>,
) -> io::Result<Writer> {
    let (sender, writes) = channel();
    let sweep_below = Some(tail.lock().first_index());
    let thread = Thread { disk, log, votes, tail, writes, sweep_below, failed: None };
    std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || thread.run())?;
    Ok(Writer(sender))
}

// === impl Writer ===

impl Writer {
    /// Hands a change over; `flushed` is called when it is on the device.
    pub(super) fn append(&self, change: Change, flushed: LogFlushed<TypeConfig>) {
        if let Err(unsent) = self.0.send(Write { change, done: Done::Flushed(flushed) }) {
            unsent.0.done.answer(Some(STOPPED));
        }
    }

    /// Returns when the change is on the device.
    pub(super) async fn write(&self, change: Change) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.0.send(Write { change, done: Done::Caller(done) }).map_err(|_unsent| stopped())?;
        written.await.map_err(|_dropped| stopped())?
    }

    /// Hands over a change that nobody waits for: it reaches the device along with the next one.
    pub(super) fn note(&self, change: Change) -> io::Result<()> {
        self.0.send(Write { change, done: Done::Nobody }).map_err(|_unsent| stopped())
    }
}

// === impl Thread ===

impl Thread {
    fn run(mut self) {
        while let Some(first) = self.next() {
            let mut waiting = vec![first];
            waiting.extend(self.writes.try_iter());
            self.commit(waiting);
        }
    }

    /// The next write; sweeps while there is none. Nothing when every [`Writer`] is gone.
    fn next(&mut self) -> Option<Write> {
        while self.sweep_below.is_some() {
            match self.writes.try_recv() {
                Ok(write) => return Some(write),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.sweep(),
            }
        }
        self.writes.recv().ok()
    }

    /// Writes all of it, syncs once if anybody waits, and answers in order.
    fn commit(&mut self, writes: Vec<Write>) {
        if self.failed.is_none()
            && let Err(error) = self.write_all(&writes)
        {
            self.fail(&error);
        }
        for write in writes {
            write.done.answer(self.failed.as_deref());
        }
    }

    fn write_all(&mut self, writes: &[Write]) -> Result<(), DiskError> {
        // Only the newest hint counts.
        let newest_hint = writes.iter().rposition(|write| matches!(write.change, Change::Committed(_)));
        for (position, write) in writes.iter().enumerate() {
            if !matches!(write.change, Change::Committed(_)) || newest_hint == Some(position) {
                self.apply(&write.change)?;
            }
        }
        if writes.iter().any(|write| !matches!(write.done, Done::Nobody)) { self.sync() } else { Ok(()) }
    }

    fn apply(&mut self, change: &Change) -> Result<(), DiskError> {
        match change {
            Change::Append { entries, write } => {
                let mut batch = sled::Batch::default();
                entries.iter().for_each(|entry| stored::insert(&mut batch, entry));
                self.log.apply_batch(batch).map_err(DiskError::write)?;
                self.tail.lock().written(*write);
            }
            Change::Truncate { since } => stored::remove_from(&self.log, *since)?,
            Change::Purge { upto } => {
                self.votes.put_cut(upto).map_err(DiskError::write)?;
                // Durable before the first entry goes, or a crash in between leaves a hole.
                self.sync()?;
                self.sweep_below = Some(upto.index + 1);
            }
            Change::Vote(vote) => self.votes.put_vote(vote).map_err(DiskError::write)?,
            Change::Committed(committed) => {
                self.votes.put_committed(committed.as_ref()).map_err(DiskError::write)?
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.disk.sync().map_err(DiskError::Sync)
    }

    /// Deletes some of the purged entries.
    fn sweep(&mut self) {
        let Some(below) = self.sweep_below else { return };
        match stored::remove_below(&self.log, below, LOG_SWEEP_KEYS) {
            Ok(0) => self.sweep_below = None,
            Ok(_removed) => {}
            Err(error) => {
                self.sweep_below = None;
                self.fail(&error);
            }
        }
    }

    fn fail(&mut self, error: &DiskError) {
        let error = chain(error).to_string();
        error!(error, "cannot write the log; nothing will be acknowledged any more");
        self.failed = Some(error);
    }
}

// === impl Done ===

impl Done {
    fn answer(self, failed: Option<&str>) {
        let result = failed.map_or(Ok(()), |failed| Err(io::Error::other(failed.to_owned())));
        match self {
            Self::Nobody => {}
            // Whoever asked may have gone; the write stands.
            Self::Caller(done) => drop(done.send(result)),
            Self::Flushed(flushed) => flushed.log_io_completed(result),
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other(STOPPED)
}
