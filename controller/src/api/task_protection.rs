//! Protection of tasks from scale-in: the handlers.

use berth_model::state::State;
use berth_model::time::Timestamp;
use berth_model::validate::task_protection::{self as validate, Protected};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::task_protections_server::TaskProtections;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};

#[async_trait]
impl TaskProtections for Handlers {
    async fn get_task_protection(
        &self,
        request: Request<pb::GetTaskProtectionRequest>,
    ) -> Answer<pb::GetTaskProtectionResponse> {
        let now = self.shared().now();
        self.read(request, |request, view| {
            let protected = validate::get(request, view, now)?;
            let protected_tasks = render(&protected, view, now);
            Ok(pb::GetTaskProtectionResponse { protected_tasks, failures: protected.failures })
        })
        .await
    }

    async fn update_task_protection(
        &self,
        request: Request<pb::UpdateTaskProtectionRequest>,
    ) -> Answer<pb::UpdateTaskProtectionResponse> {
        let now = self.shared().now();
        self.change(
            request,
            |request, view, admission| validate::update(request, view, admission),
            |protected, view| {
                let protected_tasks = render(&protected, view, now);
                Ok(pb::UpdateTaskProtectionResponse { protected_tasks, failures: protected.failures })
            },
        )
        .await
    }
}

fn render(protected: &Protected, view: &State, now: Timestamp) -> Vec<pb::ProtectedTask> {
    let render = |id: &berth_model::id::TaskId| {
        let until = view.protected_until(*id, now);
        pb::ProtectedTask {
            task_arn: Some(view.scope().task(&protected.cluster, *id)),
            protection_enabled: Some(until.is_some()),
            expiration_date: until.map(Timestamp::to_message),
        }
    };
    protected.tasks.iter().map(render).collect()
}
