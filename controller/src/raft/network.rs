//! openraft's way out: its messages to the other controllers.
//!
//! A message is MessagePack inside one call of the `Peers` service. Every call has a deadline. A controller that
//! cannot be connected to is left alone for a moment, longer each time, though never longer than the election
//! timeout it would need to stand up against the leader.

mod pending;

use std::time::Duration;

use berth_process::backoff::Backoff;
use berth_process::entropy::Entropy;
use berth_proto::peer::v1::RaftMessage;
use bytes::Bytes;
use futures::FutureExt;
use openraft::error::{
    InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Timeout, Unreachable,
};
use openraft::network::{RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tonic::{Request, Response, Status};

use super::peers::{PeerClient, Peers, is_unconnected, request_for};
use super::{ControllerId, SnapshotMeta, TypeConfig, Vote};
use pending::{Call, Entries, Pending};

/// Makes connections.
pub(super) struct Network {
    pub(super) id: ControllerId,
    pub(super) peers: Peers,
    pub(super) entropy: Entropy,
}

/// A connection to one controller.
pub(super) struct Connection {
    id: ControllerId,
    target: ControllerId,
    client: PeerClient,
    peers: Peers,
    entropy: Entropy,
    /// Behind a lock only because openraft shares connections between threads; nobody ever waits for it.
    pending: Mutex<Option<Pending>>,
}

/// A part of a snapshot as it travels. openraft's own request would travel as a list of numbers.
#[derive(Serialize, Deserialize)]
pub(super) struct SnapshotChunk {
    vote: Vote,
    meta: SnapshotMeta,
    offset: u64,
    data: Bytes,
    done: bool,
}

/// What comes back: openraft's answer or openraft's refusal.
type Answer<T, E> = Result<T, RaftError<ControllerId, E>>;

type Failure<E> = RPCError<ControllerId, BasicNode, RaftError<ControllerId, E>>;

/// The first and the longest pause after a failure to connect.
const BACKOFF_BASE: Duration = Duration::from_millis(50);
const BACKOFF_CAP: Duration = Duration::from_millis(400);

// === impl Network ===

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: ControllerId, member: &BasicNode) -> Connection {
        Connection {
            id: self.id,
            target,
            client: self.peers.client(&member.addr),
            peers: self.peers.clone(),
            entropy: self.entropy.clone(),
            pending: Mutex::default(),
        }
    }
}

// === impl Connection ===

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<ControllerId>, Failure<openraft::error::Infallible>> {
        let limit = patience(option.hard_ttl());
        let Some(asked) = Entries::of(&request) else {
            let answered = tokio::time::timeout(limit, self.call(&request)).await.ok();
            return self.read(RPCTypes::AppendEntries, limit, answered);
        };
        let pending = self.pending.get_mut().take().filter(|pending| pending.serves(&asked));
        let mut pending = match pending {
            Some(pending) => pending,
            None => Pending::new(asked.clone(), self.call(&request)),
        };
        let answered = pending.answer(limit).await;
        let sent = pending.entries().clone();
        if answered.is_none() {
            *self.pending.get_mut() = Some(pending);
        }
        let answer = self.read(RPCTypes::AppendEntries, limit, answered)?;
        Ok(sent.answer(answer, &asked))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<ControllerId>,
        option: RPCOption,
    ) -> Result<VoteResponse<ControllerId>, Failure<openraft::error::Infallible>> {
        let message = self.message(&request);
        let call = self.client.vote(message);
        let limit = patience(option.hard_ttl());
        let answered = tokio::time::timeout(limit, call).await.ok();
        self.read(RPCTypes::Vote, limit, answered)
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<ControllerId>, Failure<InstallSnapshotError>> {
        let message = self.message(&SnapshotChunk::from(request));
        let call = self.client.install_snapshot(message);
        let limit = patience(option.hard_ttl());
        let answered = tokio::time::timeout(limit, call).await.ok();
        self.read(RPCTypes::InstallSnapshot, limit, answered)
    }

    fn backoff(&self) -> openraft::network::Backoff {
        let mut backoff = Backoff::new(BACKOFF_BASE, BACKOFF_CAP, self.entropy.clone());
        openraft::network::Backoff::new(std::iter::repeat_with(move || backoff.next_delay()))
    }
}

impl Connection {
    fn call(&self, request: &AppendEntriesRequest<TypeConfig>) -> Call {
        let (mut client, message) = (self.client.clone(), self.message(request));
        async move { client.append_entries(message).await }.boxed()
    }

    fn message(&self, payload: &impl Serialize) -> Request<RaftMessage> {
        request_for(self.target, RaftMessage { payload: encode(payload) })
    }

    /// What the other side said; or how the call failed, in the terms that tell openraft what to do next.
    fn read<T: DeserializeOwned, E: DeserializeOwned + std::error::Error>(
        &self,
        action: RPCTypes,
        timeout: Duration,
        answered: Option<Result<Response<RaftMessage>, Status>>,
    ) -> Result<T, Failure<E>> {
        let Some(answered) = answered else {
            let late = Timeout { action, id: self.id, target: self.target, timeout };
            self.peers.not_heard(self.target, &late);
            return Err(RPCError::Timeout(late));
        };
        let message = answered.map_err(|status| {
            self.peers.not_heard(self.target, &status);
            failure(&status)
        })?;
        self.peers.heard(self.target);
        let answer: Answer<T, E> = decode(&message.get_ref().payload)
            .map_err(|malformed| RPCError::Network(NetworkError::new(&malformed)))?;
        answer.map_err(|refused| RPCError::RemoteError(RemoteError::new(self.target, refused)))
    }
}

/// openraft would drop a call when its time is over; ending it a little earlier leaves it with us.
fn patience(limit: Duration) -> Duration {
    limit.mul_f64(0.95)
}

fn failure<E: std::error::Error>(status: &Status) -> Failure<E> {
    let error = AnyError::error(format!("{}: {}", status.code(), status.message()));
    if is_unconnected(status) {
        RPCError::Unreachable(Unreachable::new(&error))
    } else {
        RPCError::Network(NetworkError::new(&error))
    }
}

/// openraft's messages as bytes.
pub(super) fn encode(payload: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(payload).expect("a message always encodes into memory")
}

/// What [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    rmp_serde::from_slice(payload)
}

// === impl SnapshotChunk ===

impl From<InstallSnapshotRequest<TypeConfig>> for SnapshotChunk {
    fn from(request: InstallSnapshotRequest<TypeConfig>) -> Self {
        let InstallSnapshotRequest { vote, meta, offset, data, done } = request;
        Self { vote, meta, offset, data: data.into(), done }
    }
}

impl From<SnapshotChunk> for InstallSnapshotRequest<TypeConfig> {
    fn from(chunk: SnapshotChunk) -> Self {
        let SnapshotChunk { vote, meta, offset, data, done } = chunk;
        Self { vote, meta, offset, data: data.into(), done }
    }
}
