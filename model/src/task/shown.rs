//! The status of a task as ECS shows it. A task with an address of its own goes through more of them than its agent tells
//! apart; what is missing follows from what is known. Nothing is decided by it: planners read what was observed.

use super::{ContainerStatus, DesiredStatus, Task, TaskStatus};

// === impl Task ===

impl Task {
    /// The status that ECS would show.
    pub fn shown_status(&self) -> TaskStatus {
        let seen = &self.observed;
        if self.network.is_none() {
            return seen.last_status;
        }
        match seen.last_status {
            TaskStatus::Pending if seen.address.is_none() => TaskStatus::Provisioning,
            TaskStatus::Pending if self.is_begun() => TaskStatus::Activating,
            TaskStatus::Running if self.desired == DesiredStatus::Stopped => TaskStatus::Deactivating,
            TaskStatus::Provisioning
            | TaskStatus::Pending
            | TaskStatus::Activating
            | TaskStatus::Running
            | TaskStatus::Deactivating
            | TaskStatus::Stopping
            | TaskStatus::Deprovisioning
            | TaskStatus::Stopped => seen.last_status,
        }
    }

    /// Whether a container has run.
    fn is_begun(&self) -> bool {
        self.observed.containers.iter().any(|seen| seen.last_status != ContainerStatus::Pending)
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::fixture;
    use crate::network::Membership;
    use crate::task::{ContainerObservation, Health};

    fn container(last_status: ContainerStatus) -> ContainerObservation {
        ContainerObservation {
            name: "app".into(),
            runtime_id: String::new(),
            image_digest: String::new(),
            last_status,
            exit_code: None,
            reason: String::new(),
            bindings: Vec::new(),
            health: Health::Unknown,
            last_log_lines: Vec::new(),
        }
    }

    #[test]
    fn a_task_with_an_address_of_its_own_goes_through_more_statuses() {
        use ContainerStatus as Container;
        use DesiredStatus::{Running, Stopped};
        let definition = fixture::definition("web", 1, 1, 1);
        let address = Some(Ipv4Addr::new(100, 64, 0, 1));
        let rows = [
            (TaskStatus::Pending, None, Container::Pending, Running, TaskStatus::Provisioning),
            (TaskStatus::Pending, None, Container::Pending, Stopped, TaskStatus::Provisioning),
            (TaskStatus::Pending, address, Container::Pending, Running, TaskStatus::Pending),
            (TaskStatus::Pending, address, Container::Running, Running, TaskStatus::Activating),
            (TaskStatus::Running, address, Container::Running, Running, TaskStatus::Running),
            (TaskStatus::Running, address, Container::Running, Stopped, TaskStatus::Deactivating),
            (TaskStatus::Stopping, address, Container::Running, Stopped, TaskStatus::Stopping),
            (TaskStatus::Deprovisioning, address, Container::Stopped, Stopped, TaskStatus::Deprovisioning),
            (TaskStatus::Stopped, address, Container::Stopped, Stopped, TaskStatus::Stopped),
        ];
        for (observed, address, one, desired, shown) in rows {
            let mut task = fixture::task(1, 1, &definition, "g");
            task.observed.last_status = observed;
            task.observed.address = address;
            task.observed.containers = vec![container(one)];
            task.desired = desired;
            assert_eq!(task.shown_status(), observed, "without an address of its own");
            task.network = Some(Membership::default().into());
            assert_eq!(task.shown_status(), shown, "{observed:?} {address:?} {one:?} {desired:?}");
        }
    }
}
