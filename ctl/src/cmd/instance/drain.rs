//! `berth instance drain`: services move their tasks away; with `--wait`, until nothing runs there.

use std::time::Duration;

use berth_proto::ecs::v1::{ContainerInstance, ContainerInstanceStatus, ListTasksRequest, Task};
use clap::Args;
use tokio::time::Instant;

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::names::{service_of_group, short_id};
use crate::progress::Progress;
use crate::time::parse_duration;
use crate::wait::POLL;

/// Let services move their tasks away, and place nothing new
#[derive(Debug, Args)]
#[command(after_help = "\
Tasks that belong to no service are left alone: `--wait` names them, `berth task stop` ends them.

Examples:
  berth instance drain 3f2a91c0b7e4 --wait --timeout 10m
  berth instance activate 3f2a91c0b7e4")]
pub(crate) struct Drain {
    /// Ids, their beginnings, or ARNs
    #[arg(required = true)]
    instances: Vec<String>,
    /// Wait until nothing runs there any more
    #[arg(long)]
    wait: bool,
    /// How long at most; exits with 4 when the time is over
    #[arg(long, value_parser = parse_duration, default_value = "30m", value_name = "TIME")]
    timeout: Duration,
}

// === impl Drain ===

impl Drain {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let ids = api::whole_instance_ids(session, &self.instances).await?;
        super::set_status(context, session, &ids, ContainerInstanceStatus::Draining).await?;
        if self.wait { self.until_empty(context, &session.patient(), &ids).await } else { Ok(()) }
    }

    async fn until_empty(&self, context: &Context, session: &Session, ids: &[String]) -> Result<(), Failure> {
        let deadline = Instant::now() + self.timeout;
        let mut progress = Progress::start(&context.output, "draining");
        loop {
            let response = api::instances(session, ids).await?;
            let left: i32 = response.container_instances.iter().map(tasks).sum();
            if left == 0 {
                progress.done("drained: nothing runs there any more");
                return Ok(());
            }
            let blocking = blocking(session, &response.container_instances).await?;
            let summary = summary(&blocking, left);
            progress.update(&summary);
            if Instant::now() >= deadline {
                let failure = Failure::timed_out(format!("not drained after {:?}, {summary}", self.timeout));
                return Err(match blocking.iter().find(|task| service_of_group(task.group()).is_none()) {
                    Some(task) => failure.hint(format!(
                        "tasks of no service are not moved: `berth task stop {}`",
                        short_id(task.task_arn())
                    )),
                    None => {
                        failure.hint("`berth service events NAME` tells why a service cannot move its tasks")
                    }
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn tasks(instance: &ContainerInstance) -> i32 {
    instance.running_tasks_count() + instance.pending_tasks_count()
}

/// The tasks that are still there.
async fn blocking(session: &Session, instances: &[ContainerInstance]) -> Result<Vec<Task>, Failure> {
    let mut all = Vec::new();
    for instance in instances.iter().filter(|instance| tasks(instance) > 0) {
        let filter = ListTasksRequest {
            container_instance: Some(instance.container_instance_arn().to_owned()),
            ..ListTasksRequest::default()
        };
        let arns = api::task_arns(session, filter, false).await?;
        all.extend(api::tasks(session, &arns).await?.tasks);
    }
    Ok(all)
}

/// `4 tasks left: 2 of service web, task 3f2a91c0b7e4 of no service, 1 stopping`.
fn summary(tasks: &[Task], left: i32) -> String {
    let mut services = std::collections::BTreeMap::<&str, usize>::new();
    let mut parts = Vec::new();
    for task in tasks {
        match service_of_group(task.group()) {
            Some(service) => *services.entry(service).or_default() += 1,
            None => parts.push(format!("task {} of no service", short_id(task.task_arn()))),
        }
    }
    // What was told to stop is not listed any more, and still counts.
    let stopping = usize::try_from(left).unwrap_or_default().saturating_sub(tasks.len());
    if stopping > 0 {
        parts.push(format!("{stopping} stopping"));
    }
    let services = services.iter().map(|(service, count)| format!("{count} of service {service}"));
    let parts: Vec<String> = services.chain(parts).collect();
    format!("{left} {} left: {}", if left == 1 { "task" } else { "tasks" }, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_still_runs() {
        let task = |group: &str, id: &str| Task {
            group: Some(group.to_owned()),
            task_arn: Some(format!("arn:aws:ecs:r:0:task/default/{id}")),
            ..Task::default()
        };
        let tasks = [
            task("service:web", "1"),
            task("family:batch", "3f2a91c0b7e4aaaa"),
            task("service:web", "2"),
            task("service:api", "3"),
        ];
        assert_eq!(
            summary(&tasks, 6),
            "6 tasks left: 1 of service api, 2 of service web, task 3f2a91c0b7e4 of no service, 2 stopping"
        );
        assert_eq!(summary(&[], 1), "1 task left: 1 stopping");
    }
}
