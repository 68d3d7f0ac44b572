//! What ECS has and nobody can make here yet: gateways, managed daemons and Express gateway services. Each operation says
//! so in ECS's words, or answers that there is none.

use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::daemons_client::DaemonsClient;
use berth_proto::ecs::v1::express_gateway_services_client::ExpressGatewayServicesClient;
use berth_proto::ecs::v1::gateways_client::GatewaysClient;

use super::cases;
use super::controller::{Controller, Signed, exception};

fn gateways(controller: &Controller) -> GatewaysClient<Signed> {
    GatewaysClient::new(controller.signed())
}

fn daemons(controller: &Controller) -> DaemonsClient<Signed> {
    DaemonsClient::new(controller.signed())
}

fn express(controller: &Controller) -> ExpressGatewayServicesClient<Signed> {
    ExpressGatewayServicesClient::new(controller.signed())
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn shared() -> pb::GatewayConfiguration {
    pb::GatewayConfiguration { host_shared_alb: Some(pb::HostSharedAlbConfiguration::default()) }
}

cases!(
    "ecs",
    (CreateGateway, Refused, no_gateway_can_be_made, async |controller| {
        let request = pb::CreateGatewayRequest {
            name: text("edge"),
            infrastructure_role_arn: text("role"),
            configuration: Some(shared()),
            ..Default::default()
        };
        let answer = gateways(&controller).create_gateway(request).await;
        assert_eq!(exception(answer), "UnsupportedFeatureException");
    }),
    (DescribeGateway, Refused, there_is_no_gateway_to_describe, async |controller| {
        let request = pb::DescribeGatewayRequest { gateway: text("edge") };
        let answer = gateways(&controller).describe_gateway(request).await;
        assert_eq!(exception(answer), "GatewayNotFoundException");
    }),
    (DescribeGatewayResources, Refused, there_is_no_gateway_with_resources, async |controller| {
        let request = pb::DescribeGatewayResourcesRequest { gateway: text("edge"), ..Default::default() };
        let answer = gateways(&controller).describe_gateway_resources(request).await;
        assert_eq!(exception(answer), "GatewayNotFoundException");
    }),
    (UpdateGateway, Refused, there_is_no_gateway_to_update, async |controller| {
        let request = pb::UpdateGatewayRequest { gateway: text("edge"), ..Default::default() };
        let answer = gateways(&controller).update_gateway(request).await;
        assert_eq!(exception(answer), "GatewayNotFoundException");
    }),
    (DeleteGateway, Refused, there_is_no_gateway_to_delete, async |controller| {
        let request = pb::DeleteGatewayRequest { gateway: text("edge") };
        let answer = gateways(&controller).delete_gateway(request).await;
        assert_eq!(exception(answer), "GatewayNotFoundException");
    }),
    (ListGateways, Refused, a_page_of_gateways_has_an_entry_at_least, async |controller| {
        let request = pb::ListGatewaysRequest { max_results: Some(0), ..Default::default() };
        let answer = gateways(&controller).list_gateways(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (DescribeGatewayRoute, Refused, there_is_no_route_of_a_gateway, async |controller| {
        let request = pb::DescribeGatewayRouteRequest { gateway_route_arn: text("route") };
        let answer = gateways(&controller).describe_gateway_route(request).await;
        assert_eq!(exception(answer), "ResourceNotFoundException");
    }),
    (ListGatewayRoutes, Refused, there_is_no_gateway_with_routes, async |controller| {
        let request = pb::ListGatewayRoutesRequest { gateway: text("edge"), ..Default::default() };
        let answer = gateways(&controller).list_gateway_routes(request).await;
        assert_eq!(exception(answer), "GatewayNotFoundException");
    }),
    (AssociateGatewayWithCluster, Refused, there_is_no_gateway_to_associate, async |controller| {
        let request =
            pb::AssociateGatewayWithClusterRequest { gateway: text("edge"), cluster: text("default") };
        let answer = gateways(&controller).associate_gateway_with_cluster(request).await;
        assert_eq!(exception(answer), "GatewayNotFoundException");
    }),
    (DisassociateGatewayFromCluster, Refused, the_cluster_of_a_gateway_must_be_there, async |controller| {
        let request =
            pb::DisassociateGatewayFromClusterRequest { gateway: text("edge"), cluster: text("nowhere") };
        let answer = gateways(&controller).disassociate_gateway_from_cluster(request).await;
        assert_eq!(exception(answer), "ClusterNotFoundException");
    }),
    (
        ListGatewayClusterAssociations,
        Refused,
        a_page_of_associations_has_a_hundred_entries_at_most,
        async |controller| {
            let request =
                pb::ListGatewayClusterAssociationsRequest { max_results: Some(101), ..Default::default() };
            let answer = gateways(&controller).list_gateway_cluster_associations(request).await;
            assert_eq!(exception(answer), "InvalidParameterException");
        }
    ),
    (
        RegisterDaemonTaskDefinition,
        Refused,
        no_daemon_task_definition_can_be_registered,
        async |controller| {
            let request = pb::RegisterDaemonTaskDefinitionRequest {
                family: text("logs"),
                container_definitions: vec![pb::DaemonContainerDefinition::default()],
                ..Default::default()
            };
            let answer = daemons(&controller).register_daemon_task_definition(request).await;
            assert_eq!(exception(answer), "UnsupportedFeatureException");
        }
    ),
    (
        DescribeDaemonTaskDefinition,
        Refused,
        there_is_no_daemon_task_definition_to_describe,
        async |controller| {
            let request = pb::DescribeDaemonTaskDefinitionRequest { daemon_task_definition: text("logs") };
            let answer = daemons(&controller).describe_daemon_task_definition(request).await;
            assert_eq!(exception(answer), "ClientException");
        }
    ),
    (DeleteDaemonTaskDefinition, Refused, there_is_no_daemon_task_definition_to_delete, async |controller| {
        let request = pb::DeleteDaemonTaskDefinitionRequest { daemon_task_definition: text("logs") };
        let answer = daemons(&controller).delete_daemon_task_definition(request).await;
        assert_eq!(exception(answer), "ClientException");
    }),
    (
        ListDaemonTaskDefinitions,
        Refused,
        a_token_of_daemon_task_definitions_is_one_that_was_given,
        async |controller| {
            let request =
                pb::ListDaemonTaskDefinitionsRequest { next_token: text("nonsense"), ..Default::default() };
            let answer = daemons(&controller).list_daemon_task_definitions(request).await;
            assert_eq!(exception(answer), "InvalidParameterException");
        }
    ),
    (CreateDaemon, Refused, no_managed_daemon_can_be_made, async |controller| {
        let request = pb::CreateDaemonRequest {
            daemon_name: text("logs"),
            daemon_task_definition_arn: text("logs:1"),
            ..Default::default()
        };
        let answer = daemons(&controller).create_daemon(request).await;
        assert_eq!(exception(answer), "UnsupportedFeatureException");
    }),
    (DescribeDaemon, Refused, there_is_no_daemon_to_describe, async |controller| {
        let request = pb::DescribeDaemonRequest { daemon_arn: text("logs") };
        let answer = daemons(&controller).describe_daemon(request).await;
        assert_eq!(exception(answer), "DaemonNotFoundException");
    }),
    (UpdateDaemon, Refused, there_is_no_daemon_to_update, async |controller| {
        let request = pb::UpdateDaemonRequest { daemon_arn: text("logs"), ..Default::default() };
        let answer = daemons(&controller).update_daemon(request).await;
        assert_eq!(exception(answer), "DaemonNotFoundException");
    }),
    (DeleteDaemon, Refused, there_is_no_daemon_to_delete, async |controller| {
        let request = pb::DeleteDaemonRequest { daemon_arn: text("logs") };
        let answer = daemons(&controller).delete_daemon(request).await;
        assert_eq!(exception(answer), "DaemonNotFoundException");
    }),
    (ListDaemons, Refused, the_cluster_of_daemons_must_be_there, async |controller| {
        let request = pb::ListDaemonsRequest { cluster_arn: text("nowhere"), ..Default::default() };
        let answer = daemons(&controller).list_daemons(request).await;
        assert_eq!(exception(answer), "ClusterNotFoundException");
    }),
    (DescribeDaemonDeployments, Refused, a_daemon_deployment_must_be_named, async |controller| {
        let request = pb::DescribeDaemonDeploymentsRequest::default();
        let answer = daemons(&controller).describe_daemon_deployments(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (ListDaemonDeployments, Refused, there_is_no_daemon_with_deployments, async |controller| {
        let request = pb::ListDaemonDeploymentsRequest { daemon_arn: text("logs"), ..Default::default() };
        let answer = daemons(&controller).list_daemon_deployments(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (DescribeDaemonRevisions, Refused, a_daemon_revision_must_be_named, async |controller| {
        let request = pb::DescribeDaemonRevisionsRequest::default();
        let answer = daemons(&controller).describe_daemon_revisions(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (CreateExpressGatewayService, Refused, no_express_gateway_service_can_be_made, async |controller| {
        let request = pb::CreateExpressGatewayServiceRequest {
            infrastructure_role_arn: text("role"),
            ..Default::default()
        };
        let answer = express(&controller).create_express_gateway_service(request).await;
        assert_eq!(exception(answer), "UnsupportedFeatureException");
    }),
    (
        DescribeExpressGatewayService,
        Refused,
        there_is_no_express_gateway_service_to_describe,
        async |controller| {
            let request =
                pb::DescribeExpressGatewayServiceRequest { service_arn: text("shop"), ..Default::default() };
            let answer = express(&controller).describe_express_gateway_service(request).await;
            assert_eq!(exception(answer), "ResourceNotFoundException");
        }
    ),
    (
        UpdateExpressGatewayService,
        Refused,
        there_is_no_express_gateway_service_to_update,
        async |controller| {
            let request =
                pb::UpdateExpressGatewayServiceRequest { service_arn: text("shop"), ..Default::default() };
            let answer = express(&controller).update_express_gateway_service(request).await;
            assert_eq!(exception(answer), "ServiceNotFoundException");
        }
    ),
    (
        DeleteExpressGatewayService,
        Refused,
        there_is_no_express_gateway_service_to_delete,
        async |controller| {
            let request = pb::DeleteExpressGatewayServiceRequest { service_arn: text("shop") };
            let answer = express(&controller).delete_express_gateway_service(request).await;
            assert_eq!(exception(answer), "ServiceNotFoundException");
        }
    ),
    (ListGateways, Answered, there_are_no_gateways, async |controller| {
        let request = pb::ListGatewaysRequest::default();
        let answer = gateways(&controller).list_gateways(request).await.unwrap().into_inner();
        assert_eq!((answer.gateways.len(), answer.next_token), (0, None));
    }),
    (ListGatewayRoutes, Answered, there_are_no_routes, async |controller| {
        let request = pb::ListGatewayRoutesRequest::default();
        let answer = gateways(&controller).list_gateway_routes(request).await.unwrap().into_inner();
        assert_eq!((answer.gateway_routes.len(), answer.next_token), (0, None));
    }),
    (ListGatewayClusterAssociations, Answered, no_gateway_is_associated, async |controller| {
        let request = pb::ListGatewayClusterAssociationsRequest::default();
        let answer =
            gateways(&controller).list_gateway_cluster_associations(request).await.unwrap().into_inner();
        assert_eq!((answer.gateway_cluster_associations.len(), answer.next_token), (0, None));
    }),
    (ListDaemonTaskDefinitions, Answered, there_are_no_daemon_task_definitions, async |controller| {
        let request = pb::ListDaemonTaskDefinitionsRequest::default();
        let answer = daemons(&controller).list_daemon_task_definitions(request).await.unwrap().into_inner();
        assert_eq!((answer.daemon_task_definitions.len(), answer.next_token), (0, None));
    }),
    (ListDaemons, Answered, there_are_no_daemons, async |controller| {
        let request = pb::ListDaemonsRequest::default();
        let answer = daemons(&controller).list_daemons(request).await.unwrap().into_inner();
        assert_eq!((answer.daemon_summaries_list.len(), answer.next_token), (0, None));
    }),
    (DescribeDaemonDeployments, Answered, daemon_deployments_are_missing_one_by_one, async |controller| {
        let request =
            pb::DescribeDaemonDeploymentsRequest { daemon_deployment_arns: vec!["a".into(), "b".into()] };
        let answer = daemons(&controller).describe_daemon_deployments(request).await.unwrap().into_inner();
        let reasons = answer.failures.iter().map(pb::Failure::reason).collect::<Vec<_>>();
        assert_eq!(reasons, ["MISSING", "MISSING"]);
    }),
    (DescribeDaemonRevisions, Answered, daemon_revisions_are_missing_one_by_one, async |controller| {
        let request =
            pb::DescribeDaemonRevisionsRequest { daemon_revision_arns: vec!["a".into(), "b".into()] };
        let answer = daemons(&controller).describe_daemon_revisions(request).await.unwrap().into_inner();
        let reasons = answer.failures.iter().map(pb::Failure::reason).collect::<Vec<_>>();
        assert_eq!(reasons, ["MISSING", "MISSING"]);
    }),
);
