//! How fast real containers start under a service, beside a bare loop on the same engine.

use std::time::Duration;

use berth_tests::harness::engine::Engine;
use berth_tests::harness::fleet::{Fleet, ServiceSpec};
use berth_tests::harness::wait::until;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{rate, report};

const CONTAINERS: usize = 60;
/// As many at a time as the loop profits from.
const AT_ONCE: usize = 6;
const LABEL: &str = "berth.bench=1";

pub(crate) async fn measure() {
    report(&format!("{CONTAINERS} containers: bare loop"), &rate(CONTAINERS, bare().await));
    report(&format!("{CONTAINERS} containers: service"), &rate(CONTAINERS, service().await));
}

async fn bare() -> Duration {
    let began = Instant::now();
    let mut starting = JoinSet::new();
    for _ in 0..CONTAINERS {
        if starting.len() == AT_ONCE {
            starting.join_next().await;
        }
        starting.spawn_blocking(|| {
            let run =
                ["run", "--detach", "--label", LABEL, "--publish", "8080", "--memory", "32m", "berth-app:1"];
            Engine::local().docker(&run).expect("start a container")
        });
    }
    starting.join_all().await;
    let duration = began.elapsed();
    Engine::local().remove_labelled(LABEL);
    duration
}

async fn service() -> Duration {
    let fleet = Fleet::builder().start().await;
    fleet.register("web", "1", &[]).await.expect("register a task definition");
    let began = Instant::now();
    let count = i32::try_from(CONTAINERS).expect("a few");
    fleet.create_service(&ServiceSpec::new("web", count)).await.expect("create a service");
    until("all run", Duration::from_secs(300), async || fleet.running("web", CONTAINERS).await.map(drop))
        .await;
    began.elapsed()
}
