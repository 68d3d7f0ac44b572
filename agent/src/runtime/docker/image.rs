//! Images: find, pull, remove.

use berth_proto::agent::v1::RegistryCredentials;
use bollard::Docker as Client;
use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::{CreateImageOptions, RemoveImageOptions};
use futures::TryStreamExt as _;

use super::error::{explain, is_status};
use crate::runtime::progress::PullProgress;
use crate::runtime::{Error, Image};

/// The image, when it is on the host.
pub(super) async fn find(client: &Client, reference: &str) -> Result<Option<Image>, Error> {
    let found = match client.inspect_image(reference).await {
        Ok(found) => found,
        Err(error) if is_status(&error, 404) => return Ok(None),
        Err(error) => return Err(explain(error)),
    };
    let digests = found.repo_digests.unwrap_or_default();
    let repository = repository(reference);
    let own = digests.iter().find(|digest| digest.split('@').next() == Some(repository));
    let digest = own.or_else(|| digests.first()).and_then(|digest| digest.split_once('@'));
    Ok(Some(Image {
        id: found.id.unwrap_or_default(),
        digest: digest.map(|(_, digest)| digest.to_owned()).unwrap_or_default(),
    }))
}

/// Brings an image to the host.
pub(super) async fn pull(
    client: &Client,
    reference: &str,
    credentials: Option<&RegistryCredentials>,
    progress: &PullProgress,
) -> Result<(), Error> {
    // Without a tag Docker would pull every tag there is.
    let image =
        if has_tag_or_digest(reference) { reference.to_owned() } else { format!("{reference}:latest") };
    let options = CreateImageOptions { from_image: Some(image), ..Default::default() };
    let credentials = credentials.map(|credentials| DockerCredentials {
        username: Some(credentials.username.clone()),
        password: Some(credentials.password.clone()),
        ..Default::default()
    });
    let mut told = client.create_image(Some(options), None, credentials);
    while let Some(told) = told.try_next().await.map_err(explain)? {
        note(&told, progress);
    }
    Ok(())
}

/// Reads one line of what Docker says while it pulls.
fn note(told: &CreateImageInfo, progress: &PullProgress) {
    let (Some(layer), Some(status)) = (&told.id, &told.status) else { return };
    let detail = told.progress_detail.as_ref();
    let amount = |amount: Option<i64>| amount.and_then(|amount| u64::try_from(amount).ok()).unwrap_or(0);
    match status.as_str() {
        "Pulling fs layer" | "Waiting" => progress.found(layer),
        "Downloading" => {
            let (current, total) = detail.map_or((None, None), |detail| (detail.current, detail.total));
            progress.came(layer, amount(current), amount(total));
        }
        "Download complete" | "Verifying Checksum" => progress.downloaded(layer),
        "Pull complete" | "Already exists" => progress.done(layer),
        // "Pulling from …" has the tag where the others have the layer.
        _ => {}
    }
}

/// Makes an image of the files in an archive.
pub(super) async fn import(
    client: &Client,
    reference: &str,
    archive: Vec<u8>,
    program: &str,
) -> Result<(), Error> {
    let (name, tag) = reference.split_once(':').unwrap_or((reference, "latest"));
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(name.to_owned()),
        tag: Some(tag.to_owned()),
        changes: vec![format!("ENTRYPOINT [{program:?}]")],
        ..Default::default()
    };
    let progress = client.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
    progress.try_for_each(|_| async { Ok(()) }).await.map_err(explain)
}

/// Removes an image; false when a container uses it.
pub(super) async fn remove(client: &Client, reference: &str) -> Result<bool, Error> {
    match client.remove_image(reference, None::<RemoveImageOptions>, None).await {
        Ok(_) => Ok(true),
        Err(error) if is_status(&error, 404) => Ok(true),
        Err(error) if is_status(&error, 409) => Ok(false),
        Err(error) => Err(explain(error)),
    }
}

fn has_tag_or_digest(reference: &str) -> bool {
    reference.contains('@') || reference.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

fn repository(reference: &str) -> &str {
    let without_digest = reference.split('@').next().unwrap_or(reference);
    match without_digest.rfind(':') {
        Some(colon) if !without_digest[colon..].contains('/') => &without_digest[..colon],
        _ => without_digest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_the_registry_is_no_tag() {
        assert!(!has_tag_or_digest("registry:5000/web"));
        assert!(has_tag_or_digest("registry:5000/web:1"));
        assert!(has_tag_or_digest("web@sha256:00"));
        assert_eq!(repository("registry:5000/web:1"), "registry:5000/web");
        assert_eq!(repository("registry:5000/web@sha256:00"), "registry:5000/web");
    }
}
