//! Which tasks run in a scope and in the scopes below it, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// The tasks of one scope. A task is counted in its own scope and in every scope above.
#[derive(Debug)]
pub(super) struct Registry {
    above: Option<Arc<Registry>>,
    running: Mutex<BTreeMap<&'static str, usize>>,
    total: watch::Sender<usize>,
}

/// Counts a task for as long as it lives, even when its runtime drops it half-way.
#[derive(Debug)]
pub(super) struct Registered {
    tasks: Arc<Registry>,
    name: &'static str,
}

// === impl Registry ===

impl Registry {
    pub(super) fn root() -> Self {
        Self { above: None, running: Mutex::default(), total: watch::Sender::new(0) }
    }

    pub(super) fn below(above: &Arc<Self>) -> Self {
        Self { above: Some(Arc::clone(above)), ..Self::root() }
    }

    pub(super) fn register(self: &Arc<Self>, name: &'static str) -> Registered {
        self.each_up(|scope| {
            *scope.running.lock().entry(name).or_default() += 1;
            scope.total.send_modify(|total| *total += 1);
        });
        Registered { tasks: Arc::clone(self), name }
    }

    /// Returns when nothing runs. The state is read under the watch's own lock, so no end is missed.
    pub(super) async fn emptied(&self) {
        let mut total = self.total.subscribe();
        total.wait_for(|total| *total == 0).await.expect("the sender lives in self");
    }

    pub(super) fn names(&self) -> Vec<String> {
        let name = |(name, &count): (&&str, &usize)| match count {
            1 => (*name).to_owned(),
            count => format!("{name} ({count})"),
        };
        self.running.lock().iter().map(name).collect()
    }

    fn each_up(&self, mut change: impl FnMut(&Self)) {
        let mut scope = Some(self);
        while let Some(current) = scope {
            change(current);
            scope = current.above.as_deref();
        }
    }

    fn ended(&self, name: &'static str) {
        let mut running = self.running.lock();
        match running.get_mut(name) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                running.remove(name);
            }
        }
    }
}

// === impl Registered ===

impl Drop for Registered {
    fn drop(&mut self) {
        self.tasks.each_up(|scope| {
            scope.ended(self.name);
            scope.total.send_modify(|total| *total -= 1);
        });
    }
}
