//! Managed daemons and their task definitions: none can be made yet, so that whatever is asked of one is asked of one
//! that is not there. What ECS had before them, services with the DAEMON scheduling strategy, is in [`super::service`].

use berth_proto::ecs::v1 as pb;

use super::{Listed, check_names, failure, given, name, page, unsupported};
use crate::error::{ApiError, Exception};
use crate::state::State;

/// Source: ECS API, `DescribeDaemonDeployments` and `DescribeDaemonRevisions`.
const NAMES: usize = 20;

/// RegisterDaemonTaskDefinition.
pub fn register(request: &pb::RegisterDaemonTaskDefinitionRequest) -> ApiError {
    if !name::is_name(request.family()) {
        return ApiError::client("Family should have 1 to 255 letters, numbers, hyphens and underscores.");
    }
    if request.container_definitions.is_empty() {
        return ApiError::client("Container list cannot be empty.");
    }
    unsupported("A daemon task definition")
}

/// DescribeDaemonTaskDefinition.
pub fn absent_definition(reference: Option<&str>) -> ApiError {
    match given("Daemon task definition", reference) {
        Ok(_) => ApiError::client("Unable to describe daemon task definition."),
        Err(blank) => blank,
    }
}

/// DeleteDaemonTaskDefinition.
pub fn undeletable_definition(reference: Option<&str>) -> ApiError {
    match given("Daemon task definition", reference) {
        Ok(_) => ApiError::client("The specified daemon task definition does not exist."),
        Err(blank) => blank,
    }
}

/// ListDaemonTaskDefinitions.
pub fn list_definitions(
    request: &pb::ListDaemonTaskDefinitionsRequest,
) -> Listed<pb::DaemonTaskDefinitionSummary> {
    name::member::<pb::DaemonTaskDefinitionRevisionFilter>("revision", request.revision)?;
    name::member::<pb::DaemonTaskDefinitionStatusFilter>("status", request.status)?;
    name::member::<pb::SortOrder>("sort", request.sort)?;
    page::none(request.next_token.as_deref(), request.max_results)
}

/// CreateDaemon.
pub fn create(request: &pb::CreateDaemonRequest, view: &State) -> ApiError {
    let checked = given("Daemon name", request.daemon_name.as_deref())
        .and_then(|_| given("Daemon task definition", request.daemon_task_definition_arn.as_deref()))
        .and_then(|_| name::active_cluster(request.cluster_arn.as_deref(), view));
    match checked {
        Ok(_) => unsupported("A managed daemon"),
        Err(refused) => refused,
    }
}

/// The refusal of a call that is about one daemon.
pub fn absent(daemon: Option<&str>) -> ApiError {
    match given("Daemon", daemon) {
        Ok(_) => ApiError::new(Exception::DaemonNotFound, "Daemon not found."),
        Err(blank) => blank,
    }
}

/// ListDaemons.
pub fn list(request: &pb::ListDaemonsRequest, view: &State) -> Listed<pb::DaemonSummary> {
    name::active_cluster(request.cluster_arn.as_deref(), view)?;
    page::none(request.next_token.as_deref(), request.max_results)
}

/// ListDaemonDeployments. ECS declares no other exception for a daemon that is not there.
pub fn list_deployments(request: &pb::ListDaemonDeploymentsRequest) -> ApiError {
    match given("Daemon", request.daemon_arn.as_deref()) {
        Ok(arn) => ApiError::invalid(format!("Daemon not found: {arn}.")),
        Err(blank) => blank,
    }
}

/// DescribeDaemonDeployments and DescribeDaemonRevisions: a failure for each.
pub fn missing(what: &str, arns: &[String]) -> Result<Vec<pb::Failure>, ApiError> {
    check_names(what, arns, NAMES)?;
    Ok(arns.iter().map(|arn| failure(arn.clone(), "MISSING", None)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_those_that_are_not_there_is_a_failure() {
        let arns = ["a".to_owned(), "b".to_owned()];
        let failures = missing("Daemon deployments", &arns).expect("two are not too many");
        assert!(failures.iter().all(|failure| failure.reason() == "MISSING"));
        assert_eq!(failures.iter().map(pb::Failure::arn).collect::<Vec<_>>(), ["a", "b"]);
        assert!(missing("Daemon deployments", &[]).is_err());
        assert!(missing("Daemon deployments", &vec!["a".to_owned(); NAMES + 1]).is_err());
    }

    #[test]
    fn a_definition_is_refused_for_what_is_wrong_with_it_before_what_is_missing_here() {
        let mut request = pb::RegisterDaemonTaskDefinitionRequest::default();
        assert_eq!(register(&request).exception, Exception::Client);
        request.family = Some("logs".to_owned());
        assert_eq!(register(&request).message, "Container list cannot be empty.");
        request.container_definitions.push(pb::DaemonContainerDefinition::default());
        assert_eq!(register(&request).exception, Exception::UnsupportedFeature);
    }
}
