//! What a container is given at its start that stands nowhere in its definition: secrets, environment files, options of
//! its log driver, and the credentials for its image.

use std::collections::BTreeMap;

use berth_model::environment_file;
use berth_model::state::View;
use berth_model::task::Task;
use berth_model::task_definition::TaskDefinition;
use berth_model::validate::secret::reference::{self, Value};
use berth_proto::agent::v1 as pb;
use berth_proto::ecs::v1 as ecs;
use tonic::{Code, Status};

use crate::api::call::Shared;

/// How the ECS agent begins what it says.
const FAILED: &str = "unable to pull secrets or registry auth: execution resource retrieval failed";

// === impl Shared ===

impl Shared {
    /// Everything that this container refers to. A reference to nothing fails the whole.
    pub(super) fn container_secrets(
        &self,
        container: &str,
        (task, definition): (&Task, &TaskDefinition),
        view: &View,
    ) -> Result<pb::GetContainerSecretsResponse, Status> {
        let mut containers = definition.definition.container_definitions.iter();
        let Some(container) = containers.find(|known| known.name() == container) else {
            return Err(failed(&format!("the task has no container {container}")));
        };
        let mut answer = pb::GetContainerSecretsResponse {
            file_variables: BTreeMap::new(),
            secrets: self.all(&container.secrets, view)?,
            log_options: self.all(&named(container.log_configuration.as_ref()), view)?,
            registry: self.registry(container, view)?,
        };
        for file in files(container, task) {
            let text = self.open(reference::resolve_file(file.value(), view))?;
            for (name, value) in environment_file::parse(&text) {
                // The first file that has a variable decides.
                answer.file_variables.entry(name).or_insert(value);
            }
        }
        Ok(answer)
    }

    fn all(&self, secrets: &[ecs::Secret], view: &View) -> Result<BTreeMap<String, String>, Status> {
        let open = |secret: &ecs::Secret| {
            let value = self.open(reference::resolve(secret.value_from(), view))?;
            Ok((secret.name().to_owned(), value))
        };
        secrets.iter().map(open).collect()
    }

    fn registry(
        &self,
        container: &ecs::ContainerDefinition,
        view: &View,
    ) -> Result<Option<pb::RegistryCredentials>, Status> {
        let Some(credentials) = &container.repository_credentials else { return Ok(None) };
        let named = credentials.credentials_parameter();
        let document = self.open(reference::resolve_credentials(named, view))?;
        let document: serde_json::Value = serde_json::from_str(&document).unwrap_or_default();
        let member = |name: &str| document[name].as_str().map(str::to_owned);
        match (member("username"), member("password")) {
            (Some(username), Some(password)) => Ok(Some(pb::RegistryCredentials { username, password })),
            _ => Err(failed(&format!(
                "unable to retrieve secret from asm: {named} is no JSON document with username and password"
            ))),
        }
    }

    fn open(&self, value: Result<Value, String>) -> Result<String, Status> {
        let value = value.map_err(|text| failed(&text))?;
        let text = self.unseal(&value.seal, &value.sealed).map_err(|error| failed(&error.message))?;
        let Some(key) = value.json_key else { return Ok(text) };
        let document: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        match &document[key.as_str()] {
            serde_json::Value::String(text) => Ok(text.clone()),
            serde_json::Value::Null => Err(failed(&format!(
                "unable to retrieve secret from asm: retrieved secret from Secrets Manager did not contain json key {key}"
            ))),
            other => Ok(other.to_string()),
        }
    }
}

/// The container's own files, then those of the task's overrides.
fn files<'a>(
    container: &'a ecs::ContainerDefinition,
    task: &'a Task,
) -> impl Iterator<Item = &'a ecs::EnvironmentFile> {
    let overrides = task.overrides.iter().flat_map(|overrides| &overrides.container_overrides);
    let own = overrides.filter(|change| change.name() == container.name());
    container.environment_files.iter().chain(own.flat_map(|change| &change.environment_files))
}

fn named(log: Option<&ecs::LogConfiguration>) -> Vec<ecs::Secret> {
    log.map(|log| log.secret_options.clone()).unwrap_or_default()
}

fn failed(text: &str) -> Status {
    Status::new(Code::FailedPrecondition, format!("{FAILED}: {text}"))
}
