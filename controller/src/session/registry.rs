//! The sessions that this controller holds: at most one for each instance, the newest winning.

use std::collections::BTreeMap;
use std::sync::Arc;

use berth_model::id::InstanceId;
use berth_proto::agent::v1 as pb;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

/// Cheap to clone; all clones see the same sessions.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<InstanceId, Entry>>>);

/// What others may do with a session.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Ends the session.
    pub(super) end: CancellationToken,
    /// Says that the manifest of its instance is another.
    pub(super) manifest_changed: Arc<Notify>,
    /// Messages for its agent. Full means that the agent does not read: the message is dropped by whoever may drop it.
    pub(super) outbound: mpsc::Sender<pb::ControllerMessage>,
}

// === impl Registry ===

impl Registry {
    /// Takes in a session, and ends the one that the instance had before.
    pub(super) fn insert(&self, instance: InstanceId, entry: Entry) {
        if let Some(before) = self.0.lock().insert(instance, entry) {
            before.end.cancel();
        }
    }

    /// Takes a session out, unless a newer one stands in its place.
    pub(super) fn remove(&self, instance: InstanceId, end: &CancellationToken) {
        let mut sessions = self.0.lock();
        if sessions.get(&instance).is_some_and(|entry| entry.end == *end) {
            sessions.remove(&instance);
        }
    }

    pub(super) fn get(&self, instance: InstanceId) -> Option<Entry> {
        self.0.lock().get(&instance).cloned()
    }

    /// The instances whose agents have a session here.
    pub fn live(&self) -> Vec<InstanceId> {
        self.0.lock().keys().copied().collect()
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    pub(super) fn wake(&self, instance: InstanceId) {
        if let Some(entry) = self.0.lock().get(&instance) {
            entry.manifest_changed.notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        for entry in self.0.lock().values() {
            entry.manifest_changed.notify_one();
        }
    }

    /// Ends every session: the agents go to other controllers.
    pub(super) fn end_all(&self) {
        for entry in self.0.lock().values() {
            entry.end.cancel();
        }
    }
}
