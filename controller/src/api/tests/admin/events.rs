//! WatchEvents: everything once, in order, however slowly it is read.

use std::time::Duration;

use berth_model::cluster::{Cluster, ClusterStatus};
use berth_model::command::Command;
use berth_model::id::ClusterName;
use berth_model::limits::HISTORY_ENTRIES;
use berth_model::time::Timestamp;
use berth_proto::admin::v1 as pb;
use futures::{FutureExt, StreamExt};
use tonic::{Code, Streaming};

use super::super::cases;
use super::super::controller::{Controller, NOW_MS, exception};
use super::super::fixture::small_definition;

const PATIENCE: Duration = Duration::from_secs(10);

fn watch() -> pb::WatchEventsRequest {
    pb::WatchEventsRequest { follow: true, ..pb::WatchEventsRequest::default() }
}

fn history() -> pb::WatchEventsRequest {
    pb::WatchEventsRequest::default()
}

async fn next(stream: &mut Streaming<pb::Event>) -> pb::Event {
    let next = tokio::time::timeout(PATIENCE, stream.next()).await;
    next.expect("in time").expect("not the end").expect("an event")
}

async fn all(controller: &Controller, request: pb::WatchEventsRequest) -> Vec<pb::Event> {
    let stream = controller.admin().watch_events(request).await.unwrap().into_inner();
    stream.map(Result::unwrap).collect().await
}

/// Makes a cluster, which is one event.
fn make(controller: &Controller, name: &str) {
    let cluster = Cluster {
        name: ClusterName::new(name),
        status: ClusterStatus::Active,
        created_at: Timestamp::from_unix_ms(NOW_MS),
        spec: Default::default(),
    };
    controller.consensus.apply(Command::CreateCluster(cluster)).unwrap();
}

cases!(
    "admin",
    (WatchEvents, Answered, what_was_is_told_and_the_stream_ends, async |controller| {
        controller.define(small_definition("small")).await;
        controller.join("a").await;
        controller.run("small").await;
        controller.serve("web", "small", 0).await;
        let events = all(&controller, history()).await;
        assert!(events.is_sorted_by_key(|event| event.revision), "{events:?}");
        let kinds: Vec<&str> = events.iter().map(|event| event.resource_kind.as_str()).collect();
        assert_eq!(kinds, ["cluster", "container-instance", "task", "service"]);
        assert_eq!((events[3].service.as_str(), events[3].cluster.as_str()), ("web", "default"));
    }),
    (WatchEvents, Answered, what_comes_follows_what_was_without_gap_or_repetition, async |controller| {
        let mut stream = controller.admin().watch_events(watch()).await.unwrap().into_inner();
        assert_eq!(next(&mut stream).await.resource_id, "default");
        for number in 0..2_000 {
            make(&controller, &format!("c{number}"));
        }
        for number in 0..2_000 {
            assert_eq!(next(&mut stream).await.resource_id, format!("c{number}"));
        }
        assert!(stream.next().now_or_never().is_none(), "nothing else happened");
        make(&controller, "last");
        assert_eq!(next(&mut stream).await.resource_id, "last");
    }),
    (WatchEvents, Answered, events_are_filtered_by_cluster_service_and_age, async |controller| {
        controller.define(small_definition("small")).await;
        controller.serve("web", "small", 0).await;
        controller.pass(100);
        make(&controller, "other");
        let ids =
            |events: Vec<pb::Event>| events.into_iter().map(|event| event.resource_id).collect::<Vec<_>>();
        let of_cluster = pb::WatchEventsRequest { cluster: "other".into(), ..history() };
        assert_eq!(ids(all(&controller, of_cluster).await), ["other"]);
        let of_service = pb::WatchEventsRequest { service: "web".into(), ..history() };
        assert_eq!(ids(all(&controller, of_service).await), ["web"]);
        let young = pb::WatchEventsRequest { since_seconds: Some(50), ..history() };
        assert_eq!(ids(all(&controller, young).await), ["other"]);
    }),
    (WatchEvents, Answered, a_client_that_is_too_slow_is_told_so, async |controller| {
        let mut stream = controller.admin().watch_events(watch()).await.unwrap().into_inner();
        next(&mut stream).await;
        // Without giving the server a chance to run, so that it finds its place in the history gone.
        for number in 0..=HISTORY_ENTRIES {
            make(&controller, &format!("c{number}"));
        }
        let error = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap_err();
        assert_eq!(error.code(), Code::DataLoss);
        assert!(error.message().contains("Open the stream again"), "{error}");
    }),
    (WatchEvents, Refused, a_cluster_must_have_a_proper_name, async |controller| {
        let answer = controller
            .admin()
            .watch_events(pb::WatchEventsRequest { cluster: "a b".into(), ..watch() })
            .await;
        assert_eq!(exception(answer), "InvalidParameterException");
    }),
);
