//! Gateways: the handlers.

use berth_model::validate::gateway as validate;
use berth_proto::ecs::v1 as pb;
use berth_proto::ecs::v1::gateways_server::Gateways;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers};

#[async_trait]
impl Gateways for Handlers {
    async fn create_gateway(
        &self,
        request: Request<pb::CreateGatewayRequest>,
    ) -> Answer<pb::CreateGatewayResponse> {
        self.read(request, |request, _| Err(validate::create(request))).await
    }

    async fn describe_gateway(
        &self,
        request: Request<pb::DescribeGatewayRequest>,
    ) -> Answer<pb::DescribeGatewayResponse> {
        self.read(request, |request, _| Err(validate::absent(request.gateway.as_deref()))).await
    }

    async fn describe_gateway_resources(
        &self,
        request: Request<pb::DescribeGatewayResourcesRequest>,
    ) -> Answer<pb::DescribeGatewayResourcesResponse> {
        self.read(request, |request, _| Err(validate::absent(request.gateway.as_deref()))).await
    }

    async fn update_gateway(
        &self,
        request: Request<pb::UpdateGatewayRequest>,
    ) -> Answer<pb::UpdateGatewayResponse> {
        self.read(request, |request, _| Err(validate::absent(request.gateway.as_deref()))).await
    }

    async fn delete_gateway(
        &self,
        request: Request<pb::DeleteGatewayRequest>,
    ) -> Answer<pb::DeleteGatewayResponse> {
        self.read(request, |request, _| Err(validate::absent(request.gateway.as_deref()))).await
    }

    async fn list_gateways(
        &self,
        request: Request<pb::ListGatewaysRequest>,
    ) -> Answer<pb::ListGatewaysResponse> {
        self.read(request, |request, _| {
            let page = validate::list(request)?;
            Ok(pb::ListGatewaysResponse { gateways: page.items, next_token: page.next_token })
        })
        .await
    }

    async fn describe_gateway_route(
        &self,
        request: Request<pb::DescribeGatewayRouteRequest>,
    ) -> Answer<pb::DescribeGatewayRouteResponse> {
        self.read(request, |request, _| Err(validate::absent_route(request))).await
    }

    async fn list_gateway_routes(
        &self,
        request: Request<pb::ListGatewayRoutesRequest>,
    ) -> Answer<pb::ListGatewayRoutesResponse> {
        self.read(request, |request, _| {
            let page = validate::list_routes(request)?;
            Ok(pb::ListGatewayRoutesResponse { gateway_routes: page.items, next_token: page.next_token })
        })
        .await
    }

    async fn associate_gateway_with_cluster(
        &self,
        request: Request<pb::AssociateGatewayWithClusterRequest>,
    ) -> Answer<pb::AssociateGatewayWithClusterResponse> {
        self.read(request, |request, view| {
            Err(validate::absent_from(request.cluster.as_deref(), request.gateway.as_deref(), view))
        })
        .await
    }

    async fn disassociate_gateway_from_cluster(
        &self,
        request: Request<pb::DisassociateGatewayFromClusterRequest>,
    ) -> Answer<pb::DisassociateGatewayFromClusterResponse> {
        self.read(request, |request, view| {
            Err(validate::absent_from(request.cluster.as_deref(), request.gateway.as_deref(), view))
        })
        .await
    }

    async fn list_gateway_cluster_associations(
        &self,
        request: Request<pb::ListGatewayClusterAssociationsRequest>,
    ) -> Answer<pb::ListGatewayClusterAssociationsResponse> {
        self.read(request, |request, _| {
            let page = validate::list_associations(request)?;
            Ok(pb::ListGatewayClusterAssociationsResponse {
                gateway_cluster_associations: page.items,
                next_token: page.next_token,
            })
        })
        .await
    }
}
