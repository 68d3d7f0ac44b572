//! The way into a container from any controller: through the one that holds the session of its agent.
//!
//! Who that is, is asked of all controllers at once, and the first that says so is the one. Asking is all that may be done
//! twice: the conduit itself is opened once, on a connection of its own.

use berth_model::id::InstanceId;
use berth_proto::agent::v1 as agent;
use berth_proto::peer::v1 as peer;
use berth_proto::peer::v1::open_conduit_request::Message;
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, async_trait};

use super::{PEER_TIMEOUT, unavailable};
use crate::api::{self, Unavailable};
use crate::raft::Consensus;
use crate::session::Sessions;

/// The ways into containers through the sessions of all controllers.
pub(crate) struct Ways {
    /// Those here.
    pub(crate) sessions: Sessions,
    /// To reach the others.
    pub(crate) consensus: Consensus,
}

// === impl Ways ===

impl Ways {
    /// The address of another controller that holds the session of an instance's agent.
    async fn elsewhere(&self, instance: InstanceId) -> Option<String> {
        let mut asked: FuturesUnordered<_> = self
            .others()
            .map(|address| async move {
                let request = peer::HasSessionRequest { container_instance_id: instance.to_string() };
                let mut client = self.consensus.peer_at(&address);
                let answer = timeout(PEER_TIMEOUT, client.has_session(request)).await.ok()?.ok()?;
                answer.into_inner().has_session.then_some(address)
            })
            .collect();
        while let Some(answer) = asked.next().await {
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    fn others(&self) -> impl Iterator<Item = String> {
        let own = self.consensus.id();
        self.consensus
            .members()
            .into_iter()
            .filter(move |member| member.id != own)
            .map(|member| member.address)
    }
}

#[async_trait]
impl api::ConduitSource for Ways {
    async fn open(
        &self,
        instance: InstanceId,
        request: agent::OpenConduit,
        input: mpsc::Receiver<agent::ConduitInput>,
    ) -> Result<BoxStream<'static, Result<agent::ConduitOutput, Status>>, Unavailable> {
        if self.sessions.conduits().reaches(instance) {
            return self.sessions.conduits().open(instance, request, input).map_err(unavailable);
        }
        let nobody = || Unavailable("the agent of the task is connected to no controller".into());
        let address = self.elsewhere(instance).await.ok_or_else(nobody)?;
        let start =
            peer::OpenConduitStart { container_instance_id: instance.to_string(), open: Some(request) };
        let message = |message| peer::OpenConduitRequest { message: Some(message) };
        let inputs = ReceiverStream::new(input).map(move |input| message(Message::Input(input)));
        let requests = stream::iter([message(Message::Start(start))]).chain(inputs);
        let outputs = self.consensus.peer_apart(&address).open_conduit(requests).await;
        Ok(outputs.map_err(|status| unavailable(status.message()))?.into_inner().boxed())
    }

    async fn end(&self, request_id: &str) -> bool {
        let is_here = self.sessions.conduits().end(request_id);
        let mut asked: FuturesUnordered<_> = self
            .others()
            .map(|address| async move {
                let request = peer::EndConduitRequest { request_id: request_id.to_owned() };
                let mut client = self.consensus.peer_at(&address);
                let answer = timeout(PEER_TIMEOUT, client.end_conduit(request)).await;
                answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.into_inner().ended))
            })
            .collect();
        let mut has_ended = is_here;
        while let Some(ended) = asked.next().await {
            has_ended |= ended;
        }
        has_ended
    }
}
