//! What holds of containers: dependencies and ranges.

use serde_json::{Value as Json, json};

use super::{check, container, containers};
use crate::validate::tests::world::with;

#[test]
fn containers_depend_on_what_is_there() {
    let sidecar = |change: Json| {
        let side = with(&json!({"name": "side", "essential": false}), change);
        |depends: Json| containers(vec![json!({"dependsOn": depends}), side])
    };
    let on = |condition: &str| json!([{"containerName": "side", "condition": condition}]);
    let check_command = json!({"healthCheck": {"command": ["CMD-SHELL", "true"]}});
    check(vec![
        (sidecar(json!({}))(on("START")), "ok"),
        (sidecar(json!({}))(on("COMPLETE")), "ok"),
        (
            sidecar(json!({"essential": true}))(on("SUCCESS")),
            "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container",
        ),
        (
            sidecar(json!({}))(on("HEALTHY")),
            "A dependency container with HEALTHY condition must have health check configured",
        ),
        (sidecar(check_command)(on("HEALTHY")), "ok"),
        (
            sidecar(json!({}))(json!([{"containerName": "gone", "condition": "START"}])),
            "Cannot depend on container + 'gone' because it does not exist",
        ),
        (
            sidecar(json!({}))(json!([{"containerName": "side"}])),
            "The dependency on container 'side' needs a condition.",
        ),
        (
            sidecar(json!({"dependsOn": [{"containerName": "web", "condition": "START"}]}))(on("START")),
            "Container dependencies should not have a cycle",
        ),
        (
            container(json!({"dependsOn": [{"containerName": "web", "condition": "START"}]})),
            "Container dependencies should not have a cycle",
        ),
        (
            containers(vec![json!({"links": ["side:s"]}), json!({"name": "side", "links": ["web"]})]),
            "Container links should not have a cycle",
        ),
        (container(json!({"links": ["gone"]})), "Cannot link to container 'gone' because it does not exist"),
        (
            container(json!({"volumesFrom": [{"sourceContainer": "gone"}]})),
            "Invalid 'volumesFrom' setting. Unknown container: 'gone'",
        ),
    ]);
}

#[test]
fn containers_keep_to_the_ranges() {
    let health =
        |change: Json| container(json!({"healthCheck": with(&json!({"command": ["CMD", "true"]}), change)}));
    let web = |problem: &str| format!("Invalid setting for container 'web'. {problem}");
    let role = |change: Json| with(&container(change), json!({"executionRoleArn": "role"}));
    let interval = web("The health check 'interval' must be between 5 and 300.");
    let timeout = web("The health check 'timeout' must be between 2 and 60.");
    let retries = web("The health check 'retries' must be between 1 and 10.");
    let start = web("The health check 'startPeriod' must be between 0 and 300.");
    let command = web("The health check needs a command.");
    let only_shell = web("The health check has nothing after CMD-SHELL.");
    let swappiness = web("'swappiness' must be at least 0 and at most 100.");
    let ulimit = web("A ulimit needs a name, a softLimit and a hardLimit.");
    let secret = json!({"secrets": [{"name": "A", "valueFrom": "a"}]});
    let secret_at = |path: &str| json!({"secrets": [{"name": path, "valueFrom": "a"}]});
    let file = json!({"type": "s3", "value": "arn:aws:s3:::bucket/x.env"});
    check(vec![
        (health(json!({})), "ok"),
        (health(json!({"interval": 4})), &interval),
        (health(json!({"timeout": 61})), &timeout),
        (health(json!({"retries": 0})), &retries),
        (health(json!({"startPeriod": 301})), &start),
        (health(json!({"command": []})), &command),
        (health(json!({"command": ["CMD-SHELL"]})), &only_shell),
        (
            container(json!({"restartPolicy": {"enabled": true, "restartAttemptPeriod": 59}})),
            "The 'restartAttemptPeriod' setting for container 'web' must be between 60 and 1800.",
        ),
        (container(json!({"linuxParameters": {"swappiness": 101}})), &swappiness),
        (
            container(json!({"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": 1}]})),
            "Soft limit exceeds hard limit for ulimit nofile",
        ),
        (container(json!({"ulimits": [{"name": "nofile", "softLimit": 2, "hardLimit": -1}]})), "ok"),
        (container(json!({"ulimits": [{"softLimit": 2, "hardLimit": 2}]})), &ulimit),
        (
            container(secret.clone()),
            "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
        ),
        (role(secret.clone()), "ok"),
        (role(secret_at("/run/secrets/a")), "ok"),
        (
            role(secret_at("/run/../a")),
            "Invalid setting for container 'web'. '/run/../a' is no path that a secret can be a file at.",
        ),
        (
            role(secret_at("/run/secrets/")),
            "Invalid setting for container 'web'. '/run/secrets/' is no path that a secret can be a file at.",
        ),
        (
            role(with(&secret, json!({"environment": [{"name": "A", "value": "b"}]}))),
            "The secret name must be unique and not shared with any new or existing environment variables set on the \
             container, such as 'A'.",
        ),
        (container(json!({"environmentFiles": [file]})), "ok"),
        (container(json!({"environmentFiles": [{"type": "s3", "value": "x.env"}]})), "Invalid arn syntax"),
        (
            container(json!({"environmentFiles": vec![file; 11]})),
            "The maximum number of environment files was exceeded. Specify ten or less and try again",
        ),
        (
            container(json!({"logConfiguration": {"logDriver": "awslogs"}})),
            "Log driver awslogs requires options: awslogs-region, awslogs-group",
        ),
        (
            container(json!({"logConfiguration": {"logDriver": "awsfirelens"}})),
            "When awsfirelens log driver is specified in log configuration, a firelens configuration object must be \
             specified",
        ),
        (
            container(json!({"firelensConfiguration": {"type": "fluentbit"}})),
            "When a firelensConfiguration object is specified, at least one container has to be configured with the \
             awsfirelens log driver",
        ),
        (
            container(json!({"resourceRequirements": [{"type": "InferenceAccelerator", "value": "a"}]})),
            "Unsupported field 'inferenceAccelerators'",
        ),
    ]);
}
