//! What a log entry holds, and what comes of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use berth_model::command::Reply;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The commands of one entry, each an encoded envelope. Encoded once by whoever proposes it and decoded once on each
/// controller when it is applied; in between nobody looks inside.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Proposal {
    envelopes: Arc<[Bytes]>,
    #[serde(skip)]
    accepted: Accepted,
}

/// Whether the leader's log took a proposal. It travels with the proposal in memory and is left behind on disk and on
/// the wire: it answers the proposer's question whether a refused proposal may be made again.
#[derive(Clone, Default)]
pub(crate) struct Accepted(Arc<AtomicBool>);

/// What became of the commands of one entry, in their order. Empty for an entry without commands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replies(pub(crate) Vec<Reply>);

// === impl Proposal ===

impl Proposal {
    /// A proposal of these envelopes.
    pub(crate) fn new(envelopes: impl Into<Arc<[Bytes]>>) -> Self {
        Self { envelopes: envelopes.into(), accepted: Accepted::default() }
    }

    /// The encoded envelopes.
    pub(crate) fn envelopes(&self) -> &[Bytes] {
        &self.envelopes
    }

    /// Tells later whether the log took this proposal.
    pub(crate) fn accepted(&self) -> Accepted {
        self.accepted.clone()
    }

    /// The log has it: from here on, only what is applied tells what became of it.
    pub(crate) fn accept(&self) {
        self.accepted.0.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: usize = self.envelopes.iter().map(Bytes::len).sum();
        write!(f, "Proposal({} commands, {bytes} bytes)", self.envelopes.len())
    }
}

// === impl Accepted ===

impl Accepted {
    /// Whether some log may hold it by now.
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
