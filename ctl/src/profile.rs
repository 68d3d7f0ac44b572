//! Profiles: which controllers, which access key, which cluster. Kept in `config.toml` of Berth's home.
//!
//! Flags and environment come before the profile, the profile before the defaults. A profile refers to the
//! `admin.json` that `berth init` writes, or names its certificate authority and access key itself.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use berth_process::identity::AdminIdentity;
use berth_process::region::is_well_formed;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, OrUsage as _};

/// The port that controllers listen on unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 7400;

/// The profile that is used, and made by `init`, when none is named.
pub(crate) const DEFAULT_PROFILE: &str = "default";

/// The file with everything in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// The one used when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// One way to reach a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Controllers as HOST:PORT; any of them serves.
    pub(crate) endpoints: Vec<String>,
    /// The `admin.json` that has the certificate authority and the access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<PathBuf>,
    /// The certificate authority: a path, or the PEM text itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret_access_key: Option<String>,
    /// The ECS cluster used when none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    /// The region used when none is named; without one it is the deployment's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
}

/// What flags and environment say; each wins over the profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) profile: Option<String>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) ca: Option<String>,
    pub(crate) access_key_id: Option<String>,
    pub(crate) secret_access_key: Option<String>,
    pub(crate) cluster: Option<String>,
    pub(crate) region: Option<String>,
}

/// Everything needed to talk to a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) endpoints: Vec<String>,
    pub(crate) ca_pem: Option<String>,
    /// Id and secret.
    pub(crate) access_key: Option<(String, String)>,
    pub(crate) cluster: String,
    /// `None` is the deployment's own.
    pub(crate) region: Option<String>,
}

// === impl Profiles ===

impl Profiles {
    fn path(home: &Path) -> PathBuf {
        home.join("config.toml")
    }

    /// The profiles of this home; none when there is no file yet.
    pub(crate) fn load(home: &Path) -> Result<Self, Failure> {
        let path = Self::path(home);
        match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).or_usage(|| format!("reading {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(Failure::usage(format!("reading {}: {error}", path.display()))),
        }
    }

    /// Writes them back, so that a crash leaves either the old file or the new one.
    pub(crate) fn store(&self, home: &Path) -> Result<(), Failure> {
        let path = Self::path(home);
        let writing = || format!("writing {}", path.display());
        let text = toml::to_string_pretty(self).or_usage(writing)?;
        write_private(&path, &text).or_usage(writing)
    }

    /// The name of the profile in use, and the profile when there is one of that name.
    pub(crate) fn select(&self, named: Option<&str>) -> Result<(String, Option<&Profile>), Failure> {
        if let Some(name) = named {
            return match self.profiles.get(name) {
                Some(profile) => Ok((name.to_owned(), Some(profile))),
                None => Err(self.no_such(name)),
            };
        }
        let name = self.current.as_deref().unwrap_or(DEFAULT_PROFILE);
        Ok((name.to_owned(), self.profiles.get(name)))
    }

    /// The failure for a profile that does not exist.
    pub(crate) fn no_such(&self, name: &str) -> Failure {
        let known: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
        let failure = Failure::usage(format!("there is no profile `{name}`"));
        if known.is_empty() {
            return failure.hint("there is none at all: `berth init` or `berth dev` makes one");
        }
        failure.hint(format!(
            "known are {}; `berth profile set {name} --endpoint HOST:PORT` makes it",
            known.join(", ")
        ))
    }

    /// How to reach the cluster, from overrides, profile and what lies in `home`.
    pub(crate) fn connection(&self, overrides: &Overrides, home: &Path) -> Result<Connection, Failure> {
        let (_, profile) = self.select(overrides.profile.as_deref())?;
        let default_identity = home.join("admin.json");
        let mut profile = match profile {
            Some(profile) => profile.clone(),
            None if default_identity.exists() => {
                Profile { identity: Some(default_identity), ..Profile::default() }
            }
            None if !overrides.endpoints.is_empty() => Profile::default(),
            None => {
                return Err(Failure::usage("there is no cluster to talk to yet").hint(
                    "`berth dev` starts one on this machine; `berth init --endpoint HOST:PORT` prepares one of your own",
                ));
            }
        };
        if !overrides.endpoints.is_empty() {
            profile.endpoints.clone_from(&overrides.endpoints);
        }
        if profile.endpoints.is_empty() {
            profile.endpoints.push(format!("127.0.0.1:{DEFAULT_PORT}"));
        }
        profile.connection(overrides, home)
    }
}

// === impl Profile ===

impl Profile {
    fn connection(self, overrides: &Overrides, home: &Path) -> Result<Connection, Failure> {
        let identity = match &self.identity {
            Some(path) => Some(load_identity(&home.join(path))?),
            None => None,
        };
        let ca = overrides.ca.clone().or(self.ca);
        let ca_pem = match ca {
            Some(ca) => Some(pem(&ca, home)?),
            None => identity.as_ref().map(|identity| identity.ca_pem.clone()),
        };
        let id = overrides.access_key_id.clone().or(self.access_key_id);
        let secret = overrides.secret_access_key.clone().or(self.secret_access_key);
        let access_key = match (id, secret) {
            (Some(id), Some(secret)) => Some((id, secret)),
            (None, None) => identity
                .map(|identity| (identity.admin_key.access_key_id, identity.admin_key.secret_access_key)),
            _ => {
                return Err(Failure::usage("an access key needs both its id and its secret")
                    .hint("set BERTH_ACCESS_KEY_ID and BERTH_SECRET_ACCESS_KEY, or neither"));
            }
        };
        let endpoints =
            self.endpoints.iter().map(|endpoint| normalise(endpoint)).collect::<Result<_, _>>()?;
        let cluster = overrides.cluster.clone().or(self.cluster).unwrap_or_else(|| "default".to_owned());
        let region = overrides.region.clone().or(self.region).filter(|region| !region.is_empty());
        if let Some(region) = region.as_ref().filter(|region| !is_well_formed(region)) {
            return Err(Failure::usage(format!("`{region}` is no region"))
                .hint("a region is made of lower-case letters, digits and hyphens"));
        }
        Ok(Connection { endpoints, ca_pem, access_key, cluster, region })
    }
}

fn load_identity(path: &Path) -> Result<AdminIdentity, Failure> {
    AdminIdentity::load(path).or_usage(|| format!("reading the identity {}", path.display())).map_err(
        |failure| {
            failure.hint(
                "`berth init` writes it on a controller's host; copy it from there, or name another profile",
            )
        },
    )
}

/// The PEM text, or that of the file which is named.
fn pem(ca: &str, home: &Path) -> Result<String, Failure> {
    if ca.contains("-----BEGIN") {
        return Ok(ca.to_owned());
    }
    let path = home.join(ca);
    std::fs::read_to_string(&path)
        .or_usage(|| format!("reading the certificate authority {}", path.display()))
}

/// `HOST:PORT`; a scheme is ignored and a missing port is the usual one.
pub(crate) fn normalise(endpoint: &str) -> Result<String, Failure> {
    let bare = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest).trim_end_matches('/');
    let (host, port) = match bare.rsplit_once(':') {
        // Colons inside an IPv6 address are not a port.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (bare, None),
    };
    let port = match port {
        None => Some(DEFAULT_PORT),
        Some(port) => port.parse::<u16>().ok().filter(|port| *port > 0),
    };
    match port {
        Some(port) if !host.is_empty() && !host.contains(['/', ' ']) => {
            let brackets = host.contains(':') && !host.starts_with('[');
            Ok(if brackets { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
        }
        _ => Err(Failure::usage(format!("`{endpoint}` is no endpoint")).hint("write it as HOST:PORT")),
    }
}

/// Berth's home: `$BERTH_HOME`, or `~/.config/berth`.
pub(crate) fn home() -> Result<PathBuf, Failure> {
    if let Some(home) = std::env::var_os("BERTH_HOME").filter(|home| !home.is_empty()) {
        return Ok(PathBuf::from(home));
    }
    match std::env::home_dir() {
        Some(home) if !home.as_os_str().is_empty() => Ok(home.join(".config/berth")),
        _ => {
            Err(Failure::usage("there is no home directory")
                .hint("set BERTH_HOME to a directory of your own"))
        }
    }
}

/// Writes a file that only its owner can read, in one step.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profiles() -> Profiles {
        let mut profiles = Profiles { current: Some("prod".to_owned()), ..Profiles::default() };
        let prod = Profile {
            endpoints: vec!["c1.example:7400".to_owned(), "c2.example".to_owned()],
            ca: Some("-----BEGIN CERTIFICATE-----\n".to_owned()),
            access_key_id: Some("BKA".to_owned()),
            secret_access_key: Some("s3cret".to_owned()),
            cluster: Some("web".to_owned()),
            region: Some("eu-west-1".to_owned()),
            ..Profile::default()
        };
        profiles.profiles.insert("prod".to_owned(), prod);
        profiles
    }

    #[test]
    fn a_file_reads_back_as_it_was_written_and_only_its_owner_can() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().expect("a directory");
        assert_eq!(Profiles::load(home.path()).expect("no file yet"), Profiles::default());
        profiles().store(home.path()).expect("written");
        assert_eq!(Profiles::load(home.path()).expect("read"), profiles());
        let mode = std::fs::metadata(home.path().join("config.toml")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn flags_win_over_the_profile_and_the_profile_over_defaults() {
        let home = Path::new("/nowhere");
        let connection = profiles().connection(&Overrides::default(), home).expect("complete");
        assert_eq!(connection.endpoints, ["c1.example:7400", "c2.example:7400"]);
        assert_eq!((connection.cluster.as_str(), connection.region.as_deref()), ("web", Some("eu-west-1")));
        assert_eq!(connection.access_key, Some(("BKA".to_owned(), "s3cret".to_owned())));
        let overrides = Overrides {
            endpoints: vec!["other:1".to_owned()],
            cluster: Some("batch".to_owned()),
            region: Some("us-west-2".to_owned()),
            ..Overrides::default()
        };
        let connection = profiles().connection(&overrides, home).expect("complete");
        assert_eq!(
            (connection.endpoints, connection.cluster, connection.region.as_deref()),
            (vec!["other:1".to_owned()], "batch".to_owned(), Some("us-west-2"))
        );
    }

    #[test]
    fn a_missing_profile_is_an_error_that_names_the_known_ones() {
        let overrides = Overrides { profile: Some("staging".to_owned()), ..Overrides::default() };
        let failure = profiles().connection(&overrides, Path::new("/nowhere")).expect_err("unknown");
        assert_eq!(failure.message, "there is no profile `staging`");
        assert!(failure.hint.expect("a remedy").starts_with("known are prod"));
    }

    #[test]
    fn without_any_profile_the_remedy_is_dev_or_init() {
        let failure = Profiles::default()
            .connection(&Overrides::default(), Path::new("/nowhere"))
            .expect_err("nothing");
        let hint = failure.hint.expect("a remedy");
        assert!(hint.contains("berth dev") && hint.contains("berth init"), "{hint}");
    }

    #[test]
    fn normalises_endpoints() {
        let rows = [
            ("10.0.0.1:7400", Some("10.0.0.1:7400")),
            ("10.0.0.1", Some("10.0.0.1:7400")),
            ("https://c1.example:443/", Some("c1.example:443")),
            ("[::1]:7400", Some("[::1]:7400")),
            ("::1", Some("[::1]:7400")),
            ("host:port", None),
            ("host:0", None),
            ("", None),
            (":7400", None),
        ];
        for (endpoint, expected) in rows {
            assert_eq!(normalise(endpoint).ok().as_deref(), expected, "{endpoint}");
        }
    }
}
