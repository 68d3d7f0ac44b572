//! The endpoint that the containers of this instance ask: who they are, how much they use, their role's credentials,
//! and protection of their task from scale-in. It speaks as the ECS agent does.
//!
//! ```text
//!  container ► 169.254.170.2 ► throttle ► path ► engine, runtime (metadata, stats)
//!                                              └► controller (credentials, protection, tags)
//! ```
//!
//! A path begins with an id that only its container was told. An id is made of the task, the container's position and a
//! code over both under a key of this instance: nothing has to be kept of it, it is good for as long as the engine
//! knows the task, and it survives a restart of the agent.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use berth_process::entropy::Entropy;
use berth_process::net::TcpListen;
use berth_proto::ecs::v1 as ecs;

use crate::manifest::DesiredTask;

mod address;
mod credentials;
mod id;
mod json;
mod metadata;
mod protection;
mod redirect;
mod server;
mod stats;
mod throttle;

use address::{ADDRESS, Interface, PORT};
use id::Ids;
use redirect::Redirect;
pub(crate) use server::{Parts, Server};

/// What an instance with an endpoint can do for tasks.
pub const CAPABILITIES: [&str; 2] =
    ["com.amazonaws.ecs.capability.task-iam-role", "com.amazonaws.ecs.capability.task-iam-role-network-host"];

/// What containers are told of the endpoint.
#[derive(Debug)]
pub struct Endpoint {
    ids: Ids,
    /// None: the standard one.
    port: Option<u16>,
}

/// An endpoint that has its address and is not served yet.
pub(crate) struct Opened {
    pub(crate) endpoint: Arc<Endpoint>,
    listen: TcpListen,
    interface: Interface,
    redirect: Option<Redirect>,
}

/// What is remembered between two runs of the agent.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Remembered {
    key_hex: String,
    port: u16,
}

/// Takes the address. None, said once, where that is not possible: tasks run without an endpoint then.
pub(crate) async fn open(dir: &Path, instance_id: &str, entropy: &Entropy) -> Option<Opened> {
    match try_open(dir, instance_id, entropy).await {
        Ok(opened) => Some(opened),
        Err(error) => {
            tracing::info!(error, "tasks get no metadata and no credentials on this host");
            None
        }
    }
}

async fn try_open(dir: &Path, instance_id: &str, entropy: &Entropy) -> Result<Opened, String> {
    let path = dir.join("endpoint.json");
    let known = recall(&path);
    let interface = Interface::add(instance_id).await?;
    let listen = address::listen(known.as_ref().map(|known| known.port));
    let (listen, port) = match listen {
        Ok(listening) => listening,
        Err(error) => {
            interface.remove().await;
            return Err(format!("listen on {ADDRESS}: {error}"));
        }
    };
    let key_hex = known.map_or_else(|| id::new_key(entropy), |known| known.key_hex);
    let ids = Ids::new(&key_hex);
    let remembered = Remembered { key_hex, port };
    remember(path, &remembered).map_err(|error| format!("write the endpoint's key: {error}"))?;
    let redirect = redirect_to(port).await;
    let port = redirect.is_none().then_some(port);
    Ok(Opened { endpoint: Arc::new(Endpoint { ids, port }), listen, interface, redirect })
}

/// The standard port is for one agent of a host.
async fn redirect_to(port: u16) -> Option<Redirect> {
    if port != PORT {
        return None;
    }
    match Redirect::add(port).await {
        Ok(redirect) => Some(redirect),
        Err(error) => {
            tracing::info!(error, "tasks find their endpoint at another port than ECS has");
            None
        }
    }
}

fn recall(path: &Path) -> Option<Remembered> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Written beside and renamed, readable by nobody else.
fn remember(path: PathBuf, remembered: &Remembered) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let beside = path.with_extension("tmp");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec(remembered)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}

/// Takes away what agents that are not there any more left of their endpoints.
pub(crate) async fn remove_left() -> Result<(), String> {
    redirect::remove().await;
    address::remove_left().await
}

// === impl Endpoint ===

impl Endpoint {
    /// What a container finds in its environment. Of what its definition says itself only the endpoint's own addresses
    /// are replaced.
    #[must_use]
    pub fn environment(&self, task: &DesiredTask, at: usize) -> Vec<(&'static str, String)> {
        let base = self.base();
        let id = self.ids.of_container(&task.id, at);
        let mut environment = vec![
            ("ECS_CONTAINER_METADATA_URI", format!("{base}/v3/{id}")),
            ("ECS_CONTAINER_METADATA_URI_V4", format!("{base}/v4/{id}")),
            ("ECS_AGENT_URI", format!("{base}/api/{id}")),
        ];
        if has_role(task) {
            let path = format!("/v2/credentials/{}", self.ids.of_credentials(&task.id));
            environment.push(match self.port {
                None => ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", path),
                // Clients put the standard address before a relative one.
                Some(_) => ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{base}{path}")),
            });
        }
        environment
    }

    fn base(&self) -> String {
        match self.port {
            None => format!("http://{ADDRESS}"),
            Some(port) => format!("http://{ADDRESS}:{port}"),
        }
    }
}

fn has_role(task: &DesiredTask) -> bool {
    let overridden = task.definition.overrides.as_ref().map(ecs::TaskOverride::task_role_arn);
    !overridden.unwrap_or_default().is_empty() || !task.definition.message.task_role_arn().is_empty()
}
