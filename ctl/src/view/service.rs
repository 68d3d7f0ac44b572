//! Services, for people.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{Deployment, PlacementConstraint, PlacementStrategy, Service, ServiceEvent};

use super::tags;
use crate::details::Details;
use crate::names::short;
use crate::table::{Cell, Keep, Table, Tone};
use crate::time::{age, date_time, span_ms, time_of_day, unix_ms};

/// Events shown with a description; `berth service events` shows all that are kept.
const EVENTS_SHOWN: usize = 10;

/// One line a service.
pub(crate) fn table(services: &[Service], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("NAME", Keep::Always),
        ("STATUS", Keep::Always),
        ("RUNNING", Keep::Always),
        ("PENDING", Keep::IfRoom(4)),
        ("TASK DEFINITION", Keep::IfRoom(3)),
        ("ROLLOUT", Keep::IfRoom(2)),
        ("STRATEGY", Keep::Wide),
        ("AGE", Keep::IfRoom(1)),
        ("ARN", Keep::Wide),
    ]);
    for service in services {
        let rollout =
            primary(service).map(|deployment| deployment.rollout_state().aws_name()).unwrap_or_default();
        table.row([
            service.service_name().into(),
            Cell::status(service.status()),
            ratio(service.running_count(), service.desired_count()),
            service.pending_count().to_string().into(),
            short(service.task_definition()).into(),
            Cell::status(rollout),
            service.scheduling_strategy().aws_name().into(),
            age(service.created_at.as_ref(), now_unix_ms).into(),
            service.service_arn().into(),
        ]);
    }
    table
}

/// `2/3`: green when it is what was asked for.
fn ratio(running: i32, desired: i32) -> Cell {
    let tone = match running {
        _ if running == desired => Tone::Good,
        0 => Tone::Bad,
        _ => Tone::Busy,
    };
    Cell::toned(format!("{running}/{desired}"), tone)
}

/// The deployment that is meant to stay.
pub(crate) fn primary(service: &Service) -> Option<&Deployment> {
    service.deployments.iter().find(|deployment| deployment.status() == "PRIMARY")
}

/// Everything about one service.
pub(crate) fn details(service: &Service, now_unix_ms: i64) -> Details {
    let mut details = Details::new();
    details
        .field("Name", service.service_name())
        .field("ARN", service.service_arn())
        .field("Cluster", short(service.cluster_arn()))
        .field("Status", service.status())
        .field("Task definition", short(service.task_definition()))
        .field("Scheduling strategy", service.scheduling_strategy().aws_name())
        .field(
            "Tasks",
            format!(
                "{} desired, {} running, {} pending",
                service.desired_count(),
                service.running_count(),
                service.pending_count()
            ),
        )
        .field("Launch type", service.launch_type().aws_name())
        .field("Placement", placement(&service.placement_strategy, &service.placement_constraints))
        .field("Deployment", deployment_rules(service))
        .field("Created", date_time(service.created_at.as_ref()))
        .field("Tags", tags(&service.tags))
        .table("Deployments", deployments(&service.deployments, now_unix_ms))
        .lines("Waiting", service.deployments.iter().filter_map(|one| waiting(one, now_unix_ms)).collect())
        .lines(
            "Events",
            service.events.iter().take(EVENTS_SHOWN).map(|event| event_line(event, now_unix_ms)).collect(),
        );
    details
}

fn deployment_rules(service: &Service) -> String {
    let Some(configuration) = &service.deployment_configuration else {
        return String::new();
    };
    let mut rules = vec![format!(
        "{}% to {}% of the desired count",
        configuration.minimum_healthy_percent(),
        configuration.maximum_percent()
    )];
    if let Some(breaker) =
        configuration.deployment_circuit_breaker.as_ref().filter(|breaker| breaker.enable())
    {
        rules.push(
            if breaker.rollback() { "circuit breaker with rollback" } else { "circuit breaker" }.to_owned(),
        );
    }
    rules.join(", ")
}

fn placement(strategies: &[PlacementStrategy], constraints: &[PlacementConstraint]) -> String {
    let strategy = |strategy: &PlacementStrategy| match strategy.field.as_deref() {
        Some(field) if !field.is_empty() => format!("{}={field}", strategy.r#type().aws_name()),
        _ => strategy.r#type().aws_name().to_owned(),
    };
    let constraint = |constraint: &PlacementConstraint| match constraint.expression.as_deref() {
        Some(expression) if !expression.is_empty() => {
            format!("{}={expression}", constraint.r#type().aws_name())
        }
        _ => constraint.r#type().aws_name().to_owned(),
    };
    strategies.iter().map(strategy).chain(constraints.iter().map(constraint)).collect::<Vec<_>>().join(", ")
}

fn deployments(deployments: &[Deployment], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("ID", Keep::Always),
        ("STATUS", Keep::Always),
        ("ROLLOUT", Keep::Always),
        ("TASK DEFINITION", Keep::IfRoom(1)),
        ("RUNNING", Keep::Always),
        ("PENDING", Keep::IfRoom(3)),
        ("FAILED", Keep::IfRoom(4)),
        ("AGE", Keep::IfRoom(2)),
        ("REASON", Keep::Sentence(5)),
    ]);
    for deployment in deployments {
        table.row([
            deployment.id().into(),
            Cell::status(deployment.status()),
            Cell::status(deployment.rollout_state().aws_name()),
            short(deployment.task_definition()).into(),
            ratio(deployment.running_count(), deployment.desired_count()),
            deployment.pending_count().to_string().into(),
            deployment.failed_tasks().to_string().into(),
            age(deployment.created_at.as_ref(), now_unix_ms).into(),
            deployment.rollout_state_reason().into(),
        ]);
    }
    table
}

/// When a deployment whose tasks failed starts the next ones.
fn waiting(deployment: &Deployment, now_unix_ms: i64) -> Option<String> {
    let at = deployment.next_attempt_at.as_ref()?;
    let left = span_ms(unix_ms(at) - now_unix_ms);
    let reason = deployment.last_failure_reason();
    Some(format!("{} starts its next tasks in {left}; the last one failed: {reason}", deployment.id()))
}

/// One event, with its age.
pub(crate) fn event_line(event: &ServiceEvent, now_unix_ms: i64) -> String {
    format!("{:>5}  {}", age(event.created_at.as_ref(), now_unix_ms), event.message())
}

/// One event, with its time of day.
pub(crate) fn timed_event_line(event: &ServiceEvent) -> String {
    let time = event.created_at.as_ref().map(time_of_day).unwrap_or_default();
    format!("{time}  {}", event.message())
}

#[cfg(test)]
mod tests {
    use berth_proto::ecs::v1::{DeploymentRolloutState, SchedulingStrategy};

    use super::*;
    use crate::table::Surface;

    #[test]
    fn a_service_in_one_line() {
        let time = prost_types::Timestamp { seconds: 1_000, nanos: 0 };
        let deployment = Deployment {
            status: Some("PRIMARY".to_owned()),
            rollout_state: Some(DeploymentRolloutState::InProgress.into()),
            ..Deployment::default()
        };
        let service = Service {
            service_name: Some("web".to_owned()),
            status: Some("ACTIVE".to_owned()),
            desired_count: Some(3),
            running_count: Some(2),
            pending_count: Some(1),
            task_definition: Some("arn:aws:ecs:r:0:task-definition/web:7".to_owned()),
            scheduling_strategy: Some(SchedulingStrategy::Replica.into()),
            created_at: Some(time),
            deployments: vec![deployment],
            ..Service::default()
        };
        let expected = "\
NAME  STATUS  RUNNING  PENDING  TASK DEFINITION  ROLLOUT      AGE
web   ACTIVE  2/3      1        web:7            IN_PROGRESS  3m
";
        assert_eq!(table(std::slice::from_ref(&service), 1_180_000).render(Surface::default()), expected);
        let text = details(&service, 1_180_000).render(Surface::default());
        assert!(text.contains("Tasks:                3 desired, 2 running, 1 pending\n"), "{text}");
        assert!(text.contains("Deployments:\n  ID  STATUS"), "{text}");
    }
}
