//! Conduits: what people ask of a container while it runs: a command, files, a connection.
//!
//! A controller asks on the session, and is called back for each on a connection of its own, so that a caller who does not
//! read holds up nobody else. Nothing is begun before that call is answered: for whoever no longer waits, nothing is done.
//! A request is carried out at most once, whichever controllers ask for it, and ends when whoever asked goes away.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use berth_process::shutdown::{OnError, Shutdown};
use berth_process::token::Signer;
use berth_proto::agent::v1 as wire;
use berth_proto::agent::v1::agents_client::AgentsClient;
use berth_proto::agent::v1::conduit_target::Target;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::engine::Handle;
use crate::limits;
use crate::runtime::Runtime;
use crate::session::Channels;

mod command;
mod dial;
mod files;
mod outlet;

use outlet::Outlet;

/// The conduits of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Conduits {
    engine: Handle,
    runtime: Arc<dyn Runtime>,
    channels: Arc<Channels>,
    signer: Signer,
    scope: Shutdown,
    requests: Arc<Mutex<Requests>>,
}

#[derive(Default)]
struct Requests {
    open: usize,
    /// Oldest first.
    seen: VecDeque<String>,
}

/// The right to one open conduit.
struct Slot(Arc<Mutex<Requests>>);

/// Why a conduit came to its end, other than as it should.
#[derive(Debug, PartialEq, Eq)]
enum Broken {
    /// Whoever asked is gone.
    Abandoned,
    /// What went wrong, for whoever asked.
    Failed(String),
}

/// How a conduit ended: with an exit code, which is 0 for what is no command.
type Ended = Result<i32, Broken>;

/// What comes from whoever asked.
type Inputs = tonic::Streaming<wire::ConduitInput>;

// === impl Conduits ===

impl Conduits {
    /// None is open yet. Controllers are reached through `channels` and asked as `signer`.
    #[must_use]
    pub fn new(
        engine: Handle,
        runtime: Arc<dyn Runtime>,
        (channels, signer): (Arc<Channels>, Signer),
        scope: Shutdown,
    ) -> Self {
        Self { engine, runtime, channels, signer, scope, requests: Arc::default() }
    }

    /// Opens one that this controller asked for.
    pub(crate) fn open(&self, controller: &str, request: wire::OpenConduit) {
        let slot = Slot::take(&self.requests, &request.request_id);
        let client = AgentsClient::with_interceptor(self.channels.apart(controller), self.signer.clone());
        let (this, token) = (self.clone(), self.scope.token().clone());
        self.scope.spawn("conduit", OnError::Log, async move {
            let call = this.call(client, request, slot);
            // A caller that has gone away is nothing to tell anybody of.
            if let Some(Err(status)) = token.run_until_cancelled(call).await {
                tracing::debug!(error = %status, "a conduit was not opened");
            }
            Ok::<(), Infallible>(())
        });
    }

    async fn call(
        &self,
        mut client: crate::session::Client,
        request: wire::OpenConduit,
        slot: Result<Slot, String>,
    ) -> Result<(), tonic::Status> {
        let (sender, receiver) = mpsc::channel(limits::CONDUIT_CHUNKS);
        let outlet = Outlet::new(request.request_id.clone(), sender);
        outlet.announce();
        let mut inputs = client.push_conduit(ReceiverStream::new(receiver)).await?.into_inner();
        let ended = match &slot {
            Ok(_) => self.carry(&request, &mut inputs, &outlet).await,
            Err(reason) => Err(Broken::Failed(reason.clone())),
        };
        outlet.finish(ended).await;
        // The other side hangs up once it has read the last word; hanging up first could cost it.
        let gone = async { while let Ok(Some(_)) = inputs.message().await {} };
        let _ = tokio::time::timeout(limits::CONDUIT_FAREWELL, gone).await;
        Ok(())
    }

    async fn carry(&self, request: &wire::OpenConduit, inputs: &mut Inputs, outlet: &Outlet) -> Ended {
        let located = self.engine.locate(&request.task_id, &request.container).await;
        let Some(container) = located.first() else {
            let (task, container) = (&request.task_id, &request.container);
            return Err(Broken::Failed(format!("Task {task} has no container {container} on its instance.")));
        };
        let (runtime, id) = (&*self.runtime, container.runtime_id.as_str());
        match request.target.as_ref().and_then(|target| target.target.as_ref()) {
            Some(Target::Command(wanted)) => command::run(wanted, runtime, id, inputs, outlet).await,
            Some(Target::ReadFiles(wanted)) => files::read(&wanted.path, runtime, id, inputs, outlet).await,
            Some(Target::WriteFiles(wanted)) => files::write(&wanted.path, runtime, id, inputs).await,
            Some(Target::StatFile(wanted)) => files::stat(&wanted.path, runtime, id).await,
            Some(Target::Dial(wanted)) => dial::run(wanted, runtime, id, inputs, outlet).await,
            None => Err(Broken::Failed("The instance's agent is too old for this.".to_owned())),
        }
    }
}

// === impl Slot ===

impl Slot {
    fn take(requests: &Arc<Mutex<Requests>>, request_id: &str) -> Result<Self, String> {
        let mut known = requests.lock();
        if known.seen.iter().any(|seen| seen == request_id) {
            return Err("It was asked for before, and is not done twice.".to_owned());
        }
        if known.open >= limits::CONDUITS {
            return Err(format!("{} are open on the instance, which is the most.", limits::CONDUITS));
        }
        known.open += 1;
        known.seen.push_back(request_id.to_owned());
        if known.seen.len() > limits::CONDUITS_REMEMBERED {
            known.seen.pop_front();
        }
        drop(known);
        Ok(Self(Arc::clone(requests)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.lock().open -= 1;
    }
}

// === impl Broken ===

impl From<crate::runtime::Error> for Broken {
    fn from(error: crate::runtime::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_carried_out_once_and_there_are_only_so_many() {
        let requests = Arc::<Mutex<Requests>>::default();
        let first = Slot::take(&requests, "0");
        assert!(first.is_ok());
        assert!(Slot::take(&requests, "0").is_err());
        let others: Vec<_> =
            (1..limits::CONDUITS).map(|number| Slot::take(&requests, &number.to_string())).collect();
        assert!(others.iter().all(Result::is_ok));
        assert!(Slot::take(&requests, "one more").is_err());
        drop(first);
        assert!(Slot::take(&requests, "0").is_err(), "though it is over");
        assert!(Slot::take(&requests, "one more").is_ok());
    }
}
