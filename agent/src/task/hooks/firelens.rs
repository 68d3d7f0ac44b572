//! The router of a task's logs, and the containers whose logs go through it.

use berth_proto::ecs::v1 as ecs;

use super::{Context, Surroundings, pair};
use crate::firelens::{self, About, Reach};
use crate::runtime::Launch;
use crate::task::Task;

/// What is made for the router before it is.
pub struct Router {
    /// Its configuration.
    pub configuration: String,
    /// Where it looks for that.
    pub path: &'static str,
    /// Containers whose logs have secret options, by their positions.
    pub secrets_of: Vec<(usize, String)>,
}

/// The folder of the router's socket, among the files of the task.
pub const SOCKET_FOLDER: &str = "firelens";

/// What the container at this position needs if it is the router.
#[must_use]
pub fn of_router(task: &Task, at: usize) -> Option<Router> {
    let desired = task.desired();
    let definition = &desired.definition;
    let (position, router) = firelens::router(&definition.containers)?;
    if position != at {
        return None;
    }
    let about = About {
        cluster: desired.cluster.clone(),
        task_arn: desired.arn.clone(),
        definition: format!("{}:{}", definition.message.family(), definition.message.revision()),
    };
    let has_secrets = |container: &ecs::ContainerDefinition| {
        firelens::routed(container).is_some_and(|log| !log.secret_options.is_empty())
    };
    let containers = definition.containers.iter().enumerate();
    let secrets_of = containers.filter(|(_, container)| has_secrets(container));
    Some(Router {
        configuration: firelens::configuration(
            &definition.containers,
            &about,
            reach(definition.network_mode()),
        )?,
        path: firelens::path(router),
        secrets_of: secrets_of.map(|(at, container)| (at, container.name().to_owned())).collect(),
    })
}

fn reach(mode: ecs::NetworkMode) -> Reach {
    match mode {
        ecs::NetworkMode::Awsvpc => Reach::Inside,
        ecs::NetworkMode::Bridge | ecs::NetworkMode::Unspecified => Reach::Linked,
        ecs::NetworkMode::Host | ecs::NetworkMode::None => Reach::Nobody,
    }
}

pub(super) fn add(context: &Context<'_>, surroundings: &Surroundings<'_>, launch: &mut Launch) {
    let desired = context.task.desired();
    let Some((_, router)) = firelens::router(&desired.definition.containers) else { return };
    if router.name() == context.container.name() {
        return;
    }
    let host = match reach(launch.network_mode) {
        Reach::Inside => Some("127.0.0.1".to_owned()),
        Reach::Linked => {
            launch.links.push(format!("{}:{}", context.unique_name(router.name()), router.name()));
            Some(router.name().to_owned())
        }
        Reach::Nobody => None,
    };
    if let Some(host) = host {
        let port = firelens::PORT.to_string();
        launch.definition.environment.extend([pair("FLUENT_HOST", host), pair("FLUENT_PORT", port)]);
    }
    if let (Some(log), Some(files)) = (firelens::routed(context.container), surroundings.files) {
        let socket = files.path(&desired.id, SOCKET_FOLDER).join(firelens::SOCKET);
        let socket = socket.display().to_string();
        launch.definition.log_configuration = Some(ecs::LogConfiguration {
            log_driver: Some(ecs::LogDriver::Fluentd.into()),
            options: firelens::driver_options(context.container.name(), &desired.id, log, &socket),
            secret_options: Vec::new(),
        });
    }
}
