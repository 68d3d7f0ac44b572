//! Explanations, drains and moves.

use berth_model::task::TaskStatus;
use berth_proto::ecs::v1 as ecs;
use berth_proto::scheduler::v1 as pb;
use berth_proto::scheduler::v1::explain_request::Subject;

use super::cases;
use super::controller::{Controller, exception};
use super::fixture::{id_of, small_definition};

async fn explained(controller: &Controller, subject: Subject) -> pb::ExplainResponse {
    let request = pb::ExplainRequest { subject: Some(subject), ..Default::default() };
    controller.scheduler().explain(request).await.unwrap().into_inner()
}

fn run(definition: &str, constraint: &str) -> Subject {
    Subject::Run(ecs::RunTaskRequest {
        task_definition: Some(definition.to_owned()),
        placement_constraints: vec![ecs::PlacementConstraint {
            r#type: Some(ecs::PlacementConstraintType::MemberOf.into()),
            expression: Some(constraint.to_owned()),
        }],
        ..Default::default()
    })
}

fn drain(instance: &str, deadline_seconds: Option<u32>) -> pb::DrainInstancesRequest {
    pb::DrainInstancesRequest {
        container_instances: vec![instance.to_owned()],
        deadline_seconds,
        stop_standalone: deadline_seconds.is_some(),
        ..Default::default()
    }
}

cases!(
    "scheduler",
    (Explain, Answered, a_task_that_nobody_runs_is_explained_instance_by_instance, async |controller| {
        controller.define(small_definition("small")).await;
        let (a, b) = (controller.join("zone-a").await, controller.join("zone-b").await);
        let answer = explained(&controller, run("small", "attribute:ecs.availability-zone == zone-b")).await;
        assert!(answer.chosen_container_instance_arn.ends_with(&b.to_string()));
        let of = |id: String| {
            answer.verdicts.iter().find(|verdict| verdict.container_instance_arn.ends_with(&id)).unwrap()
        };
        assert_eq!(of(b.to_string()).reasons, vec![]);
        assert_eq!(of(a.to_string()).availability_zone, "zone-a");
        assert_eq!(
            of(a.to_string()).reasons[0].detail,
            "memberOf attribute:ecs.availability-zone == zone-b does not hold"
        );
        assert_eq!(answer.groups[0].instances, 1);
        let task = controller.run("small").await;
        assert_eq!(controller.view().tasks().count(), 1, "explaining started nothing");
        let answer = explained(&controller, Subject::Task(task.task_arn().to_owned())).await;
        assert!(answer.summary.contains("has not said anything of it yet"), "{}", answer.summary);
        controller.report_status(id_of(&task), TaskStatus::Running);
        let answer = explained(&controller, Subject::Task(task.task_arn().to_owned())).await;
        let told = [
            "is RUNNING. 2 of 2 instances could take it; chosen by spread:attribute:",
            "Another like it would go to",
        ];
        assert!(told.iter().all(|text| answer.summary.contains(text)), "{}", answer.summary);
        controller.serve("web", "small", 2).await;
        let answer = explained(&controller, Subject::Service("web".to_owned())).await;
        assert!(answer.summary.starts_with("0 of 2 tasks run and 0 are on their way."), "{}", answer.summary);
    }),
    (Explain, Refused, what_is_to_be_explained_has_to_be_there, async |controller| {
        let ask = async |subject| {
            let request = pb::ExplainRequest { subject, ..Default::default() };
            exception(controller.scheduler().explain(request).await)
        };
        assert_eq!(ask(None).await, "InvalidParameterException");
        assert_eq!(ask(Some(Subject::Service("gone".into()))).await, "ServiceNotFoundException");
        assert_eq!(ask(Some(Subject::Task("0".repeat(32)))).await, "InvalidParameterException");
        assert_eq!(ask(Some(run("gone", "attribute:a exists"))).await, "ClientException");
    }),
    (DrainInstances, Answered, a_drain_names_what_it_waits_for, async |controller| {
        controller.define(small_definition("small")).await;
        let id = controller.join("zone-a").await.to_string();
        let task = controller.run("small").await;
        let answer = controller.scheduler().drain_instances(drain(&id, Some(60))).await.unwrap().into_inner();
        let drain = &answer.drains[0];
        assert_eq!((drain.phase(), drain.tasks_at_start), (pb::DrainPhase::Draining, 1));
        let (started, deadline) = (drain.started_at.unwrap(), drain.deadline.unwrap());
        assert_eq!(deadline.seconds - started.seconds, 60);
        assert_eq!(drain.blockers[0].task_arn, task.task_arn());
        assert_eq!(
            drain.blockers[0].reason,
            "no service wants it: it runs until it ends or the deadline passes"
        );
    }),
    (
        DrainInstances,
        Refused,
        a_drain_needs_instances_and_a_deadline_for_what_happens_at_it,
        async |controller| {
            let request = pb::DrainInstancesRequest::default();
            assert_eq!(
                exception(controller.scheduler().drain_instances(request).await),
                "InvalidParameterException"
            );
            let id = controller.join("zone-a").await.to_string();
            let request = pb::DrainInstancesRequest { stop_standalone: true, ..drain(&id, None) };
            assert_eq!(
                exception(controller.scheduler().drain_instances(request).await),
                "InvalidParameterException"
            );
        }
    ),
    (
        DescribeDrains,
        Answered,
        the_drains_of_a_cluster_are_listed_and_others_are_told_apart,
        async |controller| {
            let (a, b) =
                (controller.join("zone-a").await.to_string(), controller.join("zone-b").await.to_string());
            controller.scheduler().drain_instances(drain(&a, None)).await.unwrap();
            let all = controller.scheduler().describe_drains(pb::DescribeDrainsRequest::default()).await;
            let all = all.unwrap().into_inner().drains;
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].phase(), pb::DrainPhase::Done, "nothing ran there");
            let named = pb::DescribeDrainsRequest {
                container_instances: vec![b, "0".repeat(32)],
                ..Default::default()
            };
            let named = controller.scheduler().describe_drains(named).await.unwrap().into_inner();
            assert_eq!(named.drains[0].phase(), pb::DrainPhase::NotDraining);
            assert_eq!(named.failures[0].reason(), "MISSING");
        }
    ),
    (DescribeDrains, Refused, drains_of_an_unknown_cluster, async |controller| {
        let request = pb::DescribeDrainsRequest { cluster: "gone".into(), ..Default::default() };
        assert_eq!(
            exception(controller.scheduler().describe_drains(request).await),
            "ClusterNotFoundException"
        );
    }),
    (Rebalance, Answered, a_service_that_is_not_steady_is_left_alone, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("zone-a").await;
        controller.serve("web", "small", 2).await;
        let request = pb::RebalanceRequest { dry_run: true, ..Default::default() };
        let answer = controller.scheduler().rebalance(request).await.unwrap().into_inner();
        assert_eq!(answer.moves, vec![]);
        assert_eq!(answer.held_back, ["web: it is not steady"]);
    }),
    (Rebalance, Refused, an_unknown_service_cannot_be_rebalanced, async |controller| {
        let request = pb::RebalanceRequest { service: "gone".into(), ..Default::default() };
        assert_eq!(exception(controller.scheduler().rebalance(request).await), "ServiceNotFoundException");
    }),
);
