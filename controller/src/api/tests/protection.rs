//! Protection of tasks from scale-in.

use berth_model::task::TaskStatus;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::task_protections_client::TaskProtectionsClient;

use super::cases;
use super::controller::{Controller, Signed, exception};
use super::fixture::{id_of, small_definition};

fn client(controller: &Controller) -> TaskProtectionsClient<Signed> {
    TaskProtectionsClient::new(controller.signed())
}

fn protect(tasks: &[String], minutes: i32) -> pb::UpdateTaskProtectionRequest {
    pb::UpdateTaskProtectionRequest {
        cluster: Some("default".into()),
        tasks: tasks.to_vec(),
        protection_enabled: Some(true),
        expires_in_minutes: Some(minutes),
    }
}

async fn get(controller: &Controller, tasks: &[String]) -> pb::GetTaskProtectionResponse {
    let request = pb::GetTaskProtectionRequest { cluster: Some("default".into()), tasks: tasks.to_vec() };
    client(controller).get_task_protection(request).await.expect("answered").into_inner()
}

/// A running task of a service.
async fn task_of_a_service(controller: &Controller) -> String {
    controller.define(small_definition("web")).await;
    let instance = controller.join("a").await;
    controller.serve("web", "web", 1).await;
    let id = controller.start_for("web", instance, 7);
    controller.report_status(id, TaskStatus::Running);
    id.to_string()
}

cases!(
    "ecs",
    (UpdateTaskProtection, Answered, protection_ends_by_itself, async |controller| {
        let tasks = [task_of_a_service(&controller).await];
        let answer =
            client(&controller).update_task_protection(protect(&tasks, 1)).await.unwrap().into_inner();
        assert_eq!(answer.protected_tasks[0].protection_enabled, Some(true));
        assert_eq!(get(&controller, &tasks).await.protected_tasks, answer.protected_tasks);
        controller.pass(60);
        let later = get(&controller, &tasks).await.protected_tasks;
        assert_eq!((later[0].protection_enabled, later[0].expiration_date), (Some(false), None));
        assert_eq!(get(&controller, &[]).await.protected_tasks, vec![]);
    }),
    (UpdateTaskProtection, Refused, only_tasks_of_services_can_be_protected, async |controller| {
        let _ = task_of_a_service(&controller).await;
        let alone = [id_of(&controller.run("web").await).to_string()];
        let answer =
            client(&controller).update_task_protection(protect(&alone, 1)).await.unwrap().into_inner();
        assert_eq!(answer.failures[0].reason(), "TASK_NOT_VALID");
        for minutes in [0, 2_881] {
            let answer = client(&controller).update_task_protection(protect(&alone, minutes)).await;
            assert_eq!(exception(answer), "InvalidParameterException", "{minutes}");
        }
    }),
    (GetTaskProtection, Answered, a_task_that_is_not_there_is_missing, async |controller| {
        let answer = get(&controller, &["0".repeat(32)]).await;
        assert_eq!(answer.failures[0].reason(), "MISSING");
    }),
    (GetTaskProtection, Refused, the_cluster_has_to_be_named, async |controller| {
        let request = pb::GetTaskProtectionRequest::default();
        assert_eq!(
            exception(client(&controller).get_task_protection(request).await),
            "InvalidParameterException"
        );
    }),
);
