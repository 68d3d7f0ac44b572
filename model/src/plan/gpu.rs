//! Which GPUs of its instance a task gets: ids are chosen before the log, like everything else.

use std::collections::BTreeMap;

use crate::id::InstanceId;
use crate::state::State;
use crate::task::Task;

/// Gives the tasks that need GPUs those that are free where they were placed, each as if those before it had theirs.
pub fn assign(view: &State, tasks: &mut [Task]) {
    let mut left: BTreeMap<InstanceId, Vec<String>> = BTreeMap::new();
    for task in tasks.iter_mut().filter(|task| task.needs.gpus > 0) {
        let free = left.entry(task.instance).or_insert_with(|| free(view, task.instance));
        let count = usize::try_from(task.needs.gpus).unwrap_or(usize::MAX).min(free.len());
        task.scheduling.gpu_ids = free.drain(..count).collect();
    }
}

/// The GPUs of an instance that none of its tasks has.
pub fn free(view: &State, id: InstanceId) -> Vec<String> {
    let Some(instance) = view.instance(id) else { return Vec::new() };
    let holders: Vec<&Task> =
        view.tasks_on(id).map(|task| &**task).filter(|task| task.held.gpus > 0).collect();
    let is_free = |gpu: &&String| !holders.iter().any(|task| task.scheduling.gpu_ids.contains(gpu));
    instance.capacity.gpu_ids.iter().filter(is_free).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Outcome, StartTasks};
    use crate::fixture::{Machine, definition, instance, task};
    use crate::id::TaskId;
    use crate::resource::Shortage;

    #[test]
    fn no_gpu_is_given_twice() {
        let mut machine = Machine::new();
        let mut host = instance(1, "a", 1000, 1000);
        host.capacity.gpu_ids = ["gpu-0", "gpu-1", "gpu-2"].map(str::to_owned).to_vec();
        machine.register(host);
        let mut learn = definition("learn", 1, 10, 10);
        learn.facts.containers[0].gpus = 1;
        machine.define(&learn);
        let mut tasks = [1, 2].map(|number| task(number, 1, &learn, "g"));
        assign(&machine.state, &mut tasks);
        assert_eq!(tasks[0].scheduling.gpu_ids, ["gpu-0"]);
        assert_eq!(tasks[1].scheduling.gpu_ids, ["gpu-1"]);
        let mut rival = [task(3, 1, &learn, "g")];
        assign(&machine.state, &mut rival);
        machine.start(tasks.to_vec());
        assert_eq!(free(&machine.state, InstanceId::new(1)), ["gpu-2"]);

        // Decided from the same view as the first: that GPU is gone, though there is another.
        let start = StartTasks { service: None, tasks: rival.to_vec() };
        let Outcome::Started { refused } = machine.must(Command::StartTasks(start)) else {
            panic!("it starts tasks")
        };
        assert_eq!(refused[0].shortages, [Shortage::Gpu { needed: 1, free: 0 }]);
        machine.end(TaskId::new(1));
        machine.start(rival.to_vec());
    }
}
