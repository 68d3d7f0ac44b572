//! A runtime without containers: scripted, cheap and deterministic.
//!
//! Unit tests and processes with thousands of agents use it. What a container does is written in the name of its image
//! ([`script`]). Nothing is spawned: whatever is to happen later waits in one list and is delivered by [`events`].
//!
//! [`events`]: Runtime::events

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_proto::agent::v1::RegistryCredentials;
use futures::stream::BoxStream;

use super::progress::PullProgress;
use super::{
    Container, Details, DiskUse, Error, Event, Host, Image, Launch, Listed, LogOptions, LogRecord, Runtime,
    Volume,
};

mod reach;
pub mod script;
mod world;

use script::Script;
use world::{State, World};

/// Exit code of a process that SIGKILL ended.
const KILLED: i32 = 137;

/// How a simulated host behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a container takes to start.
    pub start_latency: Duration,
    /// What the host offers.
    pub host: Host,
}

/// A simulated runtime. Clones are the same runtime: containers outlive the agent that made them.
#[derive(Clone)]
pub struct Sim {
    options: Arc<Options>,
    clock: Clock,
    entropy: Entropy,
    world: Arc<World>,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        // All that a host with Docker can do: what runs there is to be placed here too.
        let of_api =
            (17..=32).map(|minor| format!("com.amazonaws.ecs.capability.docker-remote-api.1.{minor}"));
        let capabilities = [
            "com.amazonaws.ecs.capability.privileged-container",
            "ecs.capability.container-ordering",
            "ecs.capability.container-health-check",
            "ecs.capability.container-restart-policy",
            "ecs.capability.task-cpu-mem-limit",
            "ecs.capability.increased-task-cpu-limit",
            "ecs.capability.network.container-port-range",
        ];
        let host = Host {
            cpus: 4,
            memory_mib: 16_384,
            disk_mib: None,
            os_type: "linux".to_owned(),
            cpu_architecture: "x86_64".to_owned(),
            version: "sim".to_owned(),
            log_drivers: ["json-file", "local", "syslog", "journald", "gelf", "fluentd", "splunk"]
                .map(str::to_owned)
                .into(),
            volume_drivers: vec!["local".to_owned()],
            capabilities: capabilities.map(str::to_owned).into_iter().chain(of_api).collect(),
        };
        Self { start_latency: Duration::ZERO, host }
    }
}

// === impl Sim ===

impl Sim {
    /// A host with no containers.
    #[must_use]
    pub fn new(options: Options, clock: Clock, entropy: Entropy) -> Self {
        Self { options: Arc::new(options), clock, entropy, world: Arc::default() }
    }

    /// Makes the runtime answer nothing, or answer again, as when its daemon is restarted.
    pub fn set_down(&self, is_down: bool) {
        self.world.state.lock().is_down = is_down;
        self.world.changed.notify_waiters();
    }

    /// How many containers were created since the beginning.
    #[must_use]
    pub fn launches(&self) -> u64 {
        self.world.state.lock().launches
    }

    /// Ends a container, as if its process had, with nobody asking.
    pub fn exit(&self, runtime_id: &str, code: i32) {
        let now = self.clock.unix_ms();
        let mut state = self.world.state.lock();
        if state.end(runtime_id, code, false, now) {
            state.announce(runtime_id, code);
        }
        drop(state);
        self.world.changed.notify_waiters();
    }

    fn answers(&self) -> Result<(), Error> {
        self.up().map(drop)
    }

    fn up(&self) -> Result<parking_lot::MutexGuard<'_, State>, Error> {
        let state = self.world.state.lock();
        if state.is_down { Err(Error::Unavailable("it is down".to_owned())) } else { Ok(state) }
    }
}

#[async_trait]
impl Runtime for Sim {
    async fn host(&self) -> Result<Host, Error> {
        self.answers()?;
        Ok(self.options.host.clone())
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, Error> {
        self.answers()?;
        if Script::of(reference).pull_fails {
            return Ok(None);
        }
        Ok(Some(Image { id: reference.to_owned(), digest: String::new() }))
    }

    async fn pull(
        &self,
        reference: &str,
        _: Option<&RegistryCredentials>,
        _: &PullProgress,
    ) -> Result<(), Error> {
        self.answers()?;
        let script = Script::of(reference);
        if !script.pull_latency.is_zero() {
            tokio::time::sleep(script.pull_latency).await;
        }
        if script.pull_fails {
            return Err(Error::Refused(format!("pull access denied for {reference}")));
        }
        Ok(())
    }

    async fn import(&self, _: &str, _: Vec<u8>, _: &str) -> Result<(), Error> {
        self.answers()
    }

    async fn remove_image(&self, _: &str) -> Result<bool, Error> {
        self.answers()?;
        Ok(true)
    }

    async fn create_volume(&self, _: &Volume) -> Result<(), Error> {
        self.up().map(drop)
    }

    async fn remove_volumes(&self, _: &(dyn for<'a> Fn(&'a str) -> bool + Send + Sync)) -> Result<(), Error> {
        self.up().map(drop)
    }

    async fn create(&self, launch: &Launch) -> Result<String, Error> {
        let script = Script::of(launch.definition.image());
        if script.create_fails {
            return Err(Error::Refused("the script says so".to_owned()));
        }
        let mut state = self.up()?;
        if let Some(id) = state.names.get(&launch.name) {
            return Ok(id.clone());
        }
        let id = format!("{:032x}{:032x}", self.entropy.u128(), self.entropy.u128());
        state.launches += 1;
        let container = state.simulate(launch, script);
        state.names.insert(launch.name.clone(), id.clone());
        state.containers.insert(id.clone(), container);
        Ok(id)
    }

    async fn start(&self, runtime_id: &str) -> Result<(), Error> {
        self.answers()?;
        if !self.options.start_latency.is_zero() {
            tokio::time::sleep(self.options.start_latency).await;
        }
        let now = self.clock.unix_ms();
        let started = self.up()?.start(runtime_id, now);
        self.world.changed.notify_waiters();
        started
    }

    async fn stop(&self, runtime_id: &str, timeout: Option<Duration>) -> Result<(), Error> {
        let (needs, patience, run) = {
            let state = self.up()?;
            let container = state.find(runtime_id)?;
            (container.script.stop_latency, timeout.unwrap_or(container.stop_timeout), container.run)
        };
        let (wait, code) = match needs {
            Some(needs) if needs <= patience => (needs, 0),
            Some(_) | None => (patience, KILLED),
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let now = self.clock.unix_ms();
        {
            let mut state = self.up()?;
            if state.find(runtime_id)?.run == run && state.end(runtime_id, code, false, now) {
                state.announce(runtime_id, code);
            }
        }
        self.world.changed.notify_waiters();
        Ok(())
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), Error> {
        let mut state = self.up()?;
        if let Some(container) = state.containers.remove(runtime_id) {
            state.names.remove(&*container.name);
        }
        Ok(())
    }

    async fn inspect(&self, runtime_id: &str) -> Result<Option<Container>, Error> {
        let state = self.up()?;
        Ok(state.containers.get(runtime_id).map(|container| container.describe(runtime_id)))
    }

    async fn list(&self) -> Result<Vec<Listed>, Error> {
        let state = self.up()?;
        let listed = state.containers.iter().map(|(id, container)| Listed {
            runtime_id: id.clone(),
            labels: container.labels(),
            status: container.status,
        });
        Ok(listed.collect())
    }

    fn events(&self) -> BoxStream<'static, Event> {
        let sim = self.clone();
        let begin = futures::stream::iter([Event::Resync]);
        let later = futures::stream::unfold(sim, |sim| async move {
            let event = sim.world.next_event(&sim.clock).await;
            Some((event, sim))
        });
        Box::pin(futures::StreamExt::chain(begin, later))
    }

    fn logs(&self, runtime_id: &str, _: LogOptions) -> BoxStream<'static, Result<LogRecord, Error>> {
        let bytes = bytes::Bytes::from(format!("container {runtime_id} is simulated and says nothing\n"));
        let record = LogRecord {
            is_stderr: false,
            at_ns: self.clock.unix_ms().saturating_mul(1_000_000),
            bytes,
            is_after_gap: false,
        };
        Box::pin(futures::stream::iter([Ok(record)]))
    }

    /// A simulated container has nothing that could be described.
    async fn describe(&self, _: &str) -> Result<Option<Details>, Error> {
        Ok(None)
    }

    /// A simulated container uses nothing.
    async fn stats(&self, _: &str) -> Result<Option<serde_json::Value>, Error> {
        Ok(None)
    }

    async fn disk_use(&self) -> Option<DiskUse> {
        None
    }
}
