//! Capacity providers.

use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::capacity_providers_client::CapacityProvidersClient;

use super::cases;
use super::controller::{Controller, Signed, exception, refusal};

fn client(controller: &Controller) -> CapacityProvidersClient<Signed> {
    CapacityProvidersClient::new(controller.signed())
}

fn named(name: &str) -> pb::CreateCapacityProviderRequest {
    let group = pb::AutoScalingGroupProvider {
        auto_scaling_group_arn: Some("arn:aws:autoscaling:us-east-1:000000000000:group".into()),
        ..pb::AutoScalingGroupProvider::default()
    };
    pb::CreateCapacityProviderRequest {
        name: Some(name.to_owned()),
        auto_scaling_group_provider: Some(group),
        ..pb::CreateCapacityProviderRequest::default()
    }
}

fn of_cluster(providers: &[&str], strategy: &[(&str, i32)]) -> pb::PutClusterCapacityProvidersRequest {
    let item = |(name, weight): &(&str, i32)| pb::CapacityProviderStrategyItem {
        capacity_provider: Some((*name).to_owned()),
        weight: Some(*weight),
        base: None,
    };
    pb::PutClusterCapacityProvidersRequest {
        cluster: Some("default".into()),
        capacity_providers: providers.iter().map(ToString::to_string).collect(),
        default_capacity_provider_strategy: strategy.iter().map(item).collect(),
    }
}

async fn make(controller: &Controller, name: &str) -> pb::CapacityProvider {
    let answer = client(controller).create_capacity_provider(named(name)).await.expect("made");
    answer.into_inner().capacity_provider.expect("rendered")
}

fn delete(name: &str) -> pb::DeleteCapacityProviderRequest {
    let capacity_provider = Some(name.to_owned());
    pb::DeleteCapacityProviderRequest { capacity_provider, ..pb::DeleteCapacityProviderRequest::default() }
}

cases!(
    "ecs",
    (CreateCapacityProvider, Answered, what_is_not_said_is_filled_in, async |controller| {
        let made = make(&controller, "spot").await;
        let arn = "arn:aws:ecs:us-east-1:000000000000:capacity-provider/spot";
        assert_eq!(made.capacity_provider_arn.as_deref(), Some(arn));
        assert_eq!(made.status(), pb::CapacityProviderStatus::Active);
        let scaling = made.auto_scaling_group_provider.unwrap().managed_scaling.unwrap();
        assert_eq!((scaling.target_capacity(), scaling.instance_warmup_period()), (100, 300));
    }),
    (CreateCapacityProvider, Refused, names_are_free_and_not_awss_own, async |controller| {
        make(&controller, "spot").await;
        for name in ["spot", "aws-x", "FargateX", "a b", ""] {
            let answer = client(&controller).create_capacity_provider(named(name)).await;
            assert_eq!(exception(answer), "ClientException", "{name}");
        }
        let managed = pb::CreateCapacityProviderRequest {
            managed_instances_provider: Some(pb::CreateManagedInstancesProviderConfiguration::default()),
            ..named("managed")
        };
        let answer = client(&controller).create_capacity_provider(managed).await;
        assert_eq!(exception(answer), "UnsupportedFeatureException");
    }),
    (DescribeCapacityProviders, Answered, those_of_every_account_are_there_too, async |controller| {
        make(&controller, "spot").await;
        let request = pb::DescribeCapacityProvidersRequest::default();
        let answer = client(&controller).describe_capacity_providers(request).await.unwrap().into_inner();
        let names: Vec<_> = answer.capacity_providers.iter().map(pb::CapacityProvider::name).collect();
        assert_eq!(names, ["FARGATE", "FARGATE_SPOT", "spot"]);
        let request = pb::DescribeCapacityProvidersRequest {
            capacity_providers: vec!["spot".into(), "none".into()],
            ..pb::DescribeCapacityProvidersRequest::default()
        };
        let answer = client(&controller).describe_capacity_providers(request).await.unwrap().into_inner();
        assert_eq!((answer.capacity_providers.len(), answer.failures.len()), (1, 1));
        assert_eq!(answer.failures[0].reason(), "MISSING");
    }),
    (DescribeCapacityProviders, Refused, pages_have_at_most_ten, async |controller| {
        let request = pb::DescribeCapacityProvidersRequest {
            max_results: Some(11),
            ..pb::DescribeCapacityProvidersRequest::default()
        };
        let answer = client(&controller).describe_capacity_providers(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (UpdateCapacityProvider, Answered, what_is_not_given_stays, async |controller| {
        make(&controller, "spot").await;
        let scaling = pb::ManagedScaling { target_capacity: Some(80), ..pb::ManagedScaling::default() };
        let update = pb::AutoScalingGroupProviderUpdate {
            managed_scaling: Some(scaling),
            ..pb::AutoScalingGroupProviderUpdate::default()
        };
        let request = pb::UpdateCapacityProviderRequest {
            name: Some("spot".into()),
            auto_scaling_group_provider: Some(update),
            ..pb::UpdateCapacityProviderRequest::default()
        };
        let answer = client(&controller).update_capacity_provider(request).await.unwrap().into_inner();
        let group = answer.capacity_provider.unwrap().auto_scaling_group_provider.unwrap();
        assert!(group.auto_scaling_group_arn().ends_with(":group"));
        let scaling = group.managed_scaling.unwrap();
        assert_eq!((scaling.target_capacity(), scaling.maximum_scaling_step_size()), (80, 10_000));
    }),
    (UpdateCapacityProvider, Refused, those_of_every_account_stay_as_they_are, async |controller| {
        let request = pb::UpdateCapacityProviderRequest {
            name: Some("FARGATE".into()),
            ..pb::UpdateCapacityProviderRequest::default()
        };
        let answer = client(&controller).update_capacity_provider(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (DeleteCapacityProvider, Answered, what_is_deleted_is_shown_once_more, async |controller| {
        make(&controller, "spot").await;
        let answer = client(&controller).delete_capacity_provider(delete("spot")).await.unwrap().into_inner();
        let shown = answer.capacity_provider.unwrap();
        assert_eq!(shown.update_status(), pb::CapacityProviderUpdateStatus::DeleteInProgress);
        assert!(controller.view().capacity_provider("spot").is_none());
    }),
    (DeleteCapacityProvider, Refused, what_a_cluster_uses_stays, async |controller| {
        make(&controller, "spot").await;
        client(&controller).put_cluster_capacity_providers(of_cluster(&["spot"], &[])).await.unwrap();
        let (name, text) = refusal(client(&controller).delete_capacity_provider(delete("spot")).await);
        assert_eq!(name, "InvalidParameterException");
        assert!(text.contains("associated with cluster: default"), "{text}");
    }),
    (PutClusterCapacityProviders, Answered, both_lists_are_replaced, async |controller| {
        make(&controller, "spot").await;
        let put = of_cluster(&["spot", "FARGATE"], &[("spot", 1)]);
        let answer = client(&controller).put_cluster_capacity_providers(put).await.unwrap().into_inner();
        let cluster = answer.cluster.unwrap();
        assert_eq!(cluster.capacity_providers, ["spot", "FARGATE"]);
        assert_eq!(cluster.default_capacity_provider_strategy[0].base, Some(0));
        let put = of_cluster(&[], &[]);
        let answer = client(&controller).put_cluster_capacity_providers(put).await.unwrap().into_inner();
        let cluster = answer.cluster.unwrap();
        assert!(
            cluster.capacity_providers.is_empty() && cluster.default_capacity_provider_strategy.is_empty()
        );
    }),
    (PutClusterCapacityProviders, Refused, a_strategy_names_providers_of_the_cluster, async |controller| {
        make(&controller, "spot").await;
        for put in [
            of_cluster(&["none"], &[]),
            of_cluster(&["spot"], &[("FARGATE", 1)]),
            of_cluster(&["spot", "FARGATE"], &[("spot", 1), ("FARGATE", 1)]),
            of_cluster(&["spot"], &[("spot", 1_001)]),
        ] {
            let answer = client(&controller).put_cluster_capacity_providers(put).await;
            assert_eq!(exception(answer), "InvalidParameterException");
        }
    }),
);
