//! A store without a disk, for simulated agents: thousands of them cost nothing.
//!
//! It keeps only the id of the instance. Everything else has to survive the process to be of use, and so do
//! the containers it speaks of: those of the simulated runtime do not. A [`Shared`] store keeps everything, for tests
//! that end an agent and start it again.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use berth_proto::agent::v1 as wire;
use parking_lot::Mutex;

use super::{Error, LogProgress, PulledImage, Store, Stored};

/// Forgets everything but the id.
#[derive(Debug, Default)]
pub struct Forgetful;

/// Remembers everything for as long as a clone of it lives.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    records: Arc<Mutex<Records>>,
}

#[derive(Debug, Default)]
struct Records {
    proof: String,
    generation: u64,
    tasks: BTreeMap<String, wire::ManifestTask>,
    reports: BTreeMap<String, wire::TaskReport>,
    images: BTreeMap<String, PulledImage>,
    controllers: Vec<String>,
    logs: BTreeMap<String, LogProgress>,
}

// === impl Forgetful ===

#[async_trait]
impl Store for Forgetful {
    fn load(&self) -> Result<Stored, Error> {
        Ok(Stored::default())
    }

    async fn put_proof(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn put_manifest(&self, _: u64, _: Vec<wire::ManifestTask>, _: Vec<String>) -> Result<(), Error> {
        Ok(())
    }

    async fn put_reports(&self, _: Vec<Arc<wire::TaskReport>>) -> Result<(), Error> {
        Ok(())
    }

    async fn remove_reports(&self, _: Vec<String>) -> Result<(), Error> {
        Ok(())
    }

    async fn put_image(&self, _: PulledImage) -> Result<(), Error> {
        Ok(())
    }

    async fn remove_image(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn put_controllers(&self, _: Vec<String>) -> Result<(), Error> {
        Ok(())
    }

    async fn put_logs(&self, _: Vec<LogProgress>, _: Vec<String>) -> Result<(), Error> {
        Ok(())
    }
}

// === impl Shared ===

#[async_trait]
impl Store for Shared {
    fn load(&self) -> Result<Stored, Error> {
        let records = self.records.lock();
        Ok(Stored {
            proof: records.proof.clone(),
            generation: records.generation,
            tasks: records.tasks.values().cloned().collect(),
            reports: records.reports.values().cloned().collect(),
            images: records.images.values().cloned().collect(),
            controllers: records.controllers.clone(),
            logs: records.logs.values().cloned().collect(),
        })
    }

    async fn put_proof(&self, proof: &str) -> Result<(), Error> {
        proof.clone_into(&mut self.records.lock().proof);
        Ok(())
    }

    async fn put_manifest(
        &self,
        generation: u64,
        changed: Vec<wire::ManifestTask>,
        removed: Vec<String>,
    ) -> Result<(), Error> {
        let mut records = self.records.lock();
        records.generation = generation;
        records.tasks.retain(|id, _| !removed.contains(id));
        records.tasks.extend(changed.into_iter().map(|task| (task.task_id.clone(), task)));
        Ok(())
    }

    async fn put_reports(&self, reports: Vec<Arc<wire::TaskReport>>) -> Result<(), Error> {
        let reports = reports.into_iter().map(|report| (report.task_id.clone(), (*report).clone()));
        self.records.lock().reports.extend(reports);
        Ok(())
    }

    async fn remove_reports(&self, task_ids: Vec<String>) -> Result<(), Error> {
        self.records.lock().reports.retain(|id, _| !task_ids.contains(id));
        Ok(())
    }

    async fn put_image(&self, image: PulledImage) -> Result<(), Error> {
        self.records.lock().images.insert(image.reference.clone(), image);
        Ok(())
    }

    async fn remove_image(&self, reference: &str) -> Result<(), Error> {
        self.records.lock().images.remove(reference);
        Ok(())
    }

    async fn put_controllers(&self, addresses: Vec<String>) -> Result<(), Error> {
        self.records.lock().controllers = addresses;
        Ok(())
    }

    async fn put_logs(&self, changed: Vec<LogProgress>, gone: Vec<String>) -> Result<(), Error> {
        let mut records = self.records.lock();
        records.logs.retain(|id, _| !gone.contains(id));
        records.logs.extend(changed.into_iter().map(|progress| (progress.runtime_id.clone(), progress)));
        Ok(())
    }
}
