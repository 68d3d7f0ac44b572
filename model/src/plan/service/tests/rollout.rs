//! Service deployments: the circuit breaker, the way back, hooks, early success, and what can never succeed.

use std::time::Duration;

use proptest::prelude::*;

use super::World;
use super::bounds::step_within_bounds;
use crate::command::{Command, RollBackService, StopServiceDeployment};
use crate::fixture::Dice;
use crate::id::{DeploymentId, ServiceDeploymentId, TaskId};
use crate::service::rollout::{
    HookStatus, NewRecord, ServiceDeployment, ServiceDeploymentStatus, Stage, StopKind,
};
use crate::service::settings::{
    CircuitBreaker, DeploymentSettings, EarlySuccess, Hook, HookAction, HookTarget, Threshold,
};
use crate::service::{DeploymentStatus, Rollout};
use crate::task::{ContainerObservation, ContainerStatus, DesiredStatus, Health, Stop, StopCode, TaskStatus};

impl World {
    fn configure(&mut self, settings: DeploymentSettings) {
        self.update(|update| update.settings = Some(settings));
    }

    pub(super) fn with_breaker(desired: u32, rollback: bool) -> Self {
        let mut world = Self::new(desired);
        world.configure(DeploymentSettings {
            breaker: Some(CircuitBreaker { rollback, ..CircuitBreaker::default() }),
            ..DeploymentSettings::default()
        });
        world.come_to_rest();
        world
    }

    pub(super) fn record(&self) -> &ServiceDeployment {
        self.service().records.deployments.back().expect("there was one")
    }

    /// The tasks of a deployment that should run.
    pub(super) fn of(&self, id: DeploymentId) -> Vec<TaskId> {
        let wanted = self.wanted();
        wanted.into_iter().filter(|task| task.deployment() == Some(id)).map(|task| task.id).collect()
    }

    /// Every task of a deployment that was started fails for want of its image, as often as it takes.
    fn fail_to_pull(&mut self, id: DeploymentId, rounds: usize) {
        for _ in 0..rounds {
            self.settle();
            for task in self.of(id) {
                let (now, code) = (self.machine.now, StopCode::TaskFailedToStart);
                let reason = "CannotPullContainerError: no such image".into();
                self.machine.observe(task, |observed| {
                    observed.stop = Some(Stop { code, reason, at: now });
                    observed.last_status = TaskStatus::Stopped;
                    observed.stopped_at = Some(now);
                });
            }
            self.settle();
            self.wait(Duration::from_secs(10));
        }
    }
}

#[test]
fn the_breaker_trips_at_its_threshold_and_goes_back_to_what_worked() {
    let mut world = World::with_breaker(2, true);
    let good = world.service().primary().expect("it has one").id;
    let before = world.of(good);
    let bad = world.deploy(|_| {});
    world.fail_to_pull(bad, 2);
    let service = world.service();
    let primary = service.primary().expect("it has one");
    assert_eq!((primary.id, primary.status), (good, DeploymentStatus::Primary), "{:?}", world.messages());
    let expected = format!("ECS deployment circuit breaker: rolling back to deploymentId {good}.");
    assert_eq!(world.record().rollback.as_ref().map(|back| &back.reason), Some(&expected));
    let failed = "ECS deployment circuit breaker: tasks failed to start.";
    assert_eq!(primary.rollout_reason, format!("ECS deployment {good} completed."));
    assert!(service.deployment(bad).is_none_or(|bad| bad.rollout_reason == failed));
    let said = [
        format!("(service web) (deployment {bad}) deployment failed: tasks failed to start."),
        format!("(service web) rolling back to deployment {good}."),
    ];
    assert!(said.iter().all(|text| world.messages().contains(&text.as_str())), "{:?}", world.messages());
    world.come_to_rest();
    assert_eq!(world.of(good), before, "what still ran was kept");
    let record = world.record();
    assert_eq!(record.status, ServiceDeploymentStatus::RollbackSuccessful);
    assert_eq!((record.target, record.failures), (bad, 4));
    let first = record.first_failure.as_ref().expect("it failed");
    assert_eq!(first.reason, "CannotPullContainerError: no such image");
    assert_eq!(world.service().primary().map(|primary| primary.rollout), Some(Rollout::Completed));
}

#[test]
fn without_rollback_a_failed_deployment_starts_nothing_more_and_stops_nothing() {
    let mut world = World::with_breaker(2, false);
    let good = world.service().primary().expect("it has one").id;
    let before = world.of(good);
    let bad = world.deploy(|_| {});
    world.fail_to_pull(bad, 2);
    world.come_to_rest();
    let primary = world.service().primary().expect("it has one");
    assert_eq!((primary.id, primary.rollout), (bad, Rollout::Failed));
    assert_eq!(primary.rollout_reason, "ECS deployment circuit breaker: tasks failed to start.");
    assert_eq!((world.of(good), world.of(bad)), (before, Vec::new()));
    assert_eq!(world.record().status, ServiceDeploymentStatus::Stopped);
    let next = world.deploy(|_| {});
    world.come_to_rest();
    assert_eq!(world.of(next).len(), 2, "the next deployment is not bound by it");
    assert_eq!(world.record().status, ServiceDeploymentStatus::Successful);
}

#[test]
fn a_crash_after_running_counts_as_well() {
    let mut world = World::with_breaker(1, true);
    let good = world.service().primary().expect("it has one").id;
    let bad = world.deploy(|_| {});
    for _ in 0..3 {
        world.settle();
        world.obey();
        world.wait(Duration::from_secs(1));
        for task in world.of(bad) {
            world.machine.end(task);
        }
        world.settle();
        world.wait(Duration::from_secs(10));
    }
    world.settle();
    assert_eq!(world.service().primary().map(|primary| primary.id), Some(good), "{:?}", world.messages());
}

#[test]
fn failing_health_checks_trip_the_breaker() {
    let mut world = World::with_breaker(1, true);
    let good = world.service().primary().expect("it has one").id;
    let bad = world.deploy(|next| next.facts.containers[0].health_check = true);
    for _ in 0..40 {
        world.settle();
        world.obey();
        for task in world.of(bad) {
            if world.task(task).observed.health != Health::Unhealthy {
                world.machine.observe(task, |observed| observed.health = Health::Unhealthy);
            }
        }
        world.wait(Duration::from_secs(2));
        if world.service().primary().map(|primary| primary.id) == Some(good) {
            world.come_to_rest();
            assert_eq!(world.record().status, ServiceDeploymentStatus::RollbackSuccessful);
            return;
        }
    }
    panic!("it never tripped: {:?}", world.messages());
}

#[test]
fn a_healthy_task_makes_earlier_failures_forgotten_unless_that_is_off() {
    for (reset, expected) in [(true, 0), (false, 1)] {
        let mut world = World::new(2);
        world.configure(DeploymentSettings {
            breaker: Some(CircuitBreaker {
                rollback: true,
                reset_on_healthy_task: reset,
                threshold: Threshold::Count(3),
            }),
            ..DeploymentSettings::default()
        });
        world.come_to_rest();
        let id = world.deploy(|_| {});
        world.settle();
        world.wait(Duration::from_secs(1));
        let first = world.of(id)[0];
        world.machine.end(first);
        world.settle();
        assert_eq!(world.record().failures, 1);
        world.obey();
        world.settle();
        world.wait(Duration::from_secs(6));
        world.settle();
        assert_eq!(world.record().failures, expected, "reset {reset}");
    }
}

#[test]
fn a_deployment_that_fits_nowhere_fails_after_a_while_and_recovers_without_breaker() {
    let mut world = World::new(1);
    world.come_to_rest();
    let id = world.deploy(|next| next.facts.containers[0].memory_mib = 10_000);
    world.settle();
    assert_eq!(world.service().primary().map(|primary| primary.rollout), Some(Rollout::InProgress));
    world.wait(Duration::from_secs(10));
    world.settle();
    let primary = world.service().primary().expect("it has one");
    assert_eq!((primary.id, primary.rollout), (id, Rollout::Failed));
    assert!(primary.rollout_reason.contains("no container instance is large enough"), "{primary:?}");
    world.machine.register(crate::fixture::instance(99, "a", 20_000, 20_000));
    world.wait(Duration::from_secs(10));
    world.come_to_rest();
    assert_eq!(world.service().primary().map(|primary| primary.rollout), Some(Rollout::Completed));
}

#[test]
fn an_image_that_is_missing_fails_fast_without_breaker_too() {
    let mut world = World::new(2);
    world.come_to_rest();
    let id = world.deploy(|_| {});
    world.fail_to_pull(id, 1);
    world.settle();
    let primary = world.service().primary().expect("it has one");
    assert_eq!(primary.rollout, Rollout::Failed, "{:?}", world.messages());
    assert!(primary.rollout_reason.contains("CannotPullContainerError: no such image"), "{primary:?}");
    world.come_to_rest();
    let primary = world.service().primary().expect("it has one");
    assert_eq!((primary.id, primary.rollout), (id, Rollout::Completed), "the scheduler never gave up");
}

fn hook(target: HookTarget, stage: Stage) -> DeploymentSettings {
    let hook = Hook {
        target_arn: String::new(),
        target,
        stages: vec![stage],
        timeout: Duration::from_secs(3600),
        on_timeout: HookAction::RollBack,
        details: None,
    };
    DeploymentSettings { hooks: vec![hook], ..DeploymentSettings::default() }
}

fn migration() -> DeploymentSettings {
    hook(HookTarget::Task { definition: None, overrides: None }, Stage::PreScaleUp)
}

/// Ends the task of the hook that is under way with an exit code.
fn finish_hook(world: &mut World, exit_code: i32) -> TaskId {
    let task = world.record().hooks.last().and_then(|run| run.task).expect("a hook runs a task");
    world.machine.run(task);
    let now = world.machine.now;
    world.machine.observe(task, |observed| {
        observed.last_status = TaskStatus::Stopped;
        observed.stopped_at = Some(now);
        observed.containers = vec![ContainerObservation {
            name: "app".into(),
            runtime_id: "1".into(),
            image_digest: String::new(),
            last_status: ContainerStatus::Stopped,
            exit_code: Some(exit_code),
            reason: String::new(),
            bindings: Vec::new(),
            health: Health::Unknown,
            last_log_lines: vec!["relation users does not exist".into()],
        }];
    });
    task
}

#[test]
fn a_migration_gates_the_first_task_of_a_deployment() {
    let mut world = World::new(2);
    world.come_to_rest();
    let old = world.service().primary().expect("it has one").id;
    world.configure(migration());
    let new = world.deploy(|_| {});
    world.settle();
    world.wait(Duration::from_secs(60));
    world.settle();
    assert_eq!((world.of(old).len(), world.of(new).len()), (2, 0), "nothing starts before it is through");
    let lost = world.of(old)[0];
    world.machine.end(lost);
    world.settle();
    assert_eq!(world.of(old).len(), 2, "what crashes meanwhile is replaced by its like");
    let task = finish_hook(&mut world, 0);
    let definition = world.task(task).definition.clone();
    assert_eq!(Some(&definition), world.service().deployment(new).map(|known| &known.task_definition));
    world.come_to_rest();
    assert_eq!((world.of(old).len(), world.of(new).len()), (0, 2));
    assert_eq!(world.record().status, ServiceDeploymentStatus::Successful);
    assert_eq!(world.record().hooks[0].status, HookStatus::Succeeded);
}

#[test]
fn a_migration_that_fails_ends_the_deployment_before_it_began() {
    let mut world = World::new(2);
    world.come_to_rest();
    let old = world.service().primary().expect("it has one").id;
    let before = world.of(old);
    world.configure(migration());
    let new = world.deploy(|_| {});
    world.settle();
    finish_hook(&mut world, 1);
    world.come_to_rest();
    assert_eq!((world.of(old), world.of(new)), (before, Vec::new()));
    let record = world.record();
    assert_eq!(record.status, ServiceDeploymentStatus::RollbackSuccessful);
    assert!(record.hooks[0].reason.contains("exit code 1"), "{:?}", record.hooks);
    assert!(record.hooks[0].reason.contains("relation users does not exist"), "{:?}", record.hooks);
}

#[test]
fn a_migration_is_stopped_when_another_deployment_takes_over() {
    let mut world = World::new(1);
    world.come_to_rest();
    world.configure(migration());
    world.deploy(|_| {});
    world.settle();
    let first = world.record().hooks[0].task.expect("it runs one");
    world.machine.run(first);
    world.deploy(|_| {});
    world.settle();
    assert_eq!(world.task(first).desired, DesiredStatus::Stopped);
    let second = world.record().hooks[0].task.expect("it runs one");
    assert_eq!(world.task(second).desired, DesiredStatus::Running);
}

#[test]
fn a_pause_after_scale_up_keeps_the_old_tasks_until_it_is_over() {
    let mut world = World::new(2);
    world.come_to_rest();
    let old = world.service().primary().expect("it has one").id;
    world.configure(hook(HookTarget::Pause, Stage::PostScaleUp));
    let new = world.deploy(|_| {});
    for _ in 0..30 {
        world.settle();
        world.obey();
        world.wait(Duration::from_secs(1));
    }
    assert_eq!((world.of(old).len(), world.of(new).len()), (2, 2));
    let (id, run) = (world.record().id, world.record().hooks[0].clone());
    assert_eq!(run.status, HookStatus::AwaitingAction);
    let key = world.service().key.clone();
    let go_on =
        crate::command::ContinueServiceDeployment { key, id, hook: run.id, action: HookAction::Continue };
    world.machine.must(Command::ContinueServiceDeployment(go_on));
    world.come_to_rest();
    assert_eq!((world.of(old).len(), world.of(new).len()), (0, 2));
    assert_eq!(world.record().status, ServiceDeploymentStatus::Successful);
}

#[test]
fn a_hook_that_takes_too_long_does_what_it_was_told_to() {
    for (action, expected) in [
        (HookAction::Continue, ServiceDeploymentStatus::Successful),
        (HookAction::RollBack, ServiceDeploymentStatus::RollbackSuccessful),
    ] {
        let mut world = World::new(1);
        world.come_to_rest();
        let mut settings = hook(HookTarget::Pause, Stage::PreScaleUp);
        settings.hooks[0].on_timeout = action;
        world.configure(settings);
        world.deploy(|_| {});
        world.settle();
        world.wait(Duration::from_secs(3600));
        world.settle();
        world.come_to_rest();
        assert_eq!(world.record().status, expected, "{action:?}");
        assert_eq!(world.record().hooks[0].status, HookStatus::TimedOut);
    }
}

#[test]
fn early_success_is_success_before_all_tasks_are_there() {
    let mut world = World::new(4);
    world.come_to_rest();
    world.configure(DeploymentSettings {
        early_success: Some(EarlySuccess { healthy_percent: 50, after_cleanup: false }),
        ..DeploymentSettings::default()
    });
    let new = world.deploy(|_| {});
    world.settle();
    for task in world.of(new).into_iter().take(2) {
        world.machine.run(task);
    }
    world.wait(Duration::from_secs(6));
    world.settle();
    assert_eq!(world.record().status, ServiceDeploymentStatus::Successful, "{:?}", world.messages());
    assert!(!world.service().steady, "the rest goes on");
    world.come_to_rest();
    assert_eq!(world.of(new).len(), 4);
}

#[test]
fn a_deployment_is_stopped_with_or_without_a_way_back() {
    for (kind, expected) in [
        (StopKind::RollBack, ServiceDeploymentStatus::RollbackSuccessful),
        (StopKind::Abort, ServiceDeploymentStatus::Stopped),
    ] {
        let mut world = World::new(2);
        world.come_to_rest();
        let old = world.service().primary().expect("it has one").id;
        let new = world.deploy(|_| {});
        world.settle();
        let (key, id) = (world.service().key.clone(), world.record().id);
        world.machine.must(Command::StopServiceDeployment(StopServiceDeployment { key, id, kind }));
        world.come_to_rest();
        assert_eq!(world.record().status, expected, "{kind:?}");
        let primary = world.service().primary().map(|primary| primary.id);
        assert_eq!(primary, Some(if kind == StopKind::RollBack { old } else { new }));
        assert_eq!(world.of(old).len(), 2, "{kind:?} leaves what ran");
    }
}

#[test]
fn an_earlier_revision_comes_back_with_the_images_that_it_ran() {
    let mut world = World::new(1);
    world.come_to_rest();
    let first = world.service().primary().expect("it has one").clone();
    world.deploy(|_| {});
    world.come_to_rest();
    let images = [("app".to_owned(), "sha256:01".to_owned())].into();
    let deployment = DeploymentId::new(77);
    let record = NewRecord { id: ServiceDeploymentId::new(77), images };
    let (key, generation) = (world.service().key.clone(), world.service().generation);
    let back = RollBackService { key, generation, revision: first.id, deployment, record };
    world.machine.must(Command::RollBackService(Box::new(back)));
    world.come_to_rest();
    let task = world.of(deployment)[0];
    assert_eq!(world.task(task).definition, first.task_definition);
    let images = world.task(task).images.clone().expect("pinned");
    assert_eq!(images.get("app").map(String::as_str), Some("sha256:01"));
}

#[test]
fn the_first_task_of_a_revision_decides_what_its_tag_means() {
    let mut world = World::new(1);
    world.come_to_rest();
    let container = berth_proto::ecs::v1::ContainerDefinition {
        name: Some("app".into()),
        image: Some("shop/web:latest".into()),
        ..Default::default()
    };
    let message =
        berth_proto::ecs::v1::TaskDefinition { container_definitions: vec![container], ..Default::default() };
    let id = world.deploy(|next| next.definition = crate::wire::Wire::new(message));
    world.settle();
    let task = world.of(id)[0];
    assert_eq!(world.task(task).images, None, "nobody knows yet");
    world.machine.observe(task, |observed| {
        observed.containers = vec![ContainerObservation {
            name: "app".into(),
            runtime_id: "1".into(),
            image_digest: "sha256:42".into(),
            last_status: ContainerStatus::Pending,
            exit_code: None,
            reason: String::new(),
            bindings: Vec::new(),
            health: Health::Unknown,
            last_log_lines: Vec::new(),
        }];
    });
    world.scale(2);
    world.settle();
    let next = world.of(id).into_iter().find(|known| *known != task).expect("a second one");
    let images = world.task(next).images.clone().expect("pinned");
    assert_eq!(images.get("app").map(String::as_str), Some("sha256:42"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_deployment_ends_one_way_or_the_other_and_within_its_bounds(seed in any::<u64>()) {
        let mut dice = Dice::new(seed);
        let desired = 1 + dice.small(6);
        let rollback = dice.percent(60);
        let reset = dice.percent(50);
        let thresholds = [Threshold::BoundedPercent(50), Threshold::Count(4), Threshold::UnboundedPercent(80)];
        let threshold = *dice.pick(&thresholds);
        let mut world = World::new(desired);
        world.come_to_rest();
        world.configure(DeploymentSettings {
            breaker: Some(CircuitBreaker { rollback, reset_on_healthy_task: reset, threshold }),
            ..DeploymentSettings::default()
        });
        let good = world.service().primary().map(|primary| primary.id);
        let new = world.deploy(|_| {});
        let (works, runs) = (dice.percent(40), dice.percent(50));
        for _ in 0..400 {
            step_within_bounds(&mut world)?;
            if runs || works {
                world.obey();
            }
            if !works {
                for task in world.of(new) {
                    world.machine.end(task);
                }
            }
            if world.service().records.current().is_none() {
                break;
            }
            world.wait(Duration::from_secs(1 + dice.below(5)));
        }
        let expected = match (works, rollback) {
            (true, _) => ServiceDeploymentStatus::Successful,
            (false, true) => ServiceDeploymentStatus::RollbackSuccessful,
            (false, false) => ServiceDeploymentStatus::Stopped,
        };
        prop_assert_eq!(world.record().status, expected, "{:?}", world.messages());
        let primary = world.service().primary().map(|primary| primary.id);
        prop_assert_eq!(primary, if works || !rollback { Some(new) } else { good });
    }
}
