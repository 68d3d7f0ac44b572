//! Where the containers of a task definition log to.

use berth_proto::AwsName;
use berth_proto::ecs::v1 as pb;

use super::invalid_setting;
use crate::error::ApiError;

pub(super) fn check(definition: &pb::TaskDefinition) -> Result<(), ApiError> {
    let containers = &definition.container_definitions;
    for container in containers {
        if let Some(log) = &container.log_configuration {
            check_configuration(container.name(), log)?;
        }
        if let Some(router) = &container.firelens_configuration {
            check_router(container.name(), router)?;
        }
    }
    let routers = containers.iter().filter(|container| container.firelens_configuration.is_some()).count();
    let routed = containers.iter().filter_map(|container| container.log_configuration.as_ref());
    let is_routed = routed.into_iter().any(|log| log.log_driver() == pb::LogDriver::Awsfirelens);
    match (routers, is_routed) {
        (0, true) => Err(ApiError::client(
            "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be \
             specified",
        )),
        (1, false) => Err(ApiError::client(
            "When a firelensConfiguration object is specified, at least one container has to be configured with the \
             awsfirelens log driver",
        )),
        (0 | 1, _) => Ok(()),
        _ => Err(ApiError::client(
            "A task definition can have only one container with a firelensConfiguration.",
        )),
    }
}

fn check_configuration(container: &str, log: &pb::LogConfiguration) -> Result<(), ApiError> {
    let driver = log.log_driver();
    if driver == pb::LogDriver::Unspecified {
        return Err(invalid_setting(container, "logConfiguration needs a logDriver."));
    }
    let required: &[&str] = match driver {
        pb::LogDriver::Awslogs => &["awslogs-region", "awslogs-group"],
        pb::LogDriver::Splunk => &["splunk-url"],
        pb::LogDriver::Unspecified
        | pb::LogDriver::JsonFile
        | pb::LogDriver::Syslog
        | pb::LogDriver::Journald
        | pb::LogDriver::Gelf
        | pb::LogDriver::Fluentd
        | pb::LogDriver::Awsfirelens
        | pb::LogDriver::Local
        | pb::LogDriver::None => &[],
    };
    let absent = |option: &&&str| log.options.get(**option).is_none_or(String::is_empty);
    let missing: Vec<&str> = required.iter().filter(absent).copied().collect();
    if missing.is_empty() {
        return check_exclusive(container, log);
    }
    let (driver, missing) = (driver.aws_name(), missing.join(", "));
    Err(ApiError::client(format!("Log driver {driver} requires options: {missing}")))
}

fn check_exclusive(container: &str, log: &pb::LogConfiguration) -> Result<(), ApiError> {
    let given = |option: &str| log.options.contains_key(option);
    if given("awslogs-datetime-format") && given("awslogs-multiline-pattern") {
        let problem = "awslogs-datetime-format and awslogs-multiline-pattern cannot be used together.";
        return Err(invalid_setting(container, problem));
    }
    match log.options.get("mode").map(String::as_str) {
        None | Some("blocking" | "non-blocking") => Ok(()),
        Some(mode) => {
            let problem = format!("The log option mode must be blocking or non-blocking, is '{mode}'.");
            Err(invalid_setting(container, problem))
        }
    }
}

fn check_router(container: &str, router: &pb::FirelensConfiguration) -> Result<(), ApiError> {
    if router.r#type() == pb::FirelensConfigurationType::Unspecified {
        return Err(invalid_setting(container, "firelensConfiguration needs a type."));
    }
    match router.options.get("config-file-type").map(String::as_str) {
        None | Some("s3" | "file") => Ok(()),
        Some(kind) => {
            Err(invalid_setting(container, format!("config-file-type must be s3 or file, is '{kind}'.")))
        }
    }
}
