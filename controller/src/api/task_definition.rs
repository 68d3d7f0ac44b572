//! Task definitions: the handlers.

use berth_model::validate::{name, task_definition as validate};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::task_definitions_server::TaskDefinitions;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};
use super::error::Error;
use super::render::{tags, task_definition as render};

#[async_trait]
impl TaskDefinitions for Handlers {
    async fn register_task_definition(
        &self,
        request: Request<pb::RegisterTaskDefinitionRequest>,
    ) -> Answer<pb::RegisterTaskDefinitionResponse> {
        self.change(
            request,
            |request, view, admission| validate::register(request, view, admission),
            |key, view| {
                let definition = view.task_definition(&key).ok_or(Error::Vanished("the task definition"))?;
                Ok(pb::RegisterTaskDefinitionResponse {
                    task_definition: Some(render::task_definition(definition, view.scope())),
                    tags: tags(&definition.tags),
                })
            },
        )
        .await
    }

    async fn describe_task_definition(
        &self,
        request: Request<pb::DescribeTaskDefinitionRequest>,
    ) -> Answer<pb::DescribeTaskDefinitionResponse> {
        self.read(request, |request, view| {
            let definition = validate::describe(request, view)?;
            let include = name::members("include", &request.include)?;
            let with_tags = include.contains(&pb::TaskDefinitionField::Tags);
            Ok(pb::DescribeTaskDefinitionResponse {
                task_definition: Some(render::task_definition(definition, view.scope())),
                tags: if with_tags { tags(&definition.tags) } else { Vec::new() },
            })
        })
        .await
    }

    async fn list_task_definition_families(
        &self,
        request: Request<pb::ListTaskDefinitionFamiliesRequest>,
    ) -> Answer<pb::ListTaskDefinitionFamiliesResponse> {
        self.read(request, |request, view| {
            let page = validate::list_families(request, view)?;
            let families = page.items.iter().map(ToString::to_string).collect();
            Ok(pb::ListTaskDefinitionFamiliesResponse { families, next_token: page.next_token })
        })
        .await
    }

    async fn list_task_definitions(
        &self,
        request: Request<pb::ListTaskDefinitionsRequest>,
    ) -> Answer<pb::ListTaskDefinitionsResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            let arns = page.items.iter().map(|key| view.scope().task_definition(key)).collect();
            Ok(pb::ListTaskDefinitionsResponse { task_definition_arns: arns, next_token: page.next_token })
        })
        .await
    }

    async fn deregister_task_definition(
        &self,
        request: Request<pb::DeregisterTaskDefinitionRequest>,
    ) -> Answer<pb::DeregisterTaskDefinitionResponse> {
        self.change(
            request,
            |request, view, _| validate::deregister(request, view),
            |key, view| {
                let definition = view.task_definition(&key).ok_or(Error::Vanished("the task definition"))?;
                Ok(pb::DeregisterTaskDefinitionResponse {
                    task_definition: Some(render::task_definition(definition, view.scope())),
                })
            },
        )
        .await
    }

    async fn delete_task_definitions(
        &self,
        request: Request<pb::DeleteTaskDefinitionsRequest>,
    ) -> Answer<pb::DeleteTaskDefinitionsResponse> {
        self.decide(
            request,
            |request, view, _| {
                validate::delete(request, view)
                    .map(|deletion| ((deletion.keys, deletion.failures), deletion.command))
            },
            |done| {
                let (keys, failures) = done.subject;
                let found = keys.iter().filter_map(|key| done.view.task_definition(key));
                let task_definitions =
                    found.map(|found| render::task_definition(found, done.view.scope())).collect();
                Ok(pb::DeleteTaskDefinitionsResponse { task_definitions, failures })
            },
        )
        .await
    }
}
