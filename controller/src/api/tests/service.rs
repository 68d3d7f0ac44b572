//! Services.

use berth_model::command::{AdvanceService, Command, ServiceUpdate};
use berth_model::service::Rollout;
use berth_model::task::TaskStatus;
use berth_proto::ecs::v1 as pb;

use super::cases;
use super::controller::{Controller, code_and_retry, exception, refusal};
use super::fixture::{deployment_of, small_definition, tag};

fn create(name: &str) -> pb::CreateServiceRequest {
    pb::CreateServiceRequest {
        service_name: Some(name.to_owned()),
        task_definition: Some("small".into()),
        desired_count: Some(2),
        ..pb::CreateServiceRequest::default()
    }
}

fn describe(services: &[&str]) -> pb::DescribeServicesRequest {
    pb::DescribeServicesRequest {
        services: services.iter().map(ToString::to_string).collect(),
        ..pb::DescribeServicesRequest::default()
    }
}

fn scale(name: &str, desired_count: i32) -> pb::UpdateServiceRequest {
    pb::UpdateServiceRequest {
        service: Some(name.to_owned()),
        desired_count: Some(desired_count),
        ..pb::UpdateServiceRequest::default()
    }
}

fn delete(name: &str, force: bool) -> pb::DeleteServiceRequest {
    pb::DeleteServiceRequest { service: Some(name.to_owned()), force: Some(force), ..Default::default() }
}

async fn described(controller: &Controller, name: &str) -> pb::Service {
    let answer = controller.services().describe_services(describe(&[name])).await.unwrap().into_inner();
    answer.services.into_iter().next().unwrap()
}

/// What the planner records.
fn advance(controller: &Controller, name: &str) -> AdvanceService {
    let service = controller.service_named(name);
    AdvanceService {
        key: service.key.clone(),
        generation: service.generation,
        rollouts: Vec::new(),
        ended: Vec::new(),
        steady: false,
        retire: false,
        events: Vec::new(),
        steps: Vec::new(),
        desired_count: None,
    }
}

/// Another controller's update of the same service.
fn rival_update(controller: &Controller, name: &str, generation: u64) -> Command {
    Command::UpdateService(Box::new(ServiceUpdate {
        key: controller.service_named(name).key.clone(),
        generation,
        desired_count: Some(9),
        bounds: None,
        placement: None,
        spec: None,
        deployment: None,
        settings: None,
    }))
}

cases!(
    "ecs",
    (CreateService, Answered, a_new_service_has_one_deployment_in_progress, async |controller| {
        controller.define(small_definition("small")).await;
        let request = pb::CreateServiceRequest { tags: vec![tag("team", "shop")], ..create("web") };
        let answer = controller.services().create_service(request).await.unwrap().into_inner();
        let service = answer.service.unwrap();
        let arn = |kind: &str| Some(format!("arn:aws:ecs:us-east-1:000000000000:{kind}"));
        assert_eq!(
            (&service.service_arn, &service.cluster_arn),
            (&arn("service/default/web"), &arn("cluster/default"))
        );
        assert_eq!((service.status.as_deref(), service.desired_count), (Some("ACTIVE"), Some(2)));
        assert_eq!((service.running_count, service.pending_count), (Some(0), Some(0)));
        assert_eq!(
            (service.launch_type(), service.scheduling_strategy()),
            (pb::LaunchType::Ec2, pb::SchedulingStrategy::Replica)
        );
        assert_eq!(service.task_definition, arn("task-definition/small:1"));
        assert_eq!(
            (service.tags.clone(), service.propagate_tags()),
            (vec![tag("team", "shop")], pb::PropagateTags::None)
        );
        let configuration = service.deployment_configuration.clone().unwrap();
        assert_eq!(
            (configuration.minimum_healthy_percent, configuration.maximum_percent),
            (Some(100), Some(200))
        );
        assert_eq!(configuration.deployment_circuit_breaker.unwrap().enable, Some(false));
        assert_eq!(service.deployments.len(), 1);
        let deployment = &service.deployments[0];
        assert_eq!((deployment.status.as_deref(), deployment.desired_count), (Some("PRIMARY"), Some(2)));
        assert_eq!(
            (deployment.rollout_state(), deployment.failed_tasks),
            (pb::DeploymentRolloutState::InProgress, Some(0))
        );
        assert!(deployment.id.as_deref().unwrap().starts_with("ecs-svc/"));
    }),
    (CreateService, Answered, the_same_call_with_the_same_token_makes_one_service, async |controller| {
        controller.define(small_definition("small")).await;
        let request = pb::CreateServiceRequest { client_token: Some("once".into()), ..create("web") };
        let mut client = controller.services();
        let first = client.create_service(request.clone()).await.unwrap().into_inner();
        let again = client.create_service(request).await.unwrap().into_inner();
        assert_eq!(first, again);
    }),
    (CreateService, Refused, a_name_in_use_is_not_idempotent, async |controller| {
        controller.define(small_definition("small")).await;
        let mut client = controller.services();
        client.create_service(create("web")).await.unwrap();
        let expected = ("InvalidParameterException".into(), "Creation of service was not idempotent.".into());
        assert_eq!(refusal(client.create_service(create("web")).await), expected);
        let unknown = pb::CreateServiceRequest { task_definition: Some("nothing".into()), ..create("api") };
        assert_eq!(exception(client.create_service(unknown).await), "ClientException");
        let nowhere = pb::CreateServiceRequest { cluster: Some("nowhere".into()), ..create("api") };
        assert_eq!(exception(client.create_service(nowhere).await), "ClusterNotFoundException");
    }),
    (DescribeServices, Answered, tasks_are_counted_by_deployment, async |controller| {
        controller.define(small_definition("small")).await;
        let instance = controller.join("a").await;
        let made = controller.serve("web", "small", 3).await;
        let running = controller.start_for("web", instance, 1);
        controller.report_status(running, TaskStatus::Running);
        controller.start_for("web", instance, 2);
        controller.define(small_definition("small")).await;
        let request = pb::UpdateServiceRequest {
            service: Some("web".into()),
            task_definition: Some("small:2".into()),
            ..Default::default()
        };
        controller.services().update_service(request).await.unwrap();
        controller.start_for("web", instance, 3);
        let service = described(&controller, "web").await;
        assert_eq!((service.running_count, service.pending_count), (Some(1), Some(2)));
        let shown: Vec<_> = service
            .deployments
            .iter()
            .map(|one| {
                (one.status.as_deref().unwrap(), one.desired_count, one.running_count, one.pending_count)
            })
            .collect();
        assert_eq!(shown, [("PRIMARY", Some(3), Some(0), Some(1)), ("ACTIVE", Some(2), Some(1), Some(1))]);
        assert_eq!(deployment_of(&made).to_string(), service.deployments[1].id.clone().unwrap());
        assert!(service.deployments[0].task_definition.as_deref().unwrap().ends_with("small:2"));
    }),
    (DescribeServices, Answered, the_newest_of_a_hundred_events_comes_first, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 0).await;
        for number in 0..105 {
            let events = vec![format!("(service web) event {number}.")];
            let command = AdvanceService { events, ..advance(&controller, "web") };
            controller.consensus.apply(Command::AdvanceService(command)).unwrap();
        }
        let events = described(&controller, "web").await.events;
        assert_eq!(events.len(), 100);
        assert_eq!(events[0].message.as_deref(), Some("(service web) event 104."));
        assert_eq!(events[99].message.as_deref(), Some("(service web) event 5."));
        let ids: std::collections::BTreeSet<_> =
            events.iter().map(|event| event.id.clone().unwrap()).collect();
        assert_eq!(ids.len(), 100);
    }),
    (DescribeServices, Answered, unknown_services_are_missing_and_tags_are_asked_for, async |controller| {
        controller.define(small_definition("small")).await;
        let request = pb::CreateServiceRequest { tags: vec![tag("team", "shop")], ..create("web") };
        controller.services().create_service(request).await.unwrap();
        let arn = "arn:aws:ecs:us-east-1:000000000000:service/default/web";
        let answer =
            controller.services().describe_services(describe(&[arn, "nothing"])).await.unwrap().into_inner();
        assert_eq!(answer.services[0].tags, vec![]);
        assert_eq!((answer.failures.len(), answer.failures[0].reason.as_deref()), (1, Some("MISSING")));
        let request = pb::DescribeServicesRequest {
            include: vec![pb::ServiceField::Tags.into()],
            ..describe(&["web"])
        };
        let answer = controller.services().describe_services(request).await.unwrap().into_inner();
        assert_eq!(answer.services[0].tags, vec![tag("team", "shop")]);
    }),
    (DescribeServices, Refused, between_one_and_ten_services_are_described, async |controller| {
        for count in [0, 11] {
            let answer = controller.services().describe_services(describe(&vec!["web"; count])).await;
            assert_eq!(exception(answer), "InvalidParameterException");
        }
    }),
    (ListServices, Answered, a_page_has_ten_unless_asked_otherwise, async |controller| {
        controller.define(small_definition("small")).await;
        let mut client = controller.services();
        for number in 0..12 {
            client.create_service(create(&format!("s{number:02}"))).await.unwrap();
        }
        client.delete_service(delete("s00", true)).await.unwrap();
        let first = client.list_services(pb::ListServicesRequest::default()).await.unwrap().into_inner();
        assert_eq!(first.service_arns.len(), 10);
        assert!(first.service_arns[0].ends_with("service/default/s01"), "DRAINING ones are not listed");
        let request = pb::ListServicesRequest { next_token: first.next_token, ..Default::default() };
        let second = client.list_services(request).await.unwrap().into_inner();
        assert_eq!((second.service_arns.len(), second.next_token), (1, None));
        let request = pb::ListServicesRequest { max_results: Some(100), ..Default::default() };
        assert_eq!(client.list_services(request).await.unwrap().into_inner().service_arns.len(), 11);
        let request = pb::ListServicesRequest {
            scheduling_strategy: Some(pb::SchedulingStrategy::Daemon.into()),
            ..Default::default()
        };
        assert_eq!(client.list_services(request).await.unwrap().into_inner().service_arns.len(), 0);
    }),
    (ListServices, Refused, services_are_listed_of_a_cluster_that_is_there, async |controller| {
        let request = pb::ListServicesRequest { cluster: Some("nowhere".into()), ..Default::default() };
        assert_eq!(exception(controller.services().list_services(request).await), "ClusterNotFoundException");
    }),
    (
        UpdateService,
        Answered,
        a_new_definition_starts_a_deployment_and_a_new_count_does_not,
        async |controller| {
            controller.define(small_definition("small")).await;
            let made = controller.serve("web", "small", 1).await;
            let mut client = controller.services();
            let scaled = client.update_service(scale("web", 5)).await.unwrap().into_inner().service.unwrap();
            assert_eq!((scaled.desired_count, scaled.deployments.len()), (Some(5), 1));
            assert_eq!(deployment_of(&scaled), deployment_of(&made));
            let request = pb::UpdateServiceRequest {
                service: Some("web".into()),
                force_new_deployment: Some(true),
                ..Default::default()
            };
            let renewed = client.update_service(request).await.unwrap().into_inner().service.unwrap();
            assert_eq!(renewed.deployments.len(), 2);
            assert_ne!(deployment_of(&renewed), deployment_of(&made));
        }
    ),
    (UpdateService, Answered, an_update_by_another_meanwhile_is_built_upon, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 1).await;
        let generation = controller.service_named("web").generation;
        controller.consensus.outrun([
            vec![rival_update(&controller, "web", generation)],
            vec![rival_update(&controller, "web", generation + 1)],
        ]);
        let updated = controller.services().update_service(scale("web", 5)).await.unwrap().into_inner();
        assert_eq!(updated.service.unwrap().desired_count, Some(5));
        assert_eq!(controller.service_named("web").generation, generation + 3);
    }),
    (UpdateService, Refused, who_loses_every_race_is_told_to_try_again, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 1).await;
        let generation = controller.service_named("web").generation;
        let rivals: Vec<_> =
            (0..8).map(|later| vec![rival_update(&controller, "web", generation + later)]).collect();
        controller.consensus.outrun(rivals);
        let answer = controller.services().update_service(scale("web", 5)).await;
        assert_eq!(code_and_retry(answer), (tonic::Code::Aborted, true));
    }),
    (UpdateService, Refused, only_an_active_service_is_updated, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 1).await;
        let mut client = controller.services();
        let expected = ("ServiceNotFoundException".into(), "Service not found.".into());
        assert_eq!(refusal(client.update_service(scale("nothing", 1)).await), expected);
        client.delete_service(delete("web", true)).await.unwrap();
        let expected = ("ServiceNotActiveException".into(), "Service was not ACTIVE.".into());
        assert_eq!(refusal(client.update_service(scale("web", 1)).await), expected);
    }),
    (DeleteService, Answered, a_deleted_service_drains_and_stays_describable, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 0).await;
        let mut client = controller.services();
        let deleted =
            client.delete_service(delete("web", false)).await.unwrap().into_inner().service.unwrap();
        assert_eq!((deleted.status.as_deref(), deleted.desired_count), (Some("DRAINING"), Some(0)));
        client.delete_service(delete("web", false)).await.unwrap();
        let primary = controller.service_named("web").primary().unwrap().id;
        let rollouts = vec![(primary, Rollout::Completed, "ECS deployment completed.".to_owned())];
        let retire =
            AdvanceService { rollouts, ended: vec![primary], retire: true, ..advance(&controller, "web") };
        controller.consensus.apply(Command::AdvanceService(retire)).unwrap();
        let over = described(&controller, "web").await;
        assert_eq!((over.status.as_deref(), over.deployments.len()), (Some("INACTIVE"), 0));
    }),
    (DeleteService, Refused, a_service_with_tasks_needs_force, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 2).await;
        let mut client = controller.services();
        let message = "The service cannot be stopped while it is scaled above 0.";
        let answer = client.delete_service(delete("web", false)).await;
        assert_eq!(refusal(answer), ("InvalidParameterException".into(), message.into()));
        let answer = client.delete_service(delete("nothing", false)).await;
        assert_eq!(exception(answer), "ServiceNotFoundException");
    }),
);
