//! The API as AWS serves it, called by the clients that people have: boto3 and the AWS CLI, unmodified.
//!
//! What is asked of each client is in `clients/`, as a program of the client's own language that ends well or says what
//! is wrong. Agents are simulated: what runs inside a container is for the end-to-end tests.
#![forbid(unsafe_code)]

mod clients;
mod coverage;
mod errors;
mod regions;
mod sdk;

use std::time::Duration;

use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::wait::until;
use berth_tests::harness::{require_aws_clients, require_docker, require_hosts, require_shell_image};

use clients::Clients;

/// One controller and its agents, without containers.
async fn fleet() -> Fleet {
    Fleet::builder().controllers(1).simulated().controller_flag("--task-healthy-after 1s").start().await
}

/// Runs one program of `clients/` against a fleet of its own.
async fn run(program: &str) {
    let Some(python) = require_aws_clients() else { return };
    let fleet = fleet().await;
    Clients::new(&python, &fleet).run(program).await;
    fleet.finish().await;
}

/// The same with containers.
async fn run_with_containers(program: &str) {
    let Some(python) = require_aws_clients() else { return };
    if !require_docker() {
        return;
    }
    let fleet =
        Fleet::builder().controllers(1).agents(1).controller_flag("--task-healthy-after 1s").start().await;
    Clients::new(&python, &fleet).run(program).await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_leads_a_service_through_its_life() {
    run("life.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_leads_a_service_of_real_containers_through_its_life() {
    run_with_containers("life.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_keeps_secrets_that_only_containers_see() {
    let Some(python) = require_aws_clients() else { return };
    if !require_docker() {
        return;
    }
    let mut fleet = Fleet::builder().controllers(1).agents(1).start().await;
    Clients::new(&python, &fleet).run("parameters.py").await;
    assert_eq!(fleet.files_with("s3cret"), Vec::<std::path::PathBuf>::new(), "a value in the clear");
    // A controller that comes back opens what it finds on its disk.
    fleet.kill(Member::Controller(0));
    fleet.start(Member::Controller(0)).await;
    until("the value is there", Duration::from_secs(60), async || {
        let told = fleet.berth(&["secret", "get", "prod/db"]).await?;
        anyhow::ensure!(told.contains("s3cret-two"), "{told}");
        Ok(())
    })
    .await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_as_people_write_them_run_and_stop() {
    let Some(python) = require_aws_clients() else { return };
    if !require_hosts() || !require_shell_image() {
        return;
    }
    // On a host of its own: the definitions ask for ports of the host, and some for addresses.
    let fleet = Fleet::builder().controllers(1).agents(1).on_hosts().start().await;
    Clients::new(&python, &fleet).run("corpus.py").await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_kept_and_read_as_clients_of_cloudwatch_do() {
    run_with_containers("logs.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_acts_for_a_task_in_its_own_cluster() {
    run_with_containers("inside.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_right_reaches_no_handler() {
    run("signatures.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_clients_trust_the_deployments_own_ca() {
    let Some(python) = require_aws_clients() else { return };
    let fleet = Fleet::builder().controllers(1).agents(0).controller_flag("--aws-tls").start().await;
    Clients::over_tls(&python, &fleet).run("tls.py").await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_does_what_its_manual_says() {
    run("cli.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_tools_rely_on_without_saying_so_holds() {
    run("fidelity.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_manual_tells_people_to_type_works() {
    run("manual.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_people_deploy_to_ecs_survive_a_round_trip() {
    run("definitions.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_shows_of_its_replies_is_in_ours() {
    run("examples.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ecs_deploy_deploys_scales_and_runs() {
    run("deploy_tool.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_whole() {
    run("pages.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_its_golden_file_says() {
    run("operations.py").await;
}
