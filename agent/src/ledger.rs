//! The agent's durable memory: who it is, the manifest it accepted last, and what it has reported of every task.
//!
//! What holds true:
//! * A manifest is judged ([`rules`]), then on disk, and only then seen by anybody else.
//! * A report is on disk before it is sent, so a version is never given twice to different content, and a task that was
//!   reported as stopped is never launched again.
//! * What the ledger lacks after a crash is only what nobody was told; the runtime's own list of containers, with
//!   our labels on them, has it.

use std::sync::Arc;

use async_trait::async_trait;
use berth_process::entropy::Entropy;
use berth_process::token::proof::Proof;
use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;

use crate::definition::Interner;
use crate::manifest::Set;

pub mod disk;
pub mod memory;
pub mod rules;

use rules::Judgement;

/// What went wrong with the ledger's storage. Without it an agent must not act.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be opened.
    #[error("open the ledger at {path}")]
    Open {
        /// Where it is.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A record could not be read.
    #[error("read {what} from the ledger")]
    Read {
        /// The kind of record.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A change could not be made durable.
    #[error("write {what} to the ledger")]
    Write {
        /// The kind of record.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An image that this agent, and nobody else, brought to the host.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PulledImage {
    /// As the task definition names it.
    pub reference: String,
    /// When it was pulled first.
    pub pulled_at_ms: i64,
    /// When a task used it last.
    pub used_at_ms: i64,
}

/// How far the log of a container was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LogProgress {
    /// The container.
    pub runtime_id: String,
    /// The moment of the last event that arrived, in nanoseconds since 1970.
    pub position_ns: i64,
    /// The container ended, and there is no more of it.
    pub is_done: bool,
}

/// What a store holds when it is opened.
#[derive(Debug, Default)]
pub struct Stored {
    /// What proves that the instance is this one; empty before the first start.
    pub proof: String,
    /// Generation of the manifest.
    pub generation: u64,
    /// The tasks of the manifest.
    pub tasks: Vec<wire::ManifestTask>,
    /// The last report of every task that is not forgotten.
    pub reports: Vec<wire::TaskReport>,
    /// Images that the agent pulled.
    pub images: Vec<PulledImage>,
    /// Where the controllers were when one last told.
    pub controllers: Vec<String>,
    /// How far logs were sent.
    pub logs: Vec<LogProgress>,
}

/// Where a ledger keeps its records. A method returns when the change survives a power loss.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Everything there is.
    fn load(&self) -> Result<Stored, Error>;
    /// Keeps what the id of the instance is made from.
    async fn put_proof(&self, proof: &str) -> Result<(), Error>;
    /// Moves the manifest to another generation, in one piece.
    async fn put_manifest(
        &self,
        generation: u64,
        changed: Vec<wire::ManifestTask>,
        removed: Vec<String>,
    ) -> Result<(), Error>;
    /// Keeps the newest reports of tasks.
    async fn put_reports(&self, reports: Vec<Arc<wire::TaskReport>>) -> Result<(), Error>;
    /// Forgets tasks.
    async fn remove_reports(&self, task_ids: Vec<String>) -> Result<(), Error>;
    /// Keeps what is known of an image.
    async fn put_image(&self, image: PulledImage) -> Result<(), Error>;
    /// Forgets an image.
    async fn remove_image(&self, reference: &str) -> Result<(), Error>;
    /// Keeps where the controllers are.
    async fn put_controllers(&self, addresses: Vec<String>) -> Result<(), Error>;
    /// Keeps how far logs were sent, and forgets those of containers that are gone.
    async fn put_logs(&self, changed: Vec<LogProgress>, gone: Vec<String>) -> Result<(), Error>;
}

/// The ledger of one instance.
pub struct Ledger {
    instance_id: String,
    proof: Proof,
    interner: Arc<Interner>,
    store: Box<dyn Store>,
    manifest: Mutex<Arc<Set>>,
}

/// What was remembered of tasks and images when the ledger was opened.
#[derive(Debug, Default)]
pub struct Remembered {
    /// The last report of every task that is not forgotten.
    pub reports: Vec<wire::TaskReport>,
    /// Images that the agent pulled.
    pub images: Vec<PulledImage>,
    /// Where the controllers were when one last told.
    pub controllers: Vec<String>,
    /// How far logs were sent.
    pub logs: Vec<LogProgress>,
}

/// What the ledger says to a manifest.
#[derive(Debug)]
pub struct Verdict {
    /// What the controller is told.
    pub reply: wire::ManifestReply,
    /// The desired set to follow from now on; none when the manifest was not accepted.
    pub set: Option<Arc<Set>>,
}

// === impl Ledger ===

impl Ledger {
    /// Opens the ledger, and chooses who the instance is when that was not done.
    pub async fn open(
        store: Box<dyn Store>,
        interner: Arc<Interner>,
        entropy: &Entropy,
    ) -> Result<(Self, Remembered), Error> {
        let stored = store.load()?;
        let proof = match stored.proof {
            text if !text.is_empty() => Proof::from_text(text),
            _ => {
                let proof = Proof::new(entropy);
                store.put_proof(proof.text()).await?;
                proof
            }
        };
        let instance_id = proof.id();
        let manifest = wire::Manifest { generation: stored.generation, tasks: stored.tasks };
        let set = Set::from_message(manifest, &interner);
        let ledger = Self { instance_id, proof, interner, store, manifest: Mutex::new(Arc::new(set)) };
        let Stored { reports, images, controllers, logs, .. } = stored;
        Ok((ledger, Remembered { reports, images, controllers, logs }))
    }

    /// The id that this instance has for ever.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// What proves that it is this one.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// The manifest that was accepted last.
    #[must_use]
    pub fn manifest(&self) -> Arc<Set> {
        self.manifest.lock().clone()
    }

    /// Judges a whole manifest and keeps it when it is accepted.
    pub async fn accept(&self, manifest: wire::Manifest) -> Result<Verdict, Error> {
        let generation = manifest.generation;
        let judgement = rules::judge(&self.manifest(), manifest, &self.interner);
        self.follow(generation, judgement).await
    }

    /// Judges a difference and keeps its result when it is accepted.
    pub async fn accept_delta(&self, delta: wire::ManifestDelta) -> Result<Verdict, Error> {
        let generation = delta.to_generation;
        let judgement = rules::judge_delta(&self.manifest(), delta, &self.interner);
        self.follow(generation, judgement).await
    }

    /// Keeps reports, before they are sent.
    pub async fn record(&self, reports: Vec<Arc<wire::TaskReport>>) -> Result<(), Error> {
        self.store.put_reports(reports).await
    }

    /// Forgets tasks that ended, are acknowledged and are not on the manifest.
    pub async fn forget(&self, task_ids: Vec<String>) -> Result<(), Error> {
        self.store.remove_reports(task_ids).await
    }

    /// Keeps what is known of an image.
    pub async fn record_image(&self, image: PulledImage) -> Result<(), Error> {
        self.store.put_image(image).await
    }

    /// Forgets an image.
    pub async fn forget_image(&self, reference: &str) -> Result<(), Error> {
        self.store.remove_image(reference).await
    }

    /// Keeps where the controllers are.
    pub async fn record_controllers(&self, addresses: Vec<String>) -> Result<(), Error> {
        self.store.put_controllers(addresses).await
    }

    /// Keeps how far logs were sent, and forgets those of containers that are gone.
    pub async fn record_logs(&self, changed: Vec<LogProgress>, gone: Vec<String>) -> Result<(), Error> {
        self.store.put_logs(changed, gone).await
    }

    async fn follow(&self, generation: u64, judgement: Judgement) -> Result<Verdict, Error> {
        let (verdict, reason, set) = match judgement {
            Judgement::Accepted { set, changed, removed } => {
                self.store.put_manifest(generation, changed, removed).await?;
                let set = Arc::new(set);
                *self.manifest.lock() = set.clone();
                (wire::manifest_reply::Verdict::Accepted, String::new(), Some(set))
            }
            // Followed again: stop candidates that were lost on the way are found again.
            Judgement::Known => {
                (wire::manifest_reply::Verdict::Accepted, String::new(), Some(self.manifest()))
            }
            Judgement::Refused(reason) => (wire::manifest_reply::Verdict::Refused, reason, None),
            Judgement::Gap(reason) => (wire::manifest_reply::Verdict::Gap, reason, None),
        };
        Ok(Verdict { reply: wire::ManifestReply { generation, verdict: verdict.into(), reason }, set })
    }
}

#[cfg(test)]
mod tests;
