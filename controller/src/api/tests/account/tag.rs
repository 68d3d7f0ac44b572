//! Tags of resources that exist.

use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::tags_client::TagsClient;

use crate::api::tests::cases;
use crate::api::tests::controller::{Controller, Signed, exception, refusal};
use crate::api::tests::fixture::{small_definition, tag};

const CLUSTER: &str = "arn:aws:ecs:us-east-1:000000000000:cluster/default";

fn client(controller: &Controller) -> TagsClient<Signed> {
    TagsClient::new(controller.signed())
}

async fn put(controller: &Controller, arn: &str, tags: Vec<pb::Tag>) {
    let request = pb::TagResourceRequest { resource_arn: Some(arn.to_owned()), tags };
    client(controller).tag_resource(request).await.expect("tagged");
}

async fn tags_of(controller: &Controller, arn: &str) -> Vec<pb::Tag> {
    let request = pb::ListTagsForResourceRequest { resource_arn: Some(arn.to_owned()) };
    client(controller).list_tags_for_resource(request).await.expect("listed").into_inner().tags
}

cases!(
    "ecs",
    (TagResource, Answered, tags_are_merged_by_key, async |controller| {
        put(&controller, CLUSTER, vec![tag("a", "1"), tag("b", "2")]).await;
        put(&controller, CLUSTER, vec![tag("b", "3"), tag("c", "4")]).await;
        let expected = vec![tag("a", "1"), tag("b", "3"), tag("c", "4")];
        assert_eq!(tags_of(&controller, CLUSTER).await, expected);
    }),
    (TagResource, Refused, tags_have_a_limit_and_a_resource, async |controller| {
        let many = |from: usize| (from..from + 30).map(|number| tag(&number.to_string(), "")).collect();
        put(&controller, CLUSTER, many(0)).await;
        let request = pb::TagResourceRequest { resource_arn: Some(CLUSTER.into()), tags: many(30) };
        let (name, text) = refusal(client(&controller).tag_resource(request).await);
        let expected = "A resource can have at most 50 tags, it would have 60.";
        assert_eq!((name.as_str(), text.as_str()), ("LimitExceededException", expected));
        let service = "arn:aws:ecs:us-east-1:000000000000:service/default/none";
        let rows = [
            (service, "ResourceNotFoundException"),
            ("arn:aws:ecs:us-east-1:000000000000:cluster/none", "ClusterNotFoundException"),
            ("arn:aws:ecs:us-east-1:000000000000:service/short", "InvalidParameterException"),
            ("arn:aws:s3:::bucket", "InvalidParameterException"),
            ("", "InvalidParameterException"),
        ];
        for (arn, expected) in rows {
            let request =
                pb::TagResourceRequest { resource_arn: Some(arn.into()), tags: vec![tag("a", "b")] };
            assert_eq!(exception(client(&controller).tag_resource(request).await), expected, "{arn}");
        }
    }),
    (UntagResource, Answered, a_key_that_is_not_there_is_no_mistake, async |controller| {
        let definition = controller.define(small_definition("web")).await;
        let instance = controller.join("a").await;
        let task = controller.run("web").await.task_arn.expect("named");
        let instance = controller.view().scope().container_instance(&"default".into(), instance);
        let service = controller.serve("web", "web", 1).await.service_arn.expect("named");
        for arn in [CLUSTER, &definition, &instance, &task, &service] {
            put(&controller, arn, vec![tag("a", "1"), tag("b", "2")]).await;
            let tag_keys = vec!["a".to_owned(), "z".to_owned()];
            let request = pb::UntagResourceRequest { resource_arn: Some(arn.to_owned()), tag_keys };
            client(&controller).untag_resource(request).await.expect("untagged");
            assert_eq!(tags_of(&controller, arn).await, vec![tag("b", "2")], "{arn}");
        }
    }),
    (UntagResource, Refused, keys_have_to_be_given, async |controller| {
        let request = pb::UntagResourceRequest { resource_arn: Some(CLUSTER.into()), tag_keys: vec![] };
        assert_eq!(exception(client(&controller).untag_resource(request).await), "InvalidParameterException");
    }),
    (ListTagsForResource, Answered, what_has_no_tags_has_none, async |controller| {
        assert_eq!(tags_of(&controller, CLUSTER).await, vec![]);
    }),
    (ListTagsForResource, Refused, a_family_has_no_tags, async |controller| {
        let arn = "arn:aws:ecs:us-east-1:000000000000:task-definition/web";
        let request = pb::ListTagsForResourceRequest { resource_arn: Some(arn.into()) };
        let answer = client(&controller).list_tags_for_resource(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
);
