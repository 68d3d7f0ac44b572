//! Commands in containers, files of them, and connections to them.

use std::path::Path;
use std::process::Stdio;

use anyhow::ensure;
use berth_proto::ecs::v1 as ecs;
use berth_proto::logs::v1 as logs;
use berth_tests::harness::api::id_of;
use berth_tests::harness::fleet::{Fleet, Member};
use berth_tests::harness::wait::until;
use berth_tests::harness::{
    command, require_aws_clients, require_busybox, require_docker, require_session_plugin,
};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use super::{SOON, deploy};

/// What talks to the command line as a person at a terminal does.
const TERMINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/terminal.py");

/// A fleet with one task of the test application, and that task's id.
async fn with_task(builder: berth_tests::harness::fleet::Builder) -> (Fleet, String) {
    let fleet = builder.start().await;
    deploy(&fleet, "web", 1).await;
    let task = fleet.running("web", 1).await.expect("it runs").remove(0);
    let id = id_of(task.task_arn()).to_owned();
    (fleet, id)
}

/// Brings a shell into the task's container.
async fn equip(fleet: &Fleet, task: &str) -> bool {
    let Some(busybox) = require_busybox() else { return false };
    let busybox = busybox.to_string_lossy().into_owned();
    fleet.berth(&["cp", &busybox, &format!("{task}:/busybox"), "--force"]).await.expect("a copy");
    let links = "/busybox mkdir -p /bin && /busybox --install -s /bin";
    let made = fleet.berth(&["exec", task, "--force", "--", "/busybox", "sh", "-c", links]).await;
    made.expect("a shell");
    true
}

/// The commands that run in the container, one a line.
async fn processes(fleet: &Fleet, task: &str) -> String {
    fleet.berth(&["exec", task, "--force", "--", "/bin/ps", "-o", "args"]).await.expect("a list")
}

fn start(fleet: &Fleet, arguments: &[&str]) -> Child {
    let mut command = fleet.berth_command(arguments).expect("it is built");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_passes_input_output_and_exit_code_through_any_controller() {
    if !require_docker() {
        return;
    }
    let (fleet, id) = with_task(Fleet::builder().controllers(3).agents(1)).await;

    if !equip(&fleet, &id).await {
        return;
    }
    // More than all buffers on the way together, so that both directions have to go on at once.
    let piped: Vec<u8> = (0..4 << 20).map(|at: u32| at.to_le_bytes()[at as usize % 4]).collect();
    for controller in 0..3 {
        let endpoint = fleet.controller_address(controller).to_owned();
        let script = "cat; echo copied >&2; exit 7";
        let command = ["exec", "--endpoints", &endpoint, "--force", &id, "--", "/bin/sh", "-c", script];
        let copied = fleet.berth_piped(&command, &piped).await.unwrap();
        assert_eq!(copied.status.code(), Some(7), "{}", String::from_utf8_lossy(&copied.stderr));
        assert!(copied.stdout == piped, "{} of {} bytes came back", copied.stdout.len(), piped.len());
        assert_eq!(String::from_utf8_lossy(&copied.stderr), "copied\n");
    }

    let check = ["exec", &id, "--force", "-c", "app", "--", "/berth-app", "--check"];
    let healthy = fleet.berth_output(&check).await.unwrap();
    assert_eq!(healthy.status.code(), Some(0), "{}", String::from_utf8_lossy(&healthy.stderr));
    let missing = fleet.berth_output(&["exec", &id, "--force", "--", "/nobody"]).await.unwrap();
    assert!(!missing.status.success());
    let without = fleet.berth_output(&["exec", &id, "--", "/berth-app"]).await.unwrap();
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(said.contains("execute command was not enabled") && said.contains("--force"), "{said}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_one_on_both_sides_and_is_left_as_it_was() {
    if !require_docker() {
        return;
    }
    let (fleet, id) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    if !equip(&fleet, &id).await {
        return;
    }
    let berth = fleet.berth_command(&["exec", "-it", "--force", &id, "--", "/bin/sh"]).unwrap();
    at_a_terminal("berth", berth.as_std()).await;
    fleet.finish().await;
}

/// What sessions left in a group: stream and text.
async fn transcripts(fleet: &Fleet, group: &str) -> anyhow::Result<Vec<(String, String)>> {
    let log_group_name = Some(group.to_owned());
    let request = logs::FilterLogEventsRequest { log_group_name, ..Default::default() };
    let found = fleet.api().logs.filter_log_events(request).await?.into_inner();
    let pair =
        |event: logs::FilteredLogEvent| (event.log_stream_name().to_owned(), event.message().to_owned());
    Ok(found.events.into_iter().map(pair).collect())
}

async fn keep_sessions(fleet: &Fleet, logging: ecs::ExecuteCommandLogging, group: Option<&str>) {
    let log_configuration = group.map(|group| ecs::ExecuteCommandLogConfiguration {
        cloud_watch_log_group_name: Some(group.to_owned()),
        ..Default::default()
    });
    let execute = ecs::ExecuteCommandConfiguration {
        logging: Some(logging.into()),
        log_configuration,
        ..Default::default()
    };
    let request = ecs::UpdateClusterRequest {
        cluster: Some("default".to_owned()),
        configuration: Some(ecs::ClusterConfiguration {
            execute_command_configuration: Some(execute),
            ..Default::default()
        }),
        ..Default::default()
    };
    fleet.api().clusters.update_cluster(request).await.expect("it takes that");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sessions_print_is_kept_where_the_cluster_says() {
    if !require_docker() {
        return;
    }
    let (fleet, id) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    if !equip(&fleet, &id).await {
        return;
    }
    let say = async |text: &str| {
        let script = format!("echo {text}; echo and {text} >&2; printf {text}-to-the-end");
        fleet.berth_output(&["exec", "--force", &id, "--", "/bin/sh", "-c", &script]).await.expect("it ran")
    };
    keep_sessions(&fleet, ecs::ExecuteCommandLogging::Override, Some("/sessions")).await;
    let refused = say("nothing").await;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("log group /sessions"), "{why}");
    let log_group_name = Some("/sessions".to_owned());
    let create = logs::CreateLogGroupRequest { log_group_name, ..Default::default() };
    fleet.api().logs.create_log_group(create).await.expect("made");
    assert!(say("kept").await.status.success());
    let terminal = fleet.berth_command(&["exec", "-it", "--force", &id, "--", "/bin/sh"]).expect("built");
    at_a_terminal("berth", terminal.as_std()).await;
    let kept = until("both sessions are kept", SOON, async || {
        let kept = transcripts(&fleet, "/sessions").await?;
        ensure!(kept.iter().any(|(stream, _)| *stream != kept[0].0), "{kept:?}");
        Ok(kept)
    })
    .await;
    let first: Vec<&str> =
        kept.iter().filter(|(stream, _)| *stream == kept[0].0).map(|(_, text)| text.as_str()).collect();
    assert_eq!(first.len(), 3, "{first:?}");
    for line in ["kept", "and kept", "kept-to-the-end"] {
        assert!(first.contains(&line), "{first:?}");
    }

    // Where the log of the container goes, or nowhere.
    let options =
        [("awslogs-group", "/ecs/own"), ("awslogs-create-group", "true"), ("awslogs-region", "us-east-1")];
    let driver = ecs::LogDriver::Awslogs;
    fleet.register_logged("logged", &[], driver, &options).await.expect("register");
    let logged = id_of(&fleet.start_task_on("logged", 0).await.expect("started")).to_owned();
    let check = ["exec", "--force", &logged, "--", "/berth-app", "--nobody-knows"];
    keep_sessions(&fleet, ecs::ExecuteCommandLogging::None, None).await;
    until("it runs", SOON, async || {
        let said = fleet.berth_output(&check).await?;
        ensure!(said.status.code().is_some_and(|code| code > 0) && said.stderr.len() < 4_096, "{said:?}");
        ensure!(transcripts(&fleet, "/ecs/own").await?.len() == 1, "its own log is not there yet");
        Ok(())
    })
    .await;
    let streams = async || {
        let log_group_name = Some("/ecs/own".to_owned());
        let request = logs::DescribeLogStreamsRequest { log_group_name, ..Default::default() };
        anyhow::Ok(fleet.api().logs.describe_log_streams(request).await?.into_inner().log_streams.len())
    };
    assert_eq!(streams().await.expect("told"), 1, "nothing is kept of a session");
    keep_sessions(&fleet, ecs::ExecuteCommandLogging::Default, None).await;
    fleet.berth_output(&check).await.expect("it ran");
    until("the session is beside the log", SOON, async || {
        ensure!(streams().await? == 2, "it is not");
        Ok(())
    })
    .await;
    fleet.finish().await;
}

/// A person does with a command what is to be done with it in this way.
async fn at_a_terminal(way: &str, program: &std::process::Command) {
    let mut terminal = std::process::Command::new("python3");
    terminal.arg(TERMINAL).arg(way).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        terminal.env(name, value.unwrap_or_default());
    }
    let talk = tokio::task::spawn_blocking(move || command::output(&mut terminal));
    let said = talk.await.expect("no panic").expect("a talk");
    assert!(said.contains("all well"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_gets_in_with_its_own_plugin() {
    if !require_docker() {
        return;
    }
    let (Some(python), Some(plugin)) = (require_aws_clients(), require_session_plugin()) else {
        return;
    };
    let (fleet, closed) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    let run = ["run", "web", "--detach", "--enable-execute-command", "--output", "json"];
    let ran: Value = serde_json::from_str(&fleet.berth(&run).await.unwrap()).unwrap();
    let arn = ran["tasks"][0]["taskArn"].as_str().unwrap_or_else(|| panic!("{ran}")).to_owned();
    let open = id_of(&arn).to_owned();
    until("the command agent of the task runs", SOON, async || {
        let described = fleet.api().describe_tasks(vec![arn.clone()]).await?;
        let agents = described.iter().flat_map(|task| &task.containers).flat_map(|one| &one.managed_agents);
        ensure!(agents.map(|agent| agent.last_status()).collect::<Vec<_>>() == ["RUNNING"]);
        Ok(())
    })
    .await;
    if !equip(&fleet, &open).await {
        return;
    }
    let aws = |task: &str| {
        let mut aws = aws_cli(&fleet, &python, &plugin);
        aws.args(["ecs", "execute-command", "--interactive", "--command", "/bin/sh -c 'exec /bin/sh'"]);
        aws.args(["--cluster", "default", "--container", "app", "--task", task]);
        aws
    };
    at_a_terminal("plugin", &aws(&open)).await;
    at_a_terminal("refused", &aws(&closed)).await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_forwards_ports_with_its_own_plugin() {
    if !require_docker() {
        return;
    }
    let (Some(python), Some(plugin)) = (require_aws_clients(), require_session_plugin()) else {
        return;
    };
    let (fleet, _) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    let run = ["run", "web", "--detach", "--enable-execute-command", "--output", "json"];
    let ran: Value = serde_json::from_str(&fleet.berth(&run).await.unwrap()).unwrap();
    let arn = ran["tasks"][0]["taskArn"].as_str().unwrap_or_else(|| panic!("{ran}")).to_owned();
    let task = until("the task runs", SOON, async || {
        let task = fleet.api().describe_tasks(vec![arn.clone()]).await?.remove(0);
        ensure!(task.last_status() == "RUNNING", "{}", task.last_status());
        Ok(task)
    })
    .await;
    let target = format!("ecs:default_{}_{}", id_of(&arn), task.containers[0].runtime_id());
    let forward = |document: &str, parameters: &str| {
        let mut aws = aws_cli(&fleet, &python, &plugin);
        aws.args(["ssm", "start-session", "--target", &target, "--document-name", document]);
        aws.args(["--parameters", parameters]);
        let mut aws = tokio::process::Command::from(aws);
        aws.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        aws
    };
    let documents = [
        ("AWS-StartPortForwardingSession", "portNumber=8080,localPortNumber=0"),
        ("AWS-StartPortForwardingSessionToRemoteHost", "host=127.0.0.1,portNumber=8080,localPortNumber=0"),
    ];
    for (document, parameters) in documents {
        let mut session = forward(document, parameters).process_group(0).spawn().unwrap();
        let mut lines = BufReader::new(session.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("{document} ended"));
            // `Port 40123 opened for sessionId ecs-execute-command-….`
            if let Some(rest) = line.strip_prefix("Port ") {
                break rest.split(' ').next().unwrap().parse::<u16>().unwrap();
            }
        };
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        until("connections are answered", SOON, async || {
            let many = (0..3).map(|_| berth_tests::harness::http::get(address, "/"));
            futures::future::try_join_all(many).await.map(drop)
        })
        .await;
        // The plugin is its own process: both go.
        let group = format!("-{}", session.id().unwrap());
        command::output(std::process::Command::new("kill").args(["-INT", "--", &group])).unwrap();
        tokio::time::timeout(SOON, session.wait()).await.expect("it ends").unwrap();
    }
    let refused = forward("AWS-RunShellScript", "portNumber=80").output().await.unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("Document with name AWS-RunShellScript does not exist."), "{said}");
    fleet.finish().await;
}

/// The AWS CLI, with its plugin, as the administrator of a fleet.
fn aws_cli(fleet: &Fleet, python: &Path, plugin: &Path) -> std::process::Command {
    let mut aws = std::process::Command::new(python.with_file_name("aws"));
    let path = std::env::var("PATH").unwrap_or_default();
    aws.env("PATH", format!("{}:{path}", plugin.display()))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    aws.env("AWS_ENDPOINT_URL", format!("http://{}", fleet.aws_address()));
    let key = fleet.admin_key();
    aws.env("AWS_ACCESS_KEY_ID", &key.access_key_id).env("AWS_SECRET_ACCESS_KEY", &key.secret_access_key);
    aws
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_with_its_caller_and_a_caller_with_its_container() {
    if !require_docker() {
        return;
    }
    let (mut fleet, id) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    if !equip(&fleet, &id).await {
        return;
    }
    let sleeper = start(&fleet, &["exec", "--force", &id, "--", "/bin/sleep", "1234"]);
    until("it runs", SOON, async || {
        ensure!(processes(&fleet, &id).await.contains("sleep 1234"));
        Ok(())
    })
    .await;
    // Killed, it cannot say good-bye.
    drop(sleeper);
    until("it ends with its caller", SOON, async || {
        ensure!(!processes(&fleet, &id).await.contains("sleep 1234"));
        Ok(())
    })
    .await;

    // Those who do not read hold up neither others nor the session of the agent.
    let deaf: Vec<Child> =
        (0..8).map(|_| start(&fleet, &["exec", "--force", &id, "--", "/bin/yes"])).collect();
    until("they all print", SOON, async || {
        ensure!(processes(&fleet, &id).await.matches("/bin/yes").count() == 8);
        Ok(())
    })
    .await;
    let before = fleet.memory_kib(Member::Controller(0)).unwrap();
    for _ in 0..20 {
        assert_eq!(fleet.berth(&["exec", "--force", &id, "--", "/bin/echo", "hi"]).await.unwrap(), "hi\n");
    }
    let after = fleet.memory_kib(Member::Controller(0)).unwrap();
    assert!(after < before + (64 << 10), "from {before} to {after} KiB");
    drop(deaf);

    let waiting = start(&fleet, &["exec", "--force", &id, "--", "/bin/sleep", "4321"]);
    until("it runs", SOON, async || {
        ensure!(processes(&fleet, &id).await.contains("sleep 4321"));
        Ok(())
    })
    .await;
    fleet.scale("web", 0).await.unwrap();
    let ended = tokio::time::timeout(SOON, waiting.wait_with_output()).await.unwrap().unwrap();
    assert!(!ended.status.success(), "{ended:?}");
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_change_of_controllers_and_ends_with_the_one_it_goes_through() {
    if !require_docker() {
        return;
    }
    let (mut fleet, id) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    if !equip(&fleet, &id).await {
        return;
    }
    let endpoint = fleet.controller_address(0).to_owned();
    let through = ["exec", "--endpoints", &endpoint, "--force", &id, "--", "/bin/sleep", "1234"];
    let waiting = start(&fleet, &through);
    until("it runs", SOON, async || {
        ensure!(processes(&fleet, &id).await.contains("sleep 1234"));
        Ok(())
    })
    .await;
    fleet.kill(Member::Controller(0));
    let ended = tokio::time::timeout(SOON, waiting.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(3), "{}", String::from_utf8_lossy(&ended.stderr));
    until("others are asked, and the command has ended", SOON, async || {
        let listed = fleet.berth(&["exec", "--force", &id, "--", "/bin/ps", "-o", "args"]).await?;
        ensure!(!listed.contains("sleep 1234"), "{listed}");
        Ok(())
    })
    .await;
    fleet.allow_disturbance();
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_and_come_out_as_they_are() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    if !require_docker() {
        return;
    }
    let (fleet, id) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    if !equip(&fleet, &id).await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    // Larger than what fits into all buffers on the way.
    let large: Vec<u8> = (0..8 << 20).map(|at: u32| (at / 7).to_le_bytes()[0]).collect();
    std::fs::write(tree.join("deep/er/large"), &large).unwrap();
    std::fs::write(tree.join("run"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(tree.join("run"), std::fs::Permissions::from_mode(0o751)).unwrap();
    symlink("run", tree.join("link")).unwrap();
    let copy = async |from: &str, to: &str| fleet.berth_output(&["cp", "--force", from, to]).await.unwrap();

    let there = copy(tree.to_str().unwrap(), &format!("{id}:/srv")).await;
    assert!(there.status.success(), "{there:?}");
    // Into a directory that is there, under its own name.
    let inside = copy(tree.join("run").to_str().unwrap(), &format!("{id}:/srv/deep")).await;
    assert!(inside.status.success(), "{inside:?}");
    let back = folder.path().join("back");
    let fetched = copy(&format!("{id}:/srv"), back.to_str().unwrap()).await;
    assert!(fetched.status.success(), "{fetched:?}");
    assert!(std::fs::read(back.join("deep/er/large")).unwrap() == large);
    assert_eq!(back.join("run").metadata().unwrap().permissions().mode() & 0o777, 0o751);
    assert_eq!(std::fs::read_link(back.join("link")).unwrap().to_str(), Some("run"));
    assert!(back.join("deep/run").is_file());

    let script = "ln -s /etc/shadow /srv/out; ln -s ../../escape /srv/up";
    fleet.berth(&["exec", "--force", &id, "--", "/bin/sh", "-c", script]).await.unwrap();
    let again = folder.path().join("again");
    let fetched = copy(&format!("{id}:/srv"), again.to_str().unwrap()).await;
    assert!(fetched.status.success(), "{fetched:?}");
    assert!(!again.join("out").is_symlink() && !again.join("up").is_symlink());
    assert!(String::from_utf8_lossy(&fetched.stderr).contains("left out srv/out"), "{fetched:?}");
    let missing = copy(&format!("{id}:/nobody"), back.to_str().unwrap()).await;
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    let nowhere = copy(tree.join("run").to_str().unwrap(), &format!("{id}:/no/such/place")).await;
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_of_a_task_are_reached_from_afar() {
    if !require_docker() {
        return;
    }
    let (fleet, id) = with_task(Fleet::builder().controllers(3).agents(1)).await;
    if !equip(&fleet, &id).await {
        return;
    }
    let mut forward = start(&fleet, &["port-forward", "--force", &id, ":8080", ":9", ":7001", ":7002"]);
    let mut lines = BufReader::new(forward.stdout.take().unwrap()).lines();
    let mut addresses = Vec::new();
    for _ in 0..4 {
        let line = lines.next_line().await.unwrap().unwrap();
        addresses.push(line.split(' ').next().unwrap().parse::<std::net::SocketAddr>().unwrap());
    }
    let many = (0..30).map(|_| berth_tests::harness::http::get(addresses[0], "/"));
    for answer in futures::future::join_all(many).await {
        assert!(!answer.unwrap().is_empty());
    }
    // Nobody listens there: the connection ends, and the others do not.
    let mut refused = TcpStream::connect(addresses[1]).await.unwrap();
    assert_eq!(refused.read(&mut [0; 1]).await.unwrap_or(0), 0);
    // What listens only on the container's own loopback is reached too.
    let serving = ["exec", "--force", &id, "--", "/bin/httpd", "-f", "-p", "127.0.0.1:7001"];
    let _inside = start(&fleet, &serving);
    until("it is served", SOON, async || {
        let mut stream = TcpStream::connect(addresses[2]).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        ensure!(text.starts_with("HTTP/1."), "{text}");
        Ok(())
    })
    .await;
    // One that answers only when it has heard that there is no more.
    let counting = ["exec", "--force", &id, "--", "/bin/nc", "-ll", "-p", "7002", "-e", "/bin/wc", "-c"];
    let _inside = start(&fleet, &counting);
    for length in [1, 4 << 20] {
        until("what was sent is counted", SOON, async || {
            let mut stream = TcpStream::connect(addresses[3]).await?;
            stream.write_all(&vec![b'x'; length]).await?;
            stream.shutdown().await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            ensure!(text.trim() == length.to_string(), "{text:?}");
            Ok(())
        })
        .await;
    }
    fleet.finish().await;
}
