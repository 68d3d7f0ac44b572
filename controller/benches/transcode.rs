//! What a call pays for being JSON: its request read into a message, its answer written from one. Prints one line for each
//! figure.
//!
//! `cargo bench -p berth-controller --bench transcode`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::Duration;

use berth_controller::aws::json::{Times, read, write};
use berth_controller::aws::schema::Schema;
use serde_json::{Value, json};
use tokio::time::Instant;

/// How long each figure is measured.
const RUN: Duration = Duration::from_secs(2);

fn main() {
    for tasks in [1, 100] {
        let arns: Vec<_> = (0..tasks).map(arn).collect();
        let request = json!({"cluster": "default", "tasks": arns, "include": ["TAGS"]}).to_string();
        measure(&format!("read a DescribeTasks request for {tasks}"), request.len(), || {
            read(message("DescribeTasksRequest"), request.as_bytes()).expect("a request").len()
        });
        let answer = json!({"tasks": (0..tasks).map(task).collect::<Vec<_>>(), "failures": []}).to_string();
        let encoded = read(message("DescribeTasksResponse"), answer.as_bytes()).expect("an answer");
        let mut document = Vec::with_capacity(answer.len());
        measure(&format!("write a DescribeTasks answer of {tasks}"), answer.len(), || {
            document.clear();
            write(message("DescribeTasksResponse"), &encoded, Times::EpochSeconds, &mut document)
                .expect("a message");
            document.len()
        });
    }
}

fn message(name: &str) -> berth_controller::aws::schema::Index {
    Schema::get().message(&format!("berth.ecs.v1.{name}")).expect("a message of the schema")
}

fn arn(number: usize) -> String {
    format!("arn:aws:ecs:us-east-1:000000000000:task/default/{number:032x}")
}

/// A task as a service has it: one container, one port, the members that ECS sends of each.
fn task(number: usize) -> Value {
    json!({
        "taskArn": arn(number),
        "attachments": [],
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": "a",
        "clusterArn": "arn:aws:ecs:us-east-1:000000000000:cluster/default",
        "connectivity": "CONNECTED",
        "connectivityAt": 1_700_000_000.123,
        "containerInstanceArn": format!("arn:aws:ecs:us-east-1:000000000000:container-instance/default/{number:032x}"),
        "containers": [{
            "containerArn": format!("arn:aws:ecs:us-east-1:000000000000:container/default/{number:032x}/c"),
            "taskArn": arn(number),
            "name": "app",
            "image": "web:1",
            "imageDigest": format!("sha256:{number:064x}"),
            "runtimeId": format!("{number:064x}"),
            "lastStatus": "RUNNING",
            "networkBindings":
                [{"bindIP": "0.0.0.0", "containerPort": 8080, "hostPort": 32_768, "protocol": "tcp"}],
            "networkInterfaces": [],
            "healthStatus": "UNKNOWN",
            "cpu": "64",
            "memory": "32",
        }],
        "cpu": "64",
        "createdAt": 1_700_000_000.123,
        "desiredStatus": "RUNNING",
        "enableExecuteCommand": false,
        "group": "service:web",
        "healthStatus": "UNKNOWN",
        "lastStatus": "RUNNING",
        "launchType": "EC2",
        "memory": "32",
        "overrides": {"containerOverrides": [{"name": "app"}], "inferenceAcceleratorOverrides": []},
        "pullStartedAt": 1_700_000_000.123,
        "pullStoppedAt": 1_700_000_000.456,
        "startedAt": 1_700_000_001.5,
        "startedBy": "ecs-svc/1234567890123456789",
        "tags": [{"key": "team", "value": "web"}],
        "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/web:1",
        "version": 2,
    })
}

fn measure(what: &str, bytes: usize, mut once: impl FnMut() -> usize) {
    let (begin, mut times) = (Instant::now(), 0_u32);
    while begin.elapsed() < RUN {
        black_box(once());
        times += 1;
    }
    let each = begin.elapsed() / times;
    println!("{what}: {:.1} µs, {bytes} bytes of JSON", each.as_secs_f64() * 1e6);
}
