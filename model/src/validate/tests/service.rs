//! CreateService, UpdateService, DeleteService and the rest, rule by rule.

use serde_json::{Value as Json, json};

use super::json::message;
use super::world::{World, verdict, with};
use crate::command::{Command, ServiceUpdate};
use crate::error::ApiError;
use crate::service::{DeploymentBounds, Service};
use crate::validate::service;

fn web() -> Json {
    json!({"serviceName": "web", "taskDefinition": "web", "desiredCount": 2, "clientToken": "t"})
}

fn try_create(world: &mut World, request: &Json) -> Result<Service, ApiError> {
    let mut admission = world.admission();
    match service::create(&message(request), &world.state, &mut admission)? {
        (_, Command::CreateService(service)) => Ok(*service),
        (_, other) => panic!("{other:?}"),
    }
}

fn create(world: &mut World, request: &Json) {
    let service = try_create(world, request).expect("a service");
    world.apply(Command::CreateService(Box::new(service)));
}

fn try_update(world: &mut World, request: &Json) -> Result<ServiceUpdate, ApiError> {
    let mut admission = world.admission();
    let request = with(&json!({"service": "web"}), request.clone());
    match service::update(&message(&request), &world.state, &mut admission)? {
        (_, Command::UpdateService(update)) => Ok(*update),
        (_, other) => panic!("{other:?}"),
    }
}

/// A world with the service `web` in it.
fn served() -> World {
    let mut world = World::new();
    world.web();
    create(&mut world, &web());
    world
}

#[track_caller]
fn check_create(rows: Vec<(Json, &str)>) {
    let mut world = World::new();
    world.web();
    world.register(&json!({
        "family": "vpc",
        "networkMode": "awsvpc",
        "containerDefinitions": [{"name": "web", "image": "nginx", "memory": 100}],
    }));
    world.register(&json!({
        "family": "fargate",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "containerDefinitions": [{"name": "web", "image": "nginx"}],
    }));
    world.register(&json!({
        "family": "picky",
        "placementConstraints": [{"type": "memberOf", "expression": "attribute:x exists"}],
        "containerDefinitions": [{"name": "web", "image": "nginx", "memory": 100}],
    }));
    let mut wrong = Vec::new();
    for (change, expected) in rows {
        let found = verdict(try_create(&mut world, &with(&web(), change.clone())));
        let found = found.strip_prefix("InvalidParameterException: ").unwrap_or(&found);
        if found != expected {
            wrong.push(format!("{change}\n  expected {expected}\n  found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_service_needs_a_name_a_definition_and_a_count() {
    let long = "w".repeat(256);
    let too_long = format!(
        "Invalid service name: \"{long}\" must have 1 to 255 letters, numbers, hyphens and underscores."
    );
    check_create(vec![
        (json!({}), "ok"),
        (json!({"desiredCount": 0}), "ok"),
        (json!({"cluster": "gone"}), "ClusterNotFoundException: Cluster not found."),
        (json!({"serviceName": null}), "Service name can not be blank."),
        (json!({"serviceName": long}), &too_long),
        (json!({"taskDefinition": null}), "TaskDefinition can not be blank."),
        (json!({"taskDefinition": "gone"}), "ClientException: TaskDefinition not found."),
        (
            json!({"desiredCount": null}),
            "desiredCount is required for services with the REPLICA scheduling strategy.",
        ),
        (json!({"desiredCount": -1}), "desiredCount must not be negative."),
        (json!({"desiredCount": 5001}), "Desired count exceeds limit."),
        (json!({"clientToken": "a b"}), "clientToken must have at most 36 printable ASCII characters."),
        (
            json!({"tags": [{"key": "aws:x", "value": ""}]}),
            "Tag keys that begin with aws: are reserved: aws:x.",
        ),
    ]);
}

#[test]
fn launch_types_and_networks_go_with_the_definition() {
    let subnets = |count: usize| json!({"awsvpcConfiguration": {"subnets": vec!["subnet-1"; count]}});
    check_create(vec![
        (json!({"launchType": "EC2"}), "ok"),
        (json!({"launchType": "FARGATE"}), "Task definition does not support launch_type FARGATE."),
        (
            json!({"launchType": "FARGATE", "taskDefinition": "fargate"}),
            "UnsupportedFeatureException: The launchType FARGATE is not supported yet.",
        ),
        (
            json!({"taskDefinition": "fargate"}),
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (json!({"taskDefinition": "fargate", "networkConfiguration": subnets(1)}), "ok"),
        (
            json!({"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "p"}]}),
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ),
        (
            json!({"platformVersion": "LATEST"}),
            "The platform version must be null when specifying an EC2 launch type.",
        ),
        (
            json!({"taskDefinition": "vpc"}),
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        ),
        (json!({"taskDefinition": "vpc", "networkConfiguration": subnets(1)}), "ok"),
        (json!({"taskDefinition": "vpc", "networkConfiguration": subnets(0)}), "subnets can not be empty."),
        (
            json!({"taskDefinition": "vpc", "networkConfiguration": subnets(17)}),
            "At most 16 subnets are allowed.",
        ),
        (
            json!({"networkConfiguration": subnets(1)}),
            "Network Configuration is not valid for the given networkMode of this task definition.",
        ),
        (json!({"taskDefinition": "picky"}), "ok"),
    ]);
}

#[test]
fn percentages_leave_room_to_deploy() {
    let percent = |minimum: i32, maximum: i32| {
        let configuration = json!({"minimumHealthyPercent": minimum, "maximumPercent": maximum});
        json!({"deploymentConfiguration": configuration})
    };
    check_create(vec![
        (percent(50, 100), "ok"),
        (percent(0, 100), "ok"),
        (
            percent(100, 100),
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        ),
        (percent(101, 200), "minimumHealthyPercent must be at most 100."),
        (percent(50, 99), "maximumPercent must be at least 100."),
        (percent(-1, 100), "minimumHealthyPercent must not be negative."),
    ]);
}

#[test]
fn placement_is_said_in_known_words() {
    let strategy = |kind: &str, field: &str| json!({"placementStrategy": [{"type": kind, "field": field}]});
    check_create(vec![
        (strategy("spread", "attribute:ecs.availability-zone"), "ok"),
        (strategy("spread", "host"), "ok"),
        (strategy("spread", "attribute:"), "spread field 'attribute:' is invalid."),
        (strategy("spread", "zone"), "spread field 'zone' is invalid."),
        (strategy("binpack", "MEMORY"), "ok"),
        (strategy("binpack", "disk"), "binpack field 'disk' is invalid."),
        (strategy("random", "cpu"), "random field should not be specified."),
        (json!({"placementStrategy": [{"type": "random"}]}), "ok"),
        (json!({"placementStrategy": [{"field": "cpu"}]}), "placementStrategy.type should not be null."),
        (
            json!({"placementStrategy": vec![json!({"type": "random"}); 6]}),
            "Maximum number of strategies is 5.",
        ),
        (json!({"placementConstraints": [{"type": "distinctInstance"}]}), "ok"),
        (
            json!({"placementConstraints": [{"type": "distinctInstance", "expression": "x"}]}),
            "distinctInstance expression should not be specified.",
        ),
        (json!({"placementConstraints": [{"type": "memberOf", "expression": "attribute:x exists"}]}), "ok"),
        (
            json!({"placementConstraints": [{"type": "memberOf", "expression": "attribute:x = 1"}]}),
            "Invalid expression in memberOf, at character 13: expected an operator such as ==, in, =~ or exists, found \
             `=`.",
        ),
        (
            json!({"placementConstraints": [{"type": "memberOf"}]}),
            "memberOf needs an expression of 1 to 2000 characters.",
        ),
        (
            json!({"placementConstraints": vec![json!({"type": "distinctInstance"}); 11]}),
            "Maximum number of placement constraints is 10.",
        ),
    ]);
}

#[test]
fn what_is_not_there_yet_is_refused_and_what_is_off_is_not() {
    let deployment = |change: Json| json!({"deploymentConfiguration": change});
    let breaker = |enable: bool| {
        deployment(json!({"deploymentCircuitBreaker": {"enable": enable, "rollback": enable}}))
    };
    let target_group = json!({"targetGroupArn": "arn:x", "containerName": "web", "containerPort": 80});
    let rows = [
        (json!({"deploymentController": {"type": "CODE_DEPLOY"}}), "The deploymentController CODE_DEPLOY"),
        (json!({"loadBalancers": [target_group]}), "A service with loadBalancers"),
        (json!({"serviceRegistries": [{"registryArn": "arn:x"}]}), "A service with serviceRegistries"),
        (
            json!({"serviceConnectConfiguration": {"enabled": true}}),
            "A serviceConnectConfiguration that is enabled",
        ),
        (json!({"volumeConfigurations": [{"name": "v"}]}), "A service with volumeConfigurations"),
        (json!({"capacityProviderStrategy": [{"capacityProvider": "p"}]}), "A capacityProviderStrategy"),
        (json!({"role": "r"}), "A service with a role"),
        (deployment(json!({"strategy": "BLUE_GREEN"})), "A deployment strategy other than ROLLING"),
        (deployment(json!({"alarms": {"alarmNames": ["a"], "enable": true}})), "Deployment alarms"),
        (deployment(json!({"bakeTimeInMinutes": 1})), "bakeTimeInMinutes"),
    ];
    let texts: Vec<(Json, String)> = rows
        .into_iter()
        .map(|(change, what)| (change, format!("UnsupportedFeatureException: {what} is not supported yet.")))
        .collect();
    check_create(texts.iter().map(|(change, text)| (change.clone(), text.as_str())).collect());
    check_create(vec![
        (breaker(false), "ok"),
        (breaker(true), "ok"),
        (json!({"healthCheckGracePeriodSeconds": 1}), "ok"),
        (json!({"serviceConnectConfiguration": {"enabled": false}}), "ok"),
        (json!({"schedulingStrategy": "REPLICA", "deploymentController": {"type": "ECS"}}), "ok"),
        (json!({"schedulingStrategy": "DAEMON", "desiredCount": null}), "ok"),
        (
            json!({"schedulingStrategy": "DAEMON"}),
            "The daemon scheduling strategy does not support a desired count for services. Remove the desired count \
             value and try again.",
        ),
        (
            json!({
                "schedulingStrategy": "DAEMON", "desiredCount": null,
                "placementStrategy": [{"type": "random"}],
            }),
            "The daemon scheduling strategy does not support placement strategies for services. Remove the placement \
             strategy and try again.",
        ),
        (
            json!({
                "schedulingStrategy": "DAEMON", "desiredCount": null,
                "deploymentConfiguration": {"maximumPercent": 200},
            }),
            "The daemon scheduling strategy does not support a maximumPercent other than 100 for services. Remove the \
             maximumPercent value and try again.",
        ),
        (json!({"availabilityZoneRebalancing": "ENABLED"}), "ok"),
        (
            json!({
                "availabilityZoneRebalancing": "ENABLED",
                "deploymentConfiguration": {"maximumPercent": 100, "minimumHealthyPercent": 50},
            }),
            "Availability Zone rebalancing cannot be ENABLED for the service: its maximumPercent is not above 100.",
        ),
        (
            json!({
                "availabilityZoneRebalancing": "ENABLED",
                "placementStrategy": [{"type": "binpack", "field": "cpu"}],
            }),
            "Availability Zone rebalancing cannot be ENABLED for the service: its first placement strategy is not \
             spread.",
        ),
        (json!({"availabilityZoneRebalancing": "DISABLED", "enableExecuteCommand": true}), "ok"),
        (deployment(json!({"strategy": "ROLLING", "bakeTimeInMinutes": 0})), "ok"),
        (json!({"enableECSManagedTags": true, "propagateTags": "SERVICE"}), "ok"),
    ]);
}

#[test]
fn creating_again_is_harmless_only_with_the_same_token_and_parameters() {
    const NOT_IDEMPOTENT: &str = "InvalidParameterException: Creation of service was not idempotent.";
    let mut world = served();
    let rows = [
        (json!({}), "ok"),
        (json!({"clientToken": "u"}), NOT_IDEMPOTENT),
        (json!({"clientToken": null}), NOT_IDEMPOTENT),
        (json!({"desiredCount": 3}), NOT_IDEMPOTENT),
        (json!({"tags": [{"key": "a", "value": "b"}]}), NOT_IDEMPOTENT),
    ];
    for (change, expected) in rows {
        assert_eq!(verdict(try_create(&mut world, &with(&web(), change.clone()))), expected, "{change}");
    }
    let before = world.state.clone();
    create(&mut world, &web());
    assert!(world.state.services().eq(before.services()), "the second call changed nothing");

    let (_, command) =
        service::delete(&message(&json!({"service": "web", "force": true})), &world.state).expect("admitted");
    world.apply(command);
    assert_eq!(
        verdict(try_create(&mut world, &web())),
        "InvalidParameterException: Unable to Start a service that is still Draining."
    );
}

#[test]
fn only_some_members_start_a_deployment() {
    let mut world = served();
    let starts = |world: &mut World, request: Json| {
        try_update(world, &request).expect("admitted").deployment.is_some()
    };
    let rows = [
        (json!({}), false),
        (json!({"desiredCount": 5}), false),
        (json!({"deploymentConfiguration": {"maximumPercent": 150}}), false),
        (json!({"placementStrategy": [{"type": "random"}]}), false),
        (json!({"propagateTags": "SERVICE"}), false),
        (json!({"taskDefinition": "web"}), false),
        (json!({"taskDefinition": "web:1"}), false),
        (json!({"forceNewDeployment": true}), true),
    ];
    for (request, expected) in rows {
        assert_eq!(starts(&mut world, request.clone()), expected, "{request}");
    }
    world.web();
    assert!(starts(&mut world, json!({"taskDefinition": "web"})), "the family has a newer revision");
    let update = try_update(&mut world, &json!({"taskDefinition": "web"})).expect("admitted");
    assert_eq!(update.deployment.expect("starts").task_definition.revision, 2);
}

#[test]
fn an_absent_member_stays_and_an_empty_list_clears() {
    let mut world = World::new();
    world.web();
    create(&mut world, &with(&web(), json!({"placementStrategy": [{"type": "random"}]})));
    let untouched = try_update(&mut world, &json!({"desiredCount": 4})).expect("admitted");
    assert_eq!((untouched.desired_count, untouched.placement, untouched.spec), (Some(4), None, None));
    let cleared = try_update(&mut world, &json!({"placementStrategy": []})).expect("admitted");
    assert_eq!(cleared.placement.expect("changed").strategy, []);
    assert_eq!(cleared.spec.expect("changed").placement_strategy, []);
    let partial = json!({"deploymentConfiguration": {"minimumHealthyPercent": 50}});
    let bounds = try_update(&mut world, &partial).expect("admitted").bounds.expect("changed");
    assert_eq!(bounds, DeploymentBounds { minimum_healthy_percent: 50, maximum_percent: 200 });
}

#[test]
fn updates_of_what_cannot_be_updated_are_refused() {
    let mut world = served();
    let rows = [
        (json!({"service": "gone"}), "ServiceNotFoundException: Service not found."),
        (json!({"service": ""}), "InvalidParameterException: Service can not be blank."),
        (json!({"cluster": "gone"}), "ClusterNotFoundException: Cluster not found."),
        (json!({"taskDefinition": "gone"}), "ClientException: TaskDefinition not found."),
        (json!({"desiredCount": 5001}), "InvalidParameterException: Desired count exceeds limit."),
        (
            json!({"loadBalancers": [{"targetGroupArn": "arn:x"}]}),
            "UnsupportedFeatureException: A service with loadBalancers is not supported yet.",
        ),
        (json!({"loadBalancers": []}), "ok"),
        (
            json!({"service": "arn:aws:ecs:us-east-1:000000000000:service/other/web"}),
            "InvalidParameterException: Invalid identifier: Identifier is for cluster other. Your cluster is default",
        ),
        (json!({"service": "arn:aws:ecs:us-east-1:000000000000:service/default/web"}), "ok"),
        (json!({"service": "arn:aws:ecs:us-east-1:000000000000:service/web"}), "ok"),
    ];
    for (request, expected) in rows {
        assert_eq!(verdict(try_update(&mut world, &request)), expected, "{request}");
    }
    let delete = |request: Json, world: &World| service::delete(&message(&request), &world.state);
    assert_eq!(
        verdict(delete(json!({"service": "web"}), &world)),
        "InvalidParameterException: The service cannot be stopped while it is scaled above 0."
    );
    let (_, command) = delete(json!({"service": "web", "force": true}), &world).expect("admitted");
    world.apply(command);
    assert_eq!(verdict(delete(json!({"service": "web"}), &world)), "ok", "deleting again is harmless");
    assert_eq!(
        verdict(try_update(&mut world, &json!({}))),
        "ServiceNotActiveException: Service was not ACTIVE."
    );
}

#[test]
fn services_are_described_and_listed() {
    let mut world = World::new();
    world.web();
    for at in 0..11 {
        create(&mut world, &with(&web(), json!({"serviceName": format!("s{at:02}")})));
    }
    let describe = |names: Json| service::describe(&message(&json!({"services": names})), &world.state);
    let (found, failures) = describe(json!(["s01", "gone"])).expect("admitted");
    assert_eq!(found.len(), 1);
    assert_eq!(failures[0].reason(), "MISSING");
    assert_eq!(failures[0].arn(), "arn:aws:ecs:us-east-1:000000000000:service/default/gone");
    assert_eq!(verdict(describe(json!([]))), "InvalidParameterException: Services cannot be empty.");
    assert_eq!(
        verdict(describe(json!(vec!["a"; 11]))),
        "InvalidParameterException: Services cannot have more than 10 elements."
    );
    let first = service::list(&message(&json!({})), &world.state).expect("a page");
    assert_eq!(first.items.len(), 10, "ECS's default");
    let rest = json!({"nextToken": first.next_token.expect("more")});
    let rest = service::list(&message(&rest), &world.state).expect("a page");
    assert_eq!(rest.items.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["s10"]);
    let fargate = service::list(&message(&json!({"launchType": "FARGATE"})), &world.state).expect("a page");
    assert_eq!(fargate.items, []);
}
