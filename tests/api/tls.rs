//! The endpoint over TLS, with the certificate of the cluster's own authority, which clients are told to trust.

use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_aws_clients;

use super::clients::Clients;

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_trust_the_authority_call_over_tls() {
    let Some(python) = require_aws_clients() else { return };
    let fleet =
        Fleet::builder().controllers(1).simulated().agents(1).controller_flag("--aws-tls").start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let authority = directory.path().join("ca.pem");
    std::fs::write(&authority, fleet.authority()).expect("written");
    Clients::new(&python, &fleet).over_tls(&fleet, &authority).run("tls.py").await;
    fleet.finish().await;
}
