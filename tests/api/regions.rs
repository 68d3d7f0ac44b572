//! Regions: what is made in one is not seen in another, whoever asks and in whichever way.

use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::require_aws_clients;

use super::clients::Clients;

const ELSEWHERE: &str = "eu-west-1";

#[tokio::test(flavor = "multi_thread")]
async fn regions_do_not_see_one_another() {
    let Some(python) = require_aws_clients() else { return };
    let builder = Fleet::builder().controllers(1).simulated().agents(1).spare_agents(1);
    let builder = builder.controller_flag("--task-healthy-after 1s --regions eu-west-1,ap-south-1");
    let mut fleet = builder.spare_agent_flag("--region eu-west-1").start().await;
    let clients = Clients::new(&python, &fleet);
    clients.run("regions.py").await;
    // Its cluster is there now, in its region alone.
    fleet.start(Member::Agent(1)).await;
    clients.run("regions_life.py").await;
    command_line(&fleet).await;
    fleet.finish().await;
}

/// The other wire says the same.
async fn command_line(fleet: &Fleet) {
    let names = async |arguments: &[&str]| {
        let told = fleet.berth(&[&["cluster", "list", "--output", "name"], arguments].concat()).await;
        told.expect("listed").lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]).await, ["default", "shop"]);
    assert_eq!(names(&["--region", "us-east-1"]).await, ["default", "shop"]);
    assert_eq!(names(&["--region", ELSEWHERE]).await, ["default"]);
    assert!(names(&["--region", "ap-south-1"]).await.is_empty());
    for (region, expected) in [("mars-north-1", "is not served here"), ("Mars", "is no region")] {
        let refused = fleet.berth_output(&["ps", "--region", region]).await.expect("it runs");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(expected), "{region}: {said}");
    }
    // Keys are the deployment's.
    let keys = async |arguments: &[&str]| {
        fleet.berth(&[&["key", "list", "--output", "name"], arguments].concat()).await.expect("listed")
    };
    assert_eq!(keys(&[]).await, keys(&["--region", ELSEWHERE]).await);
}
