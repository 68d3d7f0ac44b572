//! What the clients were told, and what must follow from it.
//!
//! * What was acknowledged is there: in every read that begins afterwards, and in the end on every controller.
//! * What is known not to have been proposed is nowhere, ever.
//! * A term has one leader.
//! * States of the same revision are the same state.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use berth_model::id::Revision;
use berth_model::state::View;
use parking_lot::Mutex;

use crate::raft::ControllerId;

/// Cheap to clone; all clones are one ledger.
#[derive(Clone, Default)]
pub(super) struct Ledger(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    proposed: u64,
    /// In the order in which they were acknowledged.
    acknowledged: Vec<(String, Revision)>,
    not_proposed: BTreeSet<String>,
    leaders: BTreeMap<u64, ControllerId>,
    states: BTreeMap<Revision, u64>,
    newest: BTreeMap<usize, View>,
    violations: Vec<String>,
}

// === impl Ledger ===

impl Ledger {
    /// The name of a controller's next write, which nobody ever used.
    pub(super) fn proposes(&self, controller: usize) -> String {
        let mut entries = self.0.lock();
        entries.proposed += 1;
        format!("{controller}-{}", entries.proposed)
    }

    pub(super) fn was_acknowledged(&self, name: String, revision: Revision) {
        self.0.lock().acknowledged.push((name, revision));
    }

    pub(super) fn was_not_proposed(&self, name: String) {
        self.0.lock().not_proposed.insert(name);
    }

    pub(super) fn newest_acknowledged(&self) -> Option<String> {
        self.0.lock().acknowledged.last().map(|(name, _)| name.clone())
    }

    /// How many writes were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.0.lock().acknowledged.len()
    }

    pub(super) fn read(&self, controller: usize, name: &str, is_there: bool) {
        if !is_there {
            let violation =
                format!("controller {controller} read a state without {name}, acknowledged before");
            self.0.lock().violations.push(violation);
        }
    }

    pub(super) fn leads(&self, term: u64, id: ControllerId) {
        let mut entries = self.0.lock();
        let leader = *entries.leaders.entry(term).or_insert(id);
        if leader != id {
            entries.violations.push(format!("term {term} has the leaders {leader} and {id}"));
        }
    }

    pub(super) fn saw(&self, controller: usize, view: &View) {
        let mut hasher = DefaultHasher::new();
        view.encode_snapshot().hash(&mut hasher);
        let (revision, digest) = (view.revision(), hasher.finish());
        let mut entries = self.0.lock();
        if *entries.states.entry(revision).or_insert(digest) != digest {
            entries
                .violations
                .push(format!("controller {controller} has another state at revision {revision}"));
        }
        entries.newest.insert(controller, view.clone());
    }

    /// # Panics
    /// When something did not hold.
    pub(super) fn check(&self) {
        let entries = self.0.lock();
        assert!(entries.violations.is_empty(), "{:#?}", entries.violations);
    }

    /// # Panics
    /// When a controller lacks something, or has something that nobody proposed.
    pub(super) fn check_everything_arrived(&self, controllers: usize) {
        let entries = self.0.lock();
        assert_eq!(entries.newest.len(), controllers);
        // The last ones may be newer than what a controller was last seen to have.
        let settled = entries.acknowledged.len() - entries.acknowledged.len() / 20;
        for (controller, view) in &entries.newest {
            for (name, revision) in &entries.acknowledged[..settled] {
                assert!(
                    view.access_key(name).is_some(),
                    "controller {controller} lost {name} of revision {revision}"
                );
            }
            for name in &entries.not_proposed {
                assert!(
                    view.access_key(name).is_none(),
                    "{name} was not proposed, and controller {controller} has it"
                );
            }
        }
    }
}
