//! A log of one: commands are applied as they come, and tests say what happens between validating and proposing.

use std::collections::VecDeque;
use std::sync::Arc;

use berth_model::command::{Command, Envelope, Outcome};
use berth_model::id::Revision;
use berth_model::state::{State, View, invariant};
use berth_model::time::Timestamp;
use berth_process::clock::Clock;
use berth_process::telemetry;
use parking_lot::Mutex;
use tokio::sync::watch;
use tonic::async_trait;

use crate::api::{Consensus, ProposeError, Unavailable};

/// The log and the state.
pub(super) struct Single {
    clock: Clock,
    views: watch::Sender<View>,
    script: Mutex<Script>,
}

/// What is to happen to the next proposals and reads.
#[derive(Default)]
struct Script {
    before: VecDeque<Vec<Command>>,
    failures: VecDeque<ProposeError>,
    without_leader: bool,
    proposed: Vec<Envelope>,
}

// === impl Single ===

impl Single {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        let (views, _) = watch::channel(Arc::new(State::default()));
        Arc::new(Self { clock, views, script: Mutex::default() })
    }

    /// Applies a command as if another controller had proposed it.
    pub(super) fn apply(&self, command: Command) -> Result<(Revision, Outcome), ProposeError> {
        let envelope = Envelope {
            command,
            issued_at: Timestamp::from_unix_ms(self.clock.unix_ms()),
            traceparent: telemetry::traceparent(),
        };
        let mut state = State::clone(&self.views.borrow());
        let revision = state.revision() + 1;
        let applied = state.apply(revision, &envelope);
        assert_eq!(invariant::check(&state), Vec::<String>::new(), "after {envelope:?}");
        self.views.send_replace(Arc::new(state));
        self.script.lock().proposed.push(envelope);
        applied.reply.map(|outcome| (revision, outcome)).map_err(ProposeError::Rejected)
    }

    /// Others are faster than the next proposals: these commands go before the first of them, before the second, and
    /// so on.
    pub(super) fn outrun(&self, rounds: impl IntoIterator<Item = Vec<Command>>) {
        self.script.lock().before.extend(rounds);
    }

    /// The next proposal fails so.
    pub(super) fn fail(&self, error: ProposeError) {
        self.script.lock().failures.push_back(error);
    }

    /// Reads find no leader from now on.
    pub(super) fn lose_leader(&self) {
        self.script.lock().without_leader = true;
    }

    /// Everything that was applied.
    pub(super) fn proposed(&self) -> Vec<Envelope> {
        self.script.lock().proposed.clone()
    }
}

#[async_trait]
impl Consensus for Single {
    fn views(&self) -> watch::Receiver<View> {
        self.views.subscribe()
    }

    async fn linearized_view(&self) -> Result<View, Unavailable> {
        if self.script.lock().without_leader {
            return Err(Unavailable("there is no leader".into()));
        }
        Ok(self.view())
    }

    async fn propose(&self, command: Command) -> Result<(Revision, Outcome), ProposeError> {
        let (before, failure) = {
            let mut script = self.script.lock();
            (script.before.pop_front(), script.failures.pop_front())
        };
        for command in before.into_iter().flatten() {
            self.apply(command)?;
        }
        match failure {
            Some(failure) => Err(failure),
            None => self.apply(command),
        }
    }
}
