//! `availabilityZoneRebalancing`: what a service must be like for it, and what holds when nothing is said.
//!
//! Source: ECS API: ENABLED when a service is created without a word about it, as it is when it is updated so.

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;
use crate::plan::rebalance::hindrance;
use crate::service::Service;
use crate::validate::name::member;
use crate::wire::Wire;

/// The same service with what was asked for. A service that could not be rebalanced is not, unless that was asked for.
pub(super) fn created(asked: Option<i32>, service: Service) -> Result<Service, ApiError> {
    use pb::AvailabilityZoneRebalancing::{Disabled, Enabled};
    let setting = match asked_for(asked)? {
        Some(Enabled) => check(&service).map(|()| Enabled)?,
        Some(Disabled) => Disabled,
        None if hindrance(&service).is_none() => Enabled,
        None => Disabled,
        Some(pb::AvailabilityZoneRebalancing::Unspecified) => Disabled,
    };
    let mut spec = service.spec.to_owned_message();
    spec.availability_zone_rebalancing = Some(setting.into());
    Ok(Service { spec: Wire::new(spec), ..service })
}

/// What was asked for, if anything was.
pub(super) fn asked_for(asked: Option<i32>) -> Result<Option<pb::AvailabilityZoneRebalancing>, ApiError> {
    member::<pb::AvailabilityZoneRebalancing>("availabilityZoneRebalancing", asked)
}

/// Refuses to rebalance a service that cannot be.
pub(super) fn check(service: &Service) -> Result<(), ApiError> {
    let Some(why) = hindrance(service) else { return Ok(()) };
    Err(ApiError::invalid(format!("Availability Zone rebalancing cannot be ENABLED for the service: {why}.")))
}
