//! The Docker runtime: the only place that names bollard.
//!
//! Docker may be absent when the agent starts and may go away and come back at any time; then every operation answers
//! [`Error::Unavailable`] and is repeated by its caller.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use berth_process::clock::Clock;
use berth_proto::agent::v1::RegistryCredentials;
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, ListVolumesOptions, RemoveContainerOptions,
    RemoveVolumeOptions, StopContainerOptions,
};
use bollard::{API_DEFAULT_VERSION, Docker as Client, models};
use futures::FutureExt as _;
use futures::stream::BoxStream;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::progress::PullProgress;
use super::{
    Backlog, Container, Details, DiskUse, Error, Event, Host, Image, Launch, Listed, LogOptions, LogRecord,
    Runtime, Unread, Volume, label,
};
use crate::limits;

mod container;
mod describe;
mod error;
mod events;
mod exec;
mod files;
mod host;
mod image;
mod logfile;
mod logs;
mod network;
mod ranges;
mod reach;
mod state;
mod volume;

use error::{explain, is_about_storage, is_status};
use logfile::LogFile;
use ranges::Ranges;

/// Docker on this host.
pub struct Docker {
    endpoint: String,
    instance_id: String,
    clock: Clock,
    client: Mutex<Option<Client>>,
    ranges: Arc<Ranges>,
}

// === impl Docker ===

impl Docker {
    /// Docker at an address such as `unix:///var/run/docker.sock`, seen by one instance. Nothing is connected yet.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, instance_id: impl Into<String>, clock: Clock) -> Self {
        Self {
            endpoint: endpoint.into(),
            instance_id: instance_id.into(),
            clock,
            client: Mutex::default(),
            ranges: Arc::default(),
        }
    }

    /// A client that speaks a version which the engine understands.
    async fn client(&self) -> Result<Client, Error> {
        if let Some(client) = self.client.lock().clone() {
            return Ok(client);
        }
        let timeout_s = limits::QUESTION_TIMEOUT.as_secs();
        let connected = if self.is_local() {
            Client::connect_with_unix(&self.endpoint, timeout_s, API_DEFAULT_VERSION)
        } else {
            Client::connect_with_http(&self.endpoint, timeout_s, API_DEFAULT_VERSION)
        };
        let client = connected.map_err(explain)?.negotiate_version().await.map_err(explain)?;
        *self.client.lock() = Some(client.clone());
        Ok(client)
    }

    /// Whether it is on this host.
    fn is_local(&self) -> bool {
        self.endpoint.starts_with("unix://")
    }

    async fn client_with_timeout(&self, timeout: Duration) -> Result<Client, Error> {
        Ok(self.client().await?.with_timeout(timeout))
    }

    fn own(&self) -> HashMap<String, Vec<String>> {
        let own = format!("{}={}", label::CONTAINER_INSTANCE, self.instance_id);
        HashMap::from([("label".to_owned(), vec![own])])
    }

    async fn inspect_any(&self, id_or_name: &str) -> Result<Option<models::ContainerInspectResponse>, Error> {
        match self.client().await?.inspect_container(id_or_name, None).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_status(&error, 404) => Ok(None),
            Err(error) => Err(explain(error)),
        }
    }

    async fn is_paused(&self, runtime_id: &str) -> Result<bool, Error> {
        let state = self.inspect_any(runtime_id).await?.and_then(|found| found.state);
        Ok(state.and_then(|state| state.paused) == Some(true))
    }

    /// The files that a container's log is kept in, if they are within reach.
    async fn log_file(&self, runtime_id: &str, since_ns: i64, backlog: &Backlog) -> Option<LogFile> {
        if !self.is_local() {
            return None;
        }
        let found = self.inspect_any(runtime_id).await.ok()??;
        let path = found.log_path.filter(|path| !path.is_empty())?;
        let open = move || LogFile::open(Path::new(&path), since_ns).ok();
        let file = tokio::task::spawn_blocking(open).await.ok()??;
        let config = found.host_config.and_then(|host| host.log_config).and_then(|log| log.config);
        if let Some(most_bytes) = config.and_then(|config| logfile::most_bytes(&config)) {
            let place = file.place();
            backlog.ask(move || Some(Unread { bytes: place.unread().ok()?, most_bytes }));
        }
        Some(file)
    }

    /// Chooses ports of the host for the port ranges of a launch, when it has some to publish.
    async fn choose_ranges(&self, launch: &Launch) -> Result<Option<ranges::Promise>, Error> {
        if !ranges::are_needed(launch) {
            return Ok(None);
        }
        // What is free on another host cannot be seen from here; its Docker will say.
        let is_here = self.is_local();
        let (chooser, launch) = (self.ranges.clone(), launch.clone());
        let choose = move || {
            let is_free = move |udp, port| !is_here || ranges::is_free(udp, port);
            let choice =
                ranges::Choice { dynamic: ranges::dynamic(), taken: &launch.taken_ports, is_free: &is_free };
            chooser.choose(&launch, &choice)
        };
        let chosen = tokio::task::spawn_blocking(choose).await;
        chosen.map_err(|error| Error::Unavailable(format!("choose host ports: {error}")))?.map(Some)
    }

    /// The container that an earlier attempt made under this name, when it is of the same task.
    async fn made_before(&self, launch: &Launch) -> Result<Option<String>, Error> {
        let Some(found) = self.inspect_any(&launch.name).await? else { return Ok(None) };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let is_same = [label::CONTAINER_INSTANCE, label::TASK, label::CONTAINER_NAME]
            .iter()
            .all(|key| labels.get(*key) == launch.labels.get(*key));
        Ok(found.id.filter(|_| is_same))
    }
}

#[async_trait]
impl Runtime for Docker {
    async fn host(&self) -> Result<Host, Error> {
        host::describe(&self.client().await?, self.is_local()).await
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, Error> {
        image::find(&self.client().await?, reference).await
    }

    async fn pull(
        &self,
        reference: &str,
        credentials: Option<&RegistryCredentials>,
        progress: &PullProgress,
    ) -> Result<(), Error> {
        let client = self.client_with_timeout(limits::PULL_TIMEOUT).await?;
        image::pull(&client, reference, credentials, progress).await
    }

    async fn import(&self, reference: &str, archive: Vec<u8>, program: &str) -> Result<(), Error> {
        let client = self.client_with_timeout(limits::CREATE_TIMEOUT).await?;
        image::import(&client, reference, archive, program).await
    }

    async fn remove_image(&self, reference: &str) -> Result<bool, Error> {
        image::remove(&self.client().await?, reference).await
    }

    async fn create_volume(&self, volume: &Volume) -> Result<(), Error> {
        volume::create(&self.client().await?, volume).await
    }

    async fn remove_volumes(
        &self,
        is_over: &(dyn for<'a> Fn(&'a str) -> bool + Send + Sync),
    ) -> Result<(), Error> {
        let client = self.client().await?;
        let options = ListVolumesOptions { filters: Some(self.own()) };
        let found = client.list_volumes(Some(options)).await.map_err(explain)?;
        for volume in found.volumes.unwrap_or_default() {
            if volume.labels.get(label::TASK).is_some_and(|task| is_over(task)) {
                // In use by a container that is not removed yet: the next round gets it.
                let _ = client.remove_volume(&volume.name, None::<RemoveVolumeOptions>).await;
            }
        }
        Ok(())
    }

    async fn create(&self, launch: &Launch) -> Result<String, Error> {
        let client = self.client_with_timeout(limits::CREATE_TIMEOUT).await?;
        let options = CreateContainerOptions { name: Some(launch.name.clone()), ..Default::default() };
        let promise = self.choose_ranges(launch).await?;
        let published = promise.as_ref().map(|promise| &*promise.published).unwrap_or_default();
        let create = |can_limit_disk| {
            client.create_container(Some(options.clone()), container::body(launch, published, can_limit_disk))
        };
        let mut created = create(true).await;
        if launch.disk_limit_mib.is_some() && created.as_ref().is_err_and(is_about_storage) {
            tracing::warn!(
                container = launch.name,
                limit_mib = launch.disk_limit_mib,
                error = created.as_ref().err().map(tracing::field::display),
                "this engine cannot limit the disk of a container"
            );
            created = create(false).await;
        }
        match created {
            Ok(created) => {
                promise.into_iter().for_each(|promise| promise.keep_for(&created.id));
                Ok(created.id)
            }
            Err(error) if is_status(&error, 409) => match self.made_before(launch).await? {
                Some(id) => Ok(id),
                None => Err(explain(error)),
            },
            Err(error) => Err(explain(error)),
        }
    }

    async fn start(&self, runtime_id: &str) -> Result<(), Error> {
        let client = self.client_with_timeout(limits::START_TIMEOUT).await?;
        let started = client.start_container(runtime_id, None).await.map_err(explain);
        // Docker has its ports now, or did not get them.
        self.ranges.release(runtime_id);
        started
    }

    async fn stop(&self, runtime_id: &str, timeout: Option<Duration>) -> Result<(), Error> {
        let patience = timeout.unwrap_or(limits::STOP_GRACE).saturating_add(limits::STOP_GRACE);
        let client = self.client_with_timeout(patience).await?;
        let seconds = timeout.map(|timeout| i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX));
        let options = StopContainerOptions { t: seconds, ..Default::default() };
        client.stop_container(runtime_id, Some(options)).await.map_err(explain)
    }

    async fn pause(&self, runtime_id: &str) -> Result<(), Error> {
        match self.client().await?.pause_container(runtime_id).await {
            // It is paused, or does not run.
            Err(error) if is_status(&error, 409) && self.is_paused(runtime_id).await? => Ok(()),
            paused => paused.map_err(explain),
        }
    }

    async fn resume(&self, runtime_id: &str) -> Result<(), Error> {
        match self.client().await?.unpause_container(runtime_id).await {
            // Older engines say 500, newer ones 409.
            Err(_) if !self.is_paused(runtime_id).await? => Ok(()),
            resumed => resumed.map_err(explain),
        }
    }

    async fn remove(&self, runtime_id: &str) -> Result<(), Error> {
        // With its anonymous volumes, which nobody could find again.
        let options = RemoveContainerOptions { v: true, ..Default::default() };
        match self.client().await?.remove_container(runtime_id, Some(options)).await {
            Err(error) if !is_status(&error, 404) => Err(explain(error)),
            _ => {
                self.ranges.release(runtime_id);
                Ok(())
            }
        }
    }

    async fn inspect(&self, runtime_id: &str) -> Result<Option<Container>, Error> {
        let found = self.inspect_any(runtime_id).await?.map(state::container);
        Ok(found.filter(|found| found.labels.get(label::CONTAINER_INSTANCE) == Some(&self.instance_id)))
    }

    async fn list(&self) -> Result<Vec<Listed>, Error> {
        let options = ListContainersOptions { all: true, filters: Some(self.own()), ..Default::default() };
        let found = self.client().await?.list_containers(Some(options)).await.map_err(explain)?;
        Ok(found.into_iter().filter_map(state::listed).collect())
    }

    fn events(&self) -> BoxStream<'static, Event> {
        let connect = Self::new(self.endpoint.clone(), self.instance_id.clone(), self.clock.clone());
        events::stream(connect)
    }

    fn logs(&self, runtime_id: &str, options: LogOptions) -> BoxStream<'static, Result<LogRecord, Error>> {
        match self.client.lock().clone() {
            Some(client) => logs::stream(&client, runtime_id, &options),
            None => {
                Box::pin(futures::stream::iter([Err(Error::Unavailable("not connected yet".to_owned()))]))
            }
        }
    }

    fn follow_log(
        &self,
        runtime_id: &str,
        since_ns: Option<i64>,
        ended: CancellationToken,
        backlog: Backlog,
    ) -> BoxStream<'static, Result<LogRecord, Error>> {
        let docker = Self::new(self.endpoint.clone(), self.instance_id.clone(), self.clock.clone());
        let runtime_id = runtime_id.to_owned();
        let stream = async move {
            match docker.log_file(&runtime_id, since_ns.unwrap_or(i64::MIN), &backlog).await {
                Some(file) => logs::follow(file, ended),
                // Not on this host, or not for us to read.
                None => docker.logs(&runtime_id, LogOptions { follow: true, tail: None, since_ns }),
            }
        };
        Box::pin(stream.flatten_stream())
    }

    async fn describe(&self, runtime_id: &str) -> Result<Option<Details>, Error> {
        Ok(self.inspect_any(runtime_id).await?.map(describe::details))
    }

    async fn stats(&self, runtime_id: &str) -> Result<Option<serde_json::Value>, Error> {
        describe::stats(&self.client().await?, runtime_id).await
    }

    async fn disk_use(&self) -> Option<DiskUse> {
        // The path that another host's Docker tells means nothing here.
        let client = if self.is_local() { self.client().await.ok()? } else { return None };
        host::disk_use(&client).await
    }
}
