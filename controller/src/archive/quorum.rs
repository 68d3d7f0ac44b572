//! The archive as a whole: every controller's disk, of which a majority is enough.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_process::shutdown::{OnError, Shutdown};
use berth_proto::peer::v1 as pb;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tonic::{Response, async_trait};

use super::fill::{Others, Voters};
use super::{Disk, merge, whole};
use crate::api::{LogArchive, Unavailable};
use crate::limits::{ARCHIVE_COPIES, ARCHIVE_STREAMS_PER_LIST};
use crate::raft::membership::Member;
use crate::raft::{Consensus, ControllerId, PeerClient};

/// How long a controller may take to have events on its disk.
const STORE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a controller may take to answer a read.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a read that has a majority waits for the others, who may have what only a minority has.
const STRAGGLERS: Duration = Duration::from_millis(200);

/// The archive of all controllers. Cheap to clone.
#[derive(Clone)]
pub struct Quorum {
    consensus: Consensus,
    /// None in a simulation, which keeps no logs.
    disk: Option<Disk>,
    /// Copies on their way to each of the others: one who is slow is left out rather than waited for.
    copies: Arc<Mutex<BTreeMap<ControllerId, Arc<Semaphore>>>>,
    shutdown: Shutdown,
}

// === impl Quorum ===

impl Quorum {
    /// The archive of the controllers that take part in `consensus`, of which this one has `disk`.
    pub fn new(consensus: Consensus, disk: Option<Disk>, shutdown: Shutdown) -> Self {
        Self { consensus, disk, copies: Arc::default(), shutdown }
    }

    /// This controller's part.
    pub fn disk(&self) -> Result<&Disk, Unavailable> {
        self.disk.as_ref().ok_or_else(|| Unavailable("this controller keeps no logs".into()))
    }

    /// Who votes, and the number of the membership that says so.
    fn voting(&self) -> (u64, Vec<Member>) {
        let (number, members) = self.consensus.numbered_members();
        (number, members.into_iter().filter(|member| member.voter).collect())
    }

    /// Sends events to one controller, this one or another; whether it has them on its disk.
    fn copy(
        &self,
        member: &Member,
        request: pb::StoreLogsRequest,
    ) -> BoxFuture<'static, Result<(), Unavailable>> {
        if member.id == self.consensus.id() {
            let disk = self.disk().cloned();
            return async move { disk?.store(request).await.map_err(unavailable) }.boxed();
        }
        let copies = Arc::clone(
            self.copies.lock().entry(member.id).or_insert_with(|| Arc::new(Semaphore::new(ARCHIVE_COPIES))),
        );
        let Ok(permit) = copies.try_acquire_owned() else {
            let text =
                format!("controller {} does not keep up with {ARCHIVE_COPIES} copies of logs", member.id);
            return futures::future::ready(Err(Unavailable(text))).boxed();
        };
        let mut peer = self.consensus.peer_at(&member.address);
        async move {
            let _permit = permit;
            let mut request = tonic::Request::new(request);
            request.set_timeout(STORE_TIMEOUT);
            match tokio::time::timeout(STORE_TIMEOUT, peer.store_logs(request)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(status)) => Err(Unavailable(status.message().to_owned())),
                Err(late) => Err(unavailable(late)),
            }
        }
        .boxed()
    }

    /// The answers of a majority that has everything between them, and of whoever else is quick.
    async fn ask<A: Marked + Send + 'static>(
        &self,
        here: impl Fn(Disk) -> BoxFuture<'static, Result<A, Unavailable>>,
        there: impl Fn(PeerClient) -> BoxFuture<'static, Result<A, Unavailable>>,
    ) -> Result<Vec<A>, Unavailable> {
        let (_, voters) = self.voting();
        let majority = voters.len() / 2 + 1;
        let mut asked = FuturesUnordered::new();
        for member in &voters {
            asked.push(if member.id == self.consensus.id() {
                here(self.disk()?.clone())
            } else {
                there(self.consensus.peer_at(&member.address))
            });
        }
        let (mut answers, mut failure) = (Vec::<A>::new(), None);
        let is_enough = |answers: &[A]| {
            let marks: Vec<_> = answers.iter().map(Marked::mark).collect();
            answers.len() >= majority && whole::is_enough(&marks, voters.len(), voters.len() - answers.len())
        };
        let mut deadline = Instant::now() + READ_TIMEOUT;
        loop {
            if is_enough(&answers) {
                deadline = deadline.min(Instant::now() + STRAGGLERS);
            }
            match tokio::time::timeout_at(deadline, asked.next()).await {
                Ok(Some(Ok(answer))) => answers.push(answer),
                Ok(Some(Err(error))) => failure = Some(error),
                Ok(None) | Err(_) => break,
            }
        }
        if is_enough(&answers) && !answers.is_empty() {
            return Ok(answers);
        }
        let few = || Unavailable("too few of the controllers that have all logs answer".into());
        Err(failure.unwrap_or_else(few))
    }
}

#[async_trait]
impl LogArchive for Quorum {
    async fn store(&self, request: pb::StoreLogsRequest) -> Result<(), Unavailable> {
        let (membership, voters) = self.voting();
        let request = pb::StoreLogsRequest { membership, ..request };
        let majority = voters.len() / 2 + 1;
        let (sender, mut answers) = mpsc::channel(voters.len().max(1));
        for member in &voters {
            let (copy, sender) = (self.copy(member, request.clone()), sender.clone());
            // Goes on when a majority has it: the others are to have it as well.
            self.shutdown.spawn("log copy", OnError::Log, async move {
                // Nobody listens any more when a majority was faster.
                let _ = sender.send(copy.await).await;
                Ok::<(), std::convert::Infallible>(())
            });
        }
        drop(sender);
        let (mut kept, mut failure) = (0, Unavailable("no controller takes part".into()));
        while let Some(answer) = answers.recv().await {
            match answer {
                Ok(()) => kept += 1,
                Err(error) => failure = error,
            }
            if kept >= majority {
                return Ok(());
            }
        }
        Err(failure)
    }

    async fn read(
        &self,
        request: pb::ReadLogEventsRequest,
    ) -> Result<pb::ReadLogEventsResponse, Unavailable> {
        let here = |disk: Disk| {
            let request = request.clone();
            async move { disk.read(request).await.map_err(unavailable) }.boxed()
        };
        let there = |mut peer: PeerClient| {
            let request = request.clone();
            async move { peer.read_log_events(request).await.map(Response::into_inner).map_err(refused) }
                .boxed()
        };
        Ok(merge::events(&request, self.ask(here, there).await?))
    }

    async fn streams(&self, group_id: u64, prefix: &str) -> Result<Vec<pb::LogStreamRecord>, Unavailable> {
        let limit = u32::try_from(ARCHIVE_STREAMS_PER_LIST).unwrap_or(u32::MAX);
        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let request = pb::ListLogStreamsRequest {
                group_id,
                prefix: prefix.to_owned(),
                after: after.clone(),
                limit,
            };
            let here = |disk: Disk| {
                let request = request.clone();
                async move { disk.streams(request).await.map_err(unavailable) }.boxed()
            };
            let there = |mut peer: PeerClient| {
                let request = request.clone();
                async move { peer.list_log_streams(request).await.map(Response::into_inner).map_err(refused) }
                    .boxed()
            };
            let answers = self.ask(here, there).await?;
            // What comes after the end of the shortest list is asked for again.
            let ends = answers.iter().filter(|answer| answer.is_partial);
            let end = ends.filter_map(|answer| answer.streams.last().map(|last| last.name.clone())).min();
            found.extend(merge::streams(answers.into_iter().map(|answer| answer.streams).collect()));
            match end {
                Some(end) => {
                    found.retain(|record| record.name <= end);
                    after = end;
                }
                None => return Ok(found),
            }
        }
    }
}

/// How long a controller may take for a page that another one copies.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

#[async_trait]
impl Others for Quorum {
    fn voters(&self) -> Voters {
        let (number, voters) = self.voting();
        let this = self.consensus.id();
        let has_this = voters.iter().any(|voter| voter.id == this);
        let others = voters.into_iter().filter(|voter| voter.id != this);
        let others = others.map(|voter| (voter.id.get(), voter.address)).collect();
        Voters { number, has_this, others }
    }

    async fn page(
        &self,
        address: &str,
        request: pb::CopyLogsRequest,
    ) -> Result<pb::CopyLogsResponse, Unavailable> {
        let mut peer = self.consensus.peer_at(address);
        match tokio::time::timeout(PAGE_TIMEOUT, peer.copy_logs(request)).await {
            Ok(answer) => answer.map(Response::into_inner).map_err(refused),
            Err(late) => Err(unavailable(late)),
        }
    }
}

/// An answer of a disk.
trait Marked {
    /// What that disk may lack.
    fn mark(&self) -> pb::LogArchiveMark;
}

// === impl Marked ===

impl Marked for pb::ReadLogEventsResponse {
    fn mark(&self) -> pb::LogArchiveMark {
        self.mark.unwrap_or(UNMARKED)
    }
}

impl Marked for pb::ListLogStreamsResponse {
    fn mark(&self) -> pb::LogArchiveMark {
        self.mark.unwrap_or(UNMARKED)
    }
}

/// Of a controller from before there were marks.
const UNMARKED: pb::LogArchiveMark = pb::LogArchiveMark { is_whole: true, voters: 0, voters_since: 0 };

fn unavailable(error: impl std::fmt::Display) -> Unavailable {
    Unavailable(error.to_string())
}

fn refused(status: tonic::Status) -> Unavailable {
    Unavailable(status.message().to_owned())
}
