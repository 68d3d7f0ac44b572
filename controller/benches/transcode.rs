//! What a call of DescribeTasks for one task costs between JSON and messages. Prints one line for each figure.
//!
//! `cargo bench -p berth-controller --bench transcode`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::hint::black_box;
use std::time::Duration;

use berth_controller::aws::json::{Times, read, write};
use berth_controller::aws::schema::Schema;
use berth_proto::ecs::v1 as pb;
use prost::Message;
use tokio::time::Instant;

const ROUNDS: u32 = 100_000;
const ID: &str = "0123456789abcdef0123456789abcdef";

fn main() {
    let index =
        |name: &str| Schema::get().message(&format!("berth.ecs.v1.{name}")).expect("a message of the schema");
    let (request, response) = (index("DescribeTasksRequest"), index("DescribeTasksResponse"));
    let question = format!("{{\"cluster\":\"default\",\"tasks\":[\"{}\"]}}", arn("task"));
    let answer = pb::DescribeTasksResponse { tasks: vec![task()], failures: Vec::new() }.encode_to_vec();
    let reading = measure(|| {
        black_box(read(request, black_box(question.as_bytes())).expect("it is a request"));
    });
    let mut document = Vec::new();
    let writing = measure(|| {
        document.clear();
        write(response, black_box(&answer), Times::EpochSeconds, &mut document).expect("it is an answer");
    });
    println!("{:<52} {:>16}", "DescribeTasks of one task: request from JSON", format!("{reading:.2?}"));
    println!("{:<52} {:>16}", "DescribeTasks of one task: answer to JSON", format!("{writing:.2?}"));
    println!("{:<52} {:>16}", "DescribeTasks of one task: transcoding", format!("{:.2?}", reading + writing));
    println!("{:<52} {:>16}", "the answer as JSON", format!("{} bytes", document.len()));
}

fn measure(mut round: impl FnMut()) -> Duration {
    for _ in 0..ROUNDS / 10 {
        round();
    }
    let began = Instant::now();
    for _ in 0..ROUNDS {
        round();
    }
    began.elapsed() / ROUNDS
}

fn arn(kind: &str) -> String {
    format!("arn:aws:ecs:us-east-1:000000000000:{kind}/default/{ID}")
}

/// A task of a service with one container and a port, as it is answered.
fn task() -> pb::Task {
    let text = |text: &str| Some(text.to_owned());
    let time = || Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_000_000 });
    let binding = pb::NetworkBinding {
        bind_ip: text("0.0.0.0"),
        container_port: Some(80),
        host_port: Some(32_768),
        ..pb::NetworkBinding::default()
    };
    let container = pb::Container {
        container_arn: Some(arn("container")),
        task_arn: Some(arn("task")),
        name: text("main"),
        image: text("registry.example/shop/web:1.27"),
        image_digest: Some(format!("sha256:{ID}{ID}")),
        runtime_id: Some(format!("{ID}{ID}")),
        last_status: text("RUNNING"),
        network_bindings: vec![binding],
        health_status: Some(pb::HealthStatus::Healthy.into()),
        cpu: text("256"),
        memory: text("512"),
        ..pb::Container::default()
    };
    pb::Task {
        task_arn: Some(arn("task")),
        cluster_arn: text("arn:aws:ecs:us-east-1:000000000000:cluster/default"),
        container_instance_arn: Some(arn("container-instance")),
        task_definition_arn: text("arn:aws:ecs:us-east-1:000000000000:task-definition/web:7"),
        containers: vec![container],
        cpu: text("256"),
        memory: text("512"),
        created_at: time(),
        started_at: time(),
        pull_started_at: time(),
        pull_stopped_at: time(),
        connectivity_at: time(),
        desired_status: text("RUNNING"),
        last_status: text("RUNNING"),
        group: text("service:web"),
        started_by: text("ecs-svc/1234567890123456789"),
        launch_type: Some(pb::LaunchType::Ec2.into()),
        availability_zone: text("a"),
        version: Some(4),
        ..pb::Task::default()
    }
}
