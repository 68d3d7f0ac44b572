//! Task sets.

use berth_proto::ecs::v1 as pb;

use super::cases;
use super::controller::{Controller, exception, refusal};
use super::fixture::small_definition;

async fn external(controller: &Controller) {
    controller.define(small_definition("small")).await;
    let request = pb::CreateServiceRequest {
        service_name: Some("web".into()),
        desired_count: Some(3),
        deployment_controller: Some(pb::DeploymentController {
            r#type: Some(pb::DeploymentControllerType::External.into()),
        }),
        ..Default::default()
    };
    let made = controller.services().create_service(request).await.unwrap().into_inner().service.unwrap();
    assert_eq!((made.task_definition, made.deployments.len()), (None, 0));
}

fn scale(value: f64) -> Option<pb::Scale> {
    Some(pb::Scale { value: Some(value), unit: Some(pb::ScaleUnit::Percent.into()) })
}

async fn add(controller: &Controller, percent: f64) -> pb::TaskSet {
    let request = pb::CreateTaskSetRequest { scale: scale(percent), ..creation() };
    controller.task_sets().create_task_set(request).await.unwrap().into_inner().task_set.unwrap()
}

fn creation() -> pb::CreateTaskSetRequest {
    pb::CreateTaskSetRequest {
        cluster: Some("default".into()),
        service: Some("web".into()),
        task_definition: Some("small".into()),
        external_id: Some("build-7".into()),
        ..Default::default()
    }
}

fn deletion(set: &pb::TaskSet, force: bool) -> pb::DeleteTaskSetRequest {
    pb::DeleteTaskSetRequest {
        cluster: Some("default".into()),
        service: Some("web".into()),
        task_set: set.task_set_arn.clone(),
        force: Some(force),
    }
}

fn promotion(set: &str) -> pb::UpdateServicePrimaryTaskSetRequest {
    pb::UpdateServicePrimaryTaskSetRequest {
        cluster: Some("default".into()),
        service: Some("web".into()),
        primary_task_set: Some(set.to_owned()),
    }
}

cases!(
    "ecs",
    (CreateTaskSet, Answered, a_task_set_has_its_share_of_the_desired_count, async |controller| {
        external(&controller).await;
        let set = add(&controller, 50.0).await;
        assert_eq!((set.computed_desired_count(), set.status()), (2, "ACTIVE"));
        assert_eq!(set.stability_status(), pb::StabilityStatus::Stabilizing);
        let prefix = "arn:aws:ecs:us-east-1:000000000000:task-set/default/web/ecs-svc/";
        assert!(set.task_set_arn().starts_with(prefix), "{}", set.task_set_arn());
        assert_eq!(set.external_id.as_deref(), Some("build-7"));
    }),
    (CreateTaskSet, Answered, a_repeated_call_with_its_token_makes_one, async |controller| {
        external(&controller).await;
        let request = pb::CreateTaskSetRequest { client_token: Some("t".into()), ..creation() };
        let mut client = controller.task_sets();
        let first = client.create_task_set(request.clone()).await.unwrap().into_inner();
        assert_eq!(client.create_task_set(request).await.unwrap().into_inner(), first);
    }),
    (CreateTaskSet, Refused, only_a_service_of_others_has_task_sets, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 1).await;
        let answer = controller.task_sets().create_task_set(creation()).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (DescribeTaskSets, Answered, all_task_sets_are_described_unless_some_are_named, async |controller| {
        external(&controller).await;
        let (one, two) = (add(&controller, 100.0).await, add(&controller, 0.0).await);
        let describe = |task_sets: Vec<String>| pb::DescribeTaskSetsRequest {
            cluster: Some("default".into()),
            service: Some("web".into()),
            task_sets,
            include: Vec::new(),
        };
        let mut client = controller.task_sets();
        let all = client.describe_task_sets(describe(Vec::new())).await.unwrap().into_inner();
        assert_eq!(all.task_sets.iter().map(pb::TaskSet::id).collect::<Vec<_>>(), [one.id(), two.id()]);
        let named = vec![two.id().to_owned(), "ecs-svc/1000000000000000009".to_owned()];
        let some = client.describe_task_sets(describe(named)).await.unwrap().into_inner();
        assert_eq!((some.task_sets.len(), some.failures[0].reason.as_deref()), (1, Some("MISSING")));
    }),
    (DescribeTaskSets, Refused, the_cluster_of_task_sets_is_named, async |controller| {
        let request = pb::DescribeTaskSetsRequest { service: Some("web".into()), ..Default::default() };
        let answer = controller.task_sets().describe_task_sets(request).await;
        assert_eq!(refusal(answer).1, "Cluster can not be blank.");
    }),
    (UpdateTaskSet, Answered, the_share_of_a_task_set_is_changed, async |controller| {
        external(&controller).await;
        let set = add(&controller, 0.0).await;
        let request = pb::UpdateTaskSetRequest {
            cluster: Some("default".into()),
            service: Some("web".into()),
            task_set: set.id,
            scale: scale(33.4),
        };
        let answer = controller.task_sets().update_task_set(request).await.unwrap().into_inner();
        let set = answer.task_set.unwrap();
        assert_eq!((set.computed_desired_count(), set.scale.unwrap().value()), (2, 33.4));
    }),
    (UpdateTaskSet, Refused, a_share_is_between_nothing_and_all, async |controller| {
        external(&controller).await;
        let set = add(&controller, 0.0).await;
        let request = pb::UpdateTaskSetRequest {
            cluster: Some("default".into()),
            service: Some("web".into()),
            task_set: set.id,
            scale: scale(101.0),
        };
        let answer = controller.task_sets().update_task_set(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (UpdateServicePrimaryTaskSet, Answered, the_primary_task_set_lends_its_definition, async |controller| {
        external(&controller).await;
        let set = add(&controller, 100.0).await;
        let answer =
            controller.task_sets().update_service_primary_task_set(promotion(set.id())).await.unwrap();
        assert_eq!(answer.into_inner().task_set.unwrap().status(), "PRIMARY");
        let service = controller.service_named("web");
        assert_eq!(service.task_definition.to_string(), "small:1");
    }),
    (UpdateServicePrimaryTaskSet, Refused, the_primary_task_set_has_to_be_there, async |controller| {
        external(&controller).await;
        let promotion = promotion("ecs-svc/1000000000000000009");
        let answer = controller.task_sets().update_service_primary_task_set(promotion).await;
        assert_eq!(exception(answer), "TaskSetNotFoundException");
    }),
    (DeleteTaskSet, Answered, a_deleted_task_set_drains, async |controller| {
        external(&controller).await;
        let set = add(&controller, 100.0).await;
        let answer = controller.task_sets().delete_task_set(deletion(&set, true)).await.unwrap().into_inner();
        let set = answer.task_set.unwrap();
        assert_eq!((set.status(), set.computed_desired_count()), ("DRAINING", 0));
    }),
    (DeleteTaskSet, Refused, a_task_set_that_is_scaled_up_needs_force, async |controller| {
        external(&controller).await;
        let set = add(&controller, 100.0).await;
        let answer = controller.task_sets().delete_task_set(deletion(&set, false)).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
);
