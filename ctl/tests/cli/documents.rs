//! What goes in as a file, and what comes out as a document.

use berth_proto::ecs::v1::Cluster;
use serde_json::{Value, json};

use crate::{Script, Stage, berth};

#[tokio::test]
async fn a_registered_file_comes_back_as_json() {
    let stage = Stage::new(Script::default()).await;
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/task-definitions/web.json");
    let ran = stage.berth(&format!("td register -f {file} --image app=web:v43 -o json")).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let response: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(response["taskDefinition"]["family"], "web");
    assert_eq!(response["taskDefinition"]["containerDefinitions"][0]["image"], "web:v43");
    assert_eq!(
        response["taskDefinition"]["containerDefinitions"][0]["portMappings"][0]["appProtocol"],
        "http"
    );
    assert_eq!(response["tags"], json!([{"key": "team", "value": "web"}]));
    let names = stage.berth(&format!("td register -f {file} -o name")).await;
    assert_eq!(names.stdout, "web:1\n");
}

#[tokio::test]
async fn yaml_is_read_from_standard_input_and_a_mistake_is_code_2() {
    use tokio::io::AsyncWriteExt as _;
    let stage = Stage::new(Script::default()).await;
    let mut child = berth(stage.home.path())
        .args(["td", "register", "-f", "-"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"family: web\ncontainerDefinitions:\n  - nmae: app\n").await.expect("written");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: standard input:\n  containerDefinitions[0].nmae: no such member; did you mean `name`?\n"
    );
}

#[tokio::test]
async fn documents_are_json_or_yaml() {
    let stage = Stage::new(Script::default()).await;
    let ran = stage.berth("cluster create prod -o json").await;
    let response: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(response, json!({"cluster": {"clusterName": "prod", "status": "ACTIVE"}}));
    let ran = stage.berth("cluster create prod -o yaml").await;
    assert_eq!(ran.stdout, "cluster:\n  clusterName: prod\n  status: ACTIVE\n");
    let ran = stage.berth("cluster list -o json").await;
    let response: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(response, json!({"clusters": [], "failures": []}), "what is empty can be iterated over");
}

#[tokio::test]
async fn a_closed_pipe_ends_it_without_a_word() {
    let cluster = |number: usize| Cluster {
        cluster_name: Some(format!("cluster-{number}")),
        cluster_arn: Some(format!("arn:aws:ecs:us-east-1:000000000000:cluster/cluster-{number}")),
        ..Cluster::default()
    };
    let stage = Stage::new(Script { clusters: (0..20).map(cluster).collect(), ..Script::default() }).await;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = berth(stage.home.path())
        .args(["cluster", "list"])
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .await
        .expect("the binary runs");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[tokio::test]
async fn every_shell_gets_its_completion() {
    let home = tempfile::tempdir().expect("a directory");
    for (shell, sign) in
        [("bash", "complete -F _berth"), ("zsh", "#compdef berth"), ("fish", "complete -c berth")]
    {
        let ran = crate::run_in(home.path(), &format!("completion {shell}")).await;
        assert_eq!(ran.code, 0);
        assert!(ran.stdout.contains(sign), "{shell}");
    }
}

#[tokio::test]
async fn help_names_the_exit_codes() {
    let home = tempfile::tempdir().expect("a directory");
    let ran = crate::run_in(home.path(), "--help").await;
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("Exit codes:\n  0  done\n  1  the cluster refused"), "{}", ran.stdout);
}
