//! Clusters, rule by rule.

use serde_json::{Value as Json, json};

use super::json::message;
use super::world::{World, verdict};
use crate::command::Command;
use crate::validate::{account_setting, cluster};

#[test]
fn clusters_are_made_with_known_settings() {
    let mut world = World::new();
    let admission = world.admission();
    let execute = |change: Json| json!({"configuration": {"executeCommandConfiguration": change}});
    let rows = [
        (json!({}), "ok"),
        (json!({"clusterName": "a_b-C1"}), "ok"),
        (
            json!({"clusterName": "a b"}),
            "InvalidParameterException: Invalid cluster name: \"a b\" must have 1 to 255 letters, numbers, hyphens \
             and underscores.",
        ),
        (json!({"settings": [{"name": "containerInsights", "value": "enhanced"}]}), "ok"),
        (
            json!({"settings": [{"name": "containerInsights", "value": "on"}]}),
            "InvalidParameterException: The setting containerInsights takes enhanced, enabled or disabled.",
        ),
        (json!({"capacityProviders": ["FARGATE"]}), "ok"),
        (
            json!({"capacityProviders": ["none"]}),
            "InvalidParameterException: The specified capacity provider was not found. Specify a valid name or ARN \
             and try again.",
        ),
        (
            json!({"serviceConnectDefaults": {"namespace": "n"}}),
            "UnsupportedFeatureException: serviceConnectDefaults is not supported yet.",
        ),
        (execute(json!({"logging": "DEFAULT"})), "ok"),
        (
            execute(json!({"logging": "OVERRIDE"})),
            "InvalidParameterException: A CloudWatch log group name or S3 bucket name must be specified when \
             overriding the default log configuration.",
        ),
        (
            execute(
                json!({"logging": "OVERRIDE", "logConfiguration": {"cloudWatchLogGroupName": "/sessions"}}),
            ),
            "ok",
        ),
        (
            execute(json!({"logging": "OVERRIDE", "logConfiguration": {"s3BucketName": "b"}})),
            "UnsupportedFeatureException: executeCommandConfiguration.logConfiguration.s3BucketName: there is no Amazon \
             S3 here; name a cloudWatchLogGroupName.",
        ),
        (
            execute(json!({"logging": "DEFAULT", "kmsKeyId": "alias/k"})),
            "UnsupportedFeatureException: executeCommandConfiguration.kmsKeyId: there is no AWS KMS here; sessions are \
             encrypted with TLS.",
        ),
        (
            execute(json!({"logging": "NONE", "logConfiguration": {"s3BucketName": "b"}})),
            "InvalidParameterException: You must set logging to 'OVERRIDE' when you supply a log configuration.",
        ),
    ];
    for (request, expected) in rows {
        let found = verdict(cluster::create(&message(&request), &world.state, &admission));
        assert_eq!(found, expected, "{request}");
    }
}

#[test]
fn a_new_cluster_has_the_settings_that_the_account_has() {
    let mut world = World::new();
    let admission = world.admission();
    let insights = |world: &World, request: Json| {
        let (_, command) = cluster::create(&message(&request), &world.state, &admission).expect("admitted");
        let Command::CreateCluster(made) = command else { panic!("{command:?}") };
        made.spec.settings.iter().map(|setting| setting.value().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(insights(&world, json!({})), ["disabled"]);
    let default = json!({"name": "containerInsights", "value": "enabled"});
    let (_, command) = account_setting::put_default(&message(&default), &world.state).expect("admitted");
    world.apply(command);
    assert_eq!(insights(&world, json!({})), ["enabled"]);
    let given = json!({"settings": [{"name": "containerInsights", "value": "enhanced"}]});
    assert_eq!(insights(&world, given), ["enhanced"]);
}

#[test]
fn clusters_are_updated_and_deleted_by_name_or_arn() {
    let mut world = World::new();
    world.cluster("c");
    let settings = json!({
        "cluster": "arn:aws:ecs:us-east-1:000000000000:cluster/c",
        "settings": [{"name": "containerInsights", "value": "enabled"}],
    });
    let (name, command) = cluster::update(&message(&settings), &world.state).expect("admitted");
    world.apply(command);
    assert_eq!(world.state.cluster(&name).expect("there").spec.settings.len(), 1);
    let delete = |request: Json, world: &World| cluster::delete(&message(&request), &world.state);
    assert_eq!(verdict(delete(json!({}), &world)), "InvalidParameterException: Cluster can not be blank.");
    assert_eq!(
        verdict(delete(json!({"cluster": "gone"}), &world)),
        "ClusterNotFoundException: Cluster not found."
    );
    world.instance("c");
    assert_eq!(
        verdict(delete(json!({"cluster": "c"}), &world)),
        "ClusterContainsContainerInstancesException: The Cluster cannot be deleted while Container Instances are \
         active or draining."
    );
    let (_, command) = delete(json!({"cluster": "default"}), &world).expect("it is empty");
    world.apply(command);
    let page = cluster::list(&message(&json!({})), &world.state).expect("a page");
    assert_eq!(page.items.iter().map(ToString::to_string).collect::<Vec<_>>(), ["c"]);
}

#[test]
fn describing_without_names_describes_the_default_cluster() {
    let mut world = World::new();
    world.cluster("c");
    let describe = |request: Json| cluster::describe(&message(&request), &world.state);
    let (found, failures) = describe(json!({})).expect("admitted");
    assert_eq!((found[0].name.as_str(), failures.len()), ("default", 0));
    let (found, failures) =
        describe(json!({"clusters": ["c", "gone"], "include": ["TAGS"]})).expect("admitted");
    assert_eq!((found.len(), failures[0].reason()), (1, "MISSING"));
    let many = json!({"clusters": vec!["c"; 101]});
    assert_eq!(
        verdict(describe(many)),
        "InvalidParameterException: Clusters cannot have more than 100 elements."
    );
}
