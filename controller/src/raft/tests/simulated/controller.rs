//! One controller and its client, in one simulated host. Runs anew after each restart, on the same disk.

use std::sync::Arc;
use std::time::Duration;

use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::AccessKey;
use berth_process::net;
use berth_process::shutdown::{OnError, Shutdown};
use turmoil::net::TcpListener;

use super::super::MemoryDisk;
use super::super::harness::{NoSessions, put};
use super::ledger::Ledger;
use super::network::{Listener, connector};
use super::{CONTROLLERS, Reads, name};
use crate::proposer::ProposeError;
use crate::raft::consensus::Setup;
use crate::raft::service::PeerService;
use crate::raft::{Config, Consensus, Storage};

const PORT: u16 = 7400;

/// What a controller keeps over a crash, and what the world gives it.
pub(super) struct Shared {
    pub(super) number: usize,
    pub(super) disk: MemoryDisk,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) key: AccessKey,
    pub(super) ledger: Ledger,
    pub(super) reads: Reads,
}

pub(super) async fn run(shared: Arc<Shared>) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let shutdown = Shutdown::new();
    let consensus = Consensus::start(shared.setup(&shutdown)).await?;
    let service = PeerService::server(consensus.clone(), Arc::new(NoSessions));
    let (routes, scope) = (tonic::service::Routes::new(service), shutdown.clone());
    shutdown.spawn("server", OnError::Shutdown, async move {
        net::serve(routes, Listener(listener), None, &scope).await
    });
    watch_leadership(&shared, &consensus, &shutdown);
    if shared.number == 0 {
        consensus.bootstrap().await?;
    } else {
        let others = (0..CONTROLLERS).filter(|other| *other != shared.number);
        consensus.join(&others.map(address).collect::<Vec<_>>()).await;
    }
    loop {
        shared.write(&consensus).await;
        shared.read(&consensus).await;
        shared.ledger.saw(shared.number, &consensus.view());
        tokio::time::sleep(Duration::from_millis(5 + shared.entropy.below(40))).await;
    }
}

fn address(number: usize) -> String {
    format!("{}:{PORT}", name(number))
}

fn watch_leadership(shared: &Arc<Shared>, consensus: &Consensus, shutdown: &Shutdown) {
    let (shared, mut leadership, id) = (Arc::clone(shared), consensus.leadership(), consensus.id());
    shutdown.spawn("leadership-watch", OnError::Log, async move {
        loop {
            let now = leadership.borrow_and_update().clone();
            if now.is_leader {
                shared.ledger.leads(now.term, id);
            }
            if leadership.changed().await.is_err() {
                return Ok::<(), std::convert::Infallible>(());
            }
        }
    });
}

// === impl Shared ===

impl Shared {
    fn setup(&self, shutdown: &Shutdown) -> Setup {
        Setup {
            storage: Storage::Memory(self.disk.clone()),
            address: address(self.number),
            // Small, so that snapshots are made, sent and installed.
            config: Config { snapshot_every_entries: 200, keep_entries: 20, ..Config::default() },
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            connector: connector(),
            peer_key: self.key.clone(),
            shutdown: shutdown.clone(),
        }
    }

    async fn write(&self, consensus: &Consensus) {
        let name = self.ledger.proposes(self.number);
        match consensus.proposer().propose(put(&name, 10)).await {
            Ok((revision, _outcome)) => self.ledger.was_acknowledged(name, revision),
            // May have been carried out, or be carried out later: nothing follows.
            Err(ProposeError::Unknown) => {}
            Err(ProposeError::NoLeader | ProposeError::Overloaded) => self.ledger.was_not_proposed(name),
            Err(error @ (ProposeError::Rejected(_) | ProposeError::TooLarge { .. })) => {
                panic!("{name} cannot be refused: {error}")
            }
        }
    }

    async fn read(&self, consensus: &Consensus) {
        let expected = self.ledger.newest_acknowledged();
        let view = match self.reads {
            Reads::Linearized => consensus.linearize().await,
            Reads::Whatever => Ok(consensus.view()),
        };
        if let (Some(name), Ok(view)) = (expected, view) {
            self.ledger.read(self.number, &name, view.access_key(&name).is_some());
        }
    }
}
