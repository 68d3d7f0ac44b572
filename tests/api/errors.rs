//! Errors: each that the API model knows of an operation is provoked and held as golden, or is in a table of those that
//! cannot happen.

use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::require_aws_clients;

use super::clients::Clients;
use super::coverage::operations;

fn served() -> String {
    operations().into_iter().collect::<Vec<_>>().join(",")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_of_the_model_is_provoked_or_known_not_to_happen() {
    let Some(python) = require_aws_clients() else { return };
    let fleet = super::fleet().await;
    let stranger = fleet.peer_key();
    let clients = Clients::new(&python, &fleet)
        .with("SERVED", &served())
        .with("STRANGER_ACCESS_KEY_ID", &stranger.access_key_id)
        .with("STRANGER_SECRET_ACCESS_KEY", &stranger.secret_access_key);
    clients.run("errors.py").await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_without_a_majority_answers_nothing() {
    let Some(python) = require_aws_clients() else { return };
    let mut fleet = Fleet::builder().controllers(3).agents(0).simulated().start().await;
    fleet.allow_disturbance();
    fleet.allow("a call was not answered");
    fleet.kill(Member::Controller(1));
    fleet.kill(Member::Controller(2));
    Clients::new(&python, &fleet).with("SERVED", &served()).run("errors_without_leader.py").await;
    fleet.start(Member::Controller(1)).await;
    fleet.finish().await;
}
