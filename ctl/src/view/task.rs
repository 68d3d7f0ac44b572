//! Tasks, for people.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{Container, HealthStatus, NetworkBinding, Task};

use super::tags;
use crate::details::Details;
use crate::names::{service_of_group, short, short_id};
use crate::table::{Cell, Keep, Table, Tone};
use crate::time::{age, date_time};

/// One line a task.
pub(crate) fn table(tasks: &[Task], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("TASK", Keep::Always),
        ("SERVICE", Keep::Always),
        ("TASK DEFINITION", Keep::IfRoom(4)),
        ("STATUS", Keep::Always),
        ("HEALTH", Keep::IfRoom(6)),
        ("INSTANCE", Keep::IfRoom(3)),
        ("ZONE", Keep::IfRoom(2)),
        ("PORTS", Keep::IfRoom(5)),
        ("AGE", Keep::IfRoom(1)),
        ("STARTED BY", Keep::Wide),
        ("REASON", Keep::Wide),
        ("ARN", Keep::Wide),
    ]);
    for task in tasks {
        table.row([
            short_id(task.task_arn()).into(),
            service_of_group(task.group()).unwrap_or_default().into(),
            short(task.task_definition_arn()).into(),
            status(task),
            health(task.health_status()),
            short_id(task.container_instance_arn()).into(),
            task.availability_zone().into(),
            ports(task).into(),
            age(task.created_at.as_ref(), now_unix_ms).into(),
            task.started_by().into(),
            task.stopped_reason().into(),
            task.task_arn().into(),
        ]);
    }
    table
}

/// The status; a stopped task says how its containers ended.
fn status(task: &Task) -> Cell {
    let status = task.last_status();
    let code = task.containers.iter().filter_map(|container| container.exit_code).find(|code| *code != 0);
    match code {
        Some(code) if status == "STOPPED" => Cell::toned(format!("STOPPED ({code})"), Tone::Bad),
        _ => Cell::status(status),
    }
}

fn health(health: HealthStatus) -> Cell {
    match health {
        HealthStatus::Healthy | HealthStatus::Unhealthy => Cell::status(health.aws_name()),
        // Without a health check there is nothing to know.
        HealthStatus::Unknown | HealthStatus::Unspecified => Cell::toned("", Tone::Quiet),
    }
}

/// Every port the task can be reached at: `8080->80, 5353->53/udp`.
pub(crate) fn ports(task: &Task) -> String {
    let bindings = task.containers.iter().flat_map(|container| &container.network_bindings);
    let mut ports: Vec<String> = bindings.map(port).collect();
    ports.dedup();
    ports.join(", ")
}

fn port(binding: &NetworkBinding) -> String {
    let protocol = match binding.protocol().aws_name() {
        "" | "tcp" => String::new(),
        other => format!("/{other}"),
    };
    match (&binding.host_port_range, &binding.container_port_range) {
        (Some(host), Some(container)) => format!("{host}->{container}{protocol}"),
        _ => format!("{}->{}{protocol}", binding.host_port(), binding.container_port()),
    }
}

/// Everything about one task.
pub(crate) fn details(task: &Task, now_unix_ms: i64) -> Details {
    let stop_code = task.stop_code().aws_name();
    let mut details = Details::new();
    details
        .field("Task", short(task.task_arn()))
        .field("ARN", task.task_arn())
        .field("Cluster", short(task.cluster_arn()))
        .field("Service", service_of_group(task.group()).unwrap_or_default())
        .field("Group", task.group())
        .field("Task definition", short(task.task_definition_arn()))
        .field("Status", format!("{}, wanted {}", task.last_status(), task.desired_status()))
        .field("Health", task.health_status().aws_name())
        .field("Stopped because", task.stopped_reason())
        .field("Stop code", stop_code)
        .field("Container instance", short(task.container_instance_arn()))
        .field("Availability zone", task.availability_zone())
        .field("Placed there because", placement(task))
        .field("Queue", queue(task))
        .field("Started by", task.started_by())
        .field("CPU units", task.cpu())
        .field("Memory MiB", task.memory())
        .field("Created", date_time(task.created_at.as_ref()))
        .field("Started", date_time(task.started_at.as_ref()))
        .field("Stopped", date_time(task.stopped_at.as_ref()))
        .field("Age", age(task.created_at.as_ref(), now_unix_ms))
        .field("Tags", tags(&task.tags))
        .table("Containers", containers(&task.containers))
        .lines("Last log lines", task.containers.iter().flat_map(last_log_lines).collect());
    details
}

fn placement(task: &Task) -> &str {
    task.placement_decision.as_ref().map(|decision| decision.summary()).unwrap_or_default()
}

/// How it waits for a place, or did.
fn queue(task: &Task) -> String {
    let Some(queue) = &task.queue else { return String::new() };
    let expires = match date_time(queue.expires_at.as_ref()) {
        at if at.is_empty() => String::new(),
        at => format!(", given up at {at}"),
    };
    format!("priority {}{expires}", queue.priority())
}

/// What a container wrote before it ended other than it should.
fn last_log_lines(container: &Container) -> impl Iterator<Item = String> {
    container.last_log_lines.iter().map(|line| format!("{} | {line}", container.name()))
}

fn containers(containers: &[Container]) -> Table {
    let mut table = Table::new(&[
        ("NAME", Keep::Always),
        ("STATUS", Keep::Always),
        ("EXIT", Keep::Always),
        ("HEALTH", Keep::IfRoom(3)),
        ("IMAGE", Keep::IfRoom(2)),
        ("PORTS", Keep::IfRoom(1)),
        ("RUNTIME ID", Keep::Wide),
        ("REASON", Keep::Sentence(4)),
    ]);
    for container in containers {
        let ports: Vec<String> = container.network_bindings.iter().map(port).collect();
        table.row([
            container.name().into(),
            Cell::status(container.last_status()),
            super::count(container.exit_code).into(),
            health(container.health_status()),
            container.image().into(),
            ports.join(", ").into(),
            container.runtime_id().into(),
            container.reason().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use berth_proto::ecs::v1::TransportProtocol;

    use super::*;
    use crate::table::Surface;

    fn task() -> Task {
        let binding = |host, container, protocol: TransportProtocol| NetworkBinding {
            host_port: Some(host),
            container_port: Some(container),
            protocol: Some(protocol.into()),
            ..NetworkBinding::default()
        };
        let container = Container {
            name: Some("app".to_owned()),
            last_status: Some("RUNNING".to_owned()),
            network_bindings: vec![
                binding(8080, 80, TransportProtocol::Tcp),
                binding(5353, 53, TransportProtocol::Udp),
            ],
            ..Container::default()
        };
        Task {
            task_arn: Some("arn:aws:ecs:r:0:task/default/0123456789abcdef0123456789abcdef".to_owned()),
            task_definition_arn: Some("arn:aws:ecs:r:0:task-definition/web:7".to_owned()),
            container_instance_arn: Some(
                "arn:aws:ecs:r:0:container-instance/default/fedcba9876543210".to_owned(),
            ),
            group: Some("service:web".to_owned()),
            last_status: Some("RUNNING".to_owned()),
            health_status: Some(HealthStatus::Healthy.into()),
            availability_zone: Some("a".to_owned()),
            created_at: Some(prost_types::Timestamp { seconds: 1_000, nanos: 0 }),
            containers: vec![container],
            ..Task::default()
        }
    }

    #[test]
    fn a_task_in_one_line() {
        let expected = "\
TASK          SERVICE  TASK DEFINITION  STATUS   HEALTH   INSTANCE      ZONE  PORTS                   AGE
0123456789ab  web      web:7            RUNNING  HEALTHY  fedcba987654  a     8080->80, 5353->53/udp  3m
";
        assert_eq!(table(&[task()], 1_180_000).render(Surface::default()), expected);
    }

    #[test]
    fn eighty_columns_keep_what_matters_most() {
        let surface = Surface { width: Some(80), ..Surface::default() };
        let text = table(&[task()], 1_180_000).render(surface);
        let header = text.lines().next().expect("a header");
        assert_eq!(header, "TASK          SERVICE  TASK DEFINITION  STATUS   INSTANCE      ZONE  AGE");
    }

    #[test]
    fn a_stopped_task_says_how_it_ended() {
        let mut task = task();
        task.last_status = Some("STOPPED".to_owned());
        task.containers[0].exit_code = Some(137);
        assert!(table(&[task], 0).render(Surface::default()).contains("STOPPED (137)"));
    }
}
