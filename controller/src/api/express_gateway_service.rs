//! Express gateway services: the handlers.

use berth_model::validate::express_gateway_service as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::express_gateway_services_server::ExpressGatewayServices;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};

#[async_trait]
impl ExpressGatewayServices for Handlers {
    async fn create_express_gateway_service(
        &self,
        request: Request<pb::CreateExpressGatewayServiceRequest>,
    ) -> Answer<pb::CreateExpressGatewayServiceResponse> {
        self.read(request, |request, view| Err(validate::create(request, view))).await
    }

    async fn describe_express_gateway_service(
        &self,
        request: Request<pb::DescribeExpressGatewayServiceRequest>,
    ) -> Answer<pb::DescribeExpressGatewayServiceResponse> {
        self.read(request, |request, _| Err(validate::absent(request.service_arn.as_deref()))).await
    }

    async fn update_express_gateway_service(
        &self,
        request: Request<pb::UpdateExpressGatewayServiceRequest>,
    ) -> Answer<pb::UpdateExpressGatewayServiceResponse> {
        self.read(request, |request, _| Err(validate::unchangeable(request.service_arn.as_deref()))).await
    }

    async fn delete_express_gateway_service(
        &self,
        request: Request<pb::DeleteExpressGatewayServiceRequest>,
    ) -> Answer<pb::DeleteExpressGatewayServiceResponse> {
        self.read(request, |request, _| Err(validate::unchangeable(request.service_arn.as_deref()))).await
    }
}
