//! Container instances, for people.

use berth_proto::ecs::v1::{Attribute, ContainerInstance, Resource};

use super::tags;
use crate::details::Details;
use crate::names::{short, short_id};
use crate::table::{Cell, Keep, Table};
use crate::time::{age, date_time};

/// The attribute that says in which zone a host is.
const ZONE: &str = "ecs.availability-zone";

/// One line a container instance.
pub(crate) fn table(instances: &[ContainerInstance], now_unix_ms: i64) -> Table {
    let mut table = Table::new(&[
        ("INSTANCE", Keep::Always),
        ("STATUS", Keep::Always),
        ("CONNECTED", Keep::Always),
        ("ZONE", Keep::IfRoom(1)),
        ("HOST", Keep::IfRoom(5)),
        ("TASKS", Keep::IfRoom(2)),
        ("CPU FREE", Keep::IfRoom(3)),
        ("MEMORY FREE", Keep::IfRoom(3)),
        ("AGE", Keep::IfRoom(4)),
        ("AGENT", Keep::Wide),
        ("ARN", Keep::Wide),
    ]);
    for instance in instances {
        let version = instance.version_info.as_ref().map(|version| version.agent_version().to_owned());
        table.row([
            short_id(instance.container_instance_arn()).into(),
            Cell::status(instance.status()),
            Cell::status(if instance.agent_connected() { "yes" } else { "no" }),
            attribute(&instance.attributes, ZONE).into(),
            instance.ec2_instance_id().into(),
            tasks(instance).into(),
            free(instance, "CPU").into(),
            free(instance, "MEMORY").into(),
            age(instance.registered_at.as_ref(), now_unix_ms).into(),
            version.unwrap_or_default().into(),
            instance.container_instance_arn().into(),
        ]);
    }
    table
}

/// Running tasks, and those that are not yet.
fn tasks(instance: &ContainerInstance) -> String {
    match instance.pending_tasks_count() {
        0 => instance.running_tasks_count().to_string(),
        pending => format!("{} (+{pending})", instance.running_tasks_count()),
    }
}

/// `3072 of 4096`.
fn free(instance: &ContainerInstance, resource: &str) -> String {
    match (amount(&instance.remaining_resources, resource), amount(&instance.registered_resources, resource))
    {
        (Some(free), Some(all)) => format!("{free} of {all}"),
        _ => String::new(),
    }
}

fn amount(resources: &[Resource], name: &str) -> Option<i32> {
    resources.iter().find(|resource| resource.name() == name).map(Resource::integer_value)
}

fn attribute<'a>(attributes: &'a [Attribute], name: &str) -> &'a str {
    attributes.iter().find(|attribute| attribute.name() == name).map(Attribute::value).unwrap_or_default()
}

/// True for what agents say of themselves so that task definitions can require it: long, and rarely what is looked for.
fn is_capability(attribute: &Attribute) -> bool {
    let name = attribute.name();
    name.starts_with("ecs.capability.") || name.starts_with("com.amazonaws.ecs.capability.")
}

/// Attributes as a table; without capabilities, unless they are wanted.
pub(crate) fn attributes(attributes: &[Attribute], with_capabilities: bool) -> Table {
    let mut table =
        Table::new(&[("INSTANCE", Keep::Always), ("NAME", Keep::Always), ("VALUE", Keep::Always)]);
    for attribute in attributes.iter().filter(|one| with_capabilities || !is_capability(one)) {
        table.row([
            short_id(attribute.target_id()).into(),
            attribute.name().into(),
            attribute.value().into(),
        ]);
    }
    table
}

/// Everything about one container instance.
pub(crate) fn details(instance: &ContainerInstance, now_unix_ms: i64, with_capabilities: bool) -> Details {
    let version = instance.version_info.clone().unwrap_or_default();
    let attribute = |attribute: &Attribute| match attribute.value() {
        "" => attribute.name().to_owned(),
        value => format!("{}={value}", attribute.name()),
    };
    let shown = instance.attributes.iter().filter(|one| with_capabilities || !is_capability(one));
    let hidden = instance.attributes.len() - shown.clone().count();
    let mut details = Details::new();
    details
        .field("Container instance", short(instance.container_instance_arn()))
        .field("ARN", instance.container_instance_arn())
        .field("Host", instance.ec2_instance_id())
        .field("Status", instance.status())
        .field("Reason", instance.status_reason())
        .field("Agent connected", if instance.agent_connected() { "yes" } else { "no" })
        .field("Agent version", version.agent_version())
        .field("Container runtime", version.docker_version())
        .field("Running tasks", instance.running_tasks_count().to_string())
        .field("Pending tasks", instance.pending_tasks_count().to_string())
        .field("Registered", date_time(instance.registered_at.as_ref()))
        .field("Age", age(instance.registered_at.as_ref(), now_unix_ms))
        .field("Tags", tags(&instance.tags))
        .table("Resources", resources(instance))
        .lines("Attributes", shown.map(attribute).collect());
    if hidden > 0 {
        details.lines("Capabilities", vec![format!("{hidden}; `-o wide` lists them")]);
    }
    details
}

fn resources(instance: &ContainerInstance) -> Table {
    let mut table =
        Table::new(&[("NAME", Keep::Always), ("REGISTERED", Keep::Always), ("FREE", Keep::Always)]);
    for registered in &instance.registered_resources {
        let remaining = instance.remaining_resources.iter().find(|one| one.name() == registered.name());
        table.row([
            registered.name().into(),
            value(registered).into(),
            remaining.map(value).unwrap_or_default().into(),
        ]);
    }
    table
}

fn value(resource: &Resource) -> String {
    match resource.r#type() {
        "STRINGSET" => resource.string_set_value.join(" "),
        "DOUBLE" => resource.double_value().to_string(),
        "LONG" => resource.long_value().to_string(),
        _ => resource.integer_value().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Surface;

    #[test]
    fn an_instance_in_one_line() {
        let resource = |name: &str, value| Resource {
            name: Some(name.to_owned()),
            integer_value: Some(value),
            ..Resource::default()
        };
        let zone =
            Attribute { name: Some(ZONE.to_owned()), value: Some("a".to_owned()), ..Attribute::default() };
        let instance = ContainerInstance {
            container_instance_arn: Some(
                "arn:aws:ecs:r:0:container-instance/default/fedcba9876543210".to_owned(),
            ),
            status: Some("ACTIVE".to_owned()),
            agent_connected: Some(true),
            running_tasks_count: Some(2),
            pending_tasks_count: Some(1),
            registered_resources: vec![resource("CPU", 4096), resource("MEMORY", 8000)],
            remaining_resources: vec![resource("CPU", 3072), resource("MEMORY", 7000)],
            attributes: vec![zone],
            registered_at: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }),
            ..ContainerInstance::default()
        };
        let expected = "\
INSTANCE      STATUS  CONNECTED  ZONE  HOST  TASKS   CPU FREE      MEMORY FREE   AGE
fedcba987654  ACTIVE  yes        a     -     2 (+1)  3072 of 4096  7000 of 8000  3m
";
        assert_eq!(table(&[instance], 180_000).render(Surface::default()), expected);
    }
}
