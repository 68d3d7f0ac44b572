//! A state to validate against: built with commands, as the real one is.

use berth_proto::ecs::v1 as pb;
use serde_json::{Value as Json, json};

use super::json::message;
use crate::command::{Command, Envelope, Outcome, Reply};
use crate::error::ApiError;
use crate::id::{Ids, InstanceId, TaskDefinitionKey};
use crate::state::{State, invariant};
use crate::time::Timestamp;
use crate::validate::{self, Admission};

/// Attributes that an agent with Docker offers.
const ATTRIBUTES: [&str; 9] = [
    "com.amazonaws.ecs.capability.docker-remote-api.1.17",
    "com.amazonaws.ecs.capability.docker-remote-api.1.18",
    "com.amazonaws.ecs.capability.docker-remote-api.1.21",
    "com.amazonaws.ecs.capability.docker-remote-api.1.29",
    "com.amazonaws.ecs.capability.logging-driver.json-file",
    "com.amazonaws.ecs.capability.privileged-container",
    "ecs.capability.container-ordering",
    "ecs.capability.container-health-check",
    "ecs.capability.pid-ipc-namespace-sharing",
];

pub(super) struct World {
    pub(super) state: State,
    ids: Ids,
}

impl World {
    /// The cluster `default`, without instances.
    pub(super) fn new() -> Self {
        let mut world = Self { state: State::default(), ids: Ids::from_seed(1) };
        world.cluster("default");
        world
    }

    pub(super) fn admission(&mut self) -> Admission {
        Admission {
            now: Timestamp::from_unix_ms(1_700_000_000_000),
            ids: Ids::from_seed(self.ids.number()),
            principal: "somebody".into(),
            traceparent: None,
        }
    }

    /// Applies a command that changes something.
    pub(super) fn apply(&mut self, command: Command) -> Outcome {
        self.try_apply(command).expect("applied")
    }

    pub(super) fn try_apply(&mut self, command: Command) -> Reply {
        let issued_at = Timestamp::from_unix_ms(1_700_000_000_000);
        let revision = self.state.revision() + 1;
        let reply = self.state.apply(revision, &Envelope { command, issued_at, traceparent: None }).reply;
        assert_eq!(invariant::check(&self.state), Vec::<String>::new());
        reply
    }

    pub(super) fn cluster(&mut self, name: &str) {
        let admission = self.admission();
        let request = message(&json!({"clusterName": name}));
        let (_, command) = validate::cluster::create(&request, &self.state, &admission).expect("a cluster");
        self.apply(command);
    }

    /// An instance of a cluster with 1024 CPU units and 1024 MiB.
    pub(super) fn instance(&mut self, cluster: &str) -> InstanceId {
        let mut admission = self.admission();
        let attributes: Vec<Json> = ATTRIBUTES.iter().map(|name| json!({"name": name})).collect();
        let request = message(&json!({
            "cluster": cluster,
            "totalResources": [
                {"name": "CPU", "type": "INTEGER", "integerValue": 1024},
                {"name": "MEMORY", "type": "INTEGER", "integerValue": 1024},
                {"name": "PORTS", "type": "STRINGSET", "stringSetValue": ["22"]},
                {"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []},
            ],
            "attributes": attributes,
        }));
        let (id, command) = validate::container_instance::register(&request, &self.state, &mut admission)
            .expect("an instance");
        self.apply(command);
        id
    }

    pub(super) fn try_register(&mut self, request: &Json) -> Result<TaskDefinitionKey, ApiError> {
        self.try_register_message(&message(request))
    }

    pub(super) fn try_register_message(
        &mut self,
        request: &pb::RegisterTaskDefinitionRequest,
    ) -> Result<TaskDefinitionKey, ApiError> {
        let admission = self.admission();
        let (key, command) = validate::task_definition::register(request, &self.state, &admission)?;
        self.apply(command);
        Ok(key)
    }

    pub(super) fn register(&mut self, request: &Json) -> TaskDefinitionKey {
        self.try_register(request).expect("a task definition")
    }

    /// A task definition `web` with one container `web` of 100 MiB.
    pub(super) fn web(&mut self) -> TaskDefinitionKey {
        self.register(&json!({
            "family": "web",
            "containerDefinitions": [{"name": "web", "image": "nginx", "memory": 100}],
        }))
    }
}

/// A row of a table: the exception and the text that a request is refused with, or nothing.
pub(super) fn verdict<T>(result: Result<T, ApiError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{}: {}", error.exception.name(), error.message),
    }
}

/// The JSON with the members of `changes` in it, recursively; a list in `changes` replaces the list, null takes away.
pub(super) fn with(base: &Json, changes: Json) -> Json {
    match (base, changes) {
        (Json::Object(base), Json::Object(changes)) => {
            let mut merged = base.clone();
            for (key, value) in changes {
                let changed = merged.get(&key).map_or_else(|| value.clone(), |old| with(old, value.clone()));
                merged.insert(key, changed);
            }
            Json::Object(merged)
        }
        (_, changes) => changes,
    }
}
