//! Container instances and their attributes: the handlers.

use berth_model::validate::{container_instance as validate, name};
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::container_instances_server::ContainerInstances;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};
use super::error::Error;
use super::render::container_instance::{self as render, Include};

const GONE: Error = Error::Vanished("the container instance");

#[async_trait]
impl ContainerInstances for Handlers {
    async fn register_container_instance(
        &self,
        request: Request<pb::RegisterContainerInstanceRequest>,
    ) -> Answer<pb::RegisterContainerInstanceResponse> {
        self.change(request, validate::register, |id, view| {
            let instance = render::instance(view.instance(id).ok_or(GONE)?, view, Include::ECHO);
            Ok(pb::RegisterContainerInstanceResponse { container_instance: Some(instance) })
        })
        .await
    }

    async fn describe_container_instances(
        &self,
        request: Request<pb::DescribeContainerInstancesRequest>,
    ) -> Answer<pb::DescribeContainerInstancesResponse> {
        self.read(request, |request, view| {
            let (found, failures) = validate::describe(request, view)?;
            let include = Include::new(&name::members("include", &request.include)?);
            let container_instances =
                found.into_iter().map(|instance| render::instance(instance, view, include)).collect();
            Ok(pb::DescribeContainerInstancesResponse { container_instances, failures })
        })
        .await
    }

    async fn list_container_instances(
        &self,
        request: Request<pb::ListContainerInstancesRequest>,
    ) -> Answer<pb::ListContainerInstancesResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            let cluster = name::cluster(request.cluster.as_deref(), view)?;
            let arns = page.items.iter().map(|id| view.scope().container_instance(&cluster, *id)).collect();
            Ok(pb::ListContainerInstancesResponse {
                container_instance_arns: arns,
                next_token: page.next_token,
            })
        })
        .await
    }

    async fn update_container_instances_state(
        &self,
        request: Request<pb::UpdateContainerInstancesStateRequest>,
    ) -> Answer<pb::UpdateContainerInstancesStateResponse> {
        self.decide(
            request,
            |request, view, _| {
                validate::update_state(request, view)
                    .map(|update| ((update.ids, update.failures), update.command))
            },
            |done| {
                let (ids, failures) = done.subject;
                let found = ids.iter().filter_map(|id| done.view.instance(*id));
                let container_instances =
                    found.map(|instance| render::instance(instance, &done.view, Include::ECHO)).collect();
                Ok(pb::UpdateContainerInstancesStateResponse { container_instances, failures })
            },
        )
        .await
    }

    async fn update_container_agent(
        &self,
        request: Request<pb::UpdateContainerAgentRequest>,
    ) -> Answer<pb::UpdateContainerAgentResponse> {
        self.read(request, |request, view| Err(validate::no_update(request, view))).await
    }

    async fn deregister_container_instance(
        &self,
        request: Request<pb::DeregisterContainerInstanceRequest>,
    ) -> Answer<pb::DeregisterContainerInstanceResponse> {
        self.change(
            request,
            |request, view, _| validate::deregister(request, view),
            |id, view| {
                let instance = render::instance(view.instance(id).ok_or(GONE)?, view, Include::ECHO);
                Ok(pb::DeregisterContainerInstanceResponse { container_instance: Some(instance) })
            },
        )
        .await
    }

    async fn put_attributes(
        &self,
        request: Request<pb::PutAttributesRequest>,
    ) -> Answer<pb::PutAttributesResponse> {
        self.change(
            request,
            |request, view, _| validate::put_attributes(request, view),
            |attributes, _| Ok(pb::PutAttributesResponse { attributes }),
        )
        .await
    }

    async fn list_attributes(
        &self,
        request: Request<pb::ListAttributesRequest>,
    ) -> Answer<pb::ListAttributesResponse> {
        self.read(request, |request, view| {
            let page = validate::list_attributes(request, view)?;
            Ok(pb::ListAttributesResponse { attributes: page.items, next_token: page.next_token })
        })
        .await
    }

    async fn delete_attributes(
        &self,
        request: Request<pb::DeleteAttributesRequest>,
    ) -> Answer<pb::DeleteAttributesResponse> {
        self.change(
            request,
            |request, view, _| validate::delete_attributes(request, view),
            |attributes, _| Ok(pb::DeleteAttributesResponse { attributes }),
        )
        .await
    }
}
