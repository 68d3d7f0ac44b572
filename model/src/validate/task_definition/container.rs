//! What holds of each container of a task definition by itself, and the defaults that ECS echoes.

use std::collections::BTreeSet;

use berth_proto::ecs::v1 as pb;

use super::size::MEMORY_MIB_MIN;
use super::{health, invalid_setting, linux};
use crate::error::ApiError;
use crate::task_definition::is_secret_file;
use crate::validate::name::is_name;

/// Source: ECS quotas; still 10 in August 2026.
const CONTAINERS: usize = 10;
const IMAGE_LENGTH: usize = 255;
const PATH_LENGTH: usize = 4_095;
const ENVIRONMENT_FILES: usize = 10;
const IGNORED_EXIT_CODES: usize = 50;

/// Checks the list as a whole and each container, and fills in defaults.
pub(super) fn normalize(
    definition: &mut pb::TaskDefinition,
    task_memory_mib: Option<u32>,
) -> Result<(), ApiError> {
    let containers = &mut definition.container_definitions;
    if containers.is_empty() {
        return Err(ApiError::client("Container list cannot be empty."));
    }
    if containers.len() > CONTAINERS {
        return Err(ApiError::client("Too many containers."));
    }
    let mut names = BTreeSet::new();
    for container in containers.iter_mut() {
        container.cpu.get_or_insert(0);
        container.essential.get_or_insert(true);
        check_name_and_image(container)?;
        if !names.insert(container.name().to_owned()) {
            return Err(ApiError::client("Container names must be unique within a task definition."));
        }
        check_resources(container, task_memory_mib)?;
        check_environment(container)?;
        check_timeouts(container)?;
        health::normalize(container)?;
        linux::check(container)?;
    }
    if !containers.iter().any(pb::ContainerDefinition::essential) {
        return Err(ApiError::client("Task definition doesn't have any essential container."));
    }
    check_secrets(definition)
}

fn check_name_and_image(container: &pb::ContainerDefinition) -> Result<(), ApiError> {
    let blank =
        |member: &str| Err(ApiError::client(format!("Container.{member} should not be null or empty.")));
    let characters =
        |member: &str| Err(ApiError::client(format!("Container.{member} contains invalid characters.")));
    if container.image().is_empty() {
        return blank("image");
    }
    if container.name().is_empty() {
        return blank("name");
    }
    if !is_name(container.name()) {
        return characters("name");
    }
    if container.image().len() > IMAGE_LENGTH {
        return Err(invalid_setting(
            container.name(),
            format!("An image name has at most {IMAGE_LENGTH} characters."),
        ));
    }
    if is_image(container.image()) { Ok(()) } else { characters("image") }
}

/// `repository[:tag]` or `repository[:tag]@sha256:<64 hexadecimal digits>`. Source: ECS API,
/// `ContainerDefinition.image`.
fn is_image(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:./#".contains(&byte);
    let is_digest = |digest: &str| {
        digest
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    !name.is_empty() && name.bytes().all(allowed) && digest.is_none_or(is_digest)
}

fn check_resources(
    container: &pb::ContainerDefinition,
    task_memory_mib: Option<u32>,
) -> Result<(), ApiError> {
    let name = container.name();
    if container.cpu() < 0 {
        return Err(invalid_setting(name, "The 'cpu' value must not be negative."));
    }
    if container.memory.is_none() && container.memory_reservation.is_none() && task_memory_mib.is_none() {
        let problem = "At least one of 'memory' or 'memoryReservation' must be specified.";
        return Err(invalid_setting(name, problem));
    }
    for (member, value) in [("memory", container.memory), ("memoryReservation", container.memory_reservation)]
    {
        let Some(mib) = value else { continue };
        let mib = u32::try_from(mib).unwrap_or(0);
        if mib < MEMORY_MIB_MIN {
            let problem = format!("The '{member}' value must be at least {MEMORY_MIB_MIN} MiB.");
            return Err(invalid_setting(name, problem));
        }
        if task_memory_mib.is_some_and(|task| mib > task) {
            let problem =
                format!("The '{member}' setting for container '{name}' is greater than for the task.");
            return Err(ApiError::client(problem));
        }
    }
    if container.memory.zip(container.memory_reservation).is_some_and(|(hard, soft)| hard < soft) {
        let problem = "'memory' must be greater than or equal to 'memoryReservation'.";
        return Err(invalid_setting(name, problem));
    }
    Ok(())
}

fn check_environment(container: &pb::ContainerDefinition) -> Result<(), ApiError> {
    let name = container.name();
    if container.environment.iter().any(|variable| variable.name().is_empty()) {
        return Err(invalid_setting(name, "The name of an environment variable must not be blank."));
    }
    check_environment_files(&container.environment_files)?;
    let mut seen: BTreeSet<&str> = container.environment.iter().map(pb::KeyValuePair::name).collect();
    for secret in &container.secrets {
        if secret.name().is_empty() || secret.value_from().is_empty() {
            return Err(invalid_setting(name, "A secret needs a name and a valueFrom."));
        }
        if is_secret_file(secret.name()) && !is_path_of_a_file(secret.name()) {
            let problem = format!("'{}' is no path that a secret can be a file at.", secret.name());
            return Err(invalid_setting(name, problem));
        }
        if !seen.insert(secret.name()) {
            let message = format!(
                "The secret name must be unique and not shared with any new or existing environment variables set on \
                 the container, such as '{}'.",
                secret.name()
            );
            return Err(ApiError::client(message));
        }
    }
    Ok(())
}

/// Absolute, and without detours.
fn is_path_of_a_file(path: &str) -> bool {
    let parts = path.strip_prefix('/').unwrap_or_default().split('/');
    path.len() <= PATH_LENGTH
        && parts.into_iter().all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains([':', '\0'])
}

/// Also holds for the files of an override.
pub(in crate::validate) fn check_environment_files(files: &[pb::EnvironmentFile]) -> Result<(), ApiError> {
    if files.len() > ENVIRONMENT_FILES {
        let message =
            "The maximum number of environment files was exceeded. Specify ten or less and try again";
        return Err(ApiError::client(message));
    }
    if files.iter().all(|file| file.value().starts_with("arn:")) {
        Ok(())
    } else {
        Err(ApiError::client("Invalid arn syntax"))
    }
}

fn check_timeouts(container: &pb::ContainerDefinition) -> Result<(), ApiError> {
    let name = container.name();
    for (member, value) in
        [("startTimeout", container.start_timeout), ("stopTimeout", container.stop_timeout)]
    {
        if value.is_some_and(|seconds| seconds < 0) {
            return Err(invalid_setting(name, format!("The '{member}' value must not be negative.")));
        }
    }
    let Some(policy) = &container.restart_policy else { return Ok(()) };
    if policy.enabled.is_none() {
        return Err(invalid_setting(name, "restartPolicy needs 'enabled'."));
    }
    if policy.ignored_exit_codes.len() > IGNORED_EXIT_CODES {
        let problem = format!("restartPolicy can ignore at most {IGNORED_EXIT_CODES} exit codes.");
        return Err(invalid_setting(name, problem));
    }
    match policy.restart_attempt_period {
        None | Some(60..=1800) => Ok(()),
        Some(_) => Err(ApiError::client(format!(
            "The 'restartAttemptPeriod' setting for container '{name}' must be between 60 and 1800."
        ))),
    }
}

fn check_secrets(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    let uses_secrets = definition.container_definitions.iter().any(|container| {
        let log = container.log_configuration.as_ref();
        !container.secrets.is_empty() || log.is_some_and(|log| !log.secret_options.is_empty())
    });
    if !uses_secrets || !definition.execution_role_arn().is_empty() {
        return Ok(());
    }
    Err(ApiError::client(
        "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_images_from_other_texts() {
        let digest = "a".repeat(64);
        let rows = [
            ("nginx".to_owned(), true),
            ("public.ecr.aws/nginx/nginx:1.27-alpine".to_owned(), true),
            ("localhost:5000/a_b/c".to_owned(), true),
            (format!("nginx@sha256:{digest}"), true),
            (format!("nginx:1@sha256:{digest}"), true),
            ("nginx@sha256:abc".to_owned(), false),
            ("@sha256:abc".to_owned(), false),
            ("<IMAGE1_NAME>".to_owned(), false),
            ("two words".to_owned(), false),
            ("{{ image }}".to_owned(), false),
        ];
        for (image, expected) in rows {
            assert_eq!(is_image(&image), expected, "{image}");
        }
    }
}
