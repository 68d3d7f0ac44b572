//! Who may call what here.

use std::time::Duration;

use berth_process::clock::Clock;
use berth_process::identity::AccessKey;
use berth_process::net::Connector;
use berth_process::token::Signer;
use berth_proto::peer::v1::{JoinRequest, ProposeRequest, RaftMessage, ReadIndexRequest};
use bytes::Bytes;
use tonic::{Code, Request};

use super::harness::*;
use crate::limits::{FORWARD_COMMANDS, PROPOSAL_BYTES};
use crate::raft::ControllerId;
use crate::raft::network::encode;
use crate::raft::peers::{NOT_PROPOSED, PeerClient, Peers, is_certainly_undone, request_for};

fn client(controller: &Controller, key: &AccessKey) -> PeerClient {
    let signer = Signer::new(&key.access_key_id, &key.secret_access_key, Clock::system());
    let peers = Peers::new(Connector::tcp(None), signer, Duration::from_secs(1));
    peers.client(&controller.address.to_string())
}

#[tokio::test]
async fn only_the_controllers_own_key_opens_the_door() {
    let cluster = Cluster::new(41);
    let controller = cluster.bootstrap().await;
    let wrong_secret = AccessKey { secret_access_key: "guessed".to_owned(), ..cluster.key.clone() };
    let wrong_id = AccessKey { access_key_id: "BKPOTHER".to_owned(), ..cluster.key.clone() };
    for key in [wrong_secret, wrong_id] {
        let mut client = client(&controller, &key);
        let refused = [
            client.append_entries(RaftMessage::default()).await.unwrap_err().code(),
            client.vote(RaftMessage::default()).await.unwrap_err().code(),
            client.install_snapshot(RaftMessage::default()).await.unwrap_err().code(),
            client.propose(ProposeRequest::default()).await.unwrap_err().code(),
            client.read_index(ReadIndexRequest::default()).await.unwrap_err().code(),
            client.join(JoinRequest::default()).await.unwrap_err().code(),
            client.report_sessions(Request::new(Default::default())).await.unwrap_err().code(),
            client.read_logs(Request::new(Default::default())).await.map(|_stream| ()).unwrap_err().code(),
        ];
        assert_eq!(refused, [Code::Unauthenticated; 8]);
    }
}

#[tokio::test]
async fn a_message_for_another_controller_is_refused() {
    let cluster = Cluster::new(42);
    let controller = cluster.bootstrap().await;
    let mut client = client(&controller, &cluster.key);
    client.read_index(request_for(controller.id(), ReadIndexRequest {})).await.unwrap();
    let other = ControllerId::from(controller.id().get() ^ 1);
    let refused = client.read_index(request_for(other, ReadIndexRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn who_does_not_lead_says_that_nothing_was_proposed() {
    let cluster = Cluster::new(43);
    let controllers = cluster.of(2).await;
    let mut follower = client(&controllers[1], &cluster.key);
    let refused = follower.propose(ProposeRequest::default()).await.unwrap_err();
    assert!(refused.metadata().contains_key(NOT_PROPOSED) && is_certainly_undone(&refused), "{refused:?}");
    let mut leader = client(&controllers[0], &cluster.key);
    let too_large = vec![Bytes::from(vec![0; PROPOSAL_BYTES + 1])];
    let too_many = vec![Bytes::from_static(b"c"); FORWARD_COMMANDS + 1];
    for envelope in [encode(&too_large), encode(&too_many), b"not a list".to_vec()] {
        let refused = leader.propose(ProposeRequest { envelope }).await.unwrap_err();
        assert!(refused.code() == Code::InvalidArgument && is_certainly_undone(&refused), "{refused:?}");
    }
}

#[tokio::test]
async fn a_controller_that_is_not_there_was_certainly_not_asked() {
    let cluster = Cluster::new(44);
    let controller = cluster.bootstrap().await;
    let mut client = client(&controller, &cluster.key);
    controller.stop().await;
    let failed = client.propose(ProposeRequest::default()).await.unwrap_err();
    assert!(is_certainly_undone(&failed), "{failed:?}");
}

#[tokio::test]
async fn a_request_to_join_without_an_address_is_refused() {
    let cluster = Cluster::new(45);
    let controller = cluster.bootstrap().await;
    let mut client = client(&controller, &cluster.key);
    let nameless = JoinRequest { controller_id: 0, address: "127.0.0.1:1".to_owned() };
    let homeless = JoinRequest { controller_id: 9, address: "somewhere".to_owned() };
    for request in [nameless, homeless] {
        assert_eq!(client.join(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
}
