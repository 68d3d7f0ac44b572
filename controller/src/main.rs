//! `berth-controller`: arguments, configuration, telemetry, and then [`berth_controller::run`].

use std::process::ExitCode;

use anyhow::Context as _;
use berth_controller::config::{Args, Config, Intent};
use berth_controller::raft::Storage;
use berth_controller::{Environment, run};
use berth_process::clock::Clock;
use berth_process::entropy::Entropy;
use berth_process::identity::ClusterIdentity;
use berth_process::net::{self, Connector};
use berth_process::shutdown::Shutdown;
use berth_process::telemetry;
use clap::Parser;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("berth-controller: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<ExitCode> {
    let config = match Args::parse().resolve()? {
        Intent::Run(config) => config,
        Intent::Checked => return Ok(ExitCode::SUCCESS),
        Intent::Print(text) => {
            print(&text);
            return Ok(ExitCode::SUCCESS);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(&config))
}

async fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    let telemetry = telemetry::Config {
        service_name: "berth-controller",
        log: config.log.clone(),
        json: config.log_json,
        otlp_endpoint: config.otlp_endpoint.clone(),
    };
    let _guard = telemetry::init(&telemetry).context("cannot set up telemetry")?;
    let identity = ClusterIdentity::load(&config.identity)?;
    let listen = net::bind(config.listen).with_context(|| format!("cannot listen on {}", config.listen))?;
    let certificate = identity.authority.issue(&config.certificate_names())?;
    let shutdown = Shutdown::new();
    let environment = Environment {
        listen,
        connector: Connector::tcp(Some(identity.authority.certificate_pem.clone())),
        certificate: Some(certificate),
        storage: Storage::Directory(config.data_dir.clone()),
        clock: Clock::system(),
        entropy: Entropy::system(),
        shutdown: shutdown.clone(),
    };
    run(config, &identity, environment).await?;
    Ok(if shutdown.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

#[expect(clippy::print_stderr, reason = "there is no log before there is a configuration")]
fn complain(message: &str) {
    eprintln!("{message}");
}

#[expect(clippy::print_stdout, reason = "--print-config is for standard output")]
fn print(text: &str) {
    println!("{text}");
}
