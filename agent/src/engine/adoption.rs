//! What an agent finds when it starts: tasks it knew, and containers with its label.
//!
//! Nothing is started or stopped here. A task on the manifest goes on from where its containers are. Containers that run
//! and belong to no task on the manifest become orphans. Dead ones of unknown tasks are left to the cleanup.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use berth_proto::agent::v1 as wire;
use futures::StreamExt as _;

use super::{Loop, Options, Parts, retries};
use crate::definition::Definition;
use crate::manifest::{DesiredTask, Set};
use crate::runtime::{self, Runtime, Status, label};
use crate::task::{Standing, Task};

/// Containers that are inspected at a time.
const INSPECTIONS: usize = 16;

/// The tasks of an agent that comes back.
pub(super) fn adopt(
    set: &Set,
    reports: &[wire::TaskReport],
    found: Vec<runtime::Container>,
    now_ms: i64,
) -> BTreeMap<String, Task> {
    let reports: BTreeMap<_, _> = reports.iter().map(|report| (&report.task_id, report)).collect();
    let mut containers: BTreeMap<String, Vec<runtime::Container>> = BTreeMap::new();
    for container in found {
        if let Some(task_id) = container.labels.get(label::TASK).cloned() {
            containers.entry(task_id).or_default().push(container);
        }
    }
    let runs = |of: &Vec<runtime::Container>| of.iter().any(|container| container.status == Status::Running);
    let running = containers.iter().filter(|(_, of)| runs(of)).map(|(id, _)| id);
    let ids: BTreeSet<String> =
        set.tasks.keys().chain(reports.keys().copied()).chain(running).cloned().collect();
    let tasks = ids.into_iter().map(|id| {
        let (found, report) = (containers.remove(&id).unwrap_or_default(), reports.get(&id).copied());
        let task = match set.tasks.get(&id) {
            Some(desired) => Task::restore(desired.clone(), Standing::Wanted, report, &found, now_ms),
            None => {
                let desired = Arc::new(recollect(&id, report, &found));
                Task::restore(desired, Standing::Orphan, report, &found, now_ms)
            }
        };
        (id, task)
    });
    tasks.collect()
}

/// A task that no manifest tells of, from what its containers and its report do.
pub(super) fn recollect(
    id: &str,
    report: Option<&wire::TaskReport>,
    found: &[runtime::Container],
) -> DesiredTask {
    let of_label =
        |key: &str| found.iter().find_map(|container| container.labels.get(key)).cloned().unwrap_or_default();
    let labelled = found.iter().filter_map(|container| container.labels.get(label::CONTAINER_NAME).cloned());
    let reported =
        report.into_iter().flat_map(|report| &report.containers).map(|container| container.name.clone());
    let names: BTreeSet<String> = labelled.chain(reported).collect();
    let revision = of_label(label::REVISION).parse().unwrap_or(0);
    DesiredTask {
        id: id.to_owned(),
        arn: of_label(label::TASK_ARN),
        stopped: false,
        definition: Arc::new(Definition::of_orphan(&of_label(label::FAMILY), revision, names)),
        cluster: of_label(label::CLUSTER),
        group: String::new(),
        traceparent: String::new(),
        gpu_ids: Vec::new(),
        security_groups: Vec::new(),
    }
}

/// Every container of this instance, in full.
async fn look(runtime: &dyn Runtime) -> Result<Vec<runtime::Container>, runtime::Error> {
    let listed = runtime.list().await?;
    let inspections =
        listed.into_iter().map(|listed| async move { runtime.inspect(&listed.runtime_id).await });
    let found: Vec<_> = futures::stream::iter(inspections).buffer_unordered(INSPECTIONS).collect().await;
    found.into_iter().filter_map(Result::transpose).collect()
}

// === impl Loop ===

impl Loop {
    /// Looks until the runtime answers: what runs has to be known before anything is said or done.
    pub(super) async fn adopt(options: Options, mut parts: Parts) -> Self {
        let mut backoff = retries(&parts.entropy);
        let found = loop {
            match look(&*parts.runtime).await {
                Ok(found) => break found,
                Err(error) => tracing::warn!(error = %error, "cannot see what is running"),
            }
            tokio::time::sleep(backoff.next_delay()).await;
        };
        let set = parts.ledger.manifest();
        let reports = std::mem::take(&mut parts.reports);
        let mut state = Self::new(options, parts);
        state.generation = set.generation;
        state.tasks = adopt(&set, &reports, found, state.clock.unix_ms());
        state.adopt_addresses();
        let adopted = state.tasks.values().filter(|task| task.is_admitted() && !task.is_finished()).count();
        if adopted > 0 {
            tracing::info!(tasks = adopted, "adopted the tasks that are running");
        }
        for task in state.tasks.values() {
            for (at, container) in task.containers().iter().enumerate() {
                if let Some(runtime_id) = container.runtime_id.clone() {
                    state.by_runtime_id.insert(runtime_id, (task.desired().id.clone(), at));
                }
            }
        }
        let ids: Vec<_> = state.tasks.keys().cloned().collect();
        for (id, desired) in &set.tasks {
            if desired.stopped {
                state.change(id, |task, _| task.stop());
            }
        }
        for id in ids {
            state.advance(&id);
        }
        state
    }
}

#[cfg(test)]
mod tests;
