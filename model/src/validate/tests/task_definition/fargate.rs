//! What Fargate refuses, and the limits of the whole.

use serde_json::{Value as Json, json};

use super::{check, container, ec2, fargate};
use crate::validate::tests::world::{World, verdict, with};

#[test]
fn fargate_refuses_what_it_does_not_have() {
    let with_container = |change: Json| {
        let mut definition = fargate();
        definition["containerDefinitions"][0] = with(&definition["containerDefinitions"][0], change);
        definition
    };
    let awslogs = json!({"awslogs-group": "g", "awslogs-region": "r"});
    let ecr = "1.dkr.ecr.us-east-1.amazonaws.com/web:1";
    check(vec![
        (fargate(), "ok"),
        (with(&fargate(), json!({"networkMode": "bridge"})), "Fargate only supports network mode ‘awsvpc’."),
        (with(&fargate(), json!({"networkMode": null})), "Fargate only supports network mode ‘awsvpc’."),
        (with(&fargate(), json!({"cpu": null})), "Fargate requires that 'cpu' be defined at the task level."),
        (
            with(
                &fargate(),
                json!({"memory": null, "containerDefinitions": [
                    {"name": "web", "image": "nginx", "memory": 100},
                ]}),
            ),
            "Fargate requires that 'memory' be defined at the task level.",
        ),
        (with(&fargate(), json!({"memory": "4096"})), "No Fargate configuration exists for given values."),
        (with(&fargate(), json!({"cpu": "0.5 vCPU", "memory": "4 GB"})), "ok"),
        (
            with(
                &fargate(),
                json!({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}),
            ),
            "No Fargate configuration exists for given values.",
        ),
        (
            with(&fargate(), json!({"ephemeralStorage": {"sizeInGiB": 20}})),
            "EphemeralStorage size should be at least 21",
        ),
        (
            with(&fargate(), json!({"ephemeralStorage": {"sizeInGiB": 201}})),
            "EphemeralStorage size should be at most 200",
        ),
        (with(&fargate(), json!({"ephemeralStorage": {"sizeInGiB": 200}})), "ok"),
        (
            with(&ec2(), json!({"ephemeralStorage": {"sizeInGiB": 21}, "requiresCompatibilities": ["EC2"]})),
            "Tasks using the EC2 launch type do not support EphemeralStorage.",
        ),
        (
            with(&fargate(), json!({"ipcMode": "task"})),
            "Fargate compatible task definitions do not support ipcMode",
        ),
        (
            with(&fargate(), json!({"pidMode": "host"})),
            "Tasks using the Fargate launch type do not support pidMode 'host'.",
        ),
        (with(&fargate(), json!({"pidMode": "task"})), "ok"),
        (
            with(
                &fargate(),
                json!({"placementConstraints": [{"type": "memberOf", "expression": "attribute:x == y"}]}),
            ),
            "Fargate compatible task definitions do not support constraints",
        ),
        (
            with(&fargate(), json!({"volumes": [{"name": "v", "host": {"sourcePath": "/v"}}]})),
            "Fargate compatible task definitions do not support sourcePath",
        ),
        (
            with_container(json!({"privileged": true})),
            "Fargate requires that the 'privileged' setting be 'false'.",
        ),
        (
            with_container(json!({"linuxParameters": {"maxSwap": 1}})),
            "Fargate compatible task definitions do not support maxSwap",
        ),
        (
            with_container(
                json!({"linuxParameters": {"capabilities": {"add": ["SYS_PTRACE", "NET_ADMIN"]}}}),
            ),
            "NET_ADMIN is not allowed on Fargate.",
        ),
        (
            with_container(json!({"image": ecr})),
            "Fargate requires task definition to have execution role ARN to support ECR images.",
        ),
        (with(&with_container(json!({"image": ecr})), json!({"executionRoleArn": "r"})), "ok"),
        (
            with_container(json!({"logConfiguration": {"logDriver": "awslogs", "options": awslogs}})),
            "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
        ),
        (
            with_container(json!({"logConfiguration": {"logDriver": "json-file"}})),
            "json-file is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]",
        ),
        (
            with_container(json!({"stopTimeout": 121})),
            "Invalid setting for container 'web'. On Fargate 'stopTimeout' must be between 2 and 120.",
        ),
    ]);
}

#[test]
fn the_whole_keeps_to_its_limits() {
    let tags = |count: usize| {
        let tags: Vec<Json> = (0..count).map(|at| json!({"key": format!("k{at}"), "value": ""})).collect();
        with(&ec2(), json!({"tags": tags}))
    };
    let constraint = json!({"type": "memberOf", "expression": "attribute:x exists"});
    let long = container(json!({"environment": [{"name": "A", "value": "x".repeat(70_000)}]}));
    let length = verdict(World::new().try_register(&long));
    assert!(length.contains("Max allowed length is '65536' bytes."), "{length}");
    check(vec![
        (tags(50), "ok"),
        (tags(51), "InvalidParameterException: A resource can have at most 50 tags, got 51."),
        (
            with(&ec2(), json!({"tags": [{"key": "a", "value": "b"}, {"key": "a", "value": "c"}]})),
            "InvalidParameterException: Duplicate tag keys found: a is there more than once.",
        ),
        (
            with(&ec2(), json!({"tags": [{"key": "AWS:x", "value": "b"}]})),
            "InvalidParameterException: Tag keys that begin with aws: are reserved: AWS:x.",
        ),
        (
            with(&ec2(), json!({"tags": [{"key": "a", "value": "{}"}]})),
            "InvalidParameterException: Tag a may only have letters, numbers, spaces and + - = . _ : / @ in it.",
        ),
        (with(&ec2(), json!({"placementConstraints": vec![constraint.clone(); 10]})), "ok"),
        (
            with(&ec2(), json!({"placementConstraints": vec![constraint; 11]})),
            "Maximum number of placement constraints is 10.",
        ),
        (
            with(&ec2(), json!({"inferenceAccelerators": [{"deviceName": "a", "deviceType": "b"}]})),
            "Unsupported field 'inferenceAccelerators'",
        ),
        (
            with(&ec2(), json!({"proxyConfiguration": {"type": "APPMESH", "containerName": "web"}})),
            "APPMESH proxy configuration is only supported in networkMode=awsvpc.",
        ),
        (
            with(&fargate(), json!({"proxyConfiguration": {"type": "APPMESH", "containerName": "envoy"}})),
            "Proxy container [envoy] does not exist",
        ),
    ]);
}
