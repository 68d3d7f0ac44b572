//! Clusters: what may be asked of them.

use berth_proto::ecs::v1 as pb;

use super::page;
use super::{Accepted, Admission, Found, Listed, account_setting, capacity_provider, name, tag, unsupported};
use crate::cluster::{Cluster, ClusterStatus, check_empty};
use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::id::ClusterName;
use crate::limits::{CLUSTERS, NAMES_PER_DESCRIBE};
use crate::state::State;
use crate::wire::Wire;

/// CreateCluster. A cluster of that name that is ACTIVE already is the answer as it is.
pub fn create(
    request: &pb::CreateClusterRequest,
    view: &State,
    admission: &Admission,
) -> Accepted<ClusterName> {
    let name = name::new_cluster(request.cluster_name.as_deref())?;
    let tags = tag::parse(&request.tags)?;
    let capacity_providers = capacity_provider::providers(&request.capacity_providers, view)?;
    let strategy = &request.default_capacity_provider_strategy;
    let spec = pb::Cluster {
        tags: tag::render(&tags),
        default_capacity_provider_strategy: capacity_provider::default_strategy(
            strategy,
            &capacity_providers,
        )?,
        capacity_providers,
        settings: settings_of_new(&request.settings, view, admission)?,
        configuration: configuration(request.configuration.as_ref())?,
        service_connect_defaults: no_namespace(request.service_connect_defaults.as_ref())?,
        ..pb::Cluster::default()
    };
    if view.cluster(&name).is_none() && view.clusters().count() >= CLUSTERS {
        let message = format!("At most {CLUSTERS} clusters are allowed. Delete one first.");
        return Err(ApiError::new(Exception::LimitExceeded, message));
    }
    let cluster = Cluster {
        name: name.clone(),
        status: ClusterStatus::Active,
        created_at: admission.now,
        spec: Wire::new(spec),
    };
    Ok((name, Command::CreateCluster(cluster)))
}

/// UpdateCluster. What is not given stays.
pub fn update(request: &pb::UpdateClusterRequest, view: &State) -> Accepted<ClusterName> {
    let mut cluster = required(request.cluster.as_deref(), view)?.clone();
    let mut spec = cluster.spec.to_owned_message();
    if !request.settings.is_empty() {
        spec.settings = settings(&request.settings)?;
    }
    if request.configuration.is_some() {
        spec.configuration = configuration(request.configuration.as_ref())?;
    }
    no_namespace(request.service_connect_defaults.as_ref())?;
    cluster.spec = Wire::new(spec);
    Ok((cluster.name.clone(), Command::UpdateCluster(cluster)))
}

/// UpdateClusterSettings. Settings that are not given stay.
pub fn update_settings(request: &pb::UpdateClusterSettingsRequest, view: &State) -> Accepted<ClusterName> {
    let mut cluster = required(request.cluster.as_deref(), view)?.clone();
    if request.settings.is_empty() {
        return Err(ApiError::invalid("settings can not be empty."));
    }
    let mut spec = cluster.spec.to_owned_message();
    spec.settings = settings(&[spec.settings, request.settings.clone()].concat())?;
    cluster.spec = Wire::new(spec);
    Ok((cluster.name.clone(), Command::UpdateCluster(cluster)))
}

/// DeleteCluster.
pub fn delete(request: &pb::DeleteClusterRequest, view: &State) -> Accepted<ClusterName> {
    let name = required(request.cluster.as_deref(), view)?.name.clone();
    check_empty(view, &name)?;
    Ok((name.clone(), Command::DeleteCluster(name)))
}

/// DescribeClusters. `include` is a matter of rendering: see [`super::name::members`].
pub fn describe<'a>(request: &pb::DescribeClustersRequest, view: &'a State) -> Found<'a, Cluster> {
    name::members::<pb::ClusterField>("include", &request.include)?;
    if request.clusters.len() > NAMES_PER_DESCRIBE {
        let message = format!("Clusters cannot have more than {NAMES_PER_DESCRIBE} elements.");
        return Err(ApiError::invalid(message));
    }
    let names = match request.clusters.as_slice() {
        [] => vec![name::cluster(None, view)?],
        given => {
            given.iter().map(|reference| name::cluster(Some(reference), view)).collect::<Result<_, _>>()?
        }
    };
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match view.cluster(&name) {
            Some(cluster) => found.push(cluster),
            None => failures.push(super::failure(view.scope().cluster(&name), "MISSING", None)),
        }
    }
    Ok((found, failures))
}

/// ListClusters: the ACTIVE ones.
pub fn list(request: &pb::ListClustersRequest, view: &State) -> Listed<ClusterName> {
    let bounds = page::parse(request.next_token.as_deref(), request.max_results, page::DEFAULT_RESULTS)?;
    let clusters = view.clusters_after(bounds.after_name());
    let active = clusters.filter(|cluster| cluster.status == ClusterStatus::Active);
    Ok(bounds.take(active.map(|cluster| cluster.name.clone()), ClusterName::to_string))
}

/// The cluster of a call for which `default` does not stand in.
fn required<'a>(reference: Option<&str>, view: &'a State) -> Result<&'a Cluster, ApiError> {
    match reference.filter(|text| !text.is_empty()) {
        Some(reference) => name::active_cluster(Some(reference), view),
        None => Err(ApiError::invalid("Cluster can not be blank.")),
    }
}

/// A new cluster has every setting: those that are not given are as the account has them.
fn settings_of_new(
    given: &[pb::ClusterSetting],
    view: &State,
    admission: &Admission,
) -> Result<Vec<pb::ClusterSetting>, ApiError> {
    let insights = pb::SettingName::ContainerInsights;
    let value = account_setting::in_force(insights, &admission.principal, view);
    let default = pb::ClusterSetting {
        name: Some(pb::ClusterSettingName::ContainerInsights.into()),
        value: value.map(str::to_owned),
    };
    settings(&[vec![default], given.to_vec()].concat())
}

/// Settings as they are kept: each at most once, the last one given.
fn settings(settings: &[pb::ClusterSetting]) -> Result<Vec<pb::ClusterSetting>, ApiError> {
    let mut kept: Vec<pb::ClusterSetting> = Vec::new();
    for setting in settings {
        let name = name::member::<pb::ClusterSettingName>("settings.name", setting.name)?;
        let known = ["enhanced", "enabled", "disabled"].contains(&setting.value());
        if name.is_none() || !known {
            let message = "The setting containerInsights takes enhanced, enabled or disabled.";
            return Err(ApiError::invalid(message));
        }
        kept.retain(|other| other.name != setting.name);
        kept.push(setting.clone());
    }
    Ok(kept)
}

fn configuration(
    configuration: Option<&pb::ClusterConfiguration>,
) -> Result<Option<pb::ClusterConfiguration>, ApiError> {
    let Some(given) = configuration else { return Ok(None) };
    if given.managed_storage_configuration.is_some() {
        return Err(unsupported("managedStorageConfiguration"));
    }
    let Some(execute) = &given.execute_command_configuration else { return Ok(Some(given.clone())) };
    let logging = name::member::<pb::ExecuteCommandLogging>("logging", execute.logging)?;
    let log = execute.log_configuration.as_ref();
    let target = log
        .is_some_and(|log| !log.cloud_watch_log_group_name().is_empty() || !log.s3_bucket_name().is_empty());
    match logging {
        Some(pb::ExecuteCommandLogging::Override) if !target => Err(ApiError::invalid(
            "A CloudWatch log group name or S3 bucket name must be specified when overriding the default log \
             configuration.",
        )),
        Some(pb::ExecuteCommandLogging::Override) => kept_here(execute).map(|()| Some(given.clone())),
        _ if log.is_some() => {
            Err(ApiError::invalid("You must set logging to 'OVERRIDE' when you supply a log configuration."))
        }
        _ => kept_here(execute).map(|()| Some(given.clone())),
    }
}

/// What was printed in sessions is kept in log groups, and there is no other service it could go to.
fn kept_here(execute: &pb::ExecuteCommandConfiguration) -> Result<(), ApiError> {
    let log = execute.log_configuration.as_ref();
    let refused = [
        (
            !execute.kms_key_id().is_empty(),
            "kmsKeyId: there is no AWS KMS here; sessions are encrypted with TLS",
        ),
        (
            log.is_some_and(|log| !log.s3_bucket_name().is_empty()),
            "logConfiguration.s3BucketName: there is no Amazon S3 here; name a cloudWatchLogGroupName",
        ),
        (
            log.is_some_and(pb::ExecuteCommandLogConfiguration::cloud_watch_encryption_enabled),
            "logConfiguration.cloudWatchEncryptionEnabled: there is no AWS KMS here to encrypt log groups with",
        ),
    ];
    match refused.into_iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, why)) => {
            let text = format!("executeCommandConfiguration.{why}.");
            Err(ApiError::new(Exception::UnsupportedFeature, text))
        }
    }
}

fn no_namespace(
    defaults: Option<&pb::ClusterServiceConnectDefaultsRequest>,
) -> Result<Option<pb::ClusterServiceConnectDefaults>, ApiError> {
    match defaults {
        Some(defaults) if !defaults.namespace().is_empty() => Err(unsupported("serviceConnectDefaults")),
        _ => Ok(None),
    }
}
