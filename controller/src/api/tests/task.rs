//! Tasks.

use berth_model::command::{Command, StartTasks};
use berth_model::container_instance::ContainerInstance;
use berth_model::id::{InstanceId, TaskId};
use berth_model::task::{Observed, Stop, StopCode, Task, TaskStatus};
use berth_model::time::Timestamp;
use berth_proto::ecs::v1 as pb;
use berth_proto::scheduler::v1::{ExplainRequest, explain_request};
use tonic::Code;
use tonic_types::StatusExt;

use super::cases;
use super::controller::{NOW_MS, code_and_retry, exception, refusal};
use super::fixture::{id_of, running_web, small_definition, standalone, tag, web_definition};

mod listing;
pub(super) use listing::COVERED as LISTING;

fn run(family: &str) -> pb::RunTaskRequest {
    pb::RunTaskRequest { task_definition: Some(family.to_owned()), ..pb::RunTaskRequest::default() }
}

fn stop(task: &str) -> pb::StopTaskRequest {
    pb::StopTaskRequest { task: Some(task.to_owned()), ..pb::StopTaskRequest::default() }
}

fn describe(tasks: &[&str]) -> pb::DescribeTasksRequest {
    pb::DescribeTasksRequest {
        tasks: tasks.iter().map(ToString::to_string).collect(),
        ..pb::DescribeTasksRequest::default()
    }
}

cases!(
    "ecs",
    (RunTask, Answered, a_new_task_is_shown_as_its_definition_says, async |controller| {
        controller.define(web_definition()).await;
        let instance = controller.join("zone-a").await;
        let request =
            pb::RunTaskRequest { tags: vec![tag("a", "b")], started_by: Some("me".into()), ..run("web") };
        let answer = controller.tasks().run_task(request).await.unwrap().into_inner();
        assert_eq!(answer.failures, vec![]);
        let task = &answer.tasks[0];
        let arn = task.task_arn.as_deref().unwrap();
        assert!(arn.starts_with("arn:aws:ecs:us-east-1:000000000000:task/default/"), "{arn}");
        assert_eq!(
            task.container_instance_arn.as_deref().unwrap().rsplit('/').next(),
            Some(&*instance.to_string())
        );
        assert_eq!(task.task_definition_arn.as_deref().unwrap().rsplit('/').next(), Some("web:1"));
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        assert_eq!(
            (text(&task.last_status), text(&task.desired_status)),
            ("PENDING".into(), "RUNNING".into())
        );
        assert_eq!((text(&task.group), text(&task.started_by)), ("family:web".into(), "me".into()));
        assert_eq!((text(&task.cpu), text(&task.memory)), ("128".into(), "320".into()));
        assert_eq!(text(&task.availability_zone), "zone-a");
        assert_eq!(
            (task.launch_type(), task.connectivity()),
            (pb::LaunchType::Ec2, pb::Connectivity::Connected)
        );
        assert_eq!((task.health_status(), task.version), (pb::HealthStatus::Unknown, Some(1)));
        assert_eq!(task.attributes, vec![super::fixture::attribute("ecs.cpu-architecture", "x86_64")]);
        assert_eq!(task.tags, vec![tag("a", "b")]);
        let overrides = task.overrides.as_ref().unwrap();
        let names: Vec<&str> =
            overrides.container_overrides.iter().map(pb::ContainerOverride::name).collect();
        assert_eq!(names, ["web", "log"]);
    }),
    (RunTask, Answered, a_placement_is_told_with_the_task, async |controller| {
        controller.define(web_definition()).await;
        controller.join("zone-a").await;
        let task = controller.run("web").await;
        let decision = task.placement_decision.unwrap();
        assert_eq!((decision.instances_considered(), decision.instances_fitting()), (1, 1));
        assert_eq!(decision.terms[0].strategy(), "spread:attribute:ecs.availability-zone");
        assert_eq!(decision.summary(), "1 of 1 instances could take it.");
    }),
    (RunTask, Answered, a_queued_task_waits_where_everybody_sees_it, async |controller| {
        controller.define(web_definition()).await;
        let options = pb::QueueOptions { priority: Some(3), timeout_seconds: Some(600) };
        let request = pb::RunTaskRequest { queue: Some(options), ..run("web") };
        let answer = controller.tasks().run_task(request).await.unwrap().into_inner();
        let task = &answer.tasks[0];
        assert_eq!((task.last_status(), task.desired_status()), ("PROVISIONING", "RUNNING"));
        assert_eq!((task.container_instance_arn.as_ref(), task.placement_decision.as_ref()), (None, None));
        assert_eq!(task.queue.as_ref().map(pb::QueueStatus::priority), Some(3));
        let subject = Some(explain_request::Subject::Task(task.task_arn().to_owned()));
        let request = ExplainRequest { subject, ..ExplainRequest::default() };
        let answer = controller.scheduler().explain(request).await.unwrap().into_inner();
        assert_eq!(
            answer.summary,
            "The task is PROVISIONING and waits for a place: 0 of 1 tasks in the queue come before it, its priority is \
             3. No instance can take it now: the cluster has no container instances. It is given up in 600 s."
        );
        assert_eq!(answer.queue.map(|queue| (queue.before, queue.waiting)), Some((0, 1)));
        let answer = controller.tasks().stop_task(stop(task.task_arn())).await.unwrap().into_inner();
        let stopped = answer.task.unwrap();
        assert_eq!(
            (stopped.last_status(), stopped.stop_code()),
            ("STOPPED", pb::TaskStopCode::UserInitiated)
        );
    }),
    (RunTask, Answered, containers_are_pending_before_the_first_report, async |controller| {
        controller.define(web_definition()).await;
        controller.join("a").await;
        let task = controller.run("web").await;
        let shown: Vec<_> =
            task.containers.iter().map(|one| (one.name(), one.last_status(), one.image())).collect();
        assert_eq!(shown, [("web", "PENDING", "example/web:1"), ("log", "PENDING", "example/log:1")]);
        let web = &task.containers[0];
        assert!(web.container_arn().starts_with("arn:aws:ecs:us-east-1:000000000000:container/default/"));
        assert_eq!(web.task_arn, task.task_arn);
        assert_eq!((web.cpu(), web.memory(), &web.memory_reservation), ("128", "256", &None));
        let log = &task.containers[1];
        assert_eq!((log.cpu(), &log.memory, log.memory_reservation()), ("0", &None, "64"));
        assert_eq!((&web.runtime_id, web.exit_code, &web.reason), (&None, None, &None));
    }),
    (RunTask, Answered, overrides_are_echoed_beside_containers_without_any, async |controller| {
        controller.define(web_definition()).await;
        controller.join("a").await;
        let change = pb::ContainerOverride {
            name: Some("log".into()),
            command: vec!["sleep".into()],
            cpu: Some(10),
            ..Default::default()
        };
        let overrides = pb::TaskOverride { container_overrides: vec![change.clone()], ..Default::default() };
        let request = pb::RunTaskRequest { overrides: Some(overrides), ..run("web") };
        let answer = controller.tasks().run_task(request).await.unwrap().into_inner();
        let web = pb::ContainerOverride { name: Some("web".into()), ..Default::default() };
        let task = &answer.tasks[0];
        assert_eq!(task.overrides.as_ref().unwrap().container_overrides, [web, change]);
        assert_eq!((task.cpu.as_deref(), task.containers[1].cpu()), (Some("138"), "10"));
    }),
    (RunTask, Answered, a_call_with_the_same_token_starts_its_tasks_once, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let mut client = controller.tasks();
        let request =
            pb::RunTaskRequest { client_token: Some("once".into()), count: Some(2), ..run("small") };
        let first = client.run_task(request.clone()).await.unwrap().into_inner();
        let second = client.run_task(request).await.unwrap().into_inner();
        assert_eq!((first.tasks.len(), &first.tasks), (2, &second.tasks));
        assert_eq!(controller.view().task_count(), 2);
    }),
    (RunTask, Refused, the_same_token_with_other_parameters_is_a_conflict, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let mut client = controller.tasks();
        let request = pb::RunTaskRequest { client_token: Some("once".into()), ..run("small") };
        let first = client.run_task(request.clone()).await.unwrap();
        let other = pb::RunTaskRequest { started_by: Some("other".into()), ..request };
        let status = client.run_task(other).await.unwrap_err();
        let reason = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), reason.reason.as_str()), (Code::AlreadyExists, "ConflictException"));
        assert_eq!(reason.metadata.get("resourceIds"), first.into_inner().tasks[0].task_arn.as_ref());
    }),
    (RunTask, Answered, what_does_not_fit_is_a_failure_beside_what_does, async |controller| {
        controller.define(web_definition()).await;
        controller.join("a").await;
        let request = pb::RunTaskRequest { count: Some(2), ..run("web") };
        let answer = controller.tasks().run_task(request).await.unwrap().into_inner();
        assert_eq!((answer.tasks.len(), answer.failures.len()), (1, 1));
        assert_eq!(answer.failures[0].reason.as_deref(), Some("RESOURCE:PORTS"));
    }),
    (RunTask, Answered, room_taken_by_another_meanwhile_is_looked_for_elsewhere, async |controller| {
        controller.define(web_definition()).await;
        let first = controller.join("a").await;
        // Before the task gets there, another takes the port, and a second instance joins.
        let view = controller.view();
        let second =
            ContainerInstance { id: InstanceId::new(7), ..(**view.instance(first).unwrap()).clone() };
        let rival = Task {
            needs: view.task_definition(&"web:1".parse().unwrap()).unwrap().facts.requirements(),
            ..standalone(TaskId::new(7), first)
        };
        controller.consensus.outrun([vec![
            Command::StartTasks(StartTasks { service: None, tasks: vec![rival] }),
            Command::RegisterInstance(Box::new(second)),
        ]]);
        let task = controller.run("web").await;
        assert!(task.container_instance_arn().ends_with(&InstanceId::new(7).to_string()));
    }),
    (RunTask, Refused, a_task_needs_a_definition_that_is_there, async |controller| {
        controller.join("a").await;
        let answer = controller.tasks().run_task(run("nothing")).await;
        assert_eq!(refusal(answer), ("ClientException".into(), "TaskDefinition not found.".into()));
        let request = pb::RunTaskRequest { count: Some(11), ..run("nothing") };
        assert_eq!(exception(controller.tasks().run_task(request).await), "InvalidParameterException");
        let request = pb::RunTaskRequest { cluster: Some("nowhere".into()), ..run("nothing") };
        assert_eq!(exception(controller.tasks().run_task(request).await), "ClusterNotFoundException");
    }),
    (StartTask, Answered, tasks_start_on_the_instances_that_are_named, async |controller| {
        controller.define(small_definition("small")).await;
        let (a, b) = (controller.join("a").await, controller.join("b").await);
        let request = pb::StartTaskRequest {
            task_definition: Some("small".into()),
            container_instances: vec![a.to_string(), b.to_string(), format!("{:032x}", 9)],
            ..pb::StartTaskRequest::default()
        };
        let answer = controller.tasks().start_task(request).await.unwrap().into_inner();
        let on: Vec<&str> = answer.tasks.iter().map(pb::Task::container_instance_arn).collect();
        assert!(on[0].ends_with(&a.to_string()) && on[1].ends_with(&b.to_string()), "{on:?}");
        assert_eq!(answer.failures.len(), 1);
    }),
    (StartTask, Refused, an_instance_must_be_named, async |controller| {
        controller.define(small_definition("small")).await;
        let request =
            pb::StartTaskRequest { task_definition: Some("small".into()), ..pb::StartTaskRequest::default() };
        assert_eq!(exception(controller.tasks().start_task(request).await), "InvalidParameterException");
    }),
    (StopTask, Answered, stopping_twice_keeps_the_first_reason, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let task = controller.run("small").await;
        let arn = task.task_arn.as_deref().unwrap();
        controller.pass(5);
        let request = pb::StopTaskRequest { reason: Some("no longer needed".into()), ..stop(arn) };
        let first = controller.tasks().stop_task(request).await.unwrap().into_inner().task.unwrap();
        let again = controller.tasks().stop_task(stop(arn)).await.unwrap().into_inner().task.unwrap();
        assert_eq!(first, again);
        assert_eq!(
            (first.desired_status.as_deref(), first.last_status.as_deref()),
            (Some("STOPPED"), Some("PENDING"))
        );
        assert_eq!(first.stop_code(), pb::TaskStopCode::UserInitiated);
        assert_eq!(first.stopped_reason.as_deref(), Some("no longer needed"));
        assert_eq!(first.stopping_at, Some(Timestamp::from_unix_ms(NOW_MS + 5_000).to_message()));
        assert_eq!(first.stopped_at, None);
    }),
    (StopTask, Refused, an_unknown_task_is_not_found, async |controller| {
        let answer = controller.tasks().stop_task(stop(&"0".repeat(32))).await;
        let expected = ("InvalidParameterException".into(), "The referenced task was not found.".into());
        assert_eq!(refusal(answer), expected);
    }),
    (StopTask, Refused, without_a_leader_the_caller_may_try_again, async |controller| {
        controller.consensus.lose_leader();
        let answer = controller.tasks().stop_task(stop(&"0".repeat(32))).await;
        assert_eq!(code_and_retry(answer), (Code::Unavailable, true));
    }),
    (DescribeTasks, Answered, what_the_agent_reported_is_shown, async |controller| {
        controller.define(web_definition()).await;
        controller.join("a").await;
        let id = id_of(&controller.run("web").await);
        let at = Timestamp::from_unix_ms(NOW_MS);
        controller.report(
            id,
            Observed {
                last_status: TaskStatus::Running,
                containers: vec![running_web()],
                started_at: Some(at),
                pull_started_at: Some(at),
                ..Observed::default()
            },
        );
        let answer =
            controller.tasks().describe_tasks(describe(&[&id.to_string()])).await.unwrap().into_inner();
        let task = &answer.tasks[0];
        assert_eq!((task.last_status.as_deref(), task.started_at), (Some("RUNNING"), Some(at.to_message())));
        let web = &task.containers[0];
        assert_eq!(
            (web.last_status(), web.runtime_id(), web.image_digest()),
            ("RUNNING", "0123abcd", "sha256:00")
        );
        assert_eq!(web.health_status(), pb::HealthStatus::Healthy);
        let binding = &web.network_bindings[0];
        assert_eq!((binding.bind_ip(), binding.container_port(), binding.host_port()), ("0.0.0.0", 80, 8080));
        assert_eq!(binding.protocol(), pb::TransportProtocol::Tcp);
        assert_eq!(task.containers[1].last_status(), "PENDING");
        assert_eq!(task.tags, vec![], "tags are shown when they are asked for");
    }),
    (DescribeTasks, Answered, a_stopped_task_says_why, async |controller| {
        controller.define(web_definition()).await;
        controller.join("a").await;
        let id = id_of(&controller.run("web").await);
        let at = Timestamp::from_unix_ms(NOW_MS + 2_000);
        let mut web = running_web();
        web.last_status = berth_model::task::ContainerStatus::Stopped;
        web.exit_code = Some(137);
        web.reason = "OutOfMemoryError: Container killed due to memory usage".into();
        let reason = "Essential container in task exited".into();
        controller.report(
            id,
            Observed {
                last_status: TaskStatus::Stopped,
                containers: vec![web],
                stopped_at: Some(at),
                stop: Some(Stop { code: StopCode::EssentialContainerExited, reason, at }),
                ..Observed::default()
            },
        );
        let answer =
            controller.tasks().describe_tasks(describe(&[&id.to_string()])).await.unwrap().into_inner();
        let task = &answer.tasks[0];
        assert_eq!(
            (task.last_status.as_deref(), task.desired_status.as_deref()),
            (Some("STOPPED"), Some("STOPPED"))
        );
        assert_eq!(task.stop_code(), pb::TaskStopCode::EssentialContainerExited);
        assert_eq!(task.stopped_reason.as_deref(), Some("Essential container in task exited"));
        assert_eq!(task.containers[0].exit_code, Some(137));
        assert!(task.containers[0].reason().starts_with("OutOfMemoryError"));
        assert_eq!(task.containers[1].last_status(), "STOPPED", "of a task that is over, everything is");
    }),
    (DescribeTasks, Answered, unknown_tasks_are_missing, async |controller| {
        let unknown = "0".repeat(32);
        let answer = controller.tasks().describe_tasks(describe(&[&unknown])).await.unwrap().into_inner();
        let missing = pb::Failure {
            arn: Some(format!("arn:aws:ecs:us-east-1:000000000000:task/default/{unknown}")),
            reason: Some("MISSING".into()),
            detail: None,
        };
        assert_eq!((answer.tasks, answer.failures), (vec![], vec![missing]));
    }),
    (DescribeTasks, Refused, between_one_and_a_hundred_tasks_are_described, async |controller| {
        let id = "0".repeat(32);
        for count in [0, 101] {
            let answer = controller.tasks().describe_tasks(describe(&vec![id.as_str(); count])).await;
            assert_eq!(exception(answer), "InvalidParameterException");
        }
    }),
);
