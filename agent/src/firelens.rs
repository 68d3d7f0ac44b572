//! FireLens: one container of a task, the router, gets the logs of the others, and sends them where their options say.
//!
//! The others log through Docker's driver `fluentd` into a socket that the router listens at; what the router does with
//! it stands in a configuration that is written for it here, for Fluent Bit or Fluentd. Source: ECS developer guide,
//! "Send Amazon ECS logs to an AWS service or AWS Partner" and its examples of generated configurations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use berth_proto::ecs::v1 as ecs;

/// What an agent can do that can give a router its files.
pub const CAPABILITIES: [&str; 3] = [
    "ecs.capability.firelens.fluentd",
    "ecs.capability.firelens.fluentbit",
    "ecs.capability.firelens.options.config.file",
];

/// The driver's name in a task definition.
pub const DRIVER: &str = "awsfirelens";
/// Where the router sees the folder of its socket.
pub const SOCKET_FOLDER: &str = "/var/run";
/// The socket in it.
pub const SOCKET: &str = "fluent.sock";
/// Where a router listens for those that send records themselves.
pub const PORT: u16 = 24_224;

/// Options of a container's log that are for Docker or for filters, and not for the router's output.
const BUFFER_LIMIT: &str = "log-driver-buffer-limit";
const INCLUDE: &str = "include-pattern";
const EXCLUDE: &str = "exclude-pattern";

/// What the configuration of a router says of its task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Name of the cluster.
    pub cluster: String,
    /// ARN of the task.
    pub task_arn: String,
    /// `FAMILY:REVISION`.
    pub definition: String,
}

/// Where a router can be reached by the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// By containers that share its network.
    Inside,
    /// By containers that have a link to it.
    Linked,
    /// Not at all: its host's ports are not for this.
    Nobody,
}

/// Lines of a part of a configuration: names and values.
type Entries = Vec<(String, String)>;

/// The container that routes, and its position.
#[must_use]
pub fn router(containers: &[ecs::ContainerDefinition]) -> Option<(usize, &ecs::ContainerDefinition)> {
    containers.iter().enumerate().find(|(_, container)| container.firelens_configuration.is_some())
}

/// The log configuration of a container whose log is routed.
#[must_use]
pub fn routed(container: &ecs::ContainerDefinition) -> Option<&ecs::LogConfiguration> {
    container.log_configuration.as_ref().filter(|log| log.log_driver() == ecs::LogDriver::Awsfirelens)
}

/// Where a router expects its configuration.
#[must_use]
pub fn path(router: &ecs::ContainerDefinition) -> &'static str {
    if is_fluentd(router) { "/fluentd/etc/fluent.conf" } else { "/fluent-bit/etc/fluent-bit.conf" }
}

/// What Docker is told of a container whose log is routed: to write into this socket.
#[must_use]
pub fn driver_options(
    container: &str,
    task_id: &str,
    log: &ecs::LogConfiguration,
    socket: &str,
) -> BTreeMap<String, String> {
    let limit = log.options.get(BUFFER_LIMIT).map(|limit| ("fluentd-buffer-limit", limit.clone()));
    let options = [
        ("fluentd-address", format!("unix://{socket}")),
        // A router that is slow or away holds nobody up.
        ("fluentd-async", "true".to_owned()),
        ("fluentd-sub-second-precision", "true".to_owned()),
        ("tag", format!("{container}-firelens-{task_id}")),
    ];
    options.into_iter().chain(limit).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The variable of the router that has the value of a secret option of the container at this position.
#[must_use]
pub fn variable(option: &str, position: usize) -> String {
    let name = |char: char| if char.is_ascii_alphanumeric() { char } else { '_' };
    format!("{}_{position}", option.chars().map(name).collect::<String>())
}

/// The configuration of a task's router; none when it has none.
#[must_use]
pub fn configuration(containers: &[ecs::ContainerDefinition], about: &About, reach: Reach) -> Option<String> {
    let (_, router) = router(containers)?;
    let options = &router.firelens_configuration.as_ref()?.options;
    let has_metadata = options.get("enable-ecs-log-metadata").is_none_or(|value| value != "false");
    let records = [
        ("ecs_cluster", &about.cluster),
        ("ecs_task_arn", &about.task_arn),
        ("ecs_task_definition", &about.definition),
    ];
    let records = records.map(|(name, value)| (name.to_owned(), value.clone()));
    let records = if has_metadata { records.to_vec() } else { Entries::new() };
    let file = options.get("config-file-type").filter(|kind| *kind == "file");
    let include = file.and_then(|_| options.get("config-file-value")).map(String::as_str);
    let bind = match reach {
        Reach::Inside => Some("127.0.0.1"),
        Reach::Linked => Some("0.0.0.0"),
        Reach::Nobody => None,
    };
    let write = if is_fluentd(router) { fluentd } else { fluent_bit };
    Some(write(containers, bind, &records, include))
}

fn is_fluentd(router: &ecs::ContainerDefinition) -> bool {
    let configuration = router.firelens_configuration.as_ref();
    configuration.is_some_and(|router| router.r#type() == ecs::FirelensConfigurationType::Fluentd)
}

/// What the output of a container's log is told, its secrets by the names of variables.
fn output(position: usize, log: &ecs::LogConfiguration, variable_text: fn(&str) -> String) -> Entries {
    let is_for_the_output = |name: &str| ![BUFFER_LIMIT, INCLUDE, EXCLUDE].contains(&name);
    let options = log.options.iter().filter(|(name, _)| is_for_the_output(name));
    let secrets = log
        .secret_options
        .iter()
        .map(|secret| (secret.name().to_owned(), variable_text(&variable(secret.name(), position))));
    options.map(|(name, value)| (name.clone(), line(value))).chain(secrets).collect()
}

/// A value ends with its line.
fn line(value: &str) -> String {
    value.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// Every container whose log is routed: its position, its name, its log.
fn sources(
    containers: &[ecs::ContainerDefinition],
) -> impl Iterator<Item = (usize, &str, &ecs::LogConfiguration)> {
    let routed = |(at, container)| routed(container).map(|log| (at, container.name(), log));
    containers.iter().enumerate().filter_map(routed)
}

fn fluent_bit(
    containers: &[ecs::ContainerDefinition],
    bind: Option<&str>,
    records: &[(String, String)],
    include: Option<&str>,
) -> String {
    let mut text = String::new();
    let entry = |name: &str, value: &str| (name.to_owned(), line(value));
    let socket = format!("{SOCKET_FOLDER}/{SOCKET}");
    section(&mut text, "INPUT", [entry("Name", "forward"), entry("unix_path", &socket)]);
    if let Some(bind) = bind {
        let port = PORT.to_string();
        section(&mut text, "INPUT", [entry("Name", "forward"), entry("Listen", bind), entry("Port", &port)]);
    }
    for (_, container, log) in sources(containers) {
        for (option, verb) in [(INCLUDE, "Regex"), (EXCLUDE, "Exclude")] {
            let Some(pattern) = log.options.get(option) else { continue };
            let matched = entry("Match", &format!("{container}-firelens*"));
            let condition = entry(verb, &format!("log {pattern}"));
            section(&mut text, "FILTER", [entry("Name", "grep"), matched, condition]);
        }
    }
    if !records.is_empty() {
        let added = records.iter().map(|(name, value)| entry("Record", &format!("{name} {value}")));
        let entries = [entry("Name", "record_modifier"), entry("Match", "*")].into_iter().chain(added);
        section(&mut text, "FILTER", entries);
    }
    if let Some(include) = include {
        let _ = writeln!(text, "@INCLUDE {}\n", line(include));
    }
    for (position, container, log) in sources(containers) {
        let mut entries = output(position, log, |variable| format!("${{{variable}}}"));
        // Without a name there is nothing to send to: what the included file says is all.
        if entries.iter().any(|(name, _)| name.eq_ignore_ascii_case("name")) {
            entries.push(entry("Match", &format!("{container}-firelens*")));
            section(&mut text, "OUTPUT", entries);
        }
    }
    text
}

fn section(text: &mut String, kind: &str, entries: impl IntoIterator<Item = (String, String)>) {
    let _ = writeln!(text, "[{kind}]");
    for (name, value) in entries {
        let _ = writeln!(text, "    {name} {value}");
    }
    text.push('\n');
}

fn fluentd(
    containers: &[ecs::ContainerDefinition],
    bind: Option<&str>,
    records: &[(String, String)],
    include: Option<&str>,
) -> String {
    let mut text = format!("<source>\n  @type unix\n  path {SOCKET_FOLDER}/{SOCKET}\n</source>\n\n");
    if let Some(bind) = bind {
        let _ = writeln!(text, "<source>\n  @type forward\n  bind {bind}\n  port {PORT}\n</source>\n");
    }
    for (_, container, log) in sources(containers) {
        for (option, tag) in [(INCLUDE, "regexp"), (EXCLUDE, "exclude")] {
            let Some(pattern) = log.options.get(option).map(|pattern| line(pattern)) else { continue };
            let _ = writeln!(
                text,
                "<filter {container}-firelens**>\n  @type grep\n  <{tag}>\n    key log\n    pattern {pattern}\n  </{tag}>\n</filter>\n"
            );
        }
    }
    if !records.is_empty() {
        text.push_str("<filter **>\n  @type record_transformer\n  <record>\n");
        for (name, value) in records {
            let _ = writeln!(text, "    {name} {}", line(value));
        }
        text.push_str("  </record>\n</filter>\n\n");
    }
    if let Some(include) = include {
        let _ = writeln!(text, "@include {}\n", line(include));
    }
    for (position, container, log) in sources(containers) {
        let entries = output(position, log, |variable| format!("\"#{{ENV['{variable}']}}\""));
        if entries.iter().any(|(name, _)| name == "@type") {
            let _ = writeln!(text, "<match {container}-firelens**>");
            for (name, value) in entries {
                let _ = writeln!(text, "  {name} {value}");
            }
            text.push_str("</match>\n\n");
        }
    }
    text
}

#[cfg(test)]
mod tests;
