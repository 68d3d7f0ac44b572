//! Service deployments and service revisions.

use berth_model::command::{AdvanceService, Command, RolloutStep};
use berth_model::service::rollout::ServiceDeploymentStatus;
use berth_proto::admin::v1 as admin;
use berth_proto::ecs::v1 as pb;

use super::cases;
use super::controller::{Controller, exception, refusal};
use super::fixture::small_definition;

/// The service `web` with two revisions, the first of which worked.
async fn deployed_twice(controller: &Controller) {
    controller.define(small_definition("small")).await;
    controller.serve("web", "small", 1).await;
    step(controller, RolloutStep::End { status: ServiceDeploymentStatus::Successful, reason: String::new() });
    redeploy(controller, None).await;
}

fn step(controller: &Controller, step: RolloutStep) {
    let service = controller.service_named("web");
    let command = AdvanceService {
        key: service.key.clone(),
        generation: service.generation,
        rollouts: Vec::new(),
        ended: Vec::new(),
        steady: false,
        retire: false,
        events: Vec::new(),
        steps: vec![step],
        desired_count: None,
    };
    controller.consensus.apply(Command::AdvanceService(command)).unwrap();
}

async fn redeploy(controller: &Controller, configuration: Option<pb::DeploymentConfiguration>) {
    let request = pb::UpdateServiceRequest {
        service: Some("web".into()),
        force_new_deployment: Some(true),
        deployment_configuration: configuration,
        ..Default::default()
    };
    controller.services().update_service(request).await.unwrap();
}

async fn listed(controller: &Controller) -> Vec<pb::ServiceDeploymentBrief> {
    let request = pb::ListServiceDeploymentsRequest { service: Some("web".into()), ..Default::default() };
    let answer = controller.service_deployments().list_service_deployments(request).await.unwrap();
    answer.into_inner().service_deployments
}

async fn newest(controller: &Controller) -> pb::ServiceDeployment {
    let arn = listed(controller).await[0].service_deployment_arn.clone().unwrap();
    let request = pb::DescribeServiceDeploymentsRequest { service_deployment_arns: vec![arn] };
    let answer = controller.service_deployments().describe_service_deployments(request).await.unwrap();
    answer.into_inner().service_deployments.into_iter().next().unwrap()
}

fn stop(arn: Option<String>) -> pb::StopServiceDeploymentRequest {
    pb::StopServiceDeploymentRequest { service_deployment_arn: arn, stop_type: None }
}

cases!(
    "ecs",
    (ListServiceDeployments, Answered, the_newest_service_deployment_comes_first, async |controller| {
        deployed_twice(&controller).await;
        let all = listed(&controller).await;
        let statuses: Vec<_> = all.iter().map(pb::ServiceDeploymentBrief::status).collect();
        use pb::ServiceDeploymentStatus::{InProgress, Successful};
        assert_eq!(statuses, [InProgress, Successful]);
        let arn = all[0].service_deployment_arn();
        let id =
            arn.strip_prefix("arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/").unwrap();
        assert_eq!(id.len(), 21);
        let request = pb::ListServiceDeploymentsRequest {
            service: Some("web".into()),
            status: vec![Successful.into()],
            ..Default::default()
        };
        let answer = controller.service_deployments().list_service_deployments(request).await.unwrap();
        assert_eq!(answer.into_inner().service_deployments, all[1..]);
    }),
    (ListServiceDeployments, Refused, service_deployments_are_listed_of_a_service, async |controller| {
        let request = pb::ListServiceDeploymentsRequest { service: Some("web".into()), ..Default::default() };
        let answer = controller.service_deployments().list_service_deployments(request).await;
        assert_eq!(exception(answer), "ServiceNotFoundException");
    }),
    (
        DescribeServiceDeployments,
        Answered,
        a_service_deployment_says_where_from_and_where_to,
        async |controller| {
            deployed_twice(&controller).await;
            let newest = newest(&controller).await;
            let service = controller.service_named("web");
            let numbers: Vec<String> =
                service.deployments.iter().map(|deployment| deployment.id.number().to_string()).collect();
            let short = |arn: &str| arn.rsplit('/').next().unwrap().to_owned();
            let target = newest.target_service_revision.unwrap();
            assert_eq!((short(target.arn()), target.requested_task_count()), (numbers[0].clone(), 1));
            let sources: Vec<_> =
                newest.source_service_revisions.iter().map(|one| short(one.arn())).collect();
            assert_eq!(sources, numbers[1..]);
            let breaker = newest.deployment_circuit_breaker.unwrap();
            assert_eq!(breaker.status(), pb::ServiceDeploymentRollbackMonitorsStatus::Disabled);
        }
    ),
    (DescribeServiceDeployments, Answered, unknown_service_deployments_are_missing, async |controller| {
        let arn = "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/000000000000000000001";
        let request = pb::DescribeServiceDeploymentsRequest { service_deployment_arns: vec![arn.into()] };
        let answer = controller.service_deployments().describe_service_deployments(request).await.unwrap();
        assert_eq!(answer.into_inner().failures[0].reason.as_deref(), Some("MISSING"));
    }),
    (DescribeServiceDeployments, Refused, service_deployments_are_described_by_arn, async |controller| {
        let request = pb::DescribeServiceDeploymentsRequest { service_deployment_arns: vec!["web".into()] };
        let answer = controller.service_deployments().describe_service_deployments(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (DescribeServiceRevisions, Answered, a_revision_keeps_what_it_was, async |controller| {
        deployed_twice(&controller).await;
        let arns = listed(&controller).await.into_iter().filter_map(|one| one.target_service_revision_arn);
        let request = pb::DescribeServiceRevisionsRequest { service_revision_arns: arns.collect() };
        let answer = controller.service_deployments().describe_service_revisions(request).await.unwrap();
        let revisions = answer.into_inner().service_revisions;
        assert_eq!(revisions.len(), 2);
        assert!(revisions.iter().all(|one| one.task_definition().ends_with("task-definition/small:1")));
        assert_eq!(revisions[0].container_images[0].image.as_deref(), Some("example/main:1"));
    }),
    (DescribeServiceRevisions, Refused, up_to_twenty_revisions_are_described, async |controller| {
        let arn = "arn:aws:ecs:us-east-1:000000000000:service-revision/default/web/1000000000000000001";
        let request = pb::DescribeServiceRevisionsRequest { service_revision_arns: vec![arn.into(); 21] };
        let answer = controller.service_deployments().describe_service_revisions(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (StopServiceDeployment, Answered, a_service_deployment_is_asked_to_go_back, async |controller| {
        deployed_twice(&controller).await;
        let arn = listed(&controller).await[0].service_deployment_arn.clone();
        let mut client = controller.service_deployments();
        let answer = client.stop_service_deployment(stop(arn.clone())).await.unwrap().into_inner();
        assert_eq!(answer.service_deployment_arn, arn);
        let newest = newest(&controller).await;
        assert_eq!(newest.status(), pb::ServiceDeploymentStatus::RollbackRequested);
    }),
    (StopServiceDeployment, Refused, what_is_over_is_not_stopped, async |controller| {
        deployed_twice(&controller).await;
        let over = listed(&controller).await[1].service_deployment_arn.clone();
        let mut client = controller.service_deployments();
        assert_eq!(exception(client.stop_service_deployment(stop(over)).await), "ConflictException");
        let unknown =
            "arn:aws:ecs:us-east-1:000000000000:service-deployment/default/web/000000000000000000001";
        let answer = client.stop_service_deployment(stop(Some(unknown.into()))).await;
        let message = "The service deployment was not found.".to_owned();
        assert_eq!(refusal(answer), ("ServiceDeploymentNotFoundException".into(), message));
    }),
    (ContinueServiceDeployment, Answered, a_pause_is_over_when_somebody_says_so, async |controller| {
        deployed_twice(&controller).await;
        let pause = pb::DeploymentLifecycleHook {
            target_type: Some(pb::DeploymentLifecycleHookTargetType::Pause.into()),
            lifecycle_stages: vec![pb::DeploymentLifecycleHookStage::PreScaleUp.into()],
            ..Default::default()
        };
        let configuration =
            pb::DeploymentConfiguration { lifecycle_hooks: vec![pause], ..Default::default() };
        redeploy(&controller, Some(configuration)).await;
        controller.plan_service("web");
        let waiting = newest(&controller).await;
        let hook = waiting.lifecycle_hook_details[0].clone();
        assert_eq!(hook.status(), pb::DeploymentLifecycleHookStatus::AwaitingAction);
        let request = pb::ContinueServiceDeploymentRequest {
            service_deployment_arn: waiting.service_deployment_arn,
            hook_id: hook.hook_id,
            action: None,
        };
        controller.service_deployments().continue_service_deployment(request).await.unwrap();
        let hook = newest(&controller).await.lifecycle_hook_details[0].clone();
        assert_eq!(hook.status(), pb::DeploymentLifecycleHookStatus::Succeeded);
    }),
    (ContinueServiceDeployment, Refused, only_a_hook_that_waits_is_continued, async |controller| {
        deployed_twice(&controller).await;
        let request = pb::ContinueServiceDeploymentRequest {
            service_deployment_arn: listed(&controller).await[0].service_deployment_arn.clone(),
            hook_id: Some("01234567-89ab-cdef-0123-456789abcdef".into()),
            action: None,
        };
        let answer = controller.service_deployments().continue_service_deployment(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
);

/// Going back, which the ECS API has no word for.
pub(super) mod back {
    use super::super::cases;
    use super::super::controller::exception;
    use super::{admin, deployed_twice, listed};

    fn roll_back(service: &str, revision: &str) -> admin::RollBackServiceRequest {
        admin::RollBackServiceRequest {
            cluster: String::new(),
            service: service.to_owned(),
            service_revision: revision.to_owned(),
        }
    }

    cases!(
        "admin",
        (RollBackService, Answered, an_earlier_revision_is_deployed_again, async |controller| {
            deployed_twice(&controller).await;
            let answer = controller.admin().roll_back_service(roll_back("web", "")).await.unwrap();
            let all = listed(&controller).await;
            assert_eq!(Some(answer.into_inner().service_deployment_arn), all[0].service_deployment_arn);
            let first = all[2].target_service_revision_arn.clone().unwrap();
            controller.admin().roll_back_service(roll_back("web", &first)).await.unwrap();
            assert_eq!(listed(&controller).await.len(), 4);
        }),
        (
            RollBackService,
            Answered,
            a_revision_that_had_no_time_to_prove_itself_will_do,
            async |controller| {
                controller.define(super::small_definition("small")).await;
                controller.serve("web", "small", 1).await;
                super::redeploy(&controller, None).await;
                controller.admin().roll_back_service(roll_back("web", "")).await.unwrap();
                assert_eq!(listed(&controller).await.len(), 3);
            }
        ),
        (RollBackService, Refused, there_has_to_be_something_to_go_back_to, async |controller| {
            controller.define(super::small_definition("small")).await;
            controller.serve("web", "small", 1).await;
            let mut client = controller.admin();
            assert_eq!(exception(client.roll_back_service(roll_back("web", "")).await), "ClientException");
            let unknown = roll_back("web", "1000000000000000009");
            assert_eq!(exception(client.roll_back_service(unknown).await), "InvalidParameterException");
        }),
    );
}
