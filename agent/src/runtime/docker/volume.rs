//! Volumes.

use bollard::Docker as Client;
use bollard::models::VolumeCreateRequest;

use super::error::explain;
use crate::runtime::{Error, Volume};

/// What Docker keeps a volume in when nothing else is asked for.
const DRIVER: &str = "local";

/// Makes a volume, or sees that it is there. Docker takes the same request twice.
pub(super) async fn create(client: &Client, volume: &Volume) -> Result<(), Error> {
    let driver = if volume.driver.is_empty() { DRIVER } else { &volume.driver };
    if volume.must_exist {
        let found = client.inspect_volume(&volume.name).await.map_err(explain);
        return match found {
            Ok(found) if found.driver == driver => Ok(()),
            Ok(found) => {
                let (name, theirs) = (&volume.name, &found.driver);
                Err(Error::Refused(format!(
                    "the volume {name} of this host has driver {theirs}, not {driver}"
                )))
            }
            Err(Error::NotFound(_)) => {
                let name = &volume.name;
                let way_out = "create it with docker volume create, or set autoprovision in its definition";
                Err(Error::NotFound(format!("there is no volume {name} on this host: {way_out}")))
            }
            Err(error) => Err(error),
        };
    }
    let request = VolumeCreateRequest {
        name: Some(volume.name.clone()),
        driver: Some(driver.to_owned()),
        driver_opts: Some(volume.options.clone().into_iter().collect()),
        labels: Some(volume.labels.clone().into_iter().collect()),
        ..Default::default()
    };
    client.create_volume(request).await.map(drop).map_err(explain)
}
