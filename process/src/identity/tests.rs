//! The files of an identity: what they hold, who may read them, and what survives a crash.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn generate(seed: u64) -> ClusterIdentity {
    ClusterIdentity::generate(&Entropy::seeded(seed), "us-east-1", "000000000000", "aws").unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn access_keys_have_the_shape_of_aws_keys() {
    let identity = generate(1);
    for (key, prefix) in
        [(&identity.peer_key, "BKP"), (&identity.agent_key, "BKA"), (&identity.admin_key, "BKU")]
    {
        let id = &key.access_key_id;
        assert!(id.starts_with(prefix) && id.len() == 20, "{id}");
        assert!(id[3..].chars().all(|c| c.is_ascii_uppercase() || ('2'..='7').contains(&c)), "{id}");
        assert_eq!(key.secret_access_key.len(), 40);
    }
    assert_eq!((identity.cluster_id.len(), identity.sealing_key_hex.len()), (32, 64));
    assert_ne!(identity.peer_key, generate(2).peer_key);
}

#[test]
fn each_holder_reads_its_own_file() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("made/on/demand");
    let identity = generate(1);
    assert_eq!(identity.write_all(&home).unwrap(), identity);
    assert_eq!(ClusterIdentity::load(&home.join(CONTROLLER_FILE)).unwrap(), identity);
    assert_eq!(AgentIdentity::load(&home.join(AGENT_FILE)).unwrap(), identity.agent());
    assert_eq!(AdminIdentity::load(&home.join(ADMIN_FILE)).unwrap(), identity.admin());
    assert_eq!(fs::read_to_string(home.join(CA_FILE)).unwrap(), identity.authority.certificate_pem);
    for file in [CONTROLLER_FILE, AGENT_FILE, ADMIN_FILE, CA_FILE] {
        assert_eq!(mode(&home.join(file)), 0o600);
    }
    assert_eq!(mode(&home), 0o700);
    let agents = fs::read_to_string(home.join(AGENT_FILE)).unwrap();
    assert!(!agents.contains("PRIVATE") && !agents.contains(&identity.admin_key.secret_access_key));
}

#[test]
fn an_identity_that_is_there_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let first = generate(1).write_all(directory.path()).unwrap();
    let second = generate(2).write_all(directory.path()).unwrap();
    assert_eq!(first, second);
    assert_eq!(AgentIdentity::load(&directory.path().join(AGENT_FILE)).unwrap(), first.agent());
}

#[test]
fn a_run_that_crashed_is_completed_by_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let path = |file: &str| directory.path().join(file);
    // It died while writing the first file ...
    fs::write(path("controller.json.tmp"), "{\"version\":").unwrap();
    fs::set_permissions(path("controller.json.tmp"), fs::Permissions::from_mode(0o644)).unwrap();
    let identity = generate(1).write_all(directory.path()).unwrap();
    assert_eq!(mode(&path(CONTROLLER_FILE)), 0o600);
    // ... and between the first and the others.
    fs::remove_file(path(AGENT_FILE)).unwrap();
    fs::remove_file(path(ADMIN_FILE)).unwrap();
    assert_eq!(generate(2).write_all(directory.path()).unwrap(), identity);
    assert_eq!(AgentIdentity::load(&path(AGENT_FILE)).unwrap(), identity.agent());
    assert_eq!(AdminIdentity::load(&path(ADMIN_FILE)).unwrap(), identity.admin());
    let mut left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, [ADMIN_FILE, AGENT_FILE, CA_FILE, CONTROLLER_FILE]);
}

#[test]
fn another_holders_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    generate(1).write_all(directory.path()).unwrap();
    let error = AgentIdentity::load(&directory.path().join(CONTROLLER_FILE)).unwrap_err();
    assert!(error.to_string().ends_with(r#"holds an identity of kind "controller", not "agent""#), "{error}");
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(AGENT_FILE);
    fs::write(&path, r#"{"version": 9, "kind": "agent"}"#).unwrap();
    let error = AgentIdentity::load(&path).unwrap_err();
    assert!(error.to_string().ends_with("has version 9; this Berth knows up to 1"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = AgentIdentity::load(Path::new("/no/such/agent.json")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /no/such/agent.json");
}

#[test]
fn printing_shows_no_secret() {
    let identity = generate(1);
    let printed = format!("{identity:?} {:?} {:?}", identity.agent(), identity.admin());
    let secrets = [
        &identity.peer_key.secret_access_key,
        &identity.agent_key.secret_access_key,
        &identity.admin_key.secret_access_key,
        &identity.sealing_key_hex,
        &identity.authority.key_pem,
    ];
    assert!(secrets.iter().all(|secret| !printed.contains(*secret)), "{printed}");
}
