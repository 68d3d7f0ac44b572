//! RunTask, StartTask, StopTask and the rest, rule by rule.

use serde_json::{Value as Json, json};

use super::json::message;
use super::world::{World, verdict, with};
use crate::command::{Command, Outcome};
use crate::error::ApiError;
use crate::id::TaskId;
use crate::task::Task;
use crate::time::Timestamp;
use crate::validate::task::{self, Start};

fn run(world: &mut World, request: &Json) -> Result<Start, ApiError> {
    let mut admission = world.admission();
    let request = with(&json!({"taskDefinition": "web"}), request.clone());
    task::run(&message(&request), &world.state, &mut admission)
}

/// A world with one instance and the definition `web`.
fn furnished() -> World {
    let mut world = World::new();
    world.instance("default");
    world.web();
    world
}

fn only_task(start: Start) -> Task {
    match start.command {
        Some(Command::StartTasks(mut start)) if start.tasks.len() == 1 => start.tasks.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_that_ecs_refuses_are_refused() {
    let mut world = furnished();
    world.register(&json!({
        "family": "vpc",
        "networkMode": "awsvpc",
        "containerDefinitions": [{"name": "web", "image": "nginx", "memory": 100}],
    }));
    world.register(&json!({
        "family": "neuron",
        "containerDefinitions": [{
            "name": "web", "image": "nginx", "memory": 100,
            "resourceRequirements": [{"type": "NeuronDevice", "value": "1"}],
        }],
    }));
    let overrides = |container: Json| json!({"overrides": {"containerOverrides": [container]}});
    let rows = [
        (json!({}), "ok"),
        (json!({"cluster": "gone"}), "ClusterNotFoundException: Cluster not found."),
        (json!({"taskDefinition": ""}), "TaskDefinition can not be blank."),
        (json!({"taskDefinition": "gone"}), "ClientException: TaskDefinition not found."),
        (json!({"count": 0}), "count must be between 1 and 10, is 0."),
        (json!({"count": 11}), "count must be between 1 and 10, is 11."),
        (json!({"launchType": "FARGATE"}), "Task definition does not support launch_type FARGATE."),
        (
            json!({"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "p"}]}),
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ),
        (
            json!({"capacityProviderStrategy": [{"capacityProvider": "p"}]}),
            "UnsupportedFeatureException: A capacityProviderStrategy is not supported yet.",
        ),
        (
            json!({"taskDefinition": "vpc"}),
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (
            json!({"taskDefinition": "neuron"}),
            "UnsupportedFeatureException: A resourceRequirement of type NeuronDevice is not supported yet.",
        ),
        (
            json!({"propagateTags": "SERVICE"}),
            "Invalid value for propagateTags: only the tasks of a service can have the tags of one.",
        ),
        (json!({"startedBy": "x".repeat(129)}), "startedBy must have at most 128 characters."),
        (
            json!({"group": "service:web"}),
            "Invalid group: the prefix service: is reserved for the tasks of services.",
        ),
        (json!({"clientToken": "x".repeat(65)}), "clientToken must have at most 64 ASCII characters."),
        (
            overrides(json!({"name": "gone"})),
            "Override for container named gone is not a container in the TaskDefinition.",
        ),
        (
            json!({"overrides": {"containerOverrides": [{"name": "web"}, {"name": "web"}]}}),
            "There is more than one override for container named web.",
        ),
        (
            overrides(json!({"name": "web", "memoryReservation": 101})),
            "With the override of container web, 'memory' is less than 'memoryReservation'.",
        ),
        (
            overrides(json!({"name": "web", "memory": 5})),
            "The override of 'memory' of container web must be at least 6 MiB.",
        ),
        (
            json!({"overrides": {"memory": "99"}}),
            "The 'memory' setting for container 'web' is greater than for the task.",
        ),
        (
            json!({"overrides": {"cpu": "fast"}}),
            "Invalid 'cpu' setting for task. For more information, see the Troubleshooting section of the Amazon ECS \
             Developer Guide.",
        ),
        (
            json!({"overrides": {"ephemeralStorage": {"sizeInGiB": 30}}}),
            "Tasks using the EC2 launch type do not support EphemeralStorage.",
        ),
    ];
    for (request, expected) in rows {
        let found = verdict(run(&mut world, &request));
        assert_eq!(
            found.strip_prefix("InvalidParameterException: ").unwrap_or(&found),
            expected,
            "{request}"
        );
    }
    let long = overrides(json!({"name": "web", "command": ["x".repeat(8192)]}));
    assert!(verdict(run(&mut world, &long)).contains("overrides must not be longer than 8192 characters"));
}

#[test]
fn a_cluster_without_instances_is_said_to_be_so() {
    let mut world = World::new();
    world.web();
    assert_eq!(
        verdict(run(&mut world, &json!({}))),
        "InvalidParameterException: No Container Instances were found in your cluster."
    );
}

#[test]
fn tasks_are_what_the_definition_and_the_call_say() {
    let mut world = furnished();
    let task = only_task(run(&mut world, &json!({})).expect("admitted"));
    assert_eq!(&*task.group, "family:web");
    assert_eq!((task.started_by, task.overrides, task.needs.memory_mib), (None, None, 100));
    let request = json!({
        "group": "batch",
        "startedBy": "cron",
        "tags": [{"key": "a", "value": "b"}],
        "enableECSManagedTags": true,
        "overrides": {"containerOverrides": [{"name": "web", "memoryReservation": 50, "cpu": 10}]},
    });
    let task = only_task(run(&mut world, &request).expect("admitted"));
    assert_eq!((&*task.group, task.started_by.as_deref()), ("batch", Some("cron")));
    assert_eq!((task.needs.cpu_units, task.needs.memory_mib), (10, 50));
    let tags: Vec<&str> = task.tags.iter().map(|tag| tag.key.as_str()).collect();
    assert_eq!(tags, ["aws:ecs:clusterName", "a"]);
    let request = json!({"overrides": {"cpu": "512", "memory": "1 GB"}});
    let task = only_task(run(&mut world, &request).expect("admitted"));
    assert_eq!((task.needs.cpu_units, task.needs.memory_mib), (512, 1024));
}

#[test]
fn what_does_not_fit_is_a_failure_and_the_rest_starts() {
    let mut world = furnished();
    let memory = json!({"overrides": {"memory": "400"}, "count": 3});
    let start = run(&mut world, &memory).expect("admitted");
    assert_eq!(start.tasks.len(), 2);
    assert_eq!(start.failures.len(), 1);
    assert_eq!(start.failures[0].reason(), "RESOURCE:MEMORY");
    assert!(start.failures[0].arn().contains(":container-instance/default/"));
    let outcome = world.apply(start.command.expect("two fit"));
    assert_eq!(outcome, Outcome::Started { refused: vec![] });

    let secret = json!({"overrides": {"taskRoleArn": "role"}});
    let start = run(&mut world, &secret).expect("admitted");
    assert_eq!((start.command, start.tasks.len()), (None, 0));
    assert_eq!(start.failures[0].reason(), "ATTRIBUTE");
}

#[test]
fn a_token_starts_its_tasks_once() {
    let mut world = furnished();
    let request = json!({"clientToken": "t", "count": 2});
    let first = run(&mut world, &request).expect("admitted");
    let racing = run(&mut world, &request).expect("admitted");
    assert_eq!(first.tasks, racing.tasks, "both propose the same tasks");
    world.apply(first.command.expect("new"));
    let count = world.state.task_count();
    world.apply(racing.command.expect("not seen yet"));
    assert_eq!(world.state.task_count(), count, "applied once");

    let again = run(&mut world, &request).expect("admitted");
    assert_eq!((again.command, again.tasks), (None, first.tasks.clone()));

    let other = run(&mut world, &json!({"clientToken": "t", "count": 1})).expect_err("a conflict");
    assert_eq!(other.exception.name(), "ConflictException");
    let arns: Vec<String> = first
        .tasks
        .iter()
        .map(|id| format!("arn:aws:ecs:us-east-1:000000000000:task/default/{id}"))
        .collect();
    assert_eq!(other.resource_ids, arns);

    let another = run(&mut world, &json!({"clientToken": "u", "count": 2})).expect("admitted");
    assert!(another.command.is_some());
    assert!(first.tasks.iter().all(|id| !another.tasks.contains(id)));
}

#[test]
fn start_task_asks_the_named_instances() {
    let mut world = furnished();
    let instance = world.instance("default");
    world.cluster("other");
    let elsewhere = world.instance("other");
    let mut admission = world.admission();
    let mut start = |world: &World, instances: Json, change: Json| {
        let request = with(&json!({"taskDefinition": "web", "containerInstances": instances}), change);
        task::start(&message(&request), &world.state, &mut admission)
    };
    let named = json!([instance.to_string(), elsewhere.to_string(), instance.to_string()]);
    let started = start(&world, named, json!({})).expect("admitted");
    assert_eq!(started.tasks.len(), 2);
    assert_eq!(started.failures.len(), 1);
    assert_eq!(started.failures[0].reason(), "MISSING");
    let rows = [
        (json!([]), json!({}), "Container instances cannot be empty."),
        (json!(vec!["a"; 11]), json!({}), "Container instances cannot have more than 10 elements."),
        (json!(["short"]), json!({}), "containerInstanceId length should be one of [32,36]"),
        (
            json!([instance.to_string()]),
            json!({"startedBy": "x".repeat(37)}),
            "startedBy must have at most 36 characters.",
        ),
    ];
    for (instances, change, expected) in rows {
        let found = verdict(start(&world, instances, change));
        assert_eq!(found, format!("InvalidParameterException: {expected}"));
    }
}

#[test]
fn tasks_are_stopped_described_and_listed() {
    let mut world = furnished();
    let started = run(&mut world, &json!({"count": 2, "startedBy": "me"})).expect("admitted");
    world.apply(started.command.expect("they fit"));
    let [first, second] = started.tasks[..] else { panic!("two tasks") };
    let stop = |request: Json, world: &World| task::stop(&message(&request), &world.state);
    let rows = [
        (json!({"task": TaskId::new(7).to_string()}), "The referenced task was not found."),
        (json!({"task": "None"}), "taskId length should be one of [32,36]"),
        (json!({"task": "x".repeat(32)}), "Invalid task identifier: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx."),
        (
            json!({"task": format!("arn:aws:ecs:us-east-1:000000000000:task/other/{first}")}),
            "Invalid identifier: Identifier is for cluster other. Your cluster is default",
        ),
    ];
    for (request, expected) in rows {
        assert_eq!(verdict(stop(request, &world)), format!("InvalidParameterException: {expected}"));
    }
    let (_, command) = stop(json!({"task": first.to_string()}), &world).expect("admitted");
    world.apply(command);
    let reason =
        world.state.task(first).and_then(|task| task.stop_reason().map(|stop| stop.reason.to_string()));
    assert_eq!(reason.as_deref(), Some("Task stopped by user"));

    let describe = |tasks: Json| task::describe(&message(&json!({"tasks": tasks})), &world.state);
    let (found, failures) =
        describe(json!([first.to_string(), TaskId::new(7).to_string()])).expect("admitted");
    assert_eq!((found.len(), failures.len()), (1, 1));
    assert_eq!(verdict(describe(json!([]))), "InvalidParameterException: Tasks cannot be empty.");

    let list = |request: Json| task::list(&message(&request), &world.state).map(|page| page.items);
    assert_eq!(list(json!({})), Ok(vec![second]));
    assert_eq!(list(json!({"desiredStatus": "STOPPED"})), Ok(vec![first]));
    assert_eq!(list(json!({"desiredStatus": "PENDING"})), Ok(vec![]));
    assert_eq!(list(json!({"startedBy": "me"})), Ok(vec![second]));
    assert_eq!(list(json!({"family": "db"})), Ok(vec![]));
    assert_eq!(list(json!({"launchType": "FARGATE"})), Ok(vec![]));
    assert_eq!(verdict(list(json!({"serviceName": "gone"}))), "ServiceNotFoundException: Service not found.");
    assert_eq!(
        verdict(list(json!({"startedBy": "me", "family": "web"}))),
        "InvalidParameterException: startedBy cannot be used together with containerInstance, family or serviceName."
    );
}

#[test]
fn queued_tasks_wait_instead_of_being_refused() {
    let mut world = World::new();
    world.web();
    assert_eq!(
        verdict(run(&mut world, &json!({}))),
        "InvalidParameterException: No Container Instances were found in your cluster."
    );
    let options = json!({"priority": 7, "timeoutSeconds": 60});
    let queued = run(&mut world, &json!({"count": 3, "queue": options})).expect("it waits");
    assert_eq!((queued.tasks.len(), queued.failures.len()), (3, 0));
    world.apply(queued.command.expect("it queues"));
    let task = world.state.task(queued.tasks[0]).expect("it is there");
    let queue = task.scheduling.queue.expect("it may wait");
    assert!(task.is_queued());
    assert_eq!((queue.priority, queue.deadline), (7, Some(Timestamp::from_unix_ms(1_700_000_060_000))));
}

#[test]
fn a_queue_has_its_own_limits() {
    let mut world = furnished();
    let rows = [
        (json!({}), "ok"),
        (json!({"priority": 1001}), "queue.priority must be between -1000 and 1000, is 1001."),
        (json!({"priority": -1000, "timeoutSeconds": 604_800}), "ok"),
        (json!({"timeoutSeconds": 0}), "queue.timeoutSeconds must be between 1 and 604800, is 0."),
        (json!({"timeoutSeconds": 604_801}), "queue.timeoutSeconds must be between 1 and 604800, is 604801."),
    ];
    for (options, expected) in rows {
        let verdict = verdict(run(&mut world, &json!({"queue": options})));
        assert!(verdict.ends_with(expected), "{options}: {verdict}");
    }
}

#[test]
fn a_queued_call_can_be_repeated() {
    let mut world = furnished();
    let request = json!({"count": 2, "clientToken": "once", "queue": {}});
    let first = run(&mut world, &request).expect("it waits");
    world.apply(first.command.expect("it queues"));
    let second = run(&mut world, &request).expect("it is the same call");
    assert!(second.command.is_none());
    let ids = |mut ids: Vec<TaskId>| {
        ids.sort();
        ids
    };
    assert_eq!(ids(second.tasks), ids(first.tasks));
}
