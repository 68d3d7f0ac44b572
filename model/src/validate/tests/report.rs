//! Reports of agents.

use berth_proto::agent::v1 as agent;
use berth_proto::ecs::v1 as pb;

use crate::task::{ContainerStatus, Health, StopCode, TaskStatus};
use crate::validate::report::observed;

fn stopped() -> agent::TaskReport {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    agent::TaskReport {
        task_id: "0123456789abcdef0123456789abcdef".into(),
        version: 3,
        last_status: "STOPPED".into(),
        containers: vec![agent::ContainerReport {
            name: "web".into(),
            last_status: "STOPPED".into(),
            exit_code: Some(1),
            network_bindings: vec![pb::NetworkBinding {
                container_port: Some(80),
                host_port: Some(32_768),
                ..pb::NetworkBinding::default()
            }],
            ..agent::ContainerReport::default()
        }],
        health_status: Some(pb::HealthStatus::Unhealthy.into()),
        started_at: at(1),
        stopped_at: at(2),
        stop_code: Some(pb::TaskStopCode::EssentialContainerExited.into()),
        stopped_reason: "Essential container in task exited".into(),
        ..agent::TaskReport::default()
    }
}

#[test]
fn a_report_is_read_whole() {
    let report = observed(&stopped()).expect("it makes sense");
    let seen = &report.observed;
    assert_eq!(report.task.to_string(), stopped().task_id);
    assert_eq!(
        (seen.report_version, seen.last_status, seen.health),
        (3, TaskStatus::Stopped, Health::Unhealthy)
    );
    assert_eq!(seen.containers[0].last_status, ContainerStatus::Stopped);
    assert_eq!((seen.containers[0].exit_code, seen.containers[0].bindings[0].host_port), (Some(1), 32_768));
    let stop = seen.stop.as_ref().expect("a reason");
    assert_eq!(
        (stop.code, &*stop.reason),
        (StopCode::EssentialContainerExited, "Essential container in task exited")
    );
    assert_eq!(stop.at.unix_ms(), 2000, "when it was over, as nobody says when it began to stop");
}

#[test]
fn unknown_words_are_errors() {
    type Spoil = fn(&mut agent::TaskReport);
    let rows: [(Spoil, &str); 9] = [
        (|report| report.task_id = "web".into(), "its id is not one"),
        (|report| report.version = 0, "its version is 0, and versions count from 1"),
        (|report| report.last_status = "GONE".into(), "unknown status \"GONE\""),
        (|report| report.health_status = Some(9), "unknown health status 9"),
        (|report| report.stop_code = Some(99), "unknown stop code 99"),
        (
            |report| report.containers[0].last_status = "CREATED".into(),
            "unknown status \"CREATED\" of container \"web\"",
        ),
        (
            |report| {
                let binding = &mut report.containers[0].network_bindings[0];
                binding.container_port_range = Some("8000-8010".into());
                binding.host_port_range = Some("49200-49209".into());
            },
            "port ranges 8000-8010 and 49200-49209 of container \"web\" are not equally long",
        ),
        (
            |report| report.containers[0].network_bindings[0].host_port = Some(65_536),
            "port 65536 of container \"web\"",
        ),
        (
            |report| report.containers[0].network_bindings[0].protocol = Some(7),
            "unknown protocol of a port of container \"web\"",
        ),
    ];
    for (spoil, expected) in rows {
        let mut report = stopped();
        spoil(&mut report);
        assert_eq!(observed(&report).expect_err("refused").problem, expected);
    }
}
