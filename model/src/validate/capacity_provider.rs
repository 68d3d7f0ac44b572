//! Capacity providers: what may be asked of them. They are kept and shown; nothing scales by them yet.

use berth_proto::ecs::v1 as pb;

use super::page::{self, Order};
use super::{Accepted, Admission, failure, name, tag, unsupported};
use crate::capacity_provider::{BUILT_IN, CapacityProvider, used_by};
use crate::cluster::Cluster;
use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::id::ClusterName;
use crate::limits::{CAPACITY_PROVIDERS, NAMES_PER_DESCRIBE};
use crate::state::State;
use crate::wire::Wire;

mod strategy;

/// Names that AWS keeps for itself. Source: ECS API, `CreateCapacityProvider.name`.
const RESERVED: [&str; 3] = ["aws", "ecs", "fargate"];

/// Entries of a page. Source: ECS API, `DescribeCapacityProviders.maxResults`.
const PAGE: usize = 10;

/// What DescribeCapacityProviders shows: a page, and what was not found.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Names of those that are there; some of them built in.
    pub page: page::Page<String>,
    /// Those that are not.
    pub failures: Vec<pb::Failure>,
}

/// CreateCapacityProvider.
pub fn create(
    request: &pb::CreateCapacityProviderRequest,
    view: &State,
    admission: &Admission,
) -> Accepted<String> {
    let wanted = request.name();
    if !name::is_name(wanted) {
        return Err(ApiError::client(
            "The specified capacity provider name is invalid. Up to 255 letters, numbers, underscores and hyphens are allowed.",
        ));
    }
    let lower = wanted.to_ascii_lowercase();
    if RESERVED.iter().any(|reserved| lower.starts_with(reserved)) {
        let text = "The specified capacity provider name is invalid. The name cannot be prefixed with 'aws', 'ecs' \
                    or 'fargate'.";
        return Err(ApiError::client(text));
    }
    if view.capacity_provider(wanted).is_some() {
        let text = "The specified capacity provider already exists. To change the configuration of an existing \
                    capacity provider, update the capacity provider.";
        return Err(ApiError::client(text));
    }
    if view.capacity_providers().count() >= CAPACITY_PROVIDERS {
        let text = format!("At most {CAPACITY_PROVIDERS} capacity providers are allowed. Delete one first.");
        return Err(ApiError::new(Exception::LimitExceeded, text));
    }
    check_cluster(request.cluster.as_deref(), view)?;
    if request.managed_instances_provider.is_some() {
        return Err(unsupported("A capacity provider of managed instances"));
    }
    let group = request.auto_scaling_group_provider.as_ref();
    let group = group.ok_or_else(|| ApiError::invalid("autoScalingGroupProvider can not be blank."))?;
    if group.auto_scaling_group_arn().is_empty() {
        return Err(ApiError::invalid("autoScalingGroupArn can not be blank."));
    }
    let spec = pb::CapacityProvider {
        auto_scaling_group_provider: Some(with_defaults(group.clone())?),
        tags: tag::render(&tag::parse(&request.tags)?),
        ..pb::CapacityProvider::default()
    };
    let provider = CapacityProvider {
        name: wanted.to_owned(),
        cluster: None,
        created_at: admission.now,
        spec: Wire::new(spec),
    };
    Ok((provider.name.clone(), Command::PutCapacityProvider(Box::new(provider))))
}

/// UpdateCapacityProvider. What is not given stays.
pub fn update(request: &pb::UpdateCapacityProviderRequest, view: &State) -> Accepted<String> {
    check_cluster(request.cluster.as_deref(), view)?;
    let mut provider = own(request.name(), view)?.clone();
    if request.managed_instances_provider.is_some() {
        return Err(unsupported("A capacity provider of managed instances"));
    }
    let update = request.auto_scaling_group_provider.as_ref();
    let update = update.ok_or_else(|| ApiError::invalid("autoScalingGroupProvider can not be blank."))?;
    let mut spec = provider.spec.to_owned_message();
    let mut group = spec.auto_scaling_group_provider.take().unwrap_or_default();
    if let Some(scaling) = &update.managed_scaling {
        let mut kept = group.managed_scaling.unwrap_or_default();
        kept.status = scaling.status.or(kept.status);
        kept.target_capacity = scaling.target_capacity.or(kept.target_capacity);
        kept.minimum_scaling_step_size = scaling.minimum_scaling_step_size.or(kept.minimum_scaling_step_size);
        kept.maximum_scaling_step_size = scaling.maximum_scaling_step_size.or(kept.maximum_scaling_step_size);
        kept.instance_warmup_period = scaling.instance_warmup_period.or(kept.instance_warmup_period);
        group.managed_scaling = Some(kept);
    }
    let protection = update.managed_termination_protection;
    group.managed_termination_protection = protection.or(group.managed_termination_protection);
    group.managed_draining = update.managed_draining.or(group.managed_draining);
    spec.auto_scaling_group_provider = Some(with_defaults(group)?);
    provider.spec = Wire::new(spec);
    Ok((provider.name.clone(), Command::PutCapacityProvider(Box::new(provider))))
}

/// DeleteCapacityProvider. The answer shows it as it was.
pub fn delete(request: &pb::DeleteCapacityProviderRequest, view: &State) -> Accepted<CapacityProvider> {
    check_cluster(request.cluster.as_deref(), view)?;
    let given = request.capacity_provider();
    let provider = own(given, view)?;
    if let Some(cluster) = used_by(view, &provider.name) {
        let text = format!(
            "The capacity provider cannot be deleted because it is associated with cluster: {cluster}. Remove the \
             capacity provider from the cluster and try again."
        );
        return Err(ApiError::invalid(text));
    }
    Ok((provider.clone(), Command::DeleteCapacityProvider(provider.name.clone())))
}

/// DescribeCapacityProviders. None named means all.
pub fn describe(request: &pb::DescribeCapacityProvidersRequest, view: &State) -> Result<Described, ApiError> {
    check_cluster(request.cluster.as_deref(), view)?;
    name::members::<pb::CapacityProviderField>("include", &request.include)?;
    if request.max_results.is_some_and(|asked| !(1..=10).contains(&asked)) {
        let asked = request.max_results();
        return Err(ApiError::invalid(format!("maxResults must be between 1 and 10, is {asked}.")));
    }
    let named = &request.capacity_providers;
    if named.len() > NAMES_PER_DESCRIBE {
        let text = format!("capacityProviders cannot have more than {NAMES_PER_DESCRIBE} elements.");
        return Err(ApiError::invalid(text));
    }
    let mut failures = Vec::new();
    let mut found = Vec::new();
    for reference in named {
        let name = short(reference, view)?;
        if BUILT_IN.contains(&name) || view.capacity_provider(name).is_some() {
            found.push(name.to_owned());
        } else {
            failures.push(failure(view.scope().capacity_provider(name), "MISSING", None));
        }
    }
    if named.is_empty() {
        let made = view.capacity_providers().map(|provider| provider.name.clone());
        found = BUILT_IN.map(str::to_owned).into_iter().chain(made).collect();
    }
    found.dedup();
    let bounds =
        page::parse(request.next_token.as_deref(), request.max_results, PAGE.max(found.len().min(10)))?;
    Ok(Described { page: bounds.cut(found, Order::Ascending, Clone::clone), failures })
}

/// PutClusterCapacityProviders. Both lists are replaced as they are given.
pub fn put_of_cluster(
    request: &pb::PutClusterCapacityProvidersRequest,
    view: &State,
) -> Accepted<ClusterName> {
    let reference = request.cluster.as_deref().filter(|text| !text.is_empty());
    let reference = reference.ok_or_else(|| ApiError::invalid("Cluster can not be blank."))?;
    let mut cluster = name::active_cluster(Some(reference), view)?.clone();
    let mut spec = cluster.spec.to_owned_message();
    spec.capacity_providers = providers(&request.capacity_providers, view)?;
    spec.default_capacity_provider_strategy =
        strategy::of_cluster(&request.default_capacity_provider_strategy, &spec.capacity_providers)?;
    cluster.spec = Wire::new(spec);
    Ok((cluster.name.clone(), Command::UpdateCluster(cluster)))
}

/// The providers that a cluster is to have, each of which must be there.
pub(super) fn providers(references: &[String], view: &State) -> Result<Vec<String>, ApiError> {
    let mut names: Vec<String> = Vec::new();
    for reference in references {
        let name = short(reference, view)?;
        if !BUILT_IN.contains(&name) && view.capacity_provider(name).is_none() {
            let text =
                "The specified capacity provider was not found. Specify a valid name or ARN and try again.";
            return Err(ApiError::invalid(text));
        }
        if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }
    if names.len() > CAPACITY_PROVIDERS {
        let text = format!("A cluster can have at most {CAPACITY_PROVIDERS} capacity providers.");
        return Err(ApiError::invalid(text));
    }
    Ok(names)
}

/// The strategy that a cluster is to have, whose providers it must have.
pub(super) fn default_strategy(
    items: &[pb::CapacityProviderStrategyItem],
    providers: &[String],
) -> Result<Vec<pb::CapacityProviderStrategyItem>, ApiError> {
    strategy::of_cluster(items, providers)
}

/// Refuses what would follow a cluster's default strategy, which nothing here can follow yet.
pub(super) fn check_default(cluster: &Cluster, launch_type: Option<i32>) -> Result<(), ApiError> {
    if launch_type.is_none() && !cluster.spec.default_capacity_provider_strategy.is_empty() {
        return Err(unsupported(
            "The default capacity provider strategy of a cluster, unless a launchType is given,",
        ));
    }
    Ok(())
}

/// A cluster is named for managed instances alone; one that is named has to be there all the same.
fn check_cluster(reference: Option<&str>, view: &State) -> Result<(), ApiError> {
    match reference.filter(|text| !text.is_empty()) {
        Some(reference) => name::active_cluster(Some(reference), view).map(drop),
        None => Ok(()),
    }
}

/// One that somebody made, by name or ARN.
fn own<'a>(reference: &str, view: &'a State) -> Result<&'a CapacityProvider, ApiError> {
    let name = short(reference, view)?;
    if BUILT_IN.contains(&name) {
        let text = "The specified capacity provider is reserved and cannot be changed or deleted.";
        return Err(ApiError::invalid(text));
    }
    view.capacity_provider(name).ok_or_else(|| {
        ApiError::invalid(
            "The specified capacity provider does not exist. Specify a valid name or ARN and try again.",
        )
    })
}

fn short<'a>(reference: &'a str, view: &State) -> Result<&'a str, ApiError> {
    name::check_region(reference, view)?;
    crate::arn::resource_part("capacity-provider", reference)
        .map_err(|_| ApiError::invalid(format!("Invalid capacity provider ARN: {reference}.")))
}

/// What ECS fills in. Source: ECS API, `ManagedScaling`.
fn with_defaults(mut group: pb::AutoScalingGroupProvider) -> Result<pb::AutoScalingGroupProvider, ApiError> {
    let scaling = group.managed_scaling.get_or_insert_default();
    name::member::<pb::ManagedScalingStatus>("managedScaling.status", scaling.status)?;
    scaling.status.get_or_insert(pb::ManagedScalingStatus::Disabled as i32);
    let rows = [
        ("targetCapacity", &mut scaling.target_capacity, 1..=100, 100),
        ("minimumScalingStepSize", &mut scaling.minimum_scaling_step_size, 1..=10_000, 1),
        ("maximumScalingStepSize", &mut scaling.maximum_scaling_step_size, 1..=10_000, 10_000),
        ("instanceWarmupPeriod", &mut scaling.instance_warmup_period, 0..=10_000, 300),
    ];
    for (member, value, range, default) in rows {
        let value = value.get_or_insert(default);
        if !range.contains(value) {
            let (least, most) = (range.start(), range.end());
            return Err(ApiError::invalid(format!(
                "{member} must be between {least} and {most}, is {value}."
            )));
        }
    }
    let enabled = scaling.status() == pb::ManagedScalingStatus::Enabled;
    let protection = name::member::<pb::ManagedTerminationProtection>(
        "managedTerminationProtection",
        group.managed_termination_protection,
    )?;
    if protection == Some(pb::ManagedTerminationProtection::Enabled) && !enabled {
        let text = "The managed termination protection setting for the capacity provider is invalid. To enable \
                    managed termination protection for a capacity provider, managed scaling must be enabled.";
        return Err(ApiError::invalid(text));
    }
    let protection = protection.unwrap_or(pb::ManagedTerminationProtection::Disabled);
    group.managed_termination_protection = Some(protection.into());
    let draining = name::member::<pb::ManagedDraining>("managedDraining", group.managed_draining)?;
    group.managed_draining = Some(draining.unwrap_or(pb::ManagedDraining::Enabled).into());
    Ok(group)
}
