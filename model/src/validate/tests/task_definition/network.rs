//! Network modes and volumes.

use serde_json::{Value as Json, json};

use super::{check, container, ec2};
use crate::validate::tests::world::with;

#[test]
fn networks_allow_what_their_mode_allows() {
    let ports = |mode: &str, mappings: Json| {
        with(&container(json!({"portMappings": mappings})), json!({"networkMode": mode}))
    };
    let mode = |mode: &str, change: Json| with(&container(change), json!({"networkMode": mode}));
    check(vec![
        (ports("bridge", json!([{"containerPort": 80, "hostPort": 8080}])), "ok"),
        (ports("bridge", json!([{"containerPort": 80}, {"containerPort": 80}])), "ok"),
        (
            ports(
                "bridge",
                json!([{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}]),
            ),
            "Host port 80 is used multiple times in task.",
        ),
        (
            ports(
                "bridge",
                json!([
                    {"containerPort": 53, "hostPort": 53},
                    {"containerPort": 53, "hostPort": 53, "protocol": "udp"},
                ]),
            ),
            "ok",
        ),
        (
            ports("host", json!([{"containerPort": 80, "hostPort": 81}])),
            "When networkMode=host, the host ports and container ports in port mappings must match.",
        ),
        (
            ports("awsvpc", json!([{"containerPort": 80, "hostPort": 81}])),
            "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
        ),
        (ports("awsvpc", json!([{"containerPort": 80, "hostPort": 0}])), "ok"),
        (
            ports("awsvpc", json!([{"containerPort": 80}, {"containerPort": 80}])),
            "Container port 80 is used multiple times in task.",
        ),
        (
            ports("none", json!([{"containerPort": 80}])),
            "Port mappings are not supported on container when networkMode=none.",
        ),
        (
            ports("bridge", json!([{"hostPort": 80}])),
            "Invalid setting for container 'web'. The container port must be between 1 and 65535.",
        ),
        (
            ports("bridge", json!([{"containerPort": 80, "hostPort": 65536}])),
            "Invalid setting for container 'web'. The host port must be between 0 and 65535.",
        ),
        (
            ports("bridge", json!([{"containerPort": 80, "name": "Web"}])),
            "Invalid setting for container 'web'. The port mapping name 'Web' must have up to 64 lowercase letters, \
             numbers, underscores and hyphens, the first not a hyphen.",
        ),
        (
            ports("bridge", json!([{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}])),
            "The port mapping name 'a' is already used in task.",
        ),
        (ports("bridge", json!([{"containerPortRange": "8000-8010"}])), "ok"),
        (
            ports("bridge", json!([{"containerPortRange": "8000-8010", "hostPort": 1}])),
            "Invalid setting for container 'web'. A port mapping cannot specify both single port and port range.",
        ),
        (
            ports("bridge", json!([{"containerPortRange": "8010-8000"}])),
            "Invalid setting for container 'web'. Invalid 'containerPortRange' setting '8010-8000': it must be two \
             ports from 1 to 65535 with a hyphen between them, the lower first.",
        ),
        (
            ports("bridge", json!([{"containerPortRange": "1-9"}, {"containerPortRange": "9-10"}])),
            "In range 9-10 a container port is used multiple times in task.",
        ),
        (
            ports("host", json!([{"containerPortRange": "1-9"}])),
            "Invalid setting for container 'web'. 'containerPortRange' is not supported when networkMode=host.",
        ),
        (mode("awsvpc", json!({"links": ["web"]})), "Links are not supported when networkMode=awsvpc."),
        (mode("host", json!({"links": ["web"]})), "Links are not supported when networkMode=host."),
        (
            mode("awsvpc", json!({"hostname": "h"})),
            "hostname is not supported on container when networkMode=awsvpc.",
        ),
        (
            mode("awsvpc", json!({"extraHosts": [{"hostname": "h", "ipAddress": "10.0.0.1"}]})),
            "Extra hosts are not supported on container when networkMode=awsvpc.",
        ),
        (
            mode("awsvpc", json!({"dnsServers": ["10.0.0.2"]})),
            "DNS servers are not supported on container when networkMode=awsvpc.",
        ),
        (
            mode("awsvpc", json!({"disableNetworking": true})),
            "Disable Networking is not supported on container when networkMode=awsvpc.",
        ),
        (
            mode("host", json!({"systemControls": [{"namespace": "net.core.somaxconn", "value": "1"}]})),
            "Invalid setting for container 'web'. The system control 'net.core.somaxconn' is not supported when \
             networkMode=host.",
        ),
    ]);
}

#[test]
fn volumes_are_of_one_kind_and_mounted_by_name() {
    let volume = |volume: Json| with(&ec2(), json!({"volumes": [volume]}));
    let efs = |efs: Json| {
        let efs = with(&json!({"fileSystemId": "fs-1"}), efs);
        with(&ec2(), json!({"volumes": [{"name": "v", "efsVolumeConfiguration": efs}]}))
    };
    let point = json!({"authorizationConfig": {"accessPointId": "fsap-1"}, "transitEncryption": "ENABLED"});
    check(vec![
        (volume(json!({"name": "v"})), "ok"),
        (volume(json!({"name": "v", "host": {"sourcePath": ""}})), "ok"),
        (
            volume(json!({"name": "a b"})),
            "The volume name 'a b' must have 1 to 255 letters, numbers, hyphens and underscores.",
        ),
        (
            with(&ec2(), json!({"volumes": [{"name": "v"}, {"name": "v"}]})),
            "Volume names must be unique: 'v'.",
        ),
        (
            volume(json!({"name": "v", "host": {}, "dockerVolumeConfiguration": {"scope": "task"}})),
            "The volume 'v' can have only one configuration.",
        ),
        (
            volume(
                json!({"name": "v", "dockerVolumeConfiguration": {"scope": "task", "autoprovision": true}}),
            ),
            "Invalid setting for volume 'v': autoprovision is only for volumes whose scope is shared.",
        ),
        (
            container(json!({"mountPoints": [{"sourceVolume": "v", "containerPath": "/v"}]})),
            "Unknown volume 'v'.",
        ),
        (
            with(
                &container(json!({"mountPoints": [{"sourceVolume": "v"}]})),
                json!({"volumes": [{"name": "v"}]}),
            ),
            "mountPoints.containerPath should not be blank.",
        ),
        (
            volume(json!({"name": "v", "configuredAtLaunch": true})),
            "Volumes [v] are not referenced by any of the containers",
        ),
        (efs(json!({})), "ok"),
        (efs(json!({"fileSystemId": ""})), "The volume 'v' needs a fileSystemId."),
        (
            efs(json!({"transitEncryptionPort": 2049})),
            "TransitEncryptionPort requires that TransitEncryption is enabled",
        ),
        (
            efs(json!({"authorizationConfig": {"iam": "ENABLED"}})),
            "EFS IAM authorization requires TransitEncryption to be enabled",
        ),
        (
            efs(json!({"authorizationConfig": {"accessPointId": "fsap-1"}})),
            "EFS Access Points require TransitEncryption to be enabled",
        ),
        (efs(point.clone()), "ok"),
        (
            efs(with(&point, json!({"rootDirectory": "/data"}))),
            "When using an EFS access point, the root directory must either be set to \"/\" or be omitted",
        ),
    ]);
}
