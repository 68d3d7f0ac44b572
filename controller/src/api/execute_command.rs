//! ExecuteCommand: the handler.

use berth_model::error::{ApiError, Exception};
use berth_model::validate::execute_command as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::commands_server::Commands;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};

#[async_trait]
impl Commands for Handlers {
    async fn execute_command(
        &self,
        request: Request<pb::ExecuteCommandRequest>,
    ) -> Answer<pb::ExecuteCommandResponse> {
        self.read(request, |request, view| {
            let (task, container) = validate::check(request, view)?;
            let text = format!("A command in container {container} of task {task} is not supported yet.");
            Err(ApiError::new(Exception::UnsupportedFeature, text))
        })
        .await
    }
}
