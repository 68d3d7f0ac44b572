//! Who takes part: joining with a snapshot, moving, leaving.

use std::collections::BTreeMap;

use berth_process::identity::AccessKey;

use super::harness::*;
use crate::raft::membership::{Member, MembershipError};
use crate::raft::{Consensus, ControllerId};

fn by_id(consensus: &Consensus) -> BTreeMap<ControllerId, Member> {
    consensus.members().into_iter().map(|member| (member.id, member)).collect()
}

#[tokio::test]
async fn whoever_takes_part_is_listed() {
    let controllers = Cluster::new(21).of(3).await;
    let members = by_id(&controllers[0].consensus);
    assert_eq!(members.len(), 3);
    for controller in &controllers {
        let member = &members[&controller.id()];
        assert_eq!(member.address, controller.address.to_string());
        assert!(member.voter && member.reachable && member.log_index.is_some());
        assert_eq!(member.leader, controller.id() == controllers[0].id());
    }
    let again = controllers[2].consensus.join(&[controllers[1].address.to_string()]).await;
    assert_eq!(again.len(), 3, "joining is safe to repeat, through a follower as well");
}

#[tokio::test]
async fn a_new_controller_gets_the_snapshot_when_the_log_is_gone() {
    let mut cluster = Cluster::new(22);
    cluster.config = with_small_log(cluster.config);
    let first = cluster.bootstrap().await;
    for number in 0..350 {
        first.put(&number.to_string()).await.unwrap();
    }
    let mut metrics = first.consensus.raft().metrics();
    let purged = metrics.wait_for(|metrics| metrics.purged.is_some_and(|purged| purged.index > 200));
    within("purge", purged).await.unwrap();

    let second = cluster.join(&first).await;
    second.comes_to_have("349").await;
    assert!(second.has("0"));
    assert!(second.consensus.raft().metrics().borrow().snapshot.is_some());
    second.put("through the new one").await.unwrap();
    let stopped = second.stop().await;
    let second = cluster.restart(stopped).await;
    assert!(second.has("0") && second.has("340"), "it starts from the snapshot it was sent");
    second.comes_to_have("through the new one").await;
}

#[tokio::test]
async fn a_removed_controller_is_gone_for_good() {
    let cluster = Cluster::new(23);
    let mut controllers = cluster.of(3).await;
    let removed = controllers.pop().unwrap();
    controllers[0].consensus.remove(removed.id()).await.unwrap();
    assert!(!by_id(&controllers[0].consensus).contains_key(&removed.id()));
    let unknown = controllers[0].consensus.remove(removed.id()).await;
    assert_eq!(unknown, Err(MembershipError::Unknown(removed.id())));
    let not_leader = controllers[1].consensus.remove(controllers[0].id()).await;
    assert_eq!(not_leader, Err(MembershipError::NotLeader));
    removed.stop().await;
    controllers[1].put("without it").await.unwrap();
}

#[tokio::test]
async fn a_leader_that_removes_itself_is_succeeded() {
    let cluster = Cluster::new(24);
    let mut controllers = cluster.of(3).await;
    let leader = controllers.remove(0);
    leader.put("before").await.unwrap();
    leader.consensus.remove(leader.id()).await.unwrap();
    let successor = controllers[0].follows_another_than(leader.id()).await;
    assert!(controllers.iter().any(|controller| controller.id() == successor));
    controllers[1].put("after").await.unwrap();
    let members = by_id(&controllers[0].consensus);
    assert!(members.len() == 2 && !members.contains_key(&leader.id()));
    leader.stop().await;
    controllers[0].put("and after that").await.unwrap();
}

#[tokio::test]
async fn nobody_is_removed_when_the_rest_could_not_go_on() {
    let cluster = Cluster::new(25);
    let mut controllers = cluster.of(3).await;
    let silent = controllers.pop().unwrap();
    let silent_id = silent.id();
    silent.stop().await;
    let leader = &controllers[0].consensus;
    let mut leadership = leader.leadership();
    // Its silence shows after a moment.
    within("silence", async {
        while by_id(leader)[&silent_id].reachable {
            drop(tokio::time::timeout(std::time::Duration::from_millis(50), leadership.changed()).await);
        }
    })
    .await;
    let refused = leader.remove(controllers[1].id()).await;
    assert!(matches!(refused, Err(MembershipError::NoMajority { .. })), "{refused:?}");
    leader.remove(silent_id).await.unwrap();
    assert_eq!(by_id(leader).len(), 2);
    controllers[1].put("two are enough").await.unwrap();

    let alone = cluster.bootstrap().await;
    let refused = alone.consensus.remove(alone.id()).await;
    assert!(matches!(refused, Err(MembershipError::NoMajority { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_controller_that_moved_is_found_again() {
    let cluster = Cluster::new(26);
    let mut controllers = cluster.of(3).await;
    let moved = controllers.pop().unwrap();
    let (id, former) = (moved.id(), moved.address);
    let stopped = moved.stop().await;
    let moved = cluster.restart_elsewhere(stopped).await;
    assert!(moved.id() == id && moved.address != former);
    moved.is_found_by(&controllers[0]).await;
    assert_eq!(by_id(&controllers[0].consensus)[&id].address, moved.address.to_string());
    controllers[1].put("after the move").await.unwrap();
    moved.comes_to_have("after the move").await;

    let alone = cluster.bootstrap().await;
    let stopped = alone.stop().await;
    let alone = cluster.restart_elsewhere(stopped).await;
    alone.is_found_by(&alone).await;
}

#[tokio::test]
async fn a_controller_of_another_cluster_is_not_let_in() {
    let (ours, mut theirs) = (Cluster::new(27), Cluster::new(28));
    let first = ours.bootstrap().await;
    theirs.key = AccessKey { access_key_id: ours.key.access_key_id.clone(), ..theirs.key };
    let stranger = theirs.start().await;
    let seeds = [first.address.to_string()];
    let joining = stranger.consensus.join(&seeds);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(500), joining).await.is_err());
    assert_eq!(first.consensus.members().len(), 1);
}
