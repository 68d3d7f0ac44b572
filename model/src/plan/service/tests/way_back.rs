//! Service deployments whose way back fails as well, and the stage at which one ends.

use std::time::Duration;

use super::World;
use crate::command::{Command, StopServiceDeployment};
use crate::id::{DeploymentId, TaskId};
use crate::service::Rollout;
use crate::service::rollout::{ServiceDeploymentStatus, Stage, StopKind};

impl World {
    fn primary(&self) -> DeploymentId {
        self.service().primary().expect("it has one").id
    }

    /// Lets every task of every deployment fail, as often as it takes for the service deployment to end.
    fn fail_everything(&mut self) {
        for _ in 0..60 {
            self.settle();
            let all: Vec<TaskId> = self.wanted().iter().map(|task| task.id).collect();
            all.into_iter().for_each(|task| self.machine.end(task));
            self.settle();
            if self.service().records.current().is_none() {
                return;
            }
            self.wait(Duration::from_secs(10));
        }
        panic!("it never ends: {:?}", self.messages());
    }
}

#[test]
fn a_way_back_on_which_tasks_fail_as_well_is_a_failed_one() {
    let mut world = World::with_breaker(2, true);
    let good = world.primary();
    world.deploy(|_| {});
    world.fail_everything();
    let record = world.record();
    assert_eq!(record.status, ServiceDeploymentStatus::RollbackFailed, "{:?}", world.messages());
    assert_eq!(record.status_reason, "ECS deployment circuit breaker: tasks failed to start.");
    let said = format!("(service web) rollback to deployment {good} failed: tasks failed to start.");
    assert!(world.messages().contains(&said.as_str()), "{:?}", world.messages());
    assert_eq!(world.service().primary().map(|primary| primary.rollout), Some(Rollout::Failed));
    // What failed may have been the weather: the last good revision is tried for as long as it takes.
    world.come_to_rest();
    assert_eq!(world.of(good).len(), 2);
    assert_eq!(world.service().primary().map(|primary| primary.rollout), Some(Rollout::Completed));
    assert_eq!(world.record().status, ServiceDeploymentStatus::RollbackFailed);
}

#[test]
fn there_may_be_nothing_to_go_back_to() {
    let mut world = World::new(1);
    world.settle();
    let (key, id) = (world.service().key.clone(), world.record().id);
    let kind = StopKind::RollBack;
    world.machine.must(Command::StopServiceDeployment(StopServiceDeployment { key, id, kind }));
    world.settle();
    assert_eq!(world.record().status, ServiceDeploymentStatus::RollbackFailed);
}

#[test]
fn a_deployment_that_succeeds_ends_at_its_last_stage() {
    let mut world = World::new(2);
    world.come_to_rest();
    world.deploy(|_| {});
    world.settle();
    assert_eq!(world.record().stage, Stage::ScaleUp);
    world.come_to_rest();
    let record = world.record();
    assert_eq!((record.status, record.stage), (ServiceDeploymentStatus::Successful, Stage::CleanUp));
}
