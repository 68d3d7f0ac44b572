//! How far a pull is: written by whoever pulls, read by whoever asks.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::limits::LAYERS_PER_IMAGE;

/// The layers of an image on their way.
#[derive(Debug, Default)]
pub struct PullProgress(Mutex<BTreeMap<String, Layer>>);

#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    bytes: u64,
    total_bytes: u64,
    is_done: bool,
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// That the registry has told of.
    pub layers: u32,
    /// That are on the host.
    pub layers_done: u32,
    /// That came.
    pub bytes: u64,
    /// Of layers whose size is known.
    pub total_bytes: u64,
}

// === impl PullProgress ===

impl PullProgress {
    /// There is this layer.
    pub fn found(&self, layer: &str) {
        self.change(layer, |_| {});
    }

    /// So much of a layer has come.
    pub fn came(&self, layer: &str, bytes: u64, total_bytes: u64) {
        self.change(layer, |layer| {
            layer.bytes = layer.bytes.max(bytes);
            layer.total_bytes = layer.total_bytes.max(total_bytes);
        });
    }

    /// All of a layer has come; it is still to be unpacked.
    pub fn downloaded(&self, layer: &str) {
        self.change(layer, |layer| layer.bytes = layer.total_bytes);
    }

    /// A layer is on the host.
    pub fn done(&self, layer: &str) {
        self.change(layer, |layer| {
            layer.bytes = layer.total_bytes;
            layer.is_done = true;
        });
    }

    /// The sum.
    pub fn told(&self) -> Progress {
        let layers = self.0.lock();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Progress {
            layers: count(layers.len()),
            layers_done: count(layers.values().filter(|layer| layer.is_done).count()),
            bytes: layers.values().map(|layer| layer.bytes).sum(),
            total_bytes: layers.values().map(|layer| layer.total_bytes).sum(),
        }
    }

    fn change(&self, layer: &str, change: impl FnOnce(&mut Layer)) {
        let mut layers = self.0.lock();
        if layers.len() < LAYERS_PER_IMAGE || layers.contains_key(layer) {
            change(layers.entry(layer.to_owned()).or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_add_up_and_never_go_back() {
        let progress = PullProgress::default();
        progress.done("there-already");
        progress.found("waits");
        progress.came("comes", 30, 100);
        progress.came("comes", 10, 100);
        let half = Progress { layers: 3, layers_done: 1, bytes: 30, total_bytes: 100 };
        assert_eq!(progress.told(), half);
        progress.downloaded("comes");
        assert_eq!(progress.told(), Progress { bytes: 100, ..half });
        progress.done("comes");
        assert_eq!(progress.told(), Progress { bytes: 100, layers_done: 2, ..half });
    }

    #[test]
    fn a_registry_with_endless_layers_takes_no_more_memory() {
        let progress = PullProgress::default();
        for number in 0..LAYERS_PER_IMAGE + 10 {
            progress.found(&number.to_string());
        }
        assert_eq!(usize::try_from(progress.told().layers), Ok(LAYERS_PER_IMAGE));
    }
}
