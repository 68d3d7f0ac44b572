//! Task definitions.

use berth_model::command::Command;
use berth_proto::ecs::v1 as pb;

use super::cases;
use super::controller::{code_and_retry, exception, refusal};
use super::fixture::{small_definition, tag, web_definition};

fn describe(reference: &str, include: &[pb::TaskDefinitionField]) -> pb::DescribeTaskDefinitionRequest {
    pb::DescribeTaskDefinitionRequest {
        task_definition: Some(reference.to_owned()),
        include: include.iter().map(|field| (*field).into()).collect(),
    }
}

fn deregister(reference: &str) -> pb::DeregisterTaskDefinitionRequest {
    pb::DeregisterTaskDefinitionRequest { task_definition: Some(reference.to_owned()) }
}

fn delete(references: &[&str]) -> pb::DeleteTaskDefinitionsRequest {
    pb::DeleteTaskDefinitionsRequest {
        task_definitions: references.iter().map(ToString::to_string).collect(),
    }
}

/// What another controller's registration of the next revision looks like in the log.
fn registration(controller: &super::controller::Controller, revision: u32) -> Command {
    let view = controller.view();
    let mut definition = (**view.task_definition(&"web:1".parse().unwrap()).unwrap()).clone();
    definition.key.revision = revision;
    Command::RegisterTaskDefinition(Box::new(definition))
}

fn short(arns: &[String]) -> Vec<&str> {
    arns.iter().map(|arn| arn.rsplit('/').next().unwrap()).collect()
}

cases!(
    "ecs",
    (
        RegisterTaskDefinition,
        Answered,
        revisions_count_up_and_tags_stand_beside_the_definition,
        async |controller| {
            let mut client = controller.task_definitions();
            for revision in 1..=2 {
                let answer = client.register_task_definition(web_definition()).await.unwrap().into_inner();
                let definition = answer.task_definition.unwrap();
                assert_eq!(
                    (definition.family.as_deref(), definition.revision),
                    (Some("web"), Some(revision))
                );
                let arn = format!("arn:aws:ecs:us-east-1:000000000000:task-definition/web:{revision}");
                assert_eq!(definition.task_definition_arn, Some(arn));
                assert_eq!(definition.status(), pb::TaskDefinitionStatus::Active);
                assert_eq!(definition.container_definitions.len(), 2);
                assert!(definition.registered_at.is_some());
                assert_eq!((definition.deregistered_at, definition.delete_requested_at), (None, None));
                let by = definition.registered_by.unwrap();
                assert!(by.starts_with("arn:aws:iam::000000000000:user/BKU"), "{by}");
                assert_eq!(answer.tags, vec![tag("team", "shop")]);
            }
        }
    ),
    (
        RegisterTaskDefinition,
        Answered,
        a_revision_taken_by_another_meanwhile_is_passed_over,
        async |controller| {
            controller.define(web_definition()).await;
            controller.consensus.outrun([2, 3].map(|revision| vec![registration(&controller, revision)]));
            let arn = controller.define(web_definition()).await;
            assert!(arn.ends_with("web:4"), "{arn}");
        }
    ),
    (RegisterTaskDefinition, Refused, who_loses_every_race_is_told_to_try_again, async |controller| {
        controller.define(web_definition()).await;
        controller.consensus.outrun((2..10).map(|revision| vec![registration(&controller, revision)]));
        let answer = controller.task_definitions().register_task_definition(web_definition()).await;
        assert_eq!(code_and_retry(answer), (tonic::Code::Aborted, true));
    }),
    (RegisterTaskDefinition, Refused, a_definition_needs_containers, async |controller| {
        let request = pb::RegisterTaskDefinitionRequest { container_definitions: vec![], ..web_definition() };
        let answer = controller.task_definitions().register_task_definition(request).await;
        assert_eq!(exception(answer), "ClientException");
    }),
    (DescribeTaskDefinition, Answered, a_family_means_its_latest_active_revision, async |controller| {
        controller.define(web_definition()).await;
        let latest = controller.define(web_definition()).await;
        let mut client = controller.task_definitions();
        for (reference, revision) in [("web", 2), ("web:1", 1), (latest.as_str(), 2)] {
            let answer =
                client.describe_task_definition(describe(reference, &[])).await.unwrap().into_inner();
            assert_eq!(answer.task_definition.unwrap().revision, Some(revision), "{reference}");
            assert_eq!(answer.tags, vec![]);
        }
        client.deregister_task_definition(deregister("web:2")).await.unwrap();
        let request = describe("web", &[pb::TaskDefinitionField::Tags]);
        let answer = client.describe_task_definition(request).await.unwrap().into_inner();
        assert_eq!(answer.task_definition.unwrap().revision, Some(1));
        assert_eq!(answer.tags, vec![tag("team", "shop")]);
    }),
    (DescribeTaskDefinition, Answered, what_is_described_registers_again_unchanged, async |controller| {
        controller.define(web_definition()).await;
        let mut client = controller.task_definitions();
        let described = client.describe_task_definition(describe("web:1", &[])).await.unwrap().into_inner();
        let described = described.task_definition.unwrap();
        let again = pb::RegisterTaskDefinitionRequest {
            family: described.family.clone(),
            container_definitions: described.container_definitions.clone(),
            network_mode: described.network_mode,
            volumes: described.volumes.clone(),
            placement_constraints: described.placement_constraints.clone(),
            requires_compatibilities: described.requires_compatibilities.clone(),
            cpu: described.cpu.clone(),
            memory: described.memory.clone(),
            ..pb::RegisterTaskDefinitionRequest::default()
        };
        let again =
            client.register_task_definition(again).await.unwrap().into_inner().task_definition.unwrap();
        let expected = pb::TaskDefinition {
            revision: Some(2),
            task_definition_arn: again.task_definition_arn.clone(),
            ..described
        };
        assert_eq!(again, expected);
    }),
    (DescribeTaskDefinition, Refused, an_unknown_definition_cannot_be_described, async |controller| {
        let answer = controller.task_definitions().describe_task_definition(describe("nothing", &[])).await;
        assert_eq!(refusal(answer), ("ClientException".into(), "Unable to describe task definition.".into()));
    }),
    (ListTaskDefinitionFamilies, Answered, families_are_found_by_prefix_and_status, async |controller| {
        for family in ["shop-web", "shop-api", "blog"] {
            controller.define(small_definition(family)).await;
        }
        let mut client = controller.task_definitions();
        client.deregister_task_definition(deregister("shop-api:1")).await.unwrap();
        use pb::TaskDefinitionFamilyStatus as Status;
        let rows = [
            (None, None, vec!["blog", "shop-api", "shop-web"]),
            (Some("shop"), Some(Status::All), vec!["shop-api", "shop-web"]),
            (Some("shop"), Some(Status::Active), vec!["shop-web"]),
            (None, Some(Status::Inactive), vec!["shop-api"]),
        ];
        for (prefix, status, expected) in rows {
            let request = pb::ListTaskDefinitionFamiliesRequest {
                family_prefix: prefix.map(str::to_owned),
                status: status.map(Into::into),
                ..Default::default()
            };
            let answer = client.list_task_definition_families(request).await.unwrap().into_inner();
            assert_eq!(answer.families, expected, "{prefix:?} {status:?}");
        }
    }),
    (ListTaskDefinitionFamilies, Refused, families_come_in_pages, async |controller| {
        let request =
            pb::ListTaskDefinitionFamiliesRequest { max_results: Some(1_000), ..Default::default() };
        let answer = controller.task_definitions().list_task_definition_families(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (ListTaskDefinitions, Answered, revisions_are_sorted_as_numbers_in_either_order, async |controller| {
        for _ in 0..11 {
            controller.define(small_definition("web")).await;
        }
        controller.define(small_definition("api")).await;
        controller.define(small_definition("web-admin")).await;
        let mut client = controller.task_definitions();
        client.deregister_task_definition(deregister("web:3")).await.unwrap();
        let family = |sort: Option<pb::SortOrder>, token: Option<String>| pb::ListTaskDefinitionsRequest {
            family_prefix: Some("web".into()),
            sort: sort.map(Into::into),
            max_results: Some(6),
            next_token: token,
            ..Default::default()
        };
        let first = client.list_task_definitions(family(None, None)).await.unwrap().into_inner();
        assert_eq!(
            short(&first.task_definition_arns),
            ["web:1", "web:2", "web:4", "web:5", "web:6", "web:7"]
        );
        let second = client.list_task_definitions(family(None, first.next_token)).await.unwrap().into_inner();
        assert_eq!(short(&second.task_definition_arns), ["web:8", "web:9", "web:10", "web:11"]);
        assert_eq!(second.next_token, None);
        let request = family(Some(pb::SortOrder::Desc), None);
        let newest = client.list_task_definitions(request).await.unwrap().into_inner();
        assert_eq!(short(&newest.task_definition_arns)[..3], ["web:11", "web:10", "web:9"]);
        let request = pb::ListTaskDefinitionsRequest {
            status: Some(pb::TaskDefinitionStatus::Inactive.into()),
            ..Default::default()
        };
        let inactive = client.list_task_definitions(request).await.unwrap().into_inner();
        assert_eq!(short(&inactive.task_definition_arns), ["web:3"]);
    }),
    (ListTaskDefinitions, Refused, a_token_is_not_made_up, async |controller| {
        let request =
            pb::ListTaskDefinitionsRequest { next_token: Some("made up".into()), ..Default::default() };
        let answer = controller.task_definitions().list_task_definitions(request).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
    (
        DeregisterTaskDefinition,
        Answered,
        a_deregistered_definition_is_inactive_and_describable,
        async |controller| {
            controller.define(web_definition()).await;
            let mut client = controller.task_definitions();
            let answer = client.deregister_task_definition(deregister("web:1")).await.unwrap().into_inner();
            let definition = answer.task_definition.unwrap();
            assert_eq!(definition.status(), pb::TaskDefinitionStatus::Inactive);
            assert!(definition.deregistered_at.is_some());
            client.describe_task_definition(describe("web:1", &[])).await.unwrap();
            assert_eq!(
                exception(client.describe_task_definition(describe("web", &[])).await),
                "ClientException"
            );
        }
    ),
    (DeregisterTaskDefinition, Refused, deregistering_needs_a_revision, async |controller| {
        controller.define(web_definition()).await;
        for reference in ["web", "web:7"] {
            let answer =
                controller.task_definitions().deregister_task_definition(deregister(reference)).await;
            let exception = exception(answer);
            assert!(
                ["ClientException", "InvalidParameterException"].contains(&exception.as_str()),
                "{exception}"
            );
        }
    }),
    (DeleteTaskDefinitions, Answered, only_inactive_revisions_are_deleted, async |controller| {
        for _ in 0..2 {
            controller.define(web_definition()).await;
        }
        let mut client = controller.task_definitions();
        client.deregister_task_definition(deregister("web:1")).await.unwrap();
        let request = delete(&["web:1", "web:2", "web:9"]);
        let answer = client.delete_task_definitions(request).await.unwrap().into_inner();
        assert_eq!(answer.task_definitions.len(), 1);
        let deleted = &answer.task_definitions[0];
        assert_eq!(deleted.status(), pb::TaskDefinitionStatus::DeleteInProgress);
        assert!(deleted.delete_requested_at.is_some());
        assert_eq!(answer.failures.len(), 2);
        let none = client.delete_task_definitions(delete(&["web:2"])).await.unwrap().into_inner();
        assert_eq!((none.task_definitions.len(), none.failures.len()), (0, 1));
    }),
    (DeleteTaskDefinitions, Refused, at_most_ten_are_deleted_at_a_time, async |controller| {
        let answer = controller.task_definitions().delete_task_definitions(delete(&["web:1"; 11])).await;
        assert_eq!(exception(answer), "InvalidParameterException");
        let answer = controller.task_definitions().delete_task_definitions(delete(&[])).await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
);
