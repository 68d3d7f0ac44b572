//! Task definitions, for people.

use berth_proto::AwsName as _;
use berth_proto::ecs::v1::{Compatibility, ContainerDefinition, PortMapping, Tag, TaskDefinition};

use super::{count, tags};
use crate::details::Details;
use crate::names::short;
use crate::table::{Cell, Keep, Table};
use crate::time::date_time;

/// One line a task definition.
pub(crate) fn table(definitions: &[TaskDefinition]) -> Table {
    let mut table = Table::new(&[
        ("TASK DEFINITION", Keep::Always),
        ("STATUS", Keep::Always),
        ("CONTAINERS", Keep::IfRoom(1)),
        ("CPU", Keep::IfRoom(2)),
        ("MEMORY", Keep::IfRoom(2)),
        ("ARN", Keep::Wide),
    ]);
    for definition in definitions {
        let names: Vec<&str> =
            definition.container_definitions.iter().map(ContainerDefinition::name).collect();
        table.row([
            name(definition).into(),
            Cell::status(definition.status().aws_name()),
            names.join(", ").into(),
            definition.cpu().into(),
            definition.memory().into(),
            definition.task_definition_arn().into(),
        ]);
    }
    table
}

/// One line an ARN, where nothing else is known.
pub(crate) fn arns(arns: &[String]) -> Table {
    let mut table = Table::new(&[("TASK DEFINITION", Keep::Always), ("ARN", Keep::Wide)]);
    for arn in arns {
        table.row([short(arn).into(), arn.as_str().into()]);
    }
    table
}

/// `family:revision`.
pub(crate) fn name(definition: &TaskDefinition) -> String {
    format!("{}:{}", definition.family(), definition.revision())
}

/// Everything about one task definition.
pub(crate) fn details(definition: &TaskDefinition, tag_list: &[Tag]) -> Details {
    let compatibilities: Vec<&str> =
        definition.requires_compatibilities().map(Compatibility::aws_name).collect();
    let volumes = definition.volumes.iter().map(|volume| volume.name().to_owned()).collect();
    let constraints =
        definition.placement_constraints.iter().map(|one| one.expression().to_owned()).collect();
    let attributes = definition.requires_attributes.iter().map(|one| one.name().to_owned()).collect();
    let mut details = Details::new();
    details
        .field("Task definition", name(definition))
        .field("ARN", definition.task_definition_arn())
        .field("Status", definition.status().aws_name())
        .field("Network mode", definition.network_mode().aws_name())
        .field("Requires", compatibilities.join(", "))
        .field("CPU units", definition.cpu())
        .field("Memory MiB", definition.memory())
        .field("Task role", definition.task_role_arn())
        .field("Execution role", definition.execution_role_arn())
        .field("Registered", date_time(definition.registered_at.as_ref()))
        .field("Deregistered", date_time(definition.deregistered_at.as_ref()))
        .field("Registered by", definition.registered_by())
        .field("Tags", tags(tag_list))
        .table("Containers", containers(&definition.container_definitions))
        .lines("Volumes", volumes)
        .lines("Placement constraints", constraints)
        .lines("Requires attributes", attributes);
    details
}

fn containers(containers: &[ContainerDefinition]) -> Table {
    let mut table = Table::new(&[
        ("NAME", Keep::Always),
        ("IMAGE", Keep::Always),
        ("ESSENTIAL", Keep::IfRoom(3)),
        ("CPU", Keep::IfRoom(1)),
        ("MEMORY", Keep::IfRoom(1)),
        ("PORTS", Keep::IfRoom(2)),
        ("COMMAND", Keep::Sentence(4)),
    ]);
    for container in containers {
        let memory = match container.memory_reservation {
            Some(reservation) => format!("{reservation} reserved"),
            None => count(container.memory),
        };
        let ports: Vec<String> = container.port_mappings.iter().map(port).collect();
        table.row([
            container.name().into(),
            container.image().into(),
            if container.essential.unwrap_or(true) { "yes" } else { "no" }.into(),
            count(container.cpu).into(),
            memory.into(),
            ports.join(", ").into(),
            container.command.join(" ").into(),
        ]);
    }
    table
}

fn port(mapping: &PortMapping) -> String {
    let protocol = match mapping.protocol().aws_name() {
        "" | "tcp" => String::new(),
        other => format!("/{other}"),
    };
    match (mapping.host_port(), mapping.container_port_range.as_deref()) {
        (_, Some(range)) => format!("{range}{protocol}"),
        (0, None) => format!("{}{protocol}", mapping.container_port()),
        (host, None) => format!("{host}->{}{protocol}", mapping.container_port()),
    }
}
