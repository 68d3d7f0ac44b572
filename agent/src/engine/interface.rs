//! Tasks with addresses of their own, as far as the engine has a part in it: they are taken out of the network once they
//! have ended, and they end when the container that holds their namespace does.

use super::Loop;
use crate::runtime::{self, Status};
use crate::task::Task;

// === impl Loop ===

impl Loop {
    /// Tells tasks that were found the addresses that they have. Addresses of tasks that are not there any more go.
    pub(super) fn adopt_addresses(&mut self) {
        let Some(network) = self.operator.network().cloned() else { return };
        for id in network.members() {
            match self.tasks.get_mut(&id).filter(|task| !task.is_finished()) {
                Some(task) => {
                    network.know_groups(task.desired());
                    network.address(&id).into_iter().for_each(|address| task.addressed(address));
                    if !network.is_whole(&id) {
                        let now = self.clock.unix_ms();
                        task.lose_network(now);
                    }
                }
                None => self.operations.extend(self.operator.release(&id)),
            }
        }
    }

    /// Takes a task that has ended out of the network, if it is in it. One that is forgotten has ended, too: it may have
    /// got its address late.
    pub(super) fn leave_network(&mut self, id: &str) {
        if self.tasks.get(id).is_some_and(|task| !task.is_finished()) {
            return;
        }
        self.operations.extend(self.operator.release(id));
        let is_member = self.operator.network().is_some_and(|network| network.is_member(id));
        if !is_member {
            self.change(id, Task::left_network);
        }
    }

    /// Whether this container holds the namespace of a task that is to stay.
    pub(super) fn is_network(&self, runtime_id: &str) -> bool {
        self.operator.network().is_some_and(|network| network.task_of(runtime_id).is_some())
    }

    /// The container that holds a task's namespace ended.
    pub(super) fn lose_network(&mut self, runtime_id: &str) {
        let Some(network) = self.operator.network().cloned() else { return };
        if let Some(id) = network.task_of(runtime_id) {
            network.lose(&id);
            tracing::info!(task = id, "the container that holds the network of a task ended");
            self.advance_with(&id, |task, now| task.lose_network(now));
        }
    }

    /// The containers that should hold namespaces now.
    pub(super) fn holding(&self) -> Vec<String> {
        self.operator.network().map(|network| network.held()).unwrap_or_default()
    }

    /// What became of a container that should hold a namespace.
    pub(super) fn compare_network(&mut self, runtime_id: &str, found: Option<&runtime::Container>) {
        if found.is_none_or(|found| found.status != Status::Running) {
            self.lose_network(runtime_id);
        }
    }
}
