//! What the API needs of the rest of the controller. The wiring gives it.

use berth_model::command::{Command, Outcome};
use berth_model::id::{InstanceId, Revision};
use berth_model::state::View;
use berth_proto::admin::v1 as admin;
use berth_proto::agent::v1 as agent;
use futures::stream::BoxStream;
use tokio::sync::{mpsc, watch};
use tonic::{Status, async_trait};

pub use crate::proposer::ProposeError;

/// The one log that all controllers share, and the state it leads to.
#[async_trait]
pub trait Consensus: Send + Sync + 'static {
    /// The newest state that this controller has applied, and those to come. May be behind.
    fn views(&self) -> watch::Receiver<View>;

    /// A state that has everything in it that was acknowledged before this was called.
    async fn linearized_view(&self) -> Result<View, Unavailable>;

    /// Puts a command into the log and says what became of it, and at which revision.
    async fn propose(&self, command: Command) -> Result<(Revision, Outcome), ProposeError>;

    /// The newest state that this controller has applied. May be behind.
    fn view(&self) -> View {
        self.views().borrow().clone()
    }
}

/// The controllers of the cluster.
#[async_trait]
pub trait Membership: Send + Sync + 'static {
    /// All of them, as this controller knows them.
    async fn controllers(&self) -> Result<Vec<admin::Controller>, Unavailable>;

    /// Takes one out for good.
    async fn remove(&self, controller_id: u64) -> Result<(), RemoveError>;
}

/// The reconcilers, which run on the leader.
#[async_trait]
pub trait Reconcilers: Send + Sync + 'static {
    /// What each last did, and why.
    async fn reconcilers(&self) -> Result<Vec<admin::Reconciler>, Unavailable>;
}

/// Where the output of containers comes from: the agent's session, here or on another controller.
#[async_trait]
pub trait LogSource: Send + Sync + 'static {
    /// Opens the stream that `request` describes, on the agent of this instance. Dropping the stream closes it.
    async fn open(
        &self,
        instance: InstanceId,
        request: agent::OpenLogs,
    ) -> Result<BoxStream<'static, Result<agent::LogChunk, Status>>, Unavailable>;
}

/// The way into containers: through their agent's session, here or on another controller.
#[async_trait]
pub trait ConduitSource: Send + Sync + 'static {
    /// Opens the conduit that `request` describes, to the agent of this instance; what comes of it. Dropping that ends it.
    async fn open(
        &self,
        instance: InstanceId,
        request: agent::OpenConduit,
        input: mpsc::Receiver<agent::ConduitInput>,
    ) -> Result<BoxStream<'static, Result<agent::ConduitOutput, Status>>, Unavailable>;

    /// Ends the conduit of this id, wherever it goes through; whether there was one.
    async fn end(&self, request_id: &str) -> bool;
}

/// Who knows what containers use: the agent's session, here or on another controller.
#[async_trait]
pub trait UsageSource: Send + Sync + 'static {
    /// Asks the agent of this instance.
    async fn read(
        &self,
        instance: InstanceId,
        question: agent::ReadUsage,
    ) -> Result<agent::Usage, Unavailable>;
}

/// There is nobody to ask right now: no leader, no majority, no agent. Nothing was changed; trying again may work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The request cannot be carried out right now: {0}. Try again.")]
pub struct Unavailable(pub String);

/// Why a controller was not taken out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// It is not one of the controllers.
    #[error("There is no controller {0:016x}.")]
    Unknown(u64),
    /// The others would not be enough, as the text says.
    #[error("{0}")]
    Refused(String),
    /// There is nobody to ask right now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
