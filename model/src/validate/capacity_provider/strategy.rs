//! Capacity provider strategies: how tasks are divided between providers.

use berth_proto::ecs::v1 as pb;

use crate::error::ApiError;

/// Source: ECS API, `CapacityProviderStrategyItem`.
const ITEMS: usize = 20;
const WEIGHTS: std::ops::RangeInclusive<i32> = 0..=1_000;
const BASES: std::ops::RangeInclusive<i32> = 0..=100_000;

/// Refuses a strategy that no cluster could follow.
fn check(items: &[pb::CapacityProviderStrategyItem]) -> Result<(), ApiError> {
    if items.len() > ITEMS {
        return Err(ApiError::invalid(format!("A strategy can have at most {ITEMS} capacity providers.")));
    }
    for item in items {
        if item.capacity_provider().is_empty() {
            return Err(ApiError::invalid("capacityProvider can not be blank."));
        }
        if !WEIGHTS.contains(&item.weight()) || !BASES.contains(&item.base()) {
            let text = "The weight of a capacity provider must be between 0 and 1000, its base between 0 and 100000.";
            return Err(ApiError::invalid(text));
        }
    }
    if items.iter().filter(|item| item.base() > 0).count() > 1 {
        return Err(ApiError::invalid("Only one capacity provider of a strategy can have a base."));
    }
    if items.len() > 1 && items.iter().all(|item| item.weight() == 0) {
        let text = "A strategy with more than one capacity provider needs one with a weight above 0.";
        return Err(ApiError::invalid(text));
    }
    let is_fargate =
        |item: &pb::CapacityProviderStrategyItem| item.capacity_provider().starts_with("FARGATE");
    if items.iter().any(is_fargate) && !items.iter().all(is_fargate) {
        let text = "A capacity provider strategy cannot contain a mix of capacity providers using Auto Scaling \
                    groups and Fargate providers. Specify one or the other and try again.";
        return Err(ApiError::invalid(text));
    }
    Ok(())
}

/// A cluster's default strategy, as ECS shows it: weights and bases filled in.
pub(super) fn of_cluster(
    items: &[pb::CapacityProviderStrategyItem],
    providers: &[String],
) -> Result<Vec<pb::CapacityProviderStrategyItem>, ApiError> {
    check(items)?;
    let unknown = items.iter().any(|item| providers.iter().all(|known| known != item.capacity_provider()));
    if unknown {
        let text = "The specified capacity provider strategy cannot contain a capacity provider that is not \
                    associated with the cluster. Associate the capacity provider with the cluster and try again.";
        return Err(ApiError::invalid(text));
    }
    let filled = |item: &pb::CapacityProviderStrategyItem| pb::CapacityProviderStrategyItem {
        weight: Some(item.weight()),
        base: Some(item.base()),
        ..item.clone()
    };
    Ok(items.iter().map(filled).collect())
}
