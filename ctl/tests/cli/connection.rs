//! Which controller is asked, with which key, and what is said when none answers.

use std::sync::atomic::AtomicUsize;

use berth_proto::ecs::v1::Cluster;
use tonic::Code;

use crate::{Ran, Script, Stage, run_in};

fn clusters() -> Vec<Cluster> {
    ["default", "prod"]
        .map(|name| Cluster {
            cluster_name: Some(name.to_owned()),
            cluster_arn: Some(format!("arn:aws:ecs:us-east-1:000000000000:cluster/{name}")),
            status: Some("ACTIVE".to_owned()),
            registered_container_instances_count: Some(3),
            active_services_count: Some(2),
            running_tasks_count: Some(7),
            pending_tasks_count: Some(0),
            ..Cluster::default()
        })
        .to_vec()
}

#[tokio::test]
async fn init_makes_what_a_controller_and_its_users_need_and_can_be_repeated() {
    let stage = Stage::new(Script { clusters: clusters(), ..Script::default() }).await;
    let before = std::fs::read(stage.home.path().join("admin.json")).expect("written");
    let again = stage.berth("init").await;
    assert_eq!(again.code, 0);
    assert!(again.stdout.starts_with("Kept the keys of cluster "), "{}", again.stdout);
    assert_eq!(std::fs::read(stage.home.path().join("admin.json")).expect("kept"), before);
    let listed = stage.berth("cluster list").await;
    let expected = "\
NAME     STATUS  INSTANCES  SERVICES  RUNNING  PENDING
default  ACTIVE  3          2         7        0
prod     ACTIVE  3          2         7        0
";
    assert_eq!((listed.code, listed.stdout.as_str()), (0, expected), "{}", listed.stderr);
}

#[tokio::test]
async fn nobody_at_the_endpoint_is_code_3_and_names_the_remedy() {
    let home = tempfile::tempdir().expect("a directory");
    let ran = run_in(home.path(), "--endpoints 127.0.0.1:1 cluster list").await;
    assert_eq!(ran.code, 3);
    assert!(
        ran.stderr.starts_with("error: cannot reach any controller at 127.0.0.1:1: connection refused\n"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("hint: is it running? try `berth dev`"), "{}", ran.stderr);
    let ran = run_in(home.path(), "cluster list").await;
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.starts_with("error: there is no cluster to talk to yet\nhint: `berth dev`"),
        "{}",
        ran.stderr
    );
}

#[tokio::test]
async fn the_next_controller_is_asked_when_one_is_away() {
    let stage = Stage::new(Script { clusters: clusters(), ..Script::default() }).await;
    let ran = stage.berth(&format!("--endpoints 127.0.0.1:1,{} cluster list -o name", stage.address)).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "default\nprod\n"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_read_outlives_an_election() {
    let script = Script { clusters: clusters(), unavailable: AtomicUsize::new(3), ..Script::default() };
    let ran = Stage::new(script).await.berth("cluster list -o name").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "default\nprod\n"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_wrong_key_is_code_3() {
    let stage = Stage::new(Script::default()).await;
    let ran = crate::berth(stage.home.path())
        .args(["cluster", "list"])
        .env("BERTH_ACCESS_KEY_ID", "BKA")
        .env("BERTH_SECRET_ACCESS_KEY", "wrong")
        .output()
        .await
        .expect("the binary runs");
    let ran = Ran::from(ran);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("(UnrecognizedClientException)\nhint: "), "{}", ran.stderr);
}

#[tokio::test]
async fn another_clusters_certificate_is_code_3() {
    let stage = Stage::new(Script::default()).await;
    let other = tempfile::tempdir().expect("a directory");
    let made = run_in(other.path(), &format!("init --endpoint {}", stage.address)).await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let ran = run_in(other.path(), "cluster list").await;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("not with a certificate of this profile's authority"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_refusal_is_code_1_with_exception_and_remedy() {
    let refusal = Some((Code::NotFound, "ClusterNotFoundException", "Cluster not found."));
    let ran = Stage::new(Script { refusal, ..Script::default() }).await.berth("service delete web").await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr
            .starts_with("error: Cluster not found. (ClusterNotFoundException)\nhint: `berth cluster list`")
    );
    assert_eq!(ran.stdout, "");
}

#[tokio::test]
async fn what_is_missing_is_code_1_and_what_was_found_is_shown() {
    let stage = Stage::new(Script { clusters: clusters(), ..Script::default() }).await;
    let ran = stage.berth("cluster describe prod staging -o name").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (1, "prod\n"));
    assert_eq!(ran.stderr, "error: there is no cluster `staging`\nhint: `berth cluster list` shows all\n");
}

#[tokio::test]
async fn profiles_are_made_chosen_and_removed() {
    let stage = Stage::new(Script { clusters: clusters(), ..Script::default() }).await;
    let made = stage.berth("profile set far --endpoint 127.0.0.1:1 --use").await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    assert_eq!(stage.berth("cluster list").await.code, 3);
    assert_eq!(stage.berth("--profile default cluster list").await.code, 0);
    assert_eq!(stage.berth("profile use default").await.code, 0);
    assert_eq!(stage.berth("cluster list").await.code, 0);
    assert_eq!(stage.berth("profile rm far").await.code, 0);
    let listed = stage.berth("profile list -o name").await;
    assert_eq!(listed.stdout, "default\n");
    let unknown = stage.berth("profile use far").await;
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
}
