//! One container on its way up: its image, its creation, its start.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use berth_model::task::step::Action;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;
use tokio::sync::OwnedSemaphorePermit;

use super::{Answer, CREATE, Created, NETWORK, Operator, PULL, START, VOLUME};
use crate::definition::Definition;
use crate::firelens;
use crate::limits;
use crate::logs;
use crate::manifest::DesiredTask;
use crate::runtime::{self, Error, Launch, Mount, Runtime};
use crate::task::Task;
use crate::task::hooks::firelens::{Router, SOCKET_FOLDER};
use crate::task::hooks::secrets;
use crate::task_files::TaskFiles;

/// Why containers that are to share a namespace do not start.
const NOTHING_TO_SHARE: &str = "ResourceInitializationError: pidMode and ipcMode task need networkMode awsvpc: what the \
                                containers share belongs to the one that holds the network of the task";
/// Why containers do not start that want secrets as files, or route logs.
const NO_FILES: &str = "ResourceInitializationError: this instance has no file system in memory, or no container engine of \
                        its own, so that it cannot give containers files";
const PORT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// One launch, from whichever of its operations on.
pub(super) struct Subject {
    pub(super) operator: Arc<Operator>,
    pub(super) id: String,
    pub(super) at: usize,
    pub(super) span: tracing::Span,
}

/// What a container needs of the controllers before it is made.
pub(super) struct Needs {
    /// It refers to what its definition does not hold.
    pub(super) secrets: bool,
    /// It routes the logs of its task.
    pub(super) router: Option<Router>,
    /// It logs to the controllers, in a stream of this name; empty when it will be that of its id.
    pub(super) log: Option<String>,
}

/// What is known of a container's ports before it starts.
pub(super) struct Ports {
    /// It has some.
    pub(super) any: bool,
    /// Where they lead, when that is known without asking.
    pub(super) known: Option<Vec<ecs::NetworkBinding>>,
    /// Some were chosen for it, and others may be.
    pub(super) may_choose_again: bool,
}

/// Whether ports of the host are chosen for a range of the container's.
pub(in crate::engine) fn has_port_ranges(definition: &Definition, at: usize) -> bool {
    definition.network_mode() == ecs::NetworkMode::Bridge
        && definition.containers.get(at).is_some_and(|container| {
            container.port_mappings.iter().any(|mapping| mapping.container_port_range.is_some())
        })
}

/// In host mode a container has the ports that it opens.
pub(super) fn host_bindings(task: &Task, at: usize) -> Option<Vec<ecs::NetworkBinding>> {
    let definition = &task.desired().definition;
    let mappings = &definition.containers.get(at)?.port_mappings;
    let binding = |mapping: &ecs::PortMapping| ecs::NetworkBinding {
        bind_ip: Some("0.0.0.0".to_owned()),
        container_port: mapping.container_port,
        host_port: mapping.host_port.filter(|port| *port != 0).or(mapping.container_port),
        protocol: Some(match mapping.protocol() {
            ecs::TransportProtocol::Udp => ecs::TransportProtocol::Udp.into(),
            ecs::TransportProtocol::Tcp | ecs::TransportProtocol::Unspecified => {
                ecs::TransportProtocol::Tcp.into()
            }
        }),
        ..Default::default()
    };
    let is_fixed = |mapping: &ecs::PortMapping| mapping.host_port.is_some_and(|port| port != 0);
    match definition.network_mode() {
        ecs::NetworkMode::Host => Some(mappings.iter().map(binding).collect()),
        // Where they lead is known without asking.
        ecs::NetworkMode::Bridge if mappings.iter().all(is_fixed) => {
            Some(mappings.iter().map(binding).collect())
        }
        ecs::NetworkMode::Bridge => None,
        ecs::NetworkMode::None | ecs::NetworkMode::Awsvpc | ecs::NetworkMode::Unspecified => Some(Vec::new()),
    }
}

// === impl Subject ===

impl Subject {
    /// `with_credentials` names the container whose definition refers to some.
    pub(super) async fn pull(self, reference: String, with_credentials: Option<String>) -> Answer {
        let credentials = match with_credentials {
            None => None,
            Some(container) => match self.secrets(&container).await {
                Ok(found) => found.registry,
                Err(reason) => return self.fails(Action::Pull, reason),
            },
        };
        let begun = tokio::time::Instant::now();
        let images = self.operator.images.clone();
        let pulled = self.operator.within(&PULL, || images.ensure(&reference, credentials.as_ref())).await;
        self.operator.metrics.pulled(begun.elapsed());
        match pulled {
            Ok(image) => Answer::Pulled { id: self.id, at: self.at, image },
            Err(reason) => self.fails(Action::Pull, reason),
        }
    }

    pub(super) async fn create(
        self,
        desired: Arc<DesiredTask>,
        mut launch: Launch,
        volumes: Vec<runtime::Volume>,
        needs: Needs,
    ) -> Answer {
        if needs.secrets {
            match self.secrets(launch.definition.name()).await {
                Ok(found) => {
                    let files = secrets::add(&mut launch, found);
                    if let Err(reason) = self.add_secret_files(&mut launch, files).await {
                        return self.fails(Action::Create, reason);
                    }
                }
                Err(reason) => return self.fails(Action::Create, reason),
            }
        }
        if let Some(router) = needs.router
            && let Err(reason) = self.add_router_files(&mut launch, router).await
        {
            return self.fails(Action::Create, reason);
        }
        if let Some(stream) = needs.log
            && let Err(reason) = self.open_log(launch.definition.name(), stream).await
        {
            return self.fails(Action::Create, reason);
        }
        let address = match self.attach(&desired, &mut launch).await {
            Ok(address) => address,
            Err(reason) => return self.fails(Action::Create, reason),
        };
        // Closed never: the operator holds it.
        let permit = self.operator.launches.clone().acquire_owned().await.ok();
        let runtime = self.operator.runtime.clone();
        for volume in &volumes {
            if let Err(reason) = self.operator.within(&VOLUME, || runtime.create_volume(volume)).await {
                return self.fails(Action::Create, reason);
            }
        }
        match self.operator.within(&CREATE, || runtime.create(&launch)).await {
            Ok(runtime_id) => {
                Answer::Created(Created { id: self.id, at: self.at, runtime_id, address, permit })
            }
            Err(reason) => self.fails(Action::Create, reason),
        }
    }

    /// Gives the task its address, in the mode in which it has one of its own.
    async fn attach(&self, desired: &DesiredTask, launch: &mut Launch) -> Result<Option<Ipv4Addr>, String> {
        if launch.network_mode != ecs::NetworkMode::Awsvpc {
            let shares = launch.pid_mode == ecs::PidMode::Task || launch.ipc_mode == ecs::IpcMode::Task;
            return if shares { Err(NOTHING_TO_SHARE.to_owned()) } else { Ok(None) };
        }
        let Some(network) = self.operator.network() else {
            return Err(
                "ResourceInitializationError: this instance gives tasks no addresses of their own".to_owned()
            );
        };
        let attached = self.operator.within(&NETWORK, || async { Ok(network.attach(desired).await) }).await?;
        let attached = attached.map_err(|error| format!("ResourceInitializationError: {error}"))?;
        launch.network_of = Some(attached.pause);
        Ok(Some(attached.address))
    }

    pub(super) async fn start(
        self,
        runtime_id: String,
        ports: Ports,
        log: Option<logs::Options>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Answer {
        let begun = tokio::time::Instant::now();
        let _permit = match permit {
            Some(permit) => Some(permit),
            None => self.operator.launches.clone().acquire_owned().await.ok(),
        };
        let runtime = self.operator.runtime.clone();
        let start = || start(&*runtime, &runtime_id, ports.may_choose_again);
        match self.operator.within(&START, start).await {
            Ok(Started::Runs) => {}
            Ok(Started::Removed) => return Answer::PortsLost { id: self.id, at: self.at, runtime_id },
            Err(reason) => {
                // It may run all the same, when it was only the answer that took too long.
                if reason.starts_with("DockerTimeoutError") {
                    let _ = runtime.stop(&runtime_id, Some(Duration::ZERO)).await;
                }
                return self.fails(Action::Start, reason);
            }
        }
        self.operator.metrics.launched(begun.elapsed());
        if let (Some(logs), Some(log)) = (&self.operator.logs, log) {
            logs.follow(&runtime_id, log);
        }
        let bindings = match ports.known {
            Some(bindings) => bindings,
            None if ports.any => self.published(&runtime_id).await,
            None => Vec::new(),
        };
        tracing::debug!(runtime_id, at_ms = self.operator.clock.unix_ms(), "container started");
        Answer::Started { id: self.id, at: self.at, bindings }
    }

    /// Which ports the runtime chose.
    async fn published(&self, runtime_id: &str) -> Vec<ecs::NetworkBinding> {
        let runtime = &self.operator.runtime;
        match self.operator.patiently(|| runtime.inspect(runtime_id)).await {
            Ok(found) => found.map(|found| found.network_bindings).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(parent: &self.span, error = %error, "CannotInspectContainerError: its ports are not known");
                Vec::new()
            }
        }
    }

    /// What a container of this task refers to.
    async fn secrets(&self, container: &str) -> Result<wire::GetContainerSecretsResponse, String> {
        let question = wire::GetContainerSecretsRequest {
            container_instance_id: self.operator.instance_id.clone(),
            task_id: self.id.clone(),
            container: container.to_owned(),
        };
        secrets::fetch(&self.operator.controllers, question).await
    }

    /// Gives a container the secrets that it wants as files.
    async fn add_secret_files(
        &self,
        launch: &mut Launch,
        files: BTreeMap<String, String>,
    ) -> Result<(), String> {
        for (number, (path, content)) in files.into_iter().enumerate() {
            let name = format!("{}-{number}", launch.definition.name());
            let source = self.make(move |files, task| files.write(task, &name, content.as_bytes())).await?;
            launch.files.push(Mount { source, container_path: path, read_only: true });
        }
        Ok(())
    }

    /// Gives the router of the task's logs its configuration, the folder of its socket, and the secrets of its outputs.
    async fn add_router_files(&self, launch: &mut Launch, router: Router) -> Result<(), String> {
        for (position, container) in router.secrets_of {
            let found = self.secrets(&container).await?.log_options;
            let variables = found.into_iter().map(|(option, value)| ecs::KeyValuePair {
                name: Some(firelens::variable(&option, position)),
                value: Some(value),
            });
            launch.definition.environment.extend(variables);
        }
        let (name, content) = (format!("{}-firelens", launch.definition.name()), router.configuration);
        let source = self.make(move |files, task| files.write(task, &name, content.as_bytes())).await?;
        launch.files.push(Mount { source, container_path: router.path.to_owned(), read_only: true });
        let source = self.make(|files, task| files.make(task, SOCKET_FOLDER)).await?;
        let container_path = firelens::SOCKET_FOLDER.to_owned();
        launch.files.push(Mount { source, container_path, read_only: false });
        Ok(())
    }

    /// Makes a file or a folder for the task; where it is on the host.
    async fn make<F>(&self, make: F) -> Result<String, String>
    where
        F: FnOnce(&TaskFiles, &str) -> std::io::Result<PathBuf> + Send + 'static,
    {
        let Some(files) = self.operator.files.clone() else {
            return Err(NO_FILES.to_owned());
        };
        let id = self.id.clone();
        let made = tokio::task::spawn_blocking(move || make(&files, &id)).await;
        let made = made.map_err(std::io::Error::other).flatten();
        let path = made.map_err(|error| {
            format!("ResourceInitializationError: cannot write a file for the container: {error}")
        })?;
        Ok(path.display().to_string())
    }

    /// Sees that there is a place for a container's log. Without anybody to send it, it is as if there were one.
    async fn open_log(&self, container: &str, stream: String) -> Result<(), String> {
        let request = wire::OpenContainerLogRequest {
            container_instance_id: self.operator.instance_id.clone(),
            task_id: self.id.clone(),
            container: container.to_owned(),
            stream,
        };
        match &self.operator.logs {
            Some(_) => logs::open(&self.operator.controllers, request).await,
            None => Ok(()),
        }
    }

    pub(super) fn fails(self, action: Action, reason: String) -> Answer {
        Answer::Failed { id: self.id, at: self.at, action, reason }
    }
}

enum Started {
    Runs,
    Removed,
}

/// Starts a container. One for which other ports may be chosen is removed when somebody has its own.
async fn start(runtime: &dyn Runtime, runtime_id: &str, may_choose_again: bool) -> Result<Started, Error> {
    if !may_choose_again {
        return start_when_port_is_free(runtime, runtime_id).await.map(|()| Started::Runs);
    }
    match runtime.start(runtime_id).await {
        Err(Error::PortTaken(_)) => {
            runtime.remove(runtime_id).await?;
            // A port that is not one of the chosen may be the one, and about to be released.
            tokio::time::sleep(PORT_RETRY_DELAY).await;
            Ok(Started::Removed)
        }
        // An earlier attempt removed it, and its answer was lost.
        Err(Error::NotFound(_)) => Ok(Started::Removed),
        started => started.map(|()| Started::Runs),
    }
}

async fn start_when_port_is_free(runtime: &dyn Runtime, runtime_id: &str) -> Result<(), Error> {
    for _ in 1..limits::PORT_ATTEMPTS {
        match runtime.start(runtime_id).await {
            Err(Error::PortTaken(_)) => tokio::time::sleep(PORT_RETRY_DELAY).await,
            result => return result,
        }
    }
    runtime.start(runtime_id).await
}
