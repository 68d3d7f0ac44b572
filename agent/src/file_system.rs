//! File systems of the network: what an `efsVolumeConfiguration` leads to where there is no EFS.
//!
//! A definition names a file system as AWS does, `fs-…`. An agent is told which NFS server that is; a name that is not
//! of this form is the server's own.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use berth_proto::ecs::v1 as ecs;
use serde::{Deserialize, Serialize};

/// How EFS is mounted, which suits other servers too.
/// Source: Amazon EFS user guide, "Recommended NFS mount options".
const OPTIONS: &str = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport";
/// Begins the id of a file system of AWS.
const ID_PREFIX: &str = "fs-";
/// Says that whatever is between this host and the server is encrypted already. It is not an option of NFS.
const PROTECTED: &str = "protected";

/// Where a file system is: `SERVER:/PATH[,OPTION...]`, the options being those of mount.nfs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FileSystem {
    /// Name or address.
    pub server: String,
    /// What it exports; begins with a slash.
    pub path: String,
    /// Over the usual ones.
    pub options: Vec<String>,
}

/// File systems by their ids, `fs-ID` or, for an access point of one, `fs-ID/fsap-ID`.
pub type FileSystems = BTreeMap<String, FileSystem>;

/// What Docker's own driver is told to mount the file system of a volume, or why that cannot be done.
pub fn driver_options(
    volume: &ecs::EfsVolumeConfiguration,
    known: &FileSystems,
) -> Result<BTreeMap<String, String>, String> {
    let found = find(volume, known)?;
    let is_protected = |option: &String| {
        option == PROTECTED || option.starts_with("xprtsec=") || option.starts_with("sec=krb5p")
    };
    let encrypted = volume.transit_encryption() == ecs::EfsTransitEncryption::Enabled;
    if encrypted && !found.options.iter().any(is_protected) {
        let id = volume.file_system_id();
        return Err(format!(
            "file system {id} is to be encrypted in transit: give the agent its option xprtsec=tls or sec=krb5p, or \
             {PROTECTED} when the network to {} is encrypted already",
            found.server
        ));
    }
    let root = volume.root_directory.as_deref().unwrap_or_default().trim_matches('/');
    let path = format!("{}/{root}", found.path.trim_end_matches('/'));
    let mut options = format!("addr={},{OPTIONS}", found.server);
    for option in found.options.iter().filter(|option| *option != PROTECTED) {
        options.push(',');
        options.push_str(option);
    }
    Ok(BTreeMap::from([
        ("type".to_owned(), "nfs".to_owned()),
        ("device".to_owned(), format!(":{path}")),
        ("o".to_owned(), options),
    ]))
}

fn find(volume: &ecs::EfsVolumeConfiguration, known: &FileSystems) -> Result<FileSystem, String> {
    let id = volume.file_system_id();
    let point = volume.authorization_config.as_ref().map_or("", |config| config.access_point_id());
    let name = if point.is_empty() { id.to_owned() } else { format!("{id}/{point}") };
    if let Some(found) = known.get(&name) {
        return Ok(found.clone());
    }
    if id.starts_with(ID_PREFIX) || !point.is_empty() {
        return Err(format!(
            "this host does not know file system {name}: start its agent with --file-system {name}=SERVER:/PATH"
        ));
    }
    Ok(FileSystem { server: id.to_owned(), path: "/".to_owned(), options: Vec::new() })
}

// === impl FileSystem ===

impl FromStr for FileSystem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text}: expected SERVER:/PATH[,OPTION...]");
        // The server may be an IPv6 address, which has colons too.
        let at = text.find(":/").ok_or_else(wrong)?;
        let (server, rest) = (&text[..at], &text[at + 1..]);
        let mut parts = rest.split(',').map(str::to_owned);
        let path = parts.next().unwrap_or_default();
        let options: Vec<_> = parts.collect();
        if server.is_empty() || options.iter().any(String::is_empty) {
            return Err(wrong());
        }
        Ok(Self { server: server.to_owned(), path, options })
    }
}

impl TryFrom<String> for FileSystem {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FileSystem> for String {
    fn from(known: FileSystem) -> Self {
        known.to_string()
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.server, self.path)?;
        self.options.iter().try_for_each(|option| write!(formatter, ",{option}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(
        id: &str,
        root: Option<&str>,
        encrypted: bool,
        point: Option<&str>,
    ) -> ecs::EfsVolumeConfiguration {
        ecs::EfsVolumeConfiguration {
            file_system_id: Some(id.to_owned()),
            root_directory: root.map(str::to_owned),
            transit_encryption: encrypted.then(|| ecs::EfsTransitEncryption::Enabled.into()),
            authorization_config: point.map(|point| ecs::EfsAuthorizationConfig {
                access_point_id: Some(point.to_owned()),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_file_system_is_mounted_from_the_server_that_the_host_knows_for_it() {
        let known = FileSystems::from([
            ("fs-1".to_owned(), "10.0.0.5:/srv".parse().unwrap()),
            ("fs-1/fsap-2".to_owned(), "nas:/srv/app,protected,ro".parse().unwrap()),
            ("fs-6".to_owned(), "fd00::1:/".parse().unwrap()),
        ]);
        let rows = [
            (volume("fs-1", None, false, None), Ok((":/srv/", "10.0.0.5", ""))),
            (volume("fs-1", Some("/data/x/"), false, None), Ok((":/srv/data/x", "10.0.0.5", ""))),
            (volume("fs-1", Some("/"), true, Some("fsap-2")), Ok((":/srv/app/", "nas", ",ro"))),
            (volume("fs-6", None, false, None), Ok((":/", "fd00::1", ""))),
            (volume("nas.example.com", Some("export"), false, None), Ok((":/export", "nas.example.com", ""))),
            (volume("fs-1", None, true, None), Err("is to be encrypted in transit")),
            (volume("fs-9", None, false, None), Err("--file-system fs-9=SERVER:/PATH")),
            (volume("fs-1", None, true, Some("fsap-3")), Err("--file-system fs-1/fsap-3=SERVER:/PATH")),
        ];
        for (volume, expected) in rows {
            match (driver_options(&volume, &known), expected) {
                (Ok(found), Ok((device, server, more))) => {
                    assert_eq!((found["type"].as_str(), found["device"].as_str()), ("nfs", device));
                    assert_eq!(found["o"], format!("addr={server},{OPTIONS}{more}"));
                }
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("{volume:?}: {found:?} instead of {expected:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_file_system_is_refused() {
        for text in ["", "nas", ":/srv", "nas:srv", "nas:/srv,", "nas:/srv,,ro"] {
            assert!(text.parse::<FileSystem>().is_err(), "{text}");
        }
        let text = "fd00::1:/srv,ro,nolock";
        assert_eq!(text.parse::<FileSystem>().unwrap().to_string(), text);
    }
}
