//! Gateways: none can be made yet, so that whatever is asked of one is asked of one that is not there.

use berth_proto::ecs::v1 as pb;

use super::{Listed, given, name, page, unsupported};
use crate::error::{ApiError, Exception};
use crate::state::State;

/// CreateGateway.
pub fn create(request: &pb::CreateGatewayRequest) -> ApiError {
    let load_balancer = request.configuration.as_ref().and_then(|given| given.host_shared_alb.as_ref());
    let missing = [
        (request.name().is_empty(), "name"),
        (request.infrastructure_role_arn().is_empty(), "infrastructureRoleArn"),
        (load_balancer.is_none(), "configuration.hostSharedAlb"),
    ];
    match missing.into_iter().find(|(is_missing, _)| *is_missing) {
        Some((_, member)) => ApiError::invalid(format!("{member} can not be blank.")),
        None => unsupported("A gateway"),
    }
}

/// The refusal of a call that is about one gateway.
pub fn absent(gateway: Option<&str>) -> ApiError {
    match given("Gateway", gateway) {
        Ok(_) => not_found(),
        Err(blank) => blank,
    }
}

/// The same, of a call that is about a cluster as well.
pub fn absent_from(cluster: Option<&str>, gateway: Option<&str>, view: &State) -> ApiError {
    match given("Cluster", cluster).and_then(|cluster| name::active_cluster(Some(cluster), view)) {
        Ok(_) => absent(gateway),
        Err(refused) => refused,
    }
}

/// DescribeGatewayRoute.
pub fn absent_route(request: &pb::DescribeGatewayRouteRequest) -> ApiError {
    match given("Gateway route", request.gateway_route_arn.as_deref()) {
        Ok(arn) => ApiError::new(Exception::ResourceNotFound, format!("Gateway route not found: {arn}.")),
        Err(blank) => blank,
    }
}

/// ListGateways.
pub fn list(request: &pb::ListGatewaysRequest) -> Listed<pb::GatewaySummary> {
    name::members::<pb::GatewayStatus>("status", &request.status)?;
    page::none(request.next_token.as_deref(), request.max_results)
}

/// ListGatewayRoutes.
pub fn list_routes(request: &pb::ListGatewayRoutesRequest) -> Listed<pb::GatewayRouteSummary> {
    name::members::<pb::GatewayRouteStatus>("status", &request.status)?;
    if request.gateway.as_deref().is_some_and(|gateway| !gateway.is_empty()) {
        return Err(not_found());
    }
    page::none(request.next_token.as_deref(), request.max_results)
}

/// ListGatewayClusterAssociations.
pub fn list_associations(
    request: &pb::ListGatewayClusterAssociationsRequest,
) -> Listed<pb::GatewayClusterAssociationSummary> {
    name::members::<pb::GatewayClusterAssociationStatus>("status", &request.status)?;
    page::none(request.next_token.as_deref(), request.max_results)
}

fn not_found() -> ApiError {
    ApiError::new(Exception::GatewayNotFound, "Gateway not found.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_refused_for_what_is_wrong_with_it_before_what_is_missing_here() {
        let mut request = pb::CreateGatewayRequest::default();
        assert_eq!(create(&request).message, "name can not be blank.");
        request.name = Some("edge".to_owned());
        assert_eq!(create(&request).message, "infrastructureRoleArn can not be blank.");
        request.infrastructure_role_arn = Some("arn:aws:iam::000000000000:role/infra".to_owned());
        assert_eq!(create(&request).message, "configuration.hostSharedAlb can not be blank.");
        let host_shared_alb = Some(pb::HostSharedAlbConfiguration::default());
        request.configuration = Some(pb::GatewayConfiguration { host_shared_alb });
        assert_eq!(create(&request).exception, Exception::UnsupportedFeature);
    }

    #[test]
    fn a_gateway_that_is_named_is_not_found_and_one_that_is_not_is_asked_for() {
        assert_eq!(absent(Some("edge")).exception, Exception::GatewayNotFound);
        assert_eq!(absent(None).message, "Gateway can not be blank.");
    }
}
