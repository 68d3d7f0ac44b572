//! What a running task costs in memory.
//!
//! A binary of its own with one test: what is measured is the process.

use std::time::Duration;

use berth_model::command::{Command, Envelope, TaskReport};
use berth_model::state::State;
use berth_model::task::{ContainerObservation, ContainerStatus, Health, Observed, TaskStatus};
use berth_model::time::Timestamp;

#[path = "sim/fixture.rs"]
mod fixture;

const SERVICES: usize = 20;
const TASKS_A_SERVICE: usize = 1_000;
const INSTANCES: usize = 200;

/// What a task may cost: the state's part of what a leader needs for one.
const BYTES_A_TASK: usize = 1_536;

/// What the process holds in memory.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number");
    pages * 4_096
}

/// Applies a command as it comes from the log: nothing in it is shared with anything.
fn apply(state: &mut State, command: Command) {
    let envelope = Envelope { command, issued_at: fixture::START, traceparent: None };
    let bytes = rmp_serde::to_vec_named(&envelope).expect("it encodes");
    drop(envelope);
    let envelope = rmp_serde::from_slice(&bytes).expect("it was encoded here");
    let revision = state.revision() + 1;
    let applied = state.apply(revision, &envelope);
    assert!(applied.reply.is_ok(), "{:?}", applied.reply);
}

fn observed(number: usize) -> Observed {
    let at = |ms| Some(Timestamp::from_unix_ms(fixture::START.unix_ms()).plus(Duration::from_millis(ms)));
    Observed {
        report_version: 3,
        last_status: TaskStatus::Running,
        containers: vec![ContainerObservation {
            name: "app".into(),
            runtime_id: format!("{number:064x}"),
            image_digest: format!("sha256:{}", "ab".repeat(32)),
            last_status: ContainerStatus::Running,
            exit_code: None,
            reason: String::new(),
            bindings: Vec::new(),
            health: Health::Unknown,
            last_log_lines: Vec::new(),
        }],
        pull_started_at: at(10),
        pull_stopped_at: at(20),
        started_at: at(30),
        ..Observed::default()
    }
}

#[test]
fn a_running_task_costs_little_memory() {
    let mut state = State::default();
    apply(&mut state, Command::CreateCluster(fixture::cluster()));
    for number in 0..INSTANCES {
        let id = u128::try_from(number).expect("small") + 1;
        let mut instance = fixture::instance(id, "a", 1_000_000, 1_000_000);
        instance.id = berth_model::id::InstanceId::new(id);
        apply(&mut state, Command::RegisterInstance(Box::new(instance)));
    }
    let definition = fixture::definition("web", 1, 10, 10);
    apply(&mut state, Command::RegisterTaskDefinition(Box::new(definition.clone())));
    let services: Vec<_> = (0..SERVICES)
        .map(|number| fixture::service(&format!("service-{number}"), 1_000, &definition.key))
        .collect();
    for service in &services {
        apply(&mut state, Command::CreateService(Box::new(service.clone())));
    }
    let before = resident_bytes();
    for (number, service) in services.iter().enumerate() {
        for place in 0..TASKS_A_SERVICE {
            let id = number * TASKS_A_SERVICE + place;
            let on = u128::try_from(id % INSTANCES).expect("small") + 1;
            let spread =
                u128::try_from(id).expect("small").wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let deployment = service.deployments[0].id;
            let task = fixture::service_task(spread, on, &definition, service, deployment);
            let (task_id, instance) = (task.id, task.instance);
            let key = service.key.clone();
            let generation = state.service(&key).expect("made").generation;
            let start =
                berth_model::command::StartTasks { service: Some((key, generation)), tasks: vec![task] };
            apply(&mut state, Command::StartTasks(start));
            let reports = vec![TaskReport { task: task_id, observed: observed(id) }];
            apply(&mut state, Command::ReportTasks { instance, reports });
        }
    }
    let tasks = SERVICES * TASKS_A_SERVICE;
    assert_eq!(state.task_count(), tasks);
    let each = resident_bytes().saturating_sub(before) / tasks;
    assert!(each <= BYTES_A_TASK, "a task costs {each} bytes, {BYTES_A_TASK} are allowed");
    let bytes = state.encode_snapshot();
    drop(state);
    let read = State::decode_snapshot(&bytes).expect("it was written by this build");
    assert_eq!(read.task_count(), tasks);
}
