//! Services: the handlers.

use berth_model::validate::service as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::services_server::Services;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};
use super::error::Error;
use super::render::{Tags, service as render};

const GONE: Error = Error::Vanished("the service");

#[async_trait]
impl Services for Handlers {
    async fn create_service(
        &self,
        request: Request<pb::CreateServiceRequest>,
    ) -> Answer<pb::CreateServiceResponse> {
        self.change(request, validate::create, |key, view| {
            let service = view.service(&key).ok_or(GONE)?;
            Ok(pb::CreateServiceResponse { service: Some(render::service(service, view, Tags::Shown)) })
        })
        .await
    }

    async fn describe_services(
        &self,
        request: Request<pb::DescribeServicesRequest>,
    ) -> Answer<pb::DescribeServicesResponse> {
        self.read(request, |request, view| {
            let (found, failures) = validate::describe(request, view)?;
            let tags = Tags::if_included(&request.include, pb::ServiceField::Tags)?;
            let services = found.into_iter().map(|service| render::service(service, view, tags)).collect();
            Ok(pb::DescribeServicesResponse { services, failures })
        })
        .await
    }

    /// There are no namespaces yet, so none of them has services.
    async fn list_services_by_namespace(
        &self,
        request: Request<pb::ListServicesByNamespaceRequest>,
    ) -> Answer<pb::ListServicesByNamespaceResponse> {
        self.read(request, |request, _| Err(validate::no_namespace(request))).await
    }

    async fn list_services(
        &self,
        request: Request<pb::ListServicesRequest>,
    ) -> Answer<pb::ListServicesResponse> {
        self.read(request, |request, view| {
            let page = validate::list(request, view)?;
            let service_arns = page.items.iter().map(|key| view.scope().service(key)).collect();
            Ok(pb::ListServicesResponse { service_arns, next_token: page.next_token })
        })
        .await
    }

    async fn update_service(
        &self,
        request: Request<pb::UpdateServiceRequest>,
    ) -> Answer<pb::UpdateServiceResponse> {
        self.change(request, validate::update, |key, view| {
            let service = view.service(&key).ok_or(GONE)?;
            Ok(pb::UpdateServiceResponse { service: Some(render::service(service, view, Tags::Shown)) })
        })
        .await
    }

    async fn delete_service(
        &self,
        request: Request<pb::DeleteServiceRequest>,
    ) -> Answer<pb::DeleteServiceResponse> {
        self.change(
            request,
            |request, view, _| validate::delete(request, view),
            |key, view| {
                let service = view.service(&key).ok_or(GONE)?;
                Ok(pb::DeleteServiceResponse { service: Some(render::service(service, view, Tags::Shown)) })
            },
        )
        .await
    }
}
