//! What tasks ask through the agent of their instance: the handlers.

use std::sync::Arc;
use std::time::Duration;

use berth_model::error::ApiError;
use berth_model::id::Region;
use berth_model::state::View;
use berth_model::task::Task;
use berth_model::task_definition::TaskDefinition;
use berth_model::time::Timestamp;
use berth_model::validate::task_endpoint as validate;
use berth_process::token::proof::Proven;
use berth_proto::agent::v1 as pb;
use berth_proto::agent::v1::task_endpoints_server::TaskEndpoints;
use berth_proto::ecs::v1 as ecs;
use berth_proto::ecs::v1::task_protections_server::TaskProtections;
use tonic::{Request, Response, Status, async_trait};

use super::auth::TaskRole;
use super::call::{Answer, Handlers};
use super::error::{Error, IntoStatus};
use super::render;
use crate::region::Chosen;

mod log;
mod secrets;

/// How long credentials of a task are good. Source: ECS, six hours.
const CREDENTIALS: Duration = Duration::from_secs(6 * 60 * 60);

/// The agent that asks.
struct Caller {
    region: Option<Region>,
    proven: Proven,
}

#[async_trait]
impl TaskEndpoints for Handlers {
    async fn get_task_credentials(
        &self,
        request: Request<pb::GetTaskCredentialsRequest>,
    ) -> Answer<pb::GetTaskCredentialsResponse> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let asked = (&*request.container_instance_id, &*request.task_id);
        let (view, task, definition) = self.task(&caller, asked).await?;
        let Some(role_arn) = validate::task_role(&task, &definition, view.scope()) else {
            return Err(ApiError::client("The task has no role.").into_status());
        };
        let shared = self.shared();
        let until = shared.now().plus(CREDENTIALS);
        let role = TaskRole {
            role_arn: role_arn.clone(),
            task_id: task.id.to_string(),
            region: caller.region.as_ref().map(ToString::to_string),
            cluster: task.cluster.to_string(),
        };
        let made = shared.authenticator.issue_task_session(role, until.unix_ms(), &shared.parts.entropy);
        Ok(Response::new(pb::GetTaskCredentialsResponse {
            role_arn,
            access_key_id: made.access_key_id,
            secret_access_key: made.secret,
            session_token: made.token,
            expiration: Some(Timestamp::from_unix_ms(until.unix_ms()).to_message()),
        }))
    }

    async fn protect_task(
        &self,
        request: Request<pb::ProtectTaskRequest>,
    ) -> Answer<pb::ProtectTaskResponse> {
        let caller = Caller::of(&request);
        let (_, extensions, request) = request.into_parts();
        let asked = (&*request.container_instance_id, &*request.task_id);
        let (_, task, _) = self.task(&caller, asked).await?;
        let (cluster, tasks) = (Some(task.cluster.to_string()), vec![task.id.to_string()]);
        let (mut protected, mut failures) = if request.protection_enabled.is_some() {
            let mut update = Request::new(ecs::UpdateTaskProtectionRequest {
                cluster,
                tasks,
                protection_enabled: request.protection_enabled,
                expires_in_minutes: request.expires_in_minutes,
            });
            *update.extensions_mut() = extensions;
            let answer = self.update_task_protection(update).await?.into_inner();
            (answer.protected_tasks, answer.failures)
        } else {
            let mut get = Request::new(ecs::GetTaskProtectionRequest { cluster, tasks });
            *get.extensions_mut() = extensions;
            let answer = self.get_task_protection(get).await?.into_inner();
            (answer.protected_tasks, answer.failures)
        };
        Ok(Response::new(pb::ProtectTaskResponse { protection: protected.pop(), failure: failures.pop() }))
    }

    async fn get_task_tags(
        &self,
        request: Request<pb::GetTaskTagsRequest>,
    ) -> Answer<pb::GetTaskTagsResponse> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let asked = (&*request.container_instance_id, &*request.task_id);
        let (view, task, _) = self.task(&caller, asked).await?;
        let instance = view.instance(task.instance);
        Ok(Response::new(pb::GetTaskTagsResponse {
            task_tags: render::tags(&task.tags),
            container_instance_tags: instance.map(|it| it.spec.tags.clone()).unwrap_or_default(),
        }))
    }

    async fn get_container_secrets(
        &self,
        request: Request<pb::GetContainerSecretsRequest>,
    ) -> Answer<pb::GetContainerSecretsResponse> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let asked = (&*request.container_instance_id, &*request.task_id);
        let (view, task, definition) = self.task(&caller, asked).await?;
        let found = self.shared().container_secrets(&request.container, (&task, &definition), &view)?;
        Ok(Response::new(found))
    }

    async fn open_container_log(
        &self,
        request: Request<pb::OpenContainerLogRequest>,
    ) -> Answer<pb::OpenContainerLogResponse> {
        self.open_log(request).await?;
        Ok(Response::new(pb::OpenContainerLogResponse {}))
    }

    async fn put_container_log(
        &self,
        request: Request<pb::PutContainerLogRequest>,
    ) -> Answer<pb::PutContainerLogResponse> {
        let refused = self.put_log(request).await?.unwrap_or_default();
        Ok(Response::new(pb::PutContainerLogResponse { refused }))
    }
}

// === impl Caller ===

impl Caller {
    fn of<M>(request: &Request<M>) -> Self {
        Self { region: Chosen::of(request.extensions()).cloned(), proven: Proven::of(request.metadata()) }
    }
}

// === impl Handlers ===

impl Handlers {
    /// A task that runs on the instance whose agent asks.
    async fn task(
        &self,
        caller: &Caller,
        (container_instance, task): (&str, &str),
    ) -> Result<(View, Arc<Task>, Arc<TaskDefinition>), Status> {
        // Agents share one key: without this, one could ask for the secrets of another's tasks.
        caller.proven.check(container_instance)?;
        let view = self.shared().linearized_view(caller.region.as_ref()).await.map_err(Status::from)?;
        let found = validate::find(container_instance, task, &view).map_err(Error::from)?;
        let (task, definition) = (Arc::clone(found.0), Arc::clone(found.1));
        Ok((view, task, definition))
    }
}
