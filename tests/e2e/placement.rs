//! Where tasks go.

use std::collections::BTreeMap;

use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::http;
use berth_tests::harness::require_docker;

use super::deploy;

#[tokio::test(flavor = "multi_thread")]
async fn spreads_six_tasks_evenly_over_three_zones() {
    if !require_docker() {
        return;
    }
    let fleet = Fleet::builder().start().await;
    deploy(&fleet, "web", 6).await;
    let tasks = fleet.running("web", 6).await.unwrap();
    assert_eq!(fleet.by_zone(&tasks).unwrap(), BTreeMap::from([("a", 2), ("b", 2), ("c", 2)]));
    for task in &tasks {
        let answer = http::get(fleet.endpoint(task).unwrap(), "/").await.unwrap();
        assert!(answer.contains("revision=1\n"), "{answer}");
    }
    assert_eq!(fleet.all_containers().unwrap().len(), 6);
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fills_zones_of_different_sizes_as_evenly_as_they_allow() {
    if !require_docker() {
        return;
    }
    // Two instances in zone a, one in b: zones count, not instances.
    let fleet = Fleet::builder().controllers(1).agents(3).zones(&["a", "a", "b"]).start().await;
    deploy(&fleet, "web", 4).await;
    let tasks = fleet.running("web", 4).await.unwrap();
    assert_eq!(fleet.by_zone(&tasks).unwrap(), BTreeMap::from([("a", 2), ("b", 2)]));
    fleet.finish().await;
}
