//! Configurations as the developer guide shows them for such tasks.

use super::*;

fn text(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn router_of(kind: ecs::FirelensConfigurationType, options: &[(&str, &str)]) -> ecs::ContainerDefinition {
    let configuration = ecs::FirelensConfiguration { r#type: Some(kind.into()), options: text(options) };
    ecs::ContainerDefinition {
        name: Some("router".to_owned()),
        firelens_configuration: Some(configuration),
        ..Default::default()
    }
}

fn app(options: &[(&str, &str)], secrets: &[&str]) -> ecs::ContainerDefinition {
    let secret =
        |name: &&str| ecs::Secret { name: Some((*name).to_owned()), value_from: Some("p".to_owned()) };
    let log = ecs::LogConfiguration {
        log_driver: Some(ecs::LogDriver::Awsfirelens.into()),
        options: text(options),
        secret_options: secrets.iter().map(secret).collect(),
    };
    ecs::ContainerDefinition {
        name: Some("web".to_owned()),
        log_configuration: Some(log),
        ..Default::default()
    }
}

fn about() -> About {
    About { cluster: "default".into(), task_arn: "arn:task".into(), definition: "web:3".into() }
}

#[test]
fn fluent_bit_is_told_where_logs_come_from_and_where_they_go() {
    let options = [
        ("Name", "http"),
        ("Host", "logs.example"),
        ("exclude-pattern", "^GET /health"),
        ("log-driver-buffer-limit", "9"),
    ];
    let router = router_of(
        ecs::FirelensConfigurationType::Fluentbit,
        &[("config-file-type", "file"), ("config-file-value", "/extra.conf")],
    );
    let containers = [app(&options, &["api-key"]), router];
    let written = configuration(&containers, &about(), Reach::Linked).unwrap();
    let expected = "\
[INPUT]
    Name forward
    unix_path /var/run/fluent.sock

[INPUT]
    Name forward
    Listen 0.0.0.0
    Port 24224

[FILTER]
    Name grep
    Match web-firelens*
    Exclude log ^GET /health

[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster default
    Record ecs_task_arn arn:task
    Record ecs_task_definition web:3

@INCLUDE /extra.conf

[OUTPUT]
    Host logs.example
    Name http
    api-key ${api_key_0}
    Match web-firelens*

";
    assert_eq!(written, expected);
}

#[test]
fn fluentd_is_told_the_same_in_its_own_words() {
    let options = [("@type", "http"), ("endpoint", "http://x"), ("include-pattern", "ERROR")];
    let router = router_of(ecs::FirelensConfigurationType::Fluentd, &[("enable-ecs-log-metadata", "false")]);
    let containers = [router, app(&options, &["token"])];
    let written = configuration(&containers, &about(), Reach::Nobody).unwrap();
    let expected = "\
<source>
  @type unix
  path /var/run/fluent.sock
</source>

<filter web-firelens**>
  @type grep
  <regexp>
    key log
    pattern ERROR
  </regexp>
</filter>

<match web-firelens**>
  @type http
  endpoint http://x
  token \"#{ENV['token_1']}\"
</match>

";
    assert_eq!(written, expected);
}

#[test]
fn a_value_cannot_begin_a_line_of_its_own() {
    let router = router_of(ecs::FirelensConfigurationType::Fluentbit, &[]);
    let containers = [app(&[("Name", "stdout\n[OUTPUT]\n    Name exec")], &[]), router];
    let written = configuration(&containers, &about(), Reach::Inside).unwrap();
    assert_eq!(written.matches("\n[OUTPUT]").count(), 1, "{written}");
}

#[test]
fn docker_writes_into_the_socket_and_waits_for_nobody() {
    let container = app(&[("Name", "http"), ("log-driver-buffer-limit", "2097152")], &[]);
    let options = driver_options("web", "t1", routed(&container).unwrap(), "/run/x/fluent.sock");
    assert_eq!(options["fluentd-address"], "unix:///run/x/fluent.sock");
    assert_eq!(options["fluentd-buffer-limit"], "2097152");
    assert_eq!((options["fluentd-async"].as_str(), options["tag"].as_str()), ("true", "web-firelens-t1"));
    assert!(!options.contains_key("Name"));
}
