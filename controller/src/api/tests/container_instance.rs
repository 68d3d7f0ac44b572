//! Container instances and their attributes.

use berth_model::command::Command;
use berth_proto::ecs::v1 as pb;

use super::cases;
use super::controller::{Controller, exception};
use super::fixture::{offer, small_definition, web_definition};

mod attributes;
pub(super) use attributes::COVERED as ATTRIBUTES;

fn describe(ids: &[String], include: &[pb::ContainerInstanceField]) -> pb::DescribeContainerInstancesRequest {
    pb::DescribeContainerInstancesRequest {
        container_instances: ids.to_vec(),
        include: include.iter().map(|field| (*field).into()).collect(),
        ..Default::default()
    }
}

fn set(ids: &[String], status: pb::ContainerInstanceStatus) -> pb::UpdateContainerInstancesStateRequest {
    pb::UpdateContainerInstancesStateRequest {
        container_instances: ids.to_vec(),
        status: Some(status.into()),
        ..Default::default()
    }
}

fn deregister(id: &str, force: bool) -> pb::DeregisterContainerInstanceRequest {
    pb::DeregisterContainerInstanceRequest {
        container_instance: Some(id.to_owned()),
        force: Some(force),
        ..Default::default()
    }
}

async fn described(controller: &Controller, id: &str) -> pb::ContainerInstance {
    let request = describe(&[id.to_owned()], &[]);
    let answer = controller.instances().describe_container_instances(request).await.unwrap().into_inner();
    answer.container_instances.into_iter().next().unwrap()
}

fn resource<'a>(resources: &'a [pb::Resource], name: &str) -> &'a pb::Resource {
    resources.iter().find(|resource| resource.name() == name).unwrap()
}

async fn listed(controller: &Controller, status: Option<pb::ContainerInstanceStatus>) -> usize {
    let request = pb::ListContainerInstancesRequest { status: status.map(Into::into), ..Default::default() };
    let answer = controller.instances().list_container_instances(request).await.unwrap();
    answer.into_inner().container_instance_arns.len()
}

cases!(
    "ecs",
    (RegisterContainerInstance, Answered, an_instance_offers_what_it_registers, async |controller| {
        let answer = controller.instances().register_container_instance(offer("zone-a")).await.unwrap();
        let instance = answer.into_inner().container_instance.unwrap();
        assert!(
            instance
                .container_instance_arn()
                .starts_with("arn:aws:ecs:us-east-1:000000000000:container-instance/default/")
        );
        assert_eq!(
            (instance.status(), instance.agent_connected, instance.version),
            ("ACTIVE", Some(true), Some(1))
        );
        assert_eq!((instance.running_tasks_count, instance.pending_tasks_count), (Some(0), Some(0)));
        assert_eq!(instance.version_info.as_ref().unwrap().agent_version(), "0.1.0");
        let cpu = pb::Resource {
            name: Some("CPU".into()),
            r#type: Some("INTEGER".into()),
            double_value: Some(0.0),
            long_value: Some(0),
            integer_value: Some(1024),
            string_set_value: vec![],
        };
        assert_eq!(resource(&instance.registered_resources, "CPU"), &cpu);
        assert_eq!(resource(&instance.registered_resources, "PORTS").string_set_value, ["22"]);
        assert_eq!(instance.remaining_resources, instance.registered_resources);
        let names: Vec<&str> = instance.attributes.iter().map(pb::Attribute::name).collect();
        assert!(names.is_sorted() && names.contains(&"ecs.availability-zone"), "{names:?}");
    }),
    (
        RegisterContainerInstance,
        Answered,
        registering_again_by_its_arn_is_the_same_instance,
        async |controller| {
            let mut client = controller.instances();
            let first = client.register_container_instance(offer("a")).await.unwrap().into_inner();
            let arn = first.container_instance.unwrap().container_instance_arn;
            let request =
                pb::RegisterContainerInstanceRequest { container_instance_arn: arn.clone(), ..offer("a") };
            let again = client.register_container_instance(request).await.unwrap().into_inner();
            assert_eq!(again.container_instance.unwrap().container_instance_arn, arn);
            assert_eq!(controller.view().instances().count(), 1);
        }
    ),
    (RegisterContainerInstance, Refused, an_instance_joins_a_cluster_that_is_there, async |controller| {
        let request = pb::RegisterContainerInstanceRequest { cluster: Some("nowhere".into()), ..offer("a") };
        let answer = controller.instances().register_container_instance(request).await;
        assert_eq!(exception(answer), "ClusterNotFoundException");
    }),
    (DescribeContainerInstances, Answered, tasks_take_from_what_remains, async |controller| {
        controller.define(web_definition()).await;
        let id = controller.join("a").await.to_string();
        controller.run("web").await;
        let instance = described(&controller, &id).await;
        let remaining = &instance.remaining_resources;
        assert_eq!(resource(remaining, "CPU").integer_value, Some(1024 - 128));
        assert_eq!(resource(remaining, "MEMORY").integer_value, Some(1024 - 256 - 64));
        assert_eq!(resource(remaining, "PORTS").string_set_value, ["22", "8080"]);
        assert_eq!(resource(&instance.registered_resources, "CPU").integer_value, Some(1024));
        assert_eq!((instance.running_tasks_count, instance.pending_tasks_count), (Some(0), Some(1)));
        assert_eq!(instance.version, Some(2));
    }),
    (DescribeContainerInstances, Answered, health_and_tags_are_asked_for, async |controller| {
        let id = controller.join("a").await;
        controller.consensus.apply(Command::SetInstanceConnected { id, connected: false }).unwrap();
        let unknown = format!("{:032x}", 9);
        let include = [pb::ContainerInstanceField::ContainerInstanceHealth];
        let request = describe(&[id.to_string(), unknown], &include);
        let answer = controller.instances().describe_container_instances(request).await.unwrap().into_inner();
        let instance = &answer.container_instances[0];
        assert_eq!(instance.agent_connected, Some(false));
        let health = instance.health_status.as_ref().unwrap();
        assert_eq!(health.overall_status(), pb::InstanceHealthCheckState::Impaired);
        assert_eq!(answer.failures[0].reason.as_deref(), Some("MISSING"));
        assert_eq!(described(&controller, &id.to_string()).await.health_status, None);
    }),
    (DescribeContainerInstances, Refused, between_one_and_a_hundred_are_described, async |controller| {
        for count in [0, 101] {
            let request = describe(&vec![format!("{:032x}", 9); count], &[]);
            let answer = controller.instances().describe_container_instances(request).await;
            assert_eq!(exception(answer), "InvalidParameterException");
        }
    }),
    (ListContainerInstances, Answered, instances_are_found_by_status, async |controller| {
        let mut ids = vec![];
        for zone in ["a", "b", "c"] {
            ids.push(controller.join(zone).await.to_string());
        }
        let draining = set(&ids[..1], pb::ContainerInstanceStatus::Draining);
        controller.instances().update_container_instances_state(draining).await.unwrap();
        controller.instances().deregister_container_instance(deregister(&ids[1], false)).await.unwrap();
        assert_eq!(listed(&controller, None).await, 2);
        assert_eq!(listed(&controller, Some(pb::ContainerInstanceStatus::Active)).await, 1);
        assert_eq!(listed(&controller, Some(pb::ContainerInstanceStatus::Draining)).await, 1);
        let request = pb::ListContainerInstancesRequest { max_results: Some(1), ..Default::default() };
        let page = controller.instances().list_container_instances(request).await.unwrap().into_inner();
        let request = pb::ListContainerInstancesRequest { next_token: page.next_token, ..Default::default() };
        let rest = controller.instances().list_container_instances(request).await.unwrap().into_inner();
        assert_eq!((rest.container_instance_arns.len(), rest.next_token), (1, None));
    }),
    (ListContainerInstances, Refused, an_expression_that_cannot_be_read, async |controller| {
        let request = pb::ListContainerInstancesRequest {
            filter: Some("attribute:ecs.availability-zone = a".into()),
            ..Default::default()
        };
        let exception = exception(controller.instances().list_container_instances(request).await);
        assert_eq!(exception, "InvalidParameterException");
    }),
    (UpdateContainerInstancesState, Answered, instances_drain_and_come_back, async |controller| {
        let id = controller.join("a").await.to_string();
        let unknown = format!("{:032x}", 9);
        let mut client = controller.instances();
        let request = set(&[id.clone(), unknown.clone()], pb::ContainerInstanceStatus::Draining);
        let answer = client.update_container_instances_state(request).await.unwrap().into_inner();
        assert_eq!(answer.container_instances[0].status(), "DRAINING");
        assert_eq!(answer.failures.len(), 1);
        let request = set(&[id], pb::ContainerInstanceStatus::Active);
        let answer = client.update_container_instances_state(request).await.unwrap().into_inner();
        assert_eq!(answer.container_instances[0].status(), "ACTIVE");
        let request = set(&[unknown], pb::ContainerInstanceStatus::Active);
        let answer = client.update_container_instances_state(request).await.unwrap().into_inner();
        assert_eq!((answer.container_instances.len(), answer.failures.len()), (0, 1));
    }),
    (UpdateContainerInstancesState, Refused, only_active_and_draining_can_be_set, async |controller| {
        let id = controller.join("a").await.to_string();
        let mut client = controller.instances();
        let request = set(std::slice::from_ref(&id), pb::ContainerInstanceStatus::Registering);
        assert_eq!(
            exception(client.update_container_instances_state(request).await),
            "InvalidParameterException"
        );
        let request = set(&vec![id; 11], pb::ContainerInstanceStatus::Active);
        assert_eq!(
            exception(client.update_container_instances_state(request).await),
            "InvalidParameterException"
        );
    }),
    (DeregisterContainerInstance, Answered, by_force_its_tasks_are_over, async |controller| {
        controller.define(small_definition("small")).await;
        let id = controller.join("a").await.to_string();
        let task = controller.run("small").await;
        let answer =
            controller.instances().deregister_container_instance(deregister(&id, true)).await.unwrap();
        let instance = answer.into_inner().container_instance.unwrap();
        assert_eq!((instance.status(), instance.agent_connected), ("INACTIVE", Some(false)));
        let request = pb::DescribeTasksRequest { tasks: vec![task.task_arn.unwrap()], ..Default::default() };
        let answer = controller.tasks().describe_tasks(request).await.unwrap().into_inner();
        assert_eq!(answer.tasks[0].last_status.as_deref(), Some("STOPPED"));
        assert_eq!(answer.tasks[0].containers[0].last_status(), "STOPPED");
        assert_eq!(answer.tasks[0].connectivity(), pb::Connectivity::Disconnected);
    }),
    (DeregisterContainerInstance, Refused, an_instance_with_tasks_stays, async |controller| {
        controller.define(small_definition("small")).await;
        let id = controller.join("a").await.to_string();
        controller.run("small").await;
        let mut client = controller.instances();
        let answer = client.deregister_container_instance(deregister(&id, false)).await;
        assert_eq!(exception(answer), "InvalidParameterException");
        let answer = client.deregister_container_instance(deregister(&format!("{:032x}", 9), false)).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
);
