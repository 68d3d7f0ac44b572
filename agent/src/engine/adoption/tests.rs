//! What a restarted agent makes of the containers it finds.

use berth_model::task::step::Health;

use super::*;
use crate::definition::Interner;
use crate::runtime::Container;

fn found(task: &str, name: &str, status: Status) -> Container {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Container {
        runtime_id: format!("{task}-{name}"),
        labels: BTreeMap::from([label(label::TASK, task), label(label::CONTAINER_NAME, name)]),
        status,
        exit_code: (status == Status::Exited).then_some(1),
        out_of_memory: false,
        health: Health::Unknown,
        started_at_ms: Some(5),
        finished_at_ms: (status == Status::Exited).then_some(9),
        network_bindings: Vec::new(),
        pid: None,
    }
}

#[test]
fn dead_containers_of_unknown_tasks_are_left_to_the_cleanup() {
    let tasks = adopt(&Set::default(), &[], vec![found("dead", "a", Status::Exited)], 10);
    assert!(tasks.is_empty());
}

#[test]
fn a_running_container_of_an_unknown_task_makes_an_orphan_with_all_its_containers() {
    let containers = vec![found("t", "a", Status::Running), found("t", "b", Status::Exited)];
    let tasks = adopt(&Set::default(), &[], containers, 10);
    let task = &tasks["t"];
    assert_eq!(task.standing(), Standing::Orphan);
    let report = task.report();
    let states: Vec<_> =
        report.containers.iter().map(|one| (one.name.as_str(), one.last_status.as_str())).collect();
    assert_eq!(states, [("a", "RUNNING"), ("b", "STOPPED")]);
}

#[test]
fn containers_without_a_task_label_belong_to_nobody() {
    let mut stranger = found("t", "a", Status::Running);
    stranger.labels.clear();
    assert!(adopt(&Set::default(), &[], vec![stranger], 10).is_empty());
}

#[test]
fn a_task_of_the_manifest_without_containers_begins_anew() {
    let message = wire::ManifestTask { task_id: "t".to_owned(), desired_status: 1, ..Default::default() };
    let manifest = wire::Manifest { generation: 1, tasks: vec![message] };
    let set = Set::from_message(manifest, &Interner::default());
    let tasks = adopt(&set, &[], Vec::new(), 10);
    assert_eq!(tasks["t"].standing(), Standing::Wanted);
    assert!(!tasks["t"].is_admitted());
}
