//! Dead containers and unused images leave the host: by age, and sooner when the disk fills.
//!
//! Only containers with the label of this instance are looked at, only those of tasks that have ended, and only images
//! that this agent brought here. Anybody else's are not touched, whatever the disk says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use berth_process::clock::Clock;
use tokio_util::sync::CancellationToken;

use crate::engine::Handle;
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::runtime::{Error, Listed, Runtime, Status, label};
use crate::task::hooks::image::Images;
use crate::task_files::TaskFiles;

pub mod disk;

/// A dead container is kept this long even on a full disk: long enough for its exit and its last lines to be seen.
const LEAST_CONTAINER_AGE: Duration = Duration::from_secs(60);
/// An image is kept this long even on a full disk: long enough for a task that wants it to be created.
const LEAST_IMAGE_AGE: Duration = Duration::from_secs(5 * 60);
/// How often the disk is looked at.
const DISK_PERIOD: Duration = Duration::from_secs(60);

/// When things are cleaned up. The defaults are the ECS agent's.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a dead container is kept.
    pub container_wait: Duration,
    /// How often images are looked at.
    pub image_interval: Duration,
    /// How long an unused image is kept.
    pub image_minimum_age: Duration,
    /// Images that are removed at a time.
    pub images_per_cycle: usize,
    /// How full the disk may be.
    pub disk_pressure_percent: u64,
}

/// What a cleanup works with.
pub struct Parts {
    /// Whose containers, volumes and images they are.
    pub runtime: Arc<dyn Runtime>,
    /// Which images were brought here.
    pub images: Arc<Images>,
    /// Knows which tasks have not ended.
    pub engine: Handle,
    /// What of logs has yet to be sent.
    pub logs: Option<Arc<Logs>>,
    /// Files that were made for containers.
    pub files: Option<Arc<TaskFiles>>,
    /// Tells ages.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Cleans up.
pub struct Cleanup {
    options: Options,
    parts: Parts,
    /// When each dead container ended, or was first seen if it never ran.
    ended: BTreeMap<String, i64>,
    /// When images were looked at last.
    images_at_ms: i64,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            container_wait: Duration::from_secs(3 * 60 * 60),
            image_interval: Duration::from_secs(30 * 60),
            image_minimum_age: Duration::from_secs(60 * 60),
            images_per_cycle: 5,
            disk_pressure_percent: 85,
        }
    }
}

// === impl Cleanup ===

impl Cleanup {
    /// A cleanup that has not looked yet.
    #[must_use]
    pub fn new(options: Options, parts: Parts) -> Self {
        let images_at_ms = parts.clock.unix_ms();
        Self { options, parts, ended: BTreeMap::new(), images_at_ms }
    }

    /// Looks again and again, until the shutdown.
    pub async fn run(mut self, token: CancellationToken) -> Result<(), std::convert::Infallible> {
        let mut ticks = tokio::time::interval(self.period());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Cancel-safe, both.
            tokio::select! {
                biased;
                () = token.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.look().await {
                tracing::debug!(error = %error, "cannot clean up now");
            }
        }
    }

    /// One round.
    pub async fn look(&mut self) -> Result<(), Error> {
        let is_under_pressure = self.is_under_pressure().await;
        // Without the engine nobody knows what may go.
        let Some(active) = self.parts.engine.active().await else { return Ok(()) };
        if let Some(files) = &self.parts.files
            && let Err(error) = files.retain(|task| active.contains(task))
        {
            tracing::warn!(error = %error, "cannot list the files of tasks");
        }
        let wait = if is_under_pressure {
            self.options.container_wait.min(LEAST_CONTAINER_AGE)
        } else {
            self.options.container_wait
        };
        self.remove_containers(&active, wait).await?;
        let now = self.parts.clock.unix_ms();
        if is_under_pressure || now - self.images_at_ms >= millis(self.options.image_interval) {
            self.images_at_ms = now;
            self.remove_images(is_under_pressure).await?;
        }
        Ok(())
    }

    /// Often enough for either age, and for a disk that fills.
    fn period(&self) -> Duration {
        let shortest = self.options.container_wait.min(self.options.image_interval) / 10;
        shortest.clamp(Duration::from_secs(1), DISK_PERIOD)
    }

    async fn is_under_pressure(&self) -> bool {
        let disk = self.parts.runtime.disk_use().await;
        let percent = disk.map_or(0, |disk| disk.percent());
        let is_under_pressure = percent >= self.options.disk_pressure_percent;
        if is_under_pressure {
            tracing::warn!(percent, "the disk is filling up; cleaning up early");
        }
        is_under_pressure
    }

    async fn remove_containers(&mut self, active: &BTreeSet<String>, wait: Duration) -> Result<(), Error> {
        let listed = self.parts.runtime.list().await?;
        let task_of = |listed: &Listed| listed.labels.get(label::TASK).cloned().unwrap_or_default();
        self.ended.retain(|id, _| listed.iter().any(|listed| listed.runtime_id == *id));
        let mut kept = active.clone();
        let mut removed = 0;
        for container in &listed {
            let is_dead = container.status != Status::Running && !active.contains(&task_of(container));
            let is_unsent =
                self.parts.logs.as_ref().is_some_and(|logs| logs.is_unsent(&container.runtime_id));
            if !is_dead || is_unsent || !self.is_due(&container.runtime_id, wait).await? {
                kept.insert(task_of(container));
                continue;
            }
            self.parts.runtime.remove(&container.runtime_id).await?;
            self.ended.remove(&container.runtime_id);
            removed += 1;
        }
        if removed > 0 {
            tracing::info!(containers = removed, "removed dead containers");
            self.parts.metrics.containers_removed(removed);
        }
        self.parts.runtime.remove_volumes(&|task| !kept.contains(task)).await
    }

    async fn is_due(&mut self, runtime_id: &str, wait: Duration) -> Result<bool, Error> {
        let now = self.parts.clock.unix_ms();
        let ended = match self.ended.get(runtime_id) {
            Some(ended) => *ended,
            None => {
                let found = self.parts.runtime.inspect(runtime_id).await?;
                let ended = found.and_then(|found| found.finished_at_ms).unwrap_or(now);
                self.ended.insert(runtime_id.to_owned(), ended);
                ended
            }
        };
        Ok(now - ended >= millis(wait))
    }

    async fn remove_images(&self, is_under_pressure: bool) -> Result<(), Error> {
        let least_age = if is_under_pressure {
            self.options.image_minimum_age.min(LEAST_IMAGE_AGE)
        } else {
            self.options.image_minimum_age
        };
        let now = self.parts.clock.unix_ms();
        let mut removed = 0;
        for image in self.parts.images.pulled() {
            let age_ms = now - image.pulled_at_ms.max(image.used_at_ms);
            if removed >= self.options.images_per_cycle || age_ms < millis(least_age) {
                break;
            }
            // A container that uses it protects it.
            if self.parts.runtime.remove_image(&image.reference).await? {
                removed += 1;
                tracing::info!(image = image.reference, "removed an unused image");
                if let Err(error) = self.parts.images.forget(&image.reference).await {
                    tracing::warn!(error = %berth_process::telemetry::chain(&error), "cannot forget an image");
                }
            }
        }
        self.parts.metrics.images_removed(removed);
        Ok(())
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
