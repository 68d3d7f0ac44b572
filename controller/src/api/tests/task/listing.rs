//! ListTasks: what it finds by which filter.

use berth_model::task::TaskStatus;
use berth_proto::ecs::v1 as pb;

use super::super::cases;
use super::super::controller::{Controller, exception};
use super::super::fixture::{id_of, small_definition};

fn short(page: &pb::ListTasksResponse) -> Vec<String> {
    let mut ids: Vec<String> =
        page.task_arns.iter().map(|arn| arn.rsplit('/').next().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

async fn list(controller: &Controller, request: pb::ListTasksRequest) -> Vec<String> {
    short(&controller.tasks().list_tasks(request).await.unwrap().into_inner())
}

cases!(
    "ecs",
    (ListTasks, Answered, tasks_are_found_by_what_they_are_of, async |controller| {
        controller.define(small_definition("small")).await;
        controller.define(small_definition("other")).await;
        let (a, b) = (controller.join("a").await, controller.join("b").await);
        controller.serve("web", "small", 1).await;
        let owned = controller.start_for("web", a, 1).to_string();
        let deployment = controller.service_named("web").primary().unwrap().id.to_string();
        let request = pb::StartTaskRequest {
            task_definition: Some("other".into()),
            container_instances: vec![b.to_string()],
            started_by: Some("me".into()),
            ..Default::default()
        };
        let answer = controller.tasks().start_task(request).await.unwrap().into_inner();
        let alone = id_of(&answer.tasks[0]).to_string();
        let mut both = vec![owned.clone(), alone.clone()];
        both.sort();
        let all = pb::ListTasksRequest::default;
        let some = |text: &str| Some(text.to_owned());
        let rows = [
            (all(), both.clone()),
            (pb::ListTasksRequest { family: some("other"), ..all() }, vec![alone.clone()]),
            (pb::ListTasksRequest { service_name: some("web"), ..all() }, vec![owned.clone()]),
            (pb::ListTasksRequest { container_instance: Some(a.to_string()), ..all() }, vec![owned]),
            (pb::ListTasksRequest { started_by: some("me"), ..all() }, vec![alone]),
            (pb::ListTasksRequest { launch_type: Some(pb::LaunchType::Ec2.into()), ..all() }, both),
            (pb::ListTasksRequest { launch_type: Some(pb::LaunchType::Fargate.into()), ..all() }, vec![]),
            (
                pb::ListTasksRequest { desired_status: Some(pb::DesiredStatus::Pending.into()), ..all() },
                vec![],
            ),
            (
                pb::ListTasksRequest { desired_status: Some(pb::DesiredStatus::Stopped.into()), ..all() },
                vec![],
            ),
        ];
        for (request, expected) in rows {
            assert_eq!(list(&controller, request.clone()).await, expected, "{request:?}");
        }
        let by_deployment = pb::ListTasksRequest { started_by: Some(deployment), ..all() };
        assert_eq!(list(&controller, by_deployment).await.len(), 1);
    }),
    (ListTasks, Answered, a_task_is_listed_by_its_desired_status, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let task = controller.run("small").await;
        let request = pb::StopTaskRequest { task: task.task_arn.clone(), ..Default::default() };
        controller.tasks().stop_task(request).await.unwrap();
        let stopped = || pb::ListTasksRequest {
            desired_status: Some(pb::DesiredStatus::Stopped.into()),
            ..Default::default()
        };
        assert_eq!(list(&controller, pb::ListTasksRequest::default()).await, Vec::<String>::new());
        assert_eq!(list(&controller, stopped()).await.len(), 1);
        controller.report_status(id_of(&task), TaskStatus::Stopped);
        assert_eq!(list(&controller, stopped()).await.len(), 1);
    }),
    (ListTasks, Answered, pages_join_to_the_whole_list, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        for _ in 0..7 {
            controller.run("small").await;
        }
        let (mut ids, mut next_token) = (Vec::new(), None);
        loop {
            let request = pb::ListTasksRequest { max_results: Some(3), next_token, ..Default::default() };
            let page = controller.tasks().list_tasks(request).await.unwrap().into_inner();
            assert!(page.task_arns.len() <= 3);
            ids.extend(short(&page));
            next_token = page.next_token;
            if next_token.is_none() {
                break;
            }
        }
        ids.sort();
        assert_eq!(ids, list(&controller, pb::ListTasksRequest::default()).await);
        assert_eq!(ids.len(), 7);
    }),
    (ListTasks, Refused, who_started_a_task_is_a_filter_of_its_own, async |controller| {
        let some = |text: &str| Some(text.to_owned());
        let both = pb::ListTasksRequest { started_by: some("me"), family: some("web"), ..Default::default() };
        assert_eq!(exception(controller.tasks().list_tasks(both).await), "InvalidParameterException");
        let service = pb::ListTasksRequest { service_name: some("web"), ..Default::default() };
        assert_eq!(exception(controller.tasks().list_tasks(service).await), "ServiceNotFoundException");
        let cluster = pb::ListTasksRequest { cluster: some("nowhere"), ..Default::default() };
        assert_eq!(exception(controller.tasks().list_tasks(cluster).await), "ClusterNotFoundException");
    }),
);
