//! The store of a real agent: sled, one tree a concern.
//!
//! sled's own flush does not survive a power loss, so every change is flushed and then the `db` file is synced. Changes
//! that wait while another is being synced share the next sync.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;
use prost::Message as _;

use super::{Error, LogProgress, PulledImage, Store, Stored};

/// Most of what a ledger holds is read once, at start.
const CACHE_BYTES: u64 = 4 << 20;
/// No task id has this form, so the generation can live in the tree of the manifest and change with it in one piece.
const GENERATION: &[u8] = b"\0generation";
const PROOF: &[u8] = b"proof";
const CONTROLLERS: &[u8] = b"controllers";

/// A ledger in a directory.
#[derive(Clone)]
pub struct Disk {
    inner: Arc<Inner>,
}

struct Inner {
    db: sled::Db,
    instance: sled::Tree,
    manifest: sled::Tree,
    reports: sled::Tree,
    images: sled::Tree,
    logs: sled::Tree,
    sync: Mutex<Sync>,
    /// Counts changes, so that a change knows whether a sync that began after it has ended.
    written: std::sync::atomic::AtomicU64,
}

struct Sync {
    file: File,
    synced: u64,
}

type Cause = Box<dyn std::error::Error + Send + std::marker::Sync>;

/// How often a database is tried that another process holds, and how long it is between.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

fn open_when_left(dir: &Path) -> sled::Result<sled::Db> {
    let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    for _ in 1..ATTEMPTS {
        match config.open() {
            // sled has no other word for a lock that somebody holds.
            Err(sled::Error::Io(error)) if error.to_string().contains("could not acquire lock") => {
                std::thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
    config.open()
}

// === impl Disk ===

impl Disk {
    /// Opens the ledger in this directory, which no other process may have open. One that was killed a moment ago may not
    /// have let go of it yet: it is waited for, a few seconds.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let open = || -> Result<Inner, Cause> {
            std::fs::create_dir_all(dir)?;
            let db = open_when_left(dir)?;
            Ok(Inner {
                instance: db.open_tree("instance")?,
                manifest: db.open_tree("manifest")?,
                reports: db.open_tree("reports")?,
                images: db.open_tree("images")?,
                logs: db.open_tree("logs")?,
                sync: Mutex::new(Sync { file: File::open(dir.join("db"))?, synced: 0 }),
                written: std::sync::atomic::AtomicU64::new(0),
                db,
            })
        };
        let inner = open().map_err(|source| Error::Open { path: dir.display().to_string(), source })?;
        Ok(Self { inner: Arc::new(inner) })
    }

    async fn change(
        &self,
        what: &'static str,
        change: impl FnOnce(&Inner) -> Result<(), Cause> + Send + 'static,
    ) -> Result<(), Error> {
        let inner = self.inner.clone();
        let write = move || -> Result<(), Cause> {
            change(&inner)?;
            inner.make_durable()
        };
        let ended = tokio::task::spawn_blocking(write).await;
        ended.map_err(Cause::from).and_then(|result| result).map_err(|source| Error::Write { what, source })
    }
}

#[async_trait]
impl Store for Disk {
    fn load(&self) -> Result<Stored, Error> {
        self.inner.load().map_err(|source| Error::Read { what: "its records", source })
    }

    async fn put_proof(&self, proof: &str) -> Result<(), Error> {
        let proof = proof.as_bytes().to_vec();
        self.change("who the instance is", move |inner| {
            inner.instance.insert(PROOF, proof)?;
            Ok(())
        })
        .await
    }

    async fn put_manifest(
        &self,
        generation: u64,
        changed: Vec<wire::ManifestTask>,
        removed: Vec<String>,
    ) -> Result<(), Error> {
        self.change("a manifest", move |inner| {
            let mut batch = sled::Batch::default();
            removed.iter().for_each(|id| batch.remove(id.as_bytes()));
            changed.iter().for_each(|task| batch.insert(task.task_id.as_bytes(), task.encode_to_vec()));
            batch.insert(GENERATION, &generation.to_be_bytes());
            Ok(inner.manifest.apply_batch(batch)?)
        })
        .await
    }

    async fn put_reports(&self, reports: Vec<Arc<wire::TaskReport>>) -> Result<(), Error> {
        self.change("reports", move |inner| {
            let mut batch = sled::Batch::default();
            reports.iter().for_each(|report| batch.insert(report.task_id.as_bytes(), report.encode_to_vec()));
            Ok(inner.reports.apply_batch(batch)?)
        })
        .await
    }

    async fn remove_reports(&self, task_ids: Vec<String>) -> Result<(), Error> {
        self.change("forgotten tasks", move |inner| {
            let mut batch = sled::Batch::default();
            task_ids.iter().for_each(|id| batch.remove(id.as_bytes()));
            Ok(inner.reports.apply_batch(batch)?)
        })
        .await
    }

    async fn put_image(&self, image: PulledImage) -> Result<(), Error> {
        self.change("an image", move |inner| {
            inner.images.insert(image.reference.as_bytes(), serde_json::to_vec(&image)?)?;
            Ok(())
        })
        .await
    }

    async fn remove_image(&self, reference: &str) -> Result<(), Error> {
        let reference = reference.to_owned();
        self.change("a forgotten image", move |inner| {
            inner.images.remove(reference.as_bytes())?;
            Ok(())
        })
        .await
    }

    async fn put_controllers(&self, addresses: Vec<String>) -> Result<(), Error> {
        self.change("where the controllers are", move |inner| {
            inner.instance.insert(CONTROLLERS, serde_json::to_vec(&addresses)?)?;
            Ok(())
        })
        .await
    }

    async fn put_logs(&self, changed: Vec<LogProgress>, gone: Vec<String>) -> Result<(), Error> {
        self.change("how far logs were sent", move |inner| {
            let mut batch = sled::Batch::default();
            gone.iter().for_each(|id| batch.remove(id.as_bytes()));
            for progress in changed {
                batch.insert(progress.runtime_id.as_bytes(), serde_json::to_vec(&progress)?);
            }
            Ok(inner.logs.apply_batch(batch)?)
        })
        .await
    }
}

// === impl Inner ===

impl Inner {
    fn make_durable(&self) -> Result<(), Cause> {
        use std::sync::atomic::Ordering::SeqCst;
        let mine = self.written.fetch_add(1, SeqCst) + 1;
        let mut sync = self.sync.lock();
        if sync.synced >= mine {
            return Ok(());
        }
        let covered = self.written.load(SeqCst);
        self.db.flush()?;
        sync.file.sync_data()?;
        sync.synced = covered;
        Ok(())
    }

    fn load(&self) -> Result<Stored, Cause> {
        let mut stored = Stored::default();
        if let Some(proof) = self.instance.get(PROOF)? {
            stored.proof = String::from_utf8(proof.to_vec())?;
        }
        if let Some(addresses) = self.instance.get(CONTROLLERS)? {
            stored.controllers = serde_json::from_slice(&addresses)?;
        }
        for record in &self.manifest {
            let (key, value) = record?;
            if *key == *GENERATION {
                stored.generation = u64::from_be_bytes(value.as_ref().try_into()?);
            } else {
                stored.tasks.push(wire::ManifestTask::decode(value.as_ref())?);
            }
        }
        for record in &self.reports {
            stored.reports.push(wire::TaskReport::decode(record?.1.as_ref())?);
        }
        for record in &self.images {
            stored.images.push(serde_json::from_slice(record?.1.as_ref())?);
        }
        for record in &self.logs {
            stored.logs.push(serde_json::from_slice(record?.1.as_ref())?);
        }
        Ok(stored)
    }
}
