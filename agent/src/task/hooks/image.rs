//! The image of a container: pulled as the agent's pull behaviour wants it, once at a time.
//!
//! What holds true: one pull of an image at a time, which everybody who wants it waits for, and a bound on pulls in
//! all. With the default behaviour an image that cannot be pulled and is on the host is used as it is, so locally
//! built images need no registry.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use berth_process::clock::Clock;
use berth_proto::agent::v1::RegistryCredentials;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::ledger::{Ledger, PulledImage};
use crate::limits;
use crate::runtime::progress::{Progress, PullProgress};
use crate::runtime::{Error, Image, Runtime};

/// How long an image that could not be pulled is used from the host without asking again: a burst of tasks does
/// not wait for the registry once a task.
const FAILURE_MEMORY: Duration = Duration::from_secs(60);
/// How far the time of an image's last use may lag behind on disk.
const USE_RESOLUTION_MS: i64 = 10 * 60 * 1_000;

/// When an image is pulled: the ECS agent's `ECS_IMAGE_PULL_BEHAVIOR`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum PullBehavior {
    /// Always; if that fails and the host has the image, that one is used.
    #[default]
    Default,
    /// Always; if that fails, so does the task.
    Always,
    /// Unless this agent pulled it before.
    Once,
    /// Unless the host has it.
    PreferCached,
}

type Pull = Shared<BoxFuture<'static, Result<Image, Error>>>;

/// Brings images to the host.
pub struct Images {
    behavior: PullBehavior,
    runtime: Arc<dyn Runtime>,
    ledger: Arc<Ledger>,
    clock: Clock,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

struct UnderWay {
    reference: String,
    credentials: Option<RegistryCredentials>,
    since_ms: i64,
    progress: Arc<PullProgress>,
    pull: Pull,
}

#[derive(Default)]
struct State {
    under_way: Vec<UnderWay>,
    failures: HashMap<String, Instant>,
    /// Pulled since this agent started, whoever brought the image to the host first.
    fresh: BTreeSet<String>,
    pulled: BTreeMap<String, PulledImage>,
}

// === impl Images ===

impl Images {
    /// Images as an agent with this ledger left them.
    #[must_use]
    pub fn new(
        behavior: PullBehavior,
        concurrency: usize,
        runtime: Arc<dyn Runtime>,
        ledger: Arc<Ledger>,
        clock: Clock,
        pulled: Vec<PulledImage>,
    ) -> Arc<Self> {
        let pulled = pulled.into_iter().map(|image| (image.reference.clone(), image)).collect();
        let state = State { pulled, ..State::default() };
        let permits = Arc::new(Semaphore::new(concurrency));
        Arc::new(Self { behavior, runtime, ledger, clock, permits, state: Mutex::new(state) })
    }

    /// The image, pulled if it has to be, with these credentials. Who has others pulls by itself.
    pub async fn ensure(
        self: &Arc<Self>,
        reference: &str,
        credentials: Option<&RegistryCredentials>,
    ) -> Result<Image, Error> {
        let pull = {
            let mut state = self.state.lock();
            let is_same = |under_way: &&UnderWay| {
                under_way.reference == reference && under_way.credentials.as_ref() == credentials
            };
            match state.under_way.iter().find(is_same) {
                Some(under_way) => under_way.pull.clone(),
                None => {
                    let (reference, credentials) = (reference.to_owned(), credentials.cloned());
                    let progress = Arc::<PullProgress>::default();
                    let get = self.clone().get(reference.clone(), credentials.clone(), progress.clone());
                    let pull = get.boxed().shared();
                    let since_ms = self.clock.unix_ms();
                    let under_way =
                        UnderWay { reference, credentials, since_ms, progress, pull: pull.clone() };
                    state.under_way.push(under_way);
                    pull
                }
            }
        };
        let result = pull.clone().await;
        let mut state = self.state.lock();
        state.under_way.retain(|under_way| !under_way.pull.ptr_eq(&pull));
        result
    }

    /// Since when an image is being brought to the host, and how far that is.
    #[must_use]
    pub fn progress(&self, reference: &str) -> Option<(i64, Progress)> {
        let state = self.state.lock();
        let under_way = state.under_way.iter().find(|under_way| under_way.reference == reference)?;
        Some((under_way.since_ms, under_way.progress.told()))
    }

    /// Brings images that the host does not have, one after the other; what fails is tried again when a task wants it.
    pub async fn fetch_ahead(self: &Arc<Self>, references: &[String]) {
        for reference in references {
            let is_here = !matches!(self.runtime.image(reference).await, Ok(None));
            if is_here {
                continue;
            }
            match self.ensure(reference, None).await {
                Ok(_) => tracing::info!(image = reference, "fetched an image ahead of its tasks"),
                Err(error) => {
                    tracing::info!(image = reference, error = %error, "cannot fetch an image ahead")
                }
            }
        }
    }

    /// Images that this agent pulled, the one that was used least recently first.
    #[must_use]
    pub fn pulled(&self) -> Vec<PulledImage> {
        let mut pulled: Vec<_> = self.state.lock().pulled.values().cloned().collect();
        pulled.sort_by_key(|image| image.used_at_ms);
        pulled
    }

    /// Forgets an image that was removed.
    pub async fn forget(&self, reference: &str) -> Result<(), crate::ledger::Error> {
        self.state.lock().pulled.remove(reference);
        self.ledger.forget_image(reference).await
    }

    /// As if this agent had pulled it then.
    #[cfg(test)]
    pub(crate) fn adopt_for_test(&self, reference: &str, at_ms: i64) {
        let image = PulledImage { reference: reference.to_owned(), pulled_at_ms: at_ms, used_at_ms: at_ms };
        self.state.lock().pulled.insert(reference.to_owned(), image);
    }

    async fn get(
        self: Arc<Self>,
        reference: String,
        credentials: Option<RegistryCredentials>,
        progress: Arc<PullProgress>,
    ) -> Result<Image, Error> {
        let cached = self.runtime.image(&reference).await?;
        let image = match cached {
            Some(cached) if self.may_use(&reference) => cached,
            cached => self.pull(&reference, credentials.as_ref(), cached, &progress).await?,
        };
        self.note_use(&reference).await;
        Ok(image)
    }

    /// Whether the image that the host has is good without asking the registry.
    fn may_use(&self, reference: &str) -> bool {
        // A digest names the content itself.
        if reference.contains("@sha256:") && self.behavior != PullBehavior::Always {
            return true;
        }
        let state = self.state.lock();
        match self.behavior {
            PullBehavior::PreferCached => true,
            PullBehavior::Once => state.pulled.contains_key(reference) || state.fresh.contains(reference),
            PullBehavior::Default => {
                state.failures.get(reference).is_some_and(|at| at.elapsed() < FAILURE_MEMORY)
            }
            PullBehavior::Always => false,
        }
    }

    async fn pull(
        &self,
        reference: &str,
        credentials: Option<&RegistryCredentials>,
        cached: Option<Image>,
        progress: &PullProgress,
    ) -> Result<Image, Error> {
        let _permit = self.permits.acquire().await;
        let pull = self.runtime.pull(reference, credentials, progress);
        let pulled = tokio::time::timeout(limits::PULL_TIMEOUT, pull).await;
        let failure = match pulled {
            Ok(Ok(())) => {
                self.note_pull(reference, cached.is_some()).await;
                let image = self.runtime.image(reference).await?;
                return image.ok_or_else(|| Error::NotFound(format!("No such image: {reference}")));
            }
            Ok(Err(error @ Error::Unavailable(_))) => return Err(error),
            Ok(Err(error)) => error,
            Err(_) => {
                Error::Refused(format!("timed out after {} minutes", limits::PULL_TIMEOUT.as_secs() / 60))
            }
        };
        let Some(cached) = cached.filter(|_| self.behavior != PullBehavior::Always) else {
            return Err(failure);
        };
        tracing::info!(image = reference, error = %failure, "cannot pull; using the image that the host has");
        let mut state = self.state.lock();
        state.failures.retain(|_, at| at.elapsed() < FAILURE_MEMORY);
        if state.failures.len() < limits::REMEMBERED_PULLS {
            state.failures.insert(reference.to_owned(), Instant::now());
        }
        Ok(cached)
    }

    /// An image that was on the host before is somebody's, and is never cleaned up.
    async fn note_pull(&self, reference: &str, was_here: bool) {
        let now = self.clock.unix_ms();
        let image = PulledImage { reference: reference.to_owned(), pulled_at_ms: now, used_at_ms: now };
        {
            let mut state = self.state.lock();
            state.failures.remove(reference);
            if state.fresh.len() < limits::REMEMBERED_PULLS {
                state.fresh.insert(reference.to_owned());
            }
            if was_here || state.pulled.contains_key(reference) {
                return;
            }
            state.pulled.insert(reference.to_owned(), image.clone());
        }
        self.record(image).await;
    }

    async fn note_use(&self, reference: &str) {
        let now = self.clock.unix_ms();
        let image = {
            let mut state = self.state.lock();
            let Some(image) = state.pulled.get_mut(reference) else { return };
            if now - image.used_at_ms < USE_RESOLUTION_MS {
                return;
            }
            image.used_at_ms = now;
            image.clone()
        };
        self.record(image).await;
    }

    async fn record(&self, image: PulledImage) {
        let reference = image.reference.clone();
        if let Err(error) = self.ledger.record_image(image).await {
            // It is not lost, only never cleaned up after a restart.
            tracing::warn!(image = reference, error = %berth_process::telemetry::chain(&error), "cannot record an image");
        }
    }
}
