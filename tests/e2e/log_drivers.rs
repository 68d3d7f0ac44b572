//! The log drivers inside the engine: each gets the options of the definition, and what a container writes arrives where they say.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;

use anyhow::{Context as _, ensure};
use berth_proto::ecs::v1 as ecs;
use berth_tests::harness::fleet::Fleet;
use berth_tests::harness::require_docker;
use berth_tests::harness::wait::until;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::SOON;

const LINE: [(&str, &str); 2] = [("LOG_LINES", "1"), ("EXIT_CODE", "0")];

async fn fleet() -> Fleet {
    Fleet::builder().controllers(1).agents(1).start().await
}

async fn run(fleet: &Fleet, driver: ecs::LogDriver, options: &[(&str, &str)]) -> String {
    let name = format!("logs-{driver:?}-{}", options.len()).to_lowercase();
    fleet.register_logged(&name, &LINE, driver, options).await.expect("register");
    fleet.start_task_on(&name, 0).await.expect("started")
}

/// Somebody who speaks to a listener, within a time.
async fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = timeout(SOON, listener.accept()).await.expect("somebody comes").expect("and is met");
    let stream = stream.into_std().expect("nothing was read yet");
    stream.set_nonblocking(false).expect("a socket can");
    stream.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
    stream
}

fn datagrams() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(SOON)).expect("a socket takes a timeout");
    let address = format!("udp://{}", socket.local_addr().expect("it has one"));
    (socket, address)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 16 << 10];
    let length = socket.recv(&mut buffer).expect("something comes");
    buffer.truncate(length);
    buffer
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_as_many_and_as_large_as_the_definition_says() {
    if !require_docker() {
        return;
    }
    let fleet = fleet().await;
    let options = [("max-size", "100k"), ("max-file", "3")];
    let lines = [("LOG_LINES", "10000")];
    fleet.register_logged("kept", &lines, ecs::LogDriver::JsonFile, &options).await.expect("register");
    let task = fleet.start_task_on("kept", 0).await.expect("started");
    let log = until("the container runs", SOON, async || {
        let id = fleet.containers(0)?.first().context("there is none yet")?.id.clone();
        let format = "{\"config\":{{json .HostConfig.LogConfig}},\"path\":{{json .LogPath}}}";
        let found = fleet.engine(0).docker(&["inspect", "--format", format, &id])?;
        Ok(serde_json::from_str::<Value>(&found)?)
    })
    .await;
    let expected = json!({"Type": "json-file", "Config": {"max-size": "100k", "max-file": "3"}});
    assert_eq!(log["config"], expected);
    let path = log["path"].as_str().expect("a path").to_owned();
    let id = berth_tests::harness::api::id_of(&task).to_owned();
    until("the last line can be read", SOON, async || {
        let last = fleet.berth(&["logs", &id, "--tail", "2"]).await?;
        ensure!(last.contains("line 10000"), "{last}");
        Ok(())
    })
    .await;
    let there = |number| Path::new(&format!("{path}.{number}")).exists();
    assert_eq!([1, 2, 3].map(there), [true, true, false], "the first lines went with their file");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_arrives_at_syslog_over_a_connection() {
    if !require_docker() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("tcp://{}", listener.local_addr().expect("it has one"));
    let fleet = fleet().await;
    let options = [("syslog-address", address.as_str()), ("tag", "berth-test"), ("syslog-format", "rfc5424")];
    run(&fleet, ecs::LogDriver::Syslog, &options).await;
    let mut line = String::new();
    BufReader::new(accept(&listener).await).read_line(&mut line).expect("a line comes");
    assert!(line.contains("berth-test") && line.trim_end().ends_with("line 1"), "{line}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_arrives_at_gelf_compressed_or_not() {
    if !require_docker() {
        return;
    }
    let (socket, address) = datagrams();
    let fleet = fleet().await;
    let plain =
        [("gelf-address", address.as_str()), ("tag", "berth-test"), ("gelf-compression-type", "none")];
    for options in [&plain[..], &plain[..2]] {
        run(&fleet, ecs::LogDriver::Gelf, options).await;
        let mut bytes = receive(&socket);
        if options.len() == 2 {
            let mut unpacked = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).expect("gzip is the default");
            bytes = unpacked;
        }
        let message: Value = serde_json::from_slice(&bytes).expect("GELF is JSON");
        assert_eq!(message["short_message"], "line 1", "{message}");
        assert_eq!(message["_tag"], "berth-test", "{message}");
    }
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_arrives_at_fluentd() {
    if !require_docker() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it has one").to_string();
    let fleet = fleet().await;
    run(&fleet, ecs::LogDriver::Fluentd, &[("fluentd-address", &address), ("tag", "berth-test")]).await;
    // Forward protocol: the tag, the time, the record, options.
    let message: Value = rmp_serde::from_read(accept(&listener).await).expect("MessagePack comes");
    assert_eq!(message[0], "berth-test", "{message}");
    assert_eq!(message[2]["log"], "line 1", "{message}");
    assert_eq!(message[2]["source"], "stdout", "{message}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_engine_has_no_journal_says_so() {
    if !require_docker() {
        return;
    }
    let fleet = fleet().await;
    let task = run(&fleet, ecs::LogDriver::Journald, &[("tag", "berth-test")]).await;
    let has_journal = Path::new("/run/systemd/journal/socket").exists();
    until("it ends", SOON, async || {
        let task = fleet.api().describe_tasks(vec![task.clone()]).await?.pop().context("it is known")?;
        ensure!(task.last_status() == "STOPPED", "{}", task.last_status());
        let reasons = format!("{} {}", task.stopped_reason(), task.containers[0].reason());
        ensure!(has_journal || reasons.contains("CannotStartContainerError"), "{reasons}");
        ensure!(has_journal || reasons.contains("journald is not enabled on this host"), "{reasons}");
        Ok(())
    })
    .await;
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_option_is_seen_by_the_engine_and_by_nobody_who_asks_for_the_definition() {
    const VALUE: &str = "only-the-engine-knows";
    if !require_docker() {
        return;
    }
    let (socket, address) = datagrams();
    let fleet = fleet().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), VALUE).expect("it is written");
    let path = file.path().to_string_lossy().into_owned();
    fleet.berth(&["secret", "create", "log-tag", "--file", &path]).await.expect("made");
    let log = ecs::LogConfiguration {
        log_driver: Some(ecs::LogDriver::Gelf.into()),
        options: [("gelf-address", address.as_str()), ("gelf-compression-type", "none")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        secret_options: vec![ecs::Secret {
            name: Some("tag".to_owned()),
            value_from: Some("arn:aws:secretsmanager:us-east-1:000000000000:secret:log-tag".to_owned()),
        }],
    };
    fleet.register_with_secret_log("secret", &LINE, log).await.expect("register");
    fleet.start_task_on("secret", 0).await.expect("started");
    let message: Value = serde_json::from_slice(&receive(&socket)).expect("GELF is JSON");
    assert_eq!(message["_tag"], VALUE, "{message}");
    let told = fleet.berth(&["task-definition", "describe", "secret", "-o", "json"]).await.expect("told");
    assert!(told.contains("log-tag") && !told.contains(VALUE), "{told}");
    fleet.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_local_keeps_can_be_read_and_none_keeps_nothing() {
    if !require_docker() {
        return;
    }
    let fleet = fleet().await;
    let lines = [("LOG_LINES", "3")];
    for (driver, name, options) in
        [(ecs::LogDriver::Local, "local", vec![("max-size", "1m")]), (ecs::LogDriver::None, "none", vec![])]
    {
        fleet.register_logged(name, &lines, driver, &options).await.expect("register");
        let arn = fleet.start_task_on(name, 0).await.expect("started");
        let id = berth_tests::harness::api::id_of(&arn).to_owned();
        let container = until("the container runs", SOON, async || {
            let mut running = fleet.containers(0)?.into_iter();
            running.find(|container| container.task_id() == id).context("there is none yet")
        })
        .await;
        let format = "{{.HostConfig.LogConfig.Type}}";
        let kept =
            fleet.engine(0).docker(&["inspect", "--format", format, &container.id]).expect("it is there");
        assert_eq!(kept.trim(), name);
        until("the end of its log is known", SOON, async || {
            let read = fleet.berth_output(&["logs", &id]).await?;
            let (out, err) = (String::from_utf8_lossy(&read.stdout), String::from_utf8_lossy(&read.stderr));
            match driver {
                ecs::LogDriver::None => ensure!(err.contains("does not support reading"), "{out} {err}"),
                _ => ensure!(out.contains("line 3"), "{out} {err}"),
            }
            Ok(())
        })
        .await;
    }
    fleet.finish().await;
}
