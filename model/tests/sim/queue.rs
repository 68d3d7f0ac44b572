//! Tasks that wait for a place: who asks for them, and the planner that is woken as the real one is.

use berth_model::command::{Command, QueueTasks};
use berth_model::plan;
use berth_model::task::{Queueing, Task};
use berth_model::time::Timestamp;

use crate::agent::Fate;
use crate::fixture::{self, CLUSTER};
use crate::oracle;
use crate::world::World;

impl World {
    /// Somebody queues a few tasks, small ones and large ones, which mostly end by themselves.
    pub(crate) fn queue_tasks(&mut self) {
        let fate = if self.dice.percent(80) { Fate::Ends(0) } else { Fate::Fine };
        let deadline = self.dice.percent(40).then(|| self.later(5, 60));
        self.queue_any(fate, deadline);
    }

    /// Tasks that wait for as long as it takes, and end.
    pub(crate) fn queue_patient_tasks(&mut self) {
        (0..3).for_each(|_| self.queue_any(Fate::Ends(0), None));
    }

    fn queue_any(&mut self, fate: Fate, deadline: Option<Timestamp>) {
        let scale = *self.dice.pick(&[1, 1, 1, 6]);
        let definition = self.define_larger("batch", fate, scale);
        let group = *self.dice.pick(&["family:batch", "night", "day"]);
        let priority = i32::try_from(self.dice.below(3)).expect("it is small");
        let tasks = (0..1 + self.dice.below(4)).map(|_| {
            let id = self.dice.ids().number();
            let mut task = Task { created_at: self.now, ..fixture::task(id, 0, &definition, group) };
            task.scheduling.queue = Some(Queueing { priority, deadline, claimed_at: None });
            task
        });
        let tasks = tasks.collect();
        self.must(Command::QueueTasks(QueueTasks { cluster: CLUSTER.into(), tasks }));
    }

    /// Looks at the queue when a change or its own last look asked for it.
    pub(crate) fn plan_queue(&mut self) {
        for _ in 0..3 {
            if self.queue_at.is_none_or(|at| at > self.now) {
                return;
            }
            self.queue_at = None;
            let cluster = CLUSTER.into();
            let plan = plan::queue::plan(&self.state, &cluster, self.now, self.dice.ids());
            oracle::check_queue(&self.state, &plan);
            if let Some(at) = plan.next_wake {
                self.wake_queue(at);
            }
            if !plan.is_quiet() {
                self.wake_queue(self.now);
            }
            for command in plan.commands {
                // A place that is gone meanwhile leaves its task waiting.
                self.must(command);
            }
        }
    }

    pub(crate) fn wake_queue(&mut self, at: Timestamp) {
        self.queue_at = Some(self.queue_at.map_or(at, |earlier| earlier.min(at)));
    }
}
