//! Whether the agents of this process have a session, for `/readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use berth_process::ops::Readiness;

/// Counts open sessions.
#[derive(Debug)]
pub struct Presence {
    agents: usize,
    open: AtomicUsize,
    readiness: Readiness,
}

/// Held for as long as a session is open.
#[derive(Debug)]
pub struct Open(Arc<Presence>);

// === impl Presence ===

impl Presence {
    /// A process with this many agents, none of which has a session.
    #[must_use]
    pub fn new(agents: usize, readiness: Readiness) -> Arc<Self> {
        Arc::new(Self { agents, open: AtomicUsize::new(0), readiness })
    }

    /// One more session.
    #[must_use]
    pub fn open(self: &Arc<Self>, controller: &str) -> Open {
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        if open >= self.agents {
            let reason = match self.agents {
                1 => format!("in session with {controller}"),
                agents => format!("{agents} agents in session"),
            };
            self.readiness.set_ready(true, reason);
        }
        Open(self.clone())
    }
}

// === impl Open ===

impl Drop for Open {
    fn drop(&mut self) {
        let open = self.0.open.fetch_sub(1, Ordering::SeqCst) - 1;
        let reason = format!("{open} of {} agents in session; looking for a controller", self.0.agents);
        self.0.readiness.set_ready(false, reason);
    }
}
