//! The API through `aws-sdk-ecs`, whose parsers are stricter than those of boto3: what is not of the type that the model
//! says is an error, and so is a modelled error that it cannot tell.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use aws_sdk_ecs::Client;
use aws_sdk_ecs::client::Waiters as _;
use aws_sdk_ecs::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_ecs::types::{
    ContainerDefinition, DesiredStatus, LaunchType, PortMapping, SchedulingStrategy, Tag, TaskStopCode,
    TransportProtocol,
};
use berth_tests::harness::wait::until;

use client::client;

mod client;

const DEADLINE: Duration = Duration::from_secs(60);
/// What a waiter may take that finds at its first look what it waits for.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Registers the next revision of a family; its ARN.
async fn register(ecs: &Client, family: &str) -> String {
    let port = PortMapping::builder().container_port(8080).protocol(TransportProtocol::Tcp).build();
    let container = ContainerDefinition::builder()
        .name("main")
        .image("berth-app:1")
        .memory(64)
        .essential(true)
        .port_mappings(port)
        .build();
    let call = ecs.register_task_definition().family(family).container_definitions(container);
    let reply = call.send().await.expect("a definition that is right");
    reply.task_definition.and_then(|made| made.task_definition_arn).expect("an ARN")
}

/// Waits until the service has so many tasks and one deployment.
async fn steady(ecs: &Client, count: i32) {
    until("the service is steady", DEADLINE, async || {
        let reply = ecs.describe_services().services("web").send().await?;
        let service = reply.services().first().context("no service")?;
        let (running, deployments) = (service.running_count, service.deployments().len());
        ensure!(running == count && deployments == 1, "{running} tasks, {deployments} deployments");
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_leads_a_service_through_its_life() {
    let fleet = super::fleet().await;
    let ecs = client(&fleet);
    let tag = Tag::builder().key("team").value("a").build();
    let cluster = ecs.create_cluster().cluster_name("life").tags(tag.clone()).send().await.unwrap();
    let cluster = cluster.cluster.expect("a cluster");
    assert_eq!(cluster.status(), Some("ACTIVE"));
    assert_eq!(cluster.tags(), std::slice::from_ref(&tag));

    let first = register(&ecs, "web").await;
    let made = ecs.create_service().service_name("web").task_definition("web").desired_count(2).tags(tag);
    let service = made.client_token("once").send().await.unwrap().service.expect("a service");
    assert_eq!(service.task_definition(), Some(first.as_str()));
    assert_eq!(service.launch_type(), Some(&LaunchType::Ec2));
    assert_eq!(service.scheduling_strategy(), Some(&SchedulingStrategy::Replica));
    steady(&ecs, 2).await;
    let waited = ecs.wait_until_services_stable();
    waited.services("web").wait(AT_ONCE).await.expect("stable at the first look");

    let second = register(&ecs, "web").await;
    let updated = ecs.update_service().service("web").task_definition(&second).send().await.unwrap();
    assert_eq!(updated.service.expect("a service").task_definition(), Some(second.as_str()));
    steady(&ecs, 2).await;
    let listed = ecs.list_tasks().service_name("web").send().await.unwrap();
    let arns = listed.task_arns.expect("a list");
    let tasks = ecs.describe_tasks().set_tasks(Some(arns.clone())).send().await.unwrap();
    assert_eq!((tasks.tasks().len(), tasks.failures().len()), (2, 0));
    for task in tasks.tasks() {
        assert_eq!(task.task_definition_arn(), Some(second.as_str()));
        assert_eq!(task.group(), Some("service:web"));
        assert!(task.started_at().is_some() && task.version > 1);
    }
    ecs.wait_until_tasks_running().set_tasks(Some(arns)).wait(AT_ONCE).await.expect("running");

    ecs.delete_service().service("web").force(true).send().await.unwrap();
    until("the service is gone", DEADLINE, async || {
        let reply = ecs.describe_services().services("web").send().await?;
        let status = reply.services().first().and_then(|service| service.status()).map(str::to_owned);
        ensure!(status.as_deref() == Some("INACTIVE"), "{status:?}");
        Ok(())
    })
    .await;
    ecs.wait_until_services_inactive().services("web").wait(AT_ONCE).await.expect("inactive");
    ecs.delete_cluster().cluster("life").send().await.unwrap();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_runs_a_task_to_its_end() {
    let fleet = super::fleet().await;
    let ecs = client(&fleet);
    register(&ecs, "job").await;
    let run = || ecs.run_task().task_definition("job").count(2).client_token("once");
    let ran = run().send().await.unwrap();
    assert!(ran.failures().is_empty(), "{:?}", ran.failures());
    let arns = |tasks: &[aws_sdk_ecs::types::Task]| {
        tasks.iter().map(|task| task.task_arn().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let started = arns(ran.tasks());
    assert_eq!(started.len(), 2);
    let again = arns(run().send().await.unwrap().tasks());
    assert_eq!(again, started, "the same token is the same call");
    let other = run().count(1).send().await.unwrap_err().into_service_error();
    assert!(other.is_conflict_exception(), "{other:?}");

    for task in &started {
        let stopped = ecs.stop_task().task(task).reason("enough").send().await.unwrap().task.expect("a task");
        assert_eq!(stopped.desired_status(), Some("STOPPED"));
    }
    until("the tasks have stopped", DEADLINE, async || {
        let listed = ecs.list_tasks().desired_status(DesiredStatus::Stopped).family("job").send().await?;
        let reply = ecs.describe_tasks().set_tasks(Some(listed.task_arns().to_vec())).send().await?;
        let over = reply.tasks().iter().filter(|task| task.last_status() == Some("STOPPED")).count();
        ensure!(over == 2, "{over} have");
        for task in reply.tasks() {
            assert_eq!(task.stop_code(), Some(&TaskStopCode::UserInitiated));
            assert_eq!(task.stopped_reason(), Some("enough"));
        }
        Ok(())
    })
    .await;
    ecs.wait_until_tasks_stopped().set_tasks(Some(started)).wait(AT_ONCE).await.expect("stopped");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_follows_pages_to_the_end() {
    let fleet = super::fleet().await;
    let ecs = client(&fleet);
    let mut registered = Vec::new();
    for number in 0..7 {
        registered.push(register(&ecs, &format!("page-{number}")).await);
    }
    let pages = ecs.list_task_definitions().into_paginator().page_size(3).items().send();
    assert_eq!(pages.collect::<Result<Vec<_>, _>>().await.unwrap(), registered);
    let instances = ecs.list_container_instances().into_paginator().page_size(1).items().send();
    let instances = instances.collect::<Result<Vec<_>, _>>().await.unwrap();
    let described = ecs.describe_container_instances().set_container_instances(Some(instances.clone()));
    let described = described.send().await.unwrap();
    assert_eq!(described.container_instances().len(), instances.len());
    assert!(described.container_instances().iter().all(|instance| instance.agent_connected));
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_rust_tells_one_error_from_another() {
    let fleet = super::fleet().await;
    let ecs = client(&fleet);
    let nowhere = ecs.list_services().cluster("nowhere").send().await.unwrap_err();
    let SdkError::ServiceError(refused) = &nowhere else { panic!("{nowhere:?}") };
    assert_eq!(refused.raw().status().as_u16(), 400);
    assert!(nowhere.into_service_error().is_cluster_not_found_exception());

    let nobody = ecs.update_service().service("nobody").desired_count(1).send().await.unwrap_err();
    assert!(nobody.into_service_error().is_service_not_found_exception());
    let nothing = ecs.describe_task_definition().task_definition("nothing").send().await.unwrap_err();
    let nothing = nothing.into_service_error();
    assert!(nothing.is_client_exception());
    assert_eq!(nothing.message(), Some("Unable to describe task definition."));
    let many = ecs.describe_services().set_services(Some(vec!["a".to_owned(); 11])).send().await.unwrap_err();
    assert!(many.into_service_error().is_invalid_parameter_exception());

    register(&ecs, "web").await;
    let fargate = ecs.run_task().task_definition("web").platform_version("LATEST").send().await.unwrap_err();
    assert!(fargate.into_service_error().is_invalid_parameter_exception());
    // What concerns one of several things is no error of the call.
    let some = ecs.describe_services().services("nobody").send().await.unwrap();
    assert_eq!(some.failures()[0].reason(), Some("MISSING"));
    assert!(some.services().is_empty());
    fleet.finish().await;
}
