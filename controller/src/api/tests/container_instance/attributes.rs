//! Attributes.

use berth_proto::ecs::v1 as pb;

use super::super::cases;
use super::super::controller::{Controller, exception};
use super::super::fixture::attribute;

fn on(instance: &str, name: &str, value: &str) -> pb::Attribute {
    pb::Attribute {
        target_type: Some(pb::TargetType::ContainerInstance.into()),
        target_id: Some(instance.to_owned()),
        ..attribute(name, value)
    }
}

fn put(attributes: Vec<pb::Attribute>) -> pb::PutAttributesRequest {
    pb::PutAttributesRequest { attributes, ..Default::default() }
}

fn list(name: Option<&str>) -> pb::ListAttributesRequest {
    pb::ListAttributesRequest {
        target_type: Some(pb::TargetType::ContainerInstance.into()),
        attribute_name: name.map(str::to_owned),
        ..Default::default()
    }
}

async fn listed(controller: &Controller, request: pb::ListAttributesRequest) -> Vec<(String, String)> {
    let answer = controller.instances().list_attributes(request).await.unwrap().into_inner();
    let pair = |attribute: &pb::Attribute| (attribute.name().to_owned(), attribute.value().to_owned());
    answer.attributes.iter().map(pair).collect()
}

cases!(
    "ecs",
    (PutAttributes, Answered, what_operators_put_wins_over_what_agents_say, async |controller| {
        let id = controller.join("a").await.to_string();
        let attributes = vec![on(&id, "stack", "prod"), on(&id, "ecs.availability-zone", "b")];
        let answer = controller.instances().put_attributes(put(attributes.clone())).await;
        let shown = match answer {
            Ok(answer) => {
                assert_eq!(answer.into_inner().attributes.len(), 2);
                "b"
            }
            // Built-in names may be reserved; an operator's own are not.
            Err(_) => {
                controller.instances().put_attributes(put(attributes[..1].to_vec())).await.unwrap();
                "a"
            }
        };
        let request =
            pb::DescribeContainerInstancesRequest { container_instances: vec![id], ..Default::default() };
        let answer = controller.instances().describe_container_instances(request).await.unwrap().into_inner();
        let attributes = &answer.container_instances[0].attributes;
        let value = |name: &str| attributes.iter().find(|one| one.name() == name).map(pb::Attribute::value);
        assert_eq!((value("stack"), value("ecs.availability-zone")), (Some("prod"), Some(shown)));
    }),
    (PutAttributes, Refused, a_target_must_be_there_and_has_ten_attributes_at_most, async |controller| {
        let mut client = controller.instances();
        let answer = client.put_attributes(put(vec![on(&format!("{:032x}", 9), "stack", "prod")])).await;
        assert_eq!(exception(answer), "TargetNotFoundException");
        let id = controller.join("a").await.to_string();
        let many = |from: usize, count: usize| {
            (from..from + count).map(|number| on(&id, &format!("n{number}"), "v")).collect::<Vec<_>>()
        };
        client.put_attributes(put(many(0, 10))).await.unwrap();
        assert_eq!(
            exception(client.put_attributes(put(many(10, 1))).await),
            "AttributeLimitExceededException"
        );
    }),
    (ListAttributes, Answered, attributes_are_found_by_name_and_value, async |controller| {
        let (a, b) = (controller.join("a").await.to_string(), controller.join("b").await.to_string());
        let attributes = vec![on(&a, "stack", "prod"), on(&b, "stack", "test")];
        controller.instances().put_attributes(put(attributes)).await.unwrap();
        assert_eq!(listed(&controller, list(Some("stack"))).await.len(), 2);
        let request =
            pb::ListAttributesRequest { attribute_value: Some("test".into()), ..list(Some("stack")) };
        assert_eq!(listed(&controller, request).await, [("stack".to_owned(), "test".to_owned())]);
        let all = listed(&controller, list(None)).await;
        assert!(all.len() >= 8, "the agents' own are listed too: {all:?}");
        let request = pb::ListAttributesRequest { max_results: Some(1), ..list(Some("stack")) };
        let page = controller.instances().list_attributes(request).await.unwrap().into_inner();
        assert_eq!((page.attributes.len(), page.next_token.is_some()), (1, true));
    }),
    (ListAttributes, Refused, the_kind_of_target_must_be_named, async |controller| {
        let request = pb::ListAttributesRequest { target_type: None, ..list(None) };
        assert_eq!(
            exception(controller.instances().list_attributes(request).await),
            "InvalidParameterException"
        );
    }),
    (DeleteAttributes, Answered, a_deleted_attribute_is_gone, async |controller| {
        let id = controller.join("a").await.to_string();
        controller.instances().put_attributes(put(vec![on(&id, "stack", "prod")])).await.unwrap();
        let request = pb::DeleteAttributesRequest {
            attributes: vec![pb::Attribute { value: None, ..on(&id, "stack", "") }],
            ..Default::default()
        };
        let answer = controller.instances().delete_attributes(request).await.unwrap().into_inner();
        assert_eq!((answer.attributes[0].name(), answer.attributes[0].value()), ("stack", "prod"));
        assert_eq!(listed(&controller, list(Some("stack"))).await, []);
    }),
    (DeleteAttributes, Refused, the_target_must_be_there, async |controller| {
        let attributes = vec![on(&format!("{:032x}", 9), "stack", "prod")];
        let request = pb::DeleteAttributesRequest { attributes, ..Default::default() };
        assert_eq!(
            exception(controller.instances().delete_attributes(request).await),
            "TargetNotFoundException"
        );
    }),
);
