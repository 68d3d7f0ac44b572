//! Images that a deployment is about to need, and the hosts that are to have them before its tasks arrive.
//!
//! A hint and no more: a host that does not hear of it, or cannot pull, pulls when the task comes.

use std::collections::BTreeSet;

use crate::container_instance::InstanceStatus;
use crate::fit::Conditions;
use crate::id::{DeploymentId, InstanceId};
use crate::service::{Rollout, Service};
use crate::state::State;

/// Hosts that fetch for each task that is wanted.
const HOSTS_PER_TASK: usize = 3;

/// What hosts are to fetch for a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// The deployment.
    pub deployment: DeploymentId,
    /// References, each once. Those that take credentials of their own are left out.
    pub images: Vec<String>,
    /// The hosts.
    pub instances: Vec<InstanceId>,
}

/// What the deployment of a service that is under way is to have fetched; none when none is under way.
///
/// Every host that may get one of its tasks fetches, but no more than a few for each task: in a large fleet those where
/// the service runs already come first.
pub fn prefetch(view: &State, service: &Service) -> Option<Prefetch> {
    let primary = service.primary().filter(|primary| primary.rollout == Rollout::InProgress)?;
    let definition = view.task_definition(&primary.task_definition)?;
    let mut images: Vec<String> = Vec::new();
    for container in &definition.definition.container_definitions {
        if container.repository_credentials.is_none()
            && !images.iter().any(|known| known == container.image())
        {
            images.push(container.image().to_owned());
        }
    }
    let conditions = Conditions::new(&definition.facts, &service.placement.constraints);
    let may_run = |id: &InstanceId| {
        view.instance(*id).is_some_and(|instance| {
            instance.status == InstanceStatus::Active
                && instance.connected
                && conditions.match_instance(view, instance)
        })
    };
    let running = view.tasks_of(&service.key).map(|task| task.instance);
    let everywhere = view.instances_in(&service.key.cluster).map(|instance| instance.id);
    let desired = usize::try_from(service.desired_count).unwrap_or(usize::MAX);
    let most = if service.is_daemon() { usize::MAX } else { desired.saturating_mul(HOSTS_PER_TASK) };
    let mut instances = Vec::new();
    let mut seen = BTreeSet::new();
    for id in running.chain(everywhere) {
        if instances.len() >= most {
            break;
        }
        if seen.insert(id) && may_run(&id) {
            instances.push(id);
        }
    }
    Some(Prefetch { deployment: primary.id, images, instances })
}

#[cfg(test)]
mod tests {
    use berth_proto::ecs::v1 as pb;

    use super::*;
    use crate::command::Command;
    use crate::fixture::{self, Machine};

    fn machine(hosts: u128, desired: u32) -> Machine {
        let mut machine = Machine::new();
        machine.must(Command::CreateCluster(fixture::cluster()));
        for number in 1..=hosts {
            machine.must(Command::RegisterInstance(Box::new(fixture::instance(number, "a", 1_024, 1_024))));
        }
        let mut definition = fixture::definition("web", 1, 100, 100);
        let container =
            |image: &str| pb::ContainerDefinition { image: Some(image.into()), ..Default::default() };
        let credentials = pb::RepositoryCredentials { credentials_parameter: Some("secret".into()) };
        let private =
            pb::ContainerDefinition { repository_credentials: Some(credentials), ..container("private:1") };
        definition.definition = crate::wire::Wire::new(pb::TaskDefinition {
            container_definitions: vec![container("app:1"), container("app:1"), private],
            ..Default::default()
        });
        let service = fixture::service("one", desired, &definition.key);
        machine.must(Command::RegisterTaskDefinition(Box::new(definition)));
        machine.must(Command::CreateService(Box::new(service)));
        machine
    }

    fn fetched(machine: &Machine) -> Option<Prefetch> {
        prefetch(&machine.state, machine.state.service(&fixture::service_key("one")).unwrap())
    }

    #[test]
    fn a_deployment_fetches_on_a_few_hosts_for_each_task() {
        let machine = machine(8, 2);
        let found = fetched(&machine).expect("it is under way");
        assert_eq!(found.instances.len(), 2 * HOSTS_PER_TASK);
        assert_eq!(found.images, ["app:1"]);
    }

    #[test]
    fn hosts_that_run_the_service_come_first_and_those_that_cannot_take_it_never() {
        let mut machine = machine(9, 1);
        let service = machine.state.service(&fixture::service_key("one")).unwrap().clone();
        let definition = machine.state.task_definition(&service.task_definition).unwrap().clone();
        let task = fixture::service_task(7, 9, &definition, &service, service.deployments[0].id);
        let start = crate::command::StartTasks {
            service: Some((service.key.clone(), service.generation)),
            tasks: vec![task],
        };
        machine.must(Command::StartTasks(start));
        machine.must(Command::SetInstanceConnected { id: InstanceId::new(1), connected: false });
        let found = fetched(&machine).expect("it is under way");
        assert_eq!(found.instances, [9, 2, 3].map(InstanceId::new));
    }

    #[test]
    fn nothing_is_fetched_once_a_deployment_is_over() {
        let mut machine = machine(1, 0);
        let service = machine.state.service(&fixture::service_key("one")).unwrap().clone();
        let advance = crate::command::AdvanceService {
            key: service.key.clone(),
            generation: service.generation,
            rollouts: vec![(service.deployments[0].id, Rollout::Completed, String::new())],
            ended: Vec::new(),
            steady: false,
            retire: false,
            events: Vec::new(),
            desired_count: None,
            steps: Vec::new(),
        };
        machine.must(Command::AdvanceService(advance));
        assert_eq!(fetched(&machine), None);
    }
}
