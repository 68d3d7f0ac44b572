//! Service deployments and service revisions, for people.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{
    DeploymentLifecycleHookDetail, DeploymentPhase, ServiceDeployment, ServiceRevision,
    ServiceRevisionSummary, TaskFailure,
};

use crate::details::Details;
use crate::names::{short, short_id};
use crate::table::{Cell, Keep, Table};
use crate::time::{age, date_time, unix_ms};

/// One line a service deployment.
pub(crate) fn table(deployments: &[ServiceDeployment], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("ID", Keep::Always),
        ("STATUS", Keep::Always),
        ("REVISION", Keep::IfRoom(2)),
        ("STAGE", Keep::IfRoom(4)),
        ("FAILED", Keep::IfRoom(5)),
        ("AGE", Keep::IfRoom(1)),
        ("TOOK", Keep::IfRoom(3)),
        ("REASON", Keep::Sentence(6)),
    ]);
    for deployment in deployments {
        let failures = deployment.deployment_circuit_breaker.as_ref().map(|breaker| breaker.failure_count());
        table.row([
            short(deployment.service_deployment_arn()).into(),
            Cell::status(deployment.status().aws_name()),
            deployment
                .target_service_revision
                .as_ref()
                .map(|one| short(one.arn()))
                .unwrap_or_default()
                .into(),
            deployment.lifecycle_stage().aws_name().into(),
            failures.unwrap_or_default().to_string().into(),
            age(deployment.created_at.as_ref(), now_unix_ms).into(),
            phases(&deployment.phases).into(),
            deployment.status_reason().into(),
        ]);
    }
    table
}

/// Everything about one service deployment.
pub(crate) fn details(deployment: &ServiceDeployment) -> Details {
    let mut details = Details::new();
    details
        .field("ID", short(deployment.service_deployment_arn()))
        .field("ARN", deployment.service_deployment_arn())
        .field("Status", deployment.status().aws_name())
        .field("Reason", deployment.status_reason())
        .field("Stage", deployment.lifecycle_stage().aws_name())
        .field("Created", date_time(deployment.created_at.as_ref()))
        .field("Finished", date_time(deployment.finished_at.as_ref()))
        .field("Took", phases(&deployment.phases));
    if let Some(breaker) = deployment.deployment_circuit_breaker.as_ref().filter(|one| one.threshold() > 0) {
        let (count, threshold) = (breaker.failure_count(), breaker.threshold());
        details.field("Circuit breaker", format!("{}, {count} of {threshold}", breaker.status().aws_name()));
    }
    if let Some(rollback) = &deployment.rollback {
        let to = short(rollback.service_revision_arn());
        details.field("Rollback", format!("to {to}: {}", rollback.reason()));
    }
    if let Some(failure) = &deployment.first_failure {
        details.lines("First failure", failure_lines(failure));
    }
    details
        .table("Revisions", summaries(deployment))
        .lines("Hooks", deployment.lifecycle_hook_details.iter().map(hook).collect());
    details
}

/// One line a service revision.
pub(crate) fn revisions(revisions: &[ServiceRevision], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("REVISION", Keep::Always),
        ("TASK DEFINITION", Keep::Always),
        ("AGE", Keep::IfRoom(1)),
        ("IMAGES", Keep::Sentence(2)),
    ]);
    for revision in revisions {
        let images = revision.container_images.iter().map(|image| match image.image_digest.as_deref() {
            Some(digest) => format!("{} ({})", image.image(), digest.get(..19).unwrap_or(digest)),
            None => image.image().to_owned(),
        });
        table.row([
            short(revision.service_revision_arn()).into(),
            short(revision.task_definition()).into(),
            age(revision.created_at.as_ref(), now_unix_ms).into(),
            images.collect::<Vec<_>>().join(", ").into(),
        ]);
    }
    table
}

/// `pull 12 s, start 3 s, drain 30 s`.
fn phases(phases: &[DeploymentPhase]) -> String {
    let phase = |phase: &DeploymentPhase| {
        let (from, to) = (phase.started_at.as_ref()?, phase.finished_at.as_ref()?);
        let tenths = (unix_ms(to) - unix_ms(from)).max(0) / 100;
        let length =
            if tenths < 100 { format!("{}.{}", tenths / 10, tenths % 10) } else { (tenths / 10).to_string() };
        Some(format!("{} {length} s", phase.name()))
    };
    phases.iter().filter_map(phase).collect::<Vec<_>>().join(", ")
}

fn failure_lines(failure: &TaskFailure) -> Vec<String> {
    let first = format!("task {}: {}", short_id(failure.task_arn()), failure.reason());
    let lines = failure.last_log_lines.iter().map(|line| format!("| {line}"));
    std::iter::once(first).chain(lines).collect()
}

fn summaries(deployment: &ServiceDeployment) -> Table {
    let mut table = Table::new(&[
        ("REVISION", Keep::Always),
        ("ROLE", Keep::Always),
        ("RUNNING", Keep::Always),
        ("PENDING", Keep::IfRoom(1)),
    ]);
    let row = |summary: &ServiceRevisionSummary, role: &str| -> [Cell; 4] {
        [
            short(summary.arn()).into(),
            role.into(),
            format!("{}/{}", summary.running_task_count(), summary.requested_task_count()).into(),
            summary.pending_task_count().to_string().into(),
        ]
    };
    if let Some(target) = &deployment.target_service_revision {
        table.row(row(target, "target"));
    }
    for source in &deployment.source_service_revisions {
        table.row(row(source, "source"));
    }
    table
}

fn hook(hook: &DeploymentLifecycleHookDetail) -> String {
    let target = match hook.target_arn() {
        "" => hook.target_type().aws_name(),
        arn => arn,
    };
    let task = hook.task_arn.as_deref().map(|task| format!(", task {}", short_id(task))).unwrap_or_default();
    let reason = hook.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let (stage, status) = (hook.lifecycle_stage().aws_name(), hook.status().aws_name());
    format!("{stage} {target} {status}{task}{reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_told_in_seconds() {
        let at = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
        let phase = |name: &str, from, to| DeploymentPhase {
            name: Some(name.to_owned()),
            started_at: from,
            finished_at: to,
        };
        let all = [phase("pull", at(10, 0), at(22, 0)), phase("start", at(22, 0), at(25, 440_000_000))];
        assert_eq!(phases(&all), "pull 12 s, start 3.4 s");
    }
}
