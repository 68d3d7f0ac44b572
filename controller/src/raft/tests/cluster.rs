//! Three controllers: writes, reads, a lost leader, restarts.

use berth_model::command::Outcome;
use futures::future::join_all;
use tokio::time::Instant;

use super::harness::*;
use super::slow_line;
use crate::feed::Event;
use crate::proposer::ProposeError;
use crate::raft::consensus::ReadError;

#[tokio::test]
async fn a_write_through_any_controller_is_read_through_any_other() {
    let controllers = Cluster::new(1).of(3).await;
    let (revision, outcome) = controllers[1].put("through a follower").await.unwrap();
    assert_eq!(outcome, Outcome::Applied);
    assert!(controllers[1].has("through a follower"), "whoever wrote it finds it where it was written");
    let view = controllers[2].consensus.linearize().await.unwrap();
    assert!(view.access_key("through a follower").is_some() && view.revision() >= revision);
    controllers[0].put("through the leader").await.unwrap();
    for controller in &controllers {
        let view = controller.consensus.linearize().await.unwrap();
        assert!(view.access_key("through the leader").is_some());
    }
}

#[tokio::test]
async fn changes_arrive_at_every_controller() {
    let controllers = Cluster::new(2).of(2).await;
    let (_view, mut changes) = controllers[1].consensus.feed().subscribe();
    let (revision, _) = controllers[0].put("seen").await.unwrap();
    let event = within("the change", changes.next()).await.unwrap();
    assert!(
        matches!(event, Event::Changed(changed) if changed.revision == revision && changed.changes.len() == 1)
    );
}

#[tokio::test]
async fn writes_go_on_when_the_leader_is_lost() {
    let cluster = Cluster::new(3);
    let mut controllers = cluster.of(3).await;
    controllers[0].put("before").await.unwrap();
    let leader = controllers.remove(0);
    let former = leader.id();
    let stopped_at = Instant::now();
    let stopped = leader.stop().await;
    controllers[0].put("after").await.unwrap();
    tracing::info!(elapsed = ?stopped_at.elapsed(), "writes went on");
    assert!(controllers[0].has("before") && controllers[0].has("after"));
    assert_ne!(controllers[1].follows_another_than(former).await, former);

    let again = cluster.restart(stopped).await;
    assert_eq!(again.id(), former);
    again.comes_to_have("after").await;
    again.put("from the former leader").await.unwrap();
    controllers[1].comes_to_have("from the former leader").await;
}

#[tokio::test]
async fn a_controller_that_restarts_has_everything_again() {
    let cluster = Cluster::new(4);
    let controller = cluster.bootstrap().await;
    for number in 0..20 {
        controller.put(&number.to_string()).await.unwrap();
    }
    let stopped = controller.stop().await;
    let again = cluster.restart(stopped).await;
    assert!(again.has("0") && again.has("18"), "the log is replayed before anybody is served");
    again.leads().await;
    assert!(again.consensus.linearize().await.unwrap().access_key("19").is_some());
    again.consensus.bootstrap().await.unwrap();
    assert_eq!(again.consensus.members().len(), 1);
}

#[tokio::test]
async fn without_a_majority_nothing_is_written_and_nothing_stale_is_read() {
    let mut cluster = Cluster::new(5);
    cluster.config = impatient(cluster.config);
    let mut controllers = cluster.of(3).await;
    controllers.pop().unwrap().stop().await;
    controllers.pop().unwrap().stop().await;
    let alone = &controllers[0];
    assert_eq!(alone.put("lost").await, Err(ProposeError::Unknown));
    assert!(!alone.has("lost"));
    let read = alone.consensus.linearize().await.map(|_view| ());
    assert!(matches!(read, Err(ReadError::NoLeader(_))), "{read:?}");
    let mut leadership = alone.consensus.leadership();
    within("step back", leadership.wait_for(|leadership| !leadership.is_leader)).await.unwrap();
}

#[tokio::test]
async fn without_a_leader_a_write_is_certainly_not_made() {
    let mut cluster = Cluster::new(6);
    cluster.config = impatient(cluster.config);
    let alone = cluster.start().await;
    assert_eq!(alone.put("nowhere").await, Err(ProposeError::NoLeader));
    let too_large = alone.consensus.proposer().propose(put("large", 2_000_000)).await;
    assert!(matches!(too_large, Err(ProposeError::TooLarge { bytes }) if bytes > 2_000_000));
}

#[tokio::test]
async fn writes_that_come_together_share_log_entries() {
    const WRITES: u64 = 400;
    let controllers = Cluster::new(7).of(3).await;
    let first = controllers[0].consensus.view().revision();
    let names: Vec<String> = (0..WRITES).map(|number| number.to_string()).collect();
    let writers = names.iter().zip(controllers.iter().cycle()).map(|(name, controller)| controller.put(name));
    let written = join_all(writers).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    let last = controllers[0].consensus.view().revision();
    assert!(last - first < WRITES / 4, "{WRITES} writes took {} entries", last - first);
    let view = controllers[2].consensus.linearize().await.unwrap();
    assert!(names.iter().all(|name| view.access_key(name).is_some()));
}

#[tokio::test]
async fn large_commands_arrive_whole() {
    let controllers = Cluster::new(8).of(2).await;
    let proposer = controllers[1].consensus.proposer();
    let names = ["a", "b", "c", "d"];
    // A number takes one or two bytes of MessagePack.
    let written = join_all(names.map(|name| proposer.propose(put(name, 1_400_000)))).await;
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    for controller in &controllers {
        let view = controller.consensus.linearize().await.unwrap();
        assert!(names.iter().all(|name| view.access_key(name).unwrap().sealed_secret.len() == 1_400_000));
    }
}

#[tokio::test]
async fn large_commands_arrive_over_a_slow_line() {
    let mut cluster = Cluster::new(9);
    let bytes_per_heartbeat = 200_000;
    cluster.connector = slow_line::connector(bytes_per_heartbeat * 10);
    let controllers = cluster.of(2).await;
    let proposer = controllers[0].consensus.proposer();
    proposer.propose(put("large", bytes_per_heartbeat * 3)).await.unwrap();
    controllers[1].comes_to_have("large").await;
}
