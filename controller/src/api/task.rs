//! Tasks: the handlers.

use berth_model::command::Outcome;
use berth_model::state::State;
use berth_model::validate::task::Start;
use berth_model::validate::{Decided, name, task as validate};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::tasks_server::Tasks;
use tonic::{Request, async_trait};

use super::call::{Answer, Done, Handlers};
use super::error::Error;
use super::render::{Tags, task as render};

#[async_trait]
impl Tasks for Handlers {
    async fn run_task(&self, request: Request<pb::RunTaskRequest>) -> Answer<pb::RunTaskResponse> {
        self.decide(
            request,
            |request, view, admission| decision(validate::run(request, view, admission)?),
            |done| {
                let (tasks, failures) = started(&done);
                Ok(pb::RunTaskResponse { tasks, failures })
            },
        )
        .await
    }

    async fn start_task(&self, request: Request<pb::StartTaskRequest>) -> Answer<pb::StartTaskResponse> {
        self.decide(
            request,
            |request, view, admission| decision(validate::start(request, view, admission)?),
            |done| {
                let (tasks, failures) = started(&done);
                Ok(pb::StartTaskResponse { tasks, failures })
            },
        )
        .await
    }

    async fn stop_task(&self, request: Request<pb::StopTaskRequest>) -> Answer<pb::StopTaskResponse> {
        self.change(
            request,
            |request, view, _| validate::stop(request, view),
            |id, view| {
                let task = view.task(id).ok_or(Error::Vanished("the task"))?;
                Ok(pb::StopTaskResponse { task: Some(render::task(task, view, Tags::Shown)) })
            },
        )
        .await
    }

    async fn describe_tasks(
        &self,
        request: Request<pb::DescribeTasksRequest>,
    ) -> Answer<pb::DescribeTasksResponse> {
        self.read(request, |request, view| {
            let (found, failures) = validate::describe(request, view)?;
            let tags = Tags::if_included(&request.include, pb::TaskField::Tags)?;
            let tasks = found.into_iter().map(|task| render::task(task, view, tags)).collect();
            Ok(pb::DescribeTasksResponse { tasks, failures })
        })
        .await
    }

    async fn list_tasks(&self, request: Request<pb::ListTasksRequest>) -> Answer<pb::ListTasksResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            let cluster = name::cluster(request.cluster.as_deref(), view)?;
            let task_arns = page.items.iter().map(|id| view.scope().task(&cluster, *id)).collect();
            Ok(pb::ListTasksResponse { task_arns, next_token: page.next_token })
        })
        .await
    }
}

fn decision(mut start: Start) -> Decided<Start> {
    let command = start.command.take();
    Ok((start, command))
}

/// The tasks that are there, and a failure for each that could not be placed, or no longer fitted when it was to be.
fn started(done: &Done<Start>) -> (Vec<pb::Task>, Vec<pb::Failure>) {
    let view: &State = &done.view;
    let found = done.subject.tasks.iter().filter_map(|id| view.task(*id));
    let tasks = found.map(|task| render::task(task, view, Tags::Shown)).collect();
    let mut failures = done.subject.failures.clone();
    if let Outcome::Started { refused } = &done.outcome {
        let cluster = &done.subject.cluster;
        failures.extend(refused.iter().flat_map(|refused| validate::refusal(cluster, refused, view)));
    }
    (tasks, failures)
}
