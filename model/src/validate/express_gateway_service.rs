//! Express gateway services: none can be made yet, so that whatever is asked of one is asked of one that is not there.

use berth_proto::ecs::v1 as pb;

use super::{given, name, unsupported};
use crate::error::{ApiError, Exception};
use crate::state::State;

/// CreateExpressGatewayService.
pub fn create(request: &pb::CreateExpressGatewayServiceRequest, view: &State) -> ApiError {
    let checked = given("infrastructureRoleArn", request.infrastructure_role_arn.as_deref())
        .and_then(|_| name::active_cluster(request.cluster.as_deref(), view));
    match checked {
        Ok(_) => unsupported("An Express gateway service"),
        Err(refused) => refused,
    }
}

/// DescribeExpressGatewayService.
pub fn absent(arn: Option<&str>) -> ApiError {
    match given("Service", arn) {
        Ok(arn) => ApiError::new(Exception::ResourceNotFound, format!("Service not found: {arn}.")),
        Err(blank) => blank,
    }
}

/// UpdateExpressGatewayService and DeleteExpressGatewayService, which have an exception of their own for it.
pub fn unchangeable(arn: Option<&str>) -> ApiError {
    match given("Service", arn) {
        Ok(_) => ApiError::service_not_found(),
        Err(blank) => blank,
    }
}
