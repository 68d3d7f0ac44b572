//! Secrets, environment files and credentials for images: asked of a controller when a container is made, handed to the
//! runtime, and kept nowhere on a disk. A secret is a variable, or a file when its name is a path.

use std::collections::BTreeMap;

use berth_model::task_definition::is_secret_file;
use berth_proto::agent::v1 as wire;
use berth_proto::ecs::v1 as ecs;

use crate::controllers::{Client, Controllers, patiently, request};
use crate::limits::SECRETS_TIMEOUT;
use crate::runtime::Launch;

/// What every agent can do: it asks its controllers.
pub const CAPABILITIES: [&str; 6] = [
    "ecs.capability.secrets.asm.environment-variables",
    "ecs.capability.secrets.ssm.environment-variables",
    "ecs.capability.secrets.asm.bootstrap.log-driver",
    "ecs.capability.secrets.ssm.bootstrap.log-driver",
    "ecs.capability.env-files.s3",
    "ecs.capability.private-registry-authentication.secretsmanager",
];

/// Whether a container refers to anything that its definition does not hold.
#[must_use]
pub fn are_needed(container: &ecs::ContainerDefinition) -> bool {
    let log = container.log_configuration.as_ref();
    !container.secrets.is_empty()
        || !container.environment_files.is_empty()
        || log.is_some_and(|log| !log.secret_options.is_empty())
}

/// What a container refers to. The error is ECS's text.
pub(crate) async fn fetch(
    controllers: &Controllers,
    question: wire::GetContainerSecretsRequest,
) -> Result<wire::GetContainerSecretsResponse, String> {
    let ask = |mut client: Client| {
        let question = request(question.clone());
        async move { client.get_container_secrets(question).await }
    };
    match patiently(controllers, SECRETS_TIMEOUT, ask).await {
        Some(Ok(found)) => Ok(found),
        Some(Err(status)) => Err(format!("ResourceInitializationError: {}", status.message())),
        None => {
            let seconds = SECRETS_TIMEOUT.as_secs();
            let text = "ResourceInitializationError: unable to pull secrets or registry auth";
            Err(format!("{text}: no controller could tell them within {seconds} seconds"))
        }
    }
}

/// Hands the container what goes into its environment; secrets that are to be files, by their paths. What its environment
/// says itself wins over files of variables, and secrets win over everything.
pub fn add(launch: &mut Launch, found: wire::GetContainerSecretsResponse) -> BTreeMap<String, String> {
    let environment = &mut launch.definition.environment;
    let pair = |(name, value)| ecs::KeyValuePair { name: Some(name), value: Some(value) };
    for (name, value) in found.file_variables {
        if !environment.iter().any(|known| known.name() == name) {
            environment.push(pair((name, value)));
        }
    }
    let (files, variables): (BTreeMap<_, _>, BTreeMap<_, _>) =
        found.secrets.into_iter().partition(|(name, _)| is_secret_file(name));
    environment.retain(|known| !variables.contains_key(known.name()));
    environment.extend(variables.into_iter().map(pair));
    let log = launch.definition.log_configuration.as_mut();
    if let Some(log) = log.filter(|log| !log.secret_options.is_empty()) {
        log.options.extend(found.log_options);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_over_files_and_secrets_over_both() {
        let pair = |name: &str, value: &str| ecs::KeyValuePair {
            name: Some(name.to_owned()),
            value: Some(value.to_owned()),
        };
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let definition = ecs::ContainerDefinition {
            environment: vec![pair("A", "own"), pair("C", "own")],
            ..Default::default()
        };
        let mut launch = Launch { definition, ..Launch::default() };
        let found = wire::GetContainerSecretsResponse {
            file_variables: map(&[("A", "file"), ("B", "file")]),
            secrets: map(&[("C", "secret"), ("/run/secrets/d", "in a file")]),
            ..Default::default()
        };
        let files = add(&mut launch, found);
        assert_eq!(files, map(&[("/run/secrets/d", "in a file")]));
        assert_eq!(launch.definition.environment, [pair("A", "own"), pair("B", "file"), pair("C", "secret")]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_controller_the_task_is_told_so_in_the_end() {
        let asked = fetch(&Controllers::default(), wire::GetContainerSecretsRequest::default()).await;
        assert!(asked.unwrap_err().starts_with("ResourceInitializationError: unable to pull secrets"));
    }
}
