//! Clusters.

use berth_model::cluster::ClusterStatus;
use berth_model::command::Command;
use berth_proto::ecs::v1 as pb;

use super::cases;
use super::controller::{exception, refusal};
use super::fixture::{small_definition, tag};

fn named(name: &str) -> pb::CreateClusterRequest {
    pb::CreateClusterRequest { cluster_name: Some(name.to_owned()), ..pb::CreateClusterRequest::default() }
}

fn describe(clusters: &[&str], include: &[pb::ClusterField]) -> pb::DescribeClustersRequest {
    pb::DescribeClustersRequest {
        clusters: clusters.iter().map(ToString::to_string).collect(),
        include: include.iter().map(|field| (*field).into()).collect(),
    }
}

fn delete(name: &str) -> pb::DeleteClusterRequest {
    pb::DeleteClusterRequest { cluster: Some(name.to_owned()) }
}

fn insights() -> Vec<pb::ClusterSetting> {
    vec![pb::ClusterSetting {
        name: Some(pb::ClusterSettingName::ContainerInsights.into()),
        value: Some("enabled".into()),
    }]
}

cases!(
    "ecs",
    (CreateCluster, Answered, creating_a_cluster_again_gives_the_same, async |controller| {
        let mut client = controller.clusters();
        let request = pb::CreateClusterRequest {
            tags: vec![tag("team", "shop")],
            settings: insights(),
            ..named("prod")
        };
        let made = client.create_cluster(request).await.unwrap().into_inner().cluster.unwrap();
        assert_eq!(made.cluster_arn.as_deref(), Some("arn:aws:ecs:us-east-1:000000000000:cluster/prod"));
        assert_eq!((made.cluster_name.as_deref(), made.status.as_deref()), (Some("prod"), Some("ACTIVE")));
        assert_eq!((made.tags.clone(), made.settings.clone()), (vec![tag("team", "shop")], insights()));
        let again = client.create_cluster(named("prod")).await.unwrap().into_inner().cluster.unwrap();
        assert_eq!(again, made);
    }),
    (CreateCluster, Refused, a_cluster_needs_a_proper_name, async |controller| {
        let answer = controller.clusters().create_cluster(named("a b")).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (DescribeClusters, Answered, no_name_means_default_and_unknown_ones_are_missing, async |controller| {
        let mut client = controller.clusters();
        let answer = client.describe_clusters(describe(&[], &[])).await.unwrap().into_inner();
        assert_eq!(answer.clusters[0].cluster_name.as_deref(), Some("default"));
        let arn = "arn:aws:ecs:us-east-1:000000000000:cluster/default";
        let answer = client.describe_clusters(describe(&[arn, "nowhere"], &[])).await.unwrap().into_inner();
        assert_eq!(answer.clusters.len(), 1);
        let missing = pb::Failure {
            arn: Some("arn:aws:ecs:us-east-1:000000000000:cluster/nowhere".into()),
            reason: Some("MISSING".into()),
            detail: None,
        };
        assert_eq!(answer.failures, vec![missing]);
    }),
    (DescribeClusters, Answered, members_are_shown_when_they_are_asked_for, async |controller| {
        let mut client = controller.clusters();
        let configuration = pb::ClusterConfiguration {
            execute_command_configuration: Some(pb::ExecuteCommandConfiguration {
                logging: Some(pb::ExecuteCommandLogging::Default.into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = pb::CreateClusterRequest {
            tags: vec![tag("team", "shop")],
            settings: insights(),
            configuration: Some(configuration.clone()),
            ..named("prod")
        };
        client.create_cluster(request).await.unwrap();
        let bare = client.describe_clusters(describe(&["prod"], &[])).await.unwrap().into_inner();
        let bare = &bare.clusters[0];
        assert_eq!((bare.tags.len(), bare.settings.len(), &bare.configuration), (0, 0, &None));
        assert_eq!(bare.statistics, vec![]);
        let all = <pb::ClusterField as berth_proto::AwsName>::ALL;
        let full = client.describe_clusters(describe(&["prod"], all)).await.unwrap().into_inner();
        let full = &full.clusters[0];
        assert_eq!((&full.tags, &full.settings), (&vec![tag("team", "shop")], &insights()));
        assert_eq!(full.configuration, Some(configuration));
        assert_eq!(full.statistics.len(), 8);
    }),
    (DescribeClusters, Answered, counts_follow_what_is_in_the_cluster, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        let running = controller.run("small").await;
        controller.run("small").await;
        controller.report_status(super::fixture::id_of(&running), berth_model::task::TaskStatus::Running);
        controller.serve("web", "small", 0).await;
        let request = describe(&[], &[pb::ClusterField::Statistics]);
        let answer = controller.clusters().describe_clusters(request).await.unwrap().into_inner();
        let cluster = &answer.clusters[0];
        let counts = [
            cluster.registered_container_instances_count,
            cluster.running_tasks_count,
            cluster.pending_tasks_count,
            cluster.active_services_count,
        ];
        assert_eq!(counts, [Some(1); 4]);
        let value = |name: &str| {
            let statistic = cluster.statistics.iter().find(|pair| pair.name.as_deref() == Some(name));
            statistic.and_then(|pair| pair.value.clone())
        };
        assert_eq!(value("runningEC2TasksCount").as_deref(), Some("1"));
        assert_eq!(value("drainingEC2ServiceCount").as_deref(), Some("0"));
    }),
    (DescribeClusters, Refused, at_most_a_hundred_clusters_are_described, async |controller| {
        let names: Vec<String> = (0..101).map(|number| format!("c{number}")).collect();
        let request = pb::DescribeClustersRequest { clusters: names, include: vec![] };
        assert_eq!(
            exception(controller.clusters().describe_clusters(request).await),
            "InvalidParameterException"
        );
    }),
    (ListClusters, Answered, lists_active_clusters_page_by_page, async |controller| {
        let mut client = controller.clusters();
        for name in ["a", "b", "z"] {
            client.create_cluster(named(name)).await.unwrap();
        }
        client.delete_cluster(delete("a")).await.unwrap();
        let (mut names, mut next_token) = (Vec::new(), None);
        loop {
            let request = pb::ListClustersRequest { next_token, max_results: Some(2) };
            let page = client.list_clusters(request).await.unwrap().into_inner();
            assert!(page.cluster_arns.len() <= 2);
            names.extend(page.cluster_arns.iter().map(|arn| arn.rsplit('/').next().unwrap().to_owned()));
            next_token = page.next_token;
            if next_token.is_none() {
                break;
            }
        }
        assert_eq!(names, ["b", "default", "z"]);
    }),
    (ListClusters, Refused, a_page_has_at_most_a_hundred_entries, async |controller| {
        for (next_token, max_results) in [(None, Some(101)), (None, Some(0)), (Some("?".to_owned()), None)] {
            let request = pb::ListClustersRequest { next_token, max_results };
            assert_eq!(
                exception(controller.clusters().list_clusters(request).await),
                "InvalidParameterException"
            );
        }
    }),
    (UpdateCluster, Answered, settings_are_replaced, async |controller| {
        let mut client = controller.clusters();
        let request = pb::UpdateClusterRequest {
            cluster: Some("default".into()),
            settings: insights(),
            ..Default::default()
        };
        let updated = client.update_cluster(request).await.unwrap().into_inner().cluster.unwrap();
        assert_eq!(updated.settings, insights());
        let shown = client.describe_clusters(describe(&[], &[pb::ClusterField::Settings])).await.unwrap();
        assert_eq!(shown.into_inner().clusters[0].settings, insights());
    }),
    (UpdateCluster, Refused, only_a_cluster_that_is_there_is_updated, async |controller| {
        let request = pb::UpdateClusterRequest { cluster: Some("nowhere".into()), ..Default::default() };
        let answer = controller.clusters().update_cluster(request).await;
        assert_eq!(refusal(answer), ("ClusterNotFoundException".into(), "Cluster not found.".into()));
    }),
    (UpdateClusterSettings, Answered, settings_that_are_not_given_stay, async |controller| {
        let request =
            pb::UpdateClusterSettingsRequest { cluster: Some("default".into()), settings: insights() };
        let answer = controller.clusters().update_cluster_settings(request).await.unwrap().into_inner();
        assert_eq!(answer.cluster.unwrap().settings, insights());
    }),
    (UpdateClusterSettings, Refused, a_setting_has_to_be_given, async |controller| {
        let request = pb::UpdateClusterSettingsRequest { cluster: Some("default".into()), settings: vec![] };
        let answer = controller.clusters().update_cluster_settings(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (DeleteCluster, Answered, a_deleted_cluster_stays_describable, async |controller| {
        let mut client = controller.clusters();
        let deleted = client.delete_cluster(delete("default")).await.unwrap().into_inner().cluster.unwrap();
        assert_eq!(deleted.status.as_deref(), Some("INACTIVE"));
        let shown = client.describe_clusters(describe(&[], &[])).await.unwrap().into_inner();
        assert_eq!(shown.clusters[0].status.as_deref(), Some("INACTIVE"));
        let again = client.create_cluster(named("default")).await.unwrap().into_inner().cluster.unwrap();
        assert_eq!(again.status.as_deref(), Some("ACTIVE"));
    }),
    (DeleteCluster, Refused, a_cluster_with_something_in_it_stays, async |controller| {
        let mut client = controller.clusters();
        controller.join("a").await;
        assert_eq!(
            refusal(client.delete_cluster(delete("default")).await),
            (
                "ClusterContainsContainerInstancesException".into(),
                "The Cluster cannot be deleted while Container Instances are active or draining.".into()
            )
        );
        controller.define(small_definition("small")).await;
        controller.run("small").await;
        assert_eq!(
            exception(client.delete_cluster(delete("default")).await),
            "ClusterContainsTasksException"
        );
        controller.serve("web", "small", 1).await;
        assert_eq!(
            exception(client.delete_cluster(delete("default")).await),
            "ClusterContainsServicesException"
        );
        assert_eq!(exception(client.delete_cluster(delete("nowhere")).await), "ClusterNotFoundException");
    }),
    (DeleteCluster, Refused, a_cluster_deleted_by_another_meanwhile_is_not_found, async |controller| {
        let name = berth_model::id::ClusterName::new("default");
        controller.consensus.outrun([vec![Command::DeleteCluster(name.clone())]]);
        let answer = controller.clusters().delete_cluster(delete("default")).await;
        assert_eq!(exception(answer), "ClusterNotFoundException");
        assert_eq!(controller.view().cluster(&name).unwrap().status, ClusterStatus::Inactive);
    }),
);
