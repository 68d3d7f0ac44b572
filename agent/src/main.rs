//! `berth-agent`: arguments, configuration, telemetry, and then [`berth_agent::run`].
#![forbid(unsafe_code)]

use anyhow::Context as _;
use berth_agent::config::{Config, Flags};
use berth_process::{config, telemetry};
use clap::Parser as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    if flags.remove_task_network {
        return berth_agent::network::remove_all().await.map_err(anyhow::Error::msg);
    }
    let (file, unknown) = match &flags.config {
        Some(path) => config::load_file::<Config>(path)?,
        None => (Config::default(), Vec::new()),
    };
    let (check, print) = (flags.check_config, flags.print_config);
    let config = flags.over(file);
    let mut mistakes = config.mistakes();
    if check {
        mistakes.extend(unknown.iter().map(|key| format!("{key}: unknown")));
    }
    anyhow::ensure!(mistakes.is_empty(), "the configuration has mistakes:\n{}", mistakes.join("\n"));
    if print {
        use std::io::Write as _;
        let text = serde_json::to_string_pretty(&config).context("print the configuration")?;
        writeln!(std::io::stdout(), "{text}")?;
    }
    if check || print {
        return Ok(());
    }
    let _guard = telemetry::init(&telemetry::Config {
        service_name: "berth-agent",
        log: config.log.clone(),
        json: config.log_json,
        otlp_endpoint: config.otlp_endpoint.clone(),
    })
    .context("set up telemetry")?;
    for key in unknown {
        tracing::warn!(key, "the configuration file has a key that nothing knows");
    }
    berth_agent::run(config).await
}
