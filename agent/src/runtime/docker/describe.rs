//! What Docker knows of a container beyond its life, and what the container uses.

use std::collections::{BTreeMap, HashMap};

use bollard::Docker as Client;
use bollard::models::{ContainerInspectResponse, EndpointSettings, Health, MountPoint};
use bollard::query_parameters::StatsOptions;
use futures::StreamExt as _;
use serde_json::Value;

use super::error::{explain, is_status};
use crate::runtime::{Details, Error, HealthDetails, Network};

/// A container that was inspected.
pub(super) fn details(found: ContainerInspectResponse) -> Details {
    let config = found.config.unwrap_or_default();
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    Details {
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        image_id: found.image.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        created_at: found.created.unwrap_or_default(),
        mounts: found.mounts.unwrap_or_default().into_iter().filter_map(mount).collect(),
        networks: addresses(networks),
        health: found.state.and_then(|state| state.health).map(health),
    }
}

/// What a container uses now; none when it does not run.
pub(super) async fn stats(client: &Client, runtime_id: &str) -> Result<Option<Value>, Error> {
    let options = StatsOptions { stream: false, one_shot: true };
    match client.stats(runtime_id, Some(options)).next().await {
        Some(Ok(stats)) => {
            let stats = serde_json::to_value(stats);
            // Of one that does not run Docker tells zeros, and no time.
            let is_real = |stats: &Value| stats["pids_stats"]["current"].is_u64();
            Ok(stats.ok().filter(is_real))
        }
        Some(Err(error)) if is_status(&error, 404) => Ok(None),
        Some(Err(error)) => Err(explain(error)),
        None => Ok(None),
    }
}

fn mount(mount: MountPoint) -> Option<(String, String)> {
    let source = mount.source.filter(|source| !source.is_empty()).or(mount.name)?;
    Some((mount.destination?, source))
}

fn addresses(networks: HashMap<String, EndpointSettings>) -> BTreeMap<String, Network> {
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let network = |settings: EndpointSettings| Network {
        ipv4: given(settings.ip_address).into_iter().collect(),
        ipv6: given(settings.global_ipv6_address).into_iter().collect(),
        mac: settings.mac_address.unwrap_or_default(),
    };
    networks.into_iter().map(|(mode, settings)| (mode, network(settings))).collect()
}

fn health(health: Health) -> HealthDetails {
    let last = health.log.unwrap_or_default().pop();
    let Some(last) = last else { return HealthDetails::default() };
    HealthDetails { since: last.end, exit_code: last.exit_code, output: last.output }
}
