//! An image registry of a test's own, on loopback: engines take it without TLS there.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::daemon::Place;
use super::engine::Engine;
use super::http;
use super::wait::try_until;

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// See the module. When dropped it ends, and the machine's engine forgets its images.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    address: String,
    _dir: TempDir,
}

// === impl Registry ===

impl Registry {
    /// Starts this program and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(program: &Path) -> Result<Self> {
        let dir = tempfile::tempdir().context("make a folder for images")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
            dir.path().join("images").display()
        );
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).context("write the configuration of the registry")?;
        let process = Place::Here
            .command()
            .arg(program)
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let registry = Self { process, address: address.to_string(), _dir: dir };
        try_until(STARTS_WITHIN, async || http::get(address, "/v2/").await.map(drop)).await?;
        Ok(registry)
    }

    /// Where an image of this name is in it.
    #[must_use]
    pub fn reference(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Gives an image of the engine a place in the registry, and takes that name away from the engine again.
    ///
    /// # Errors
    /// When the engine cannot push it.
    pub fn push(&self, engine: &Engine, image: &str, name: &str) -> Result<()> {
        let reference = self.reference(name);
        engine.docker(&["tag", image, &reference])?;
        engine.docker(&["push", "--quiet", &reference])?;
        engine.docker(&["rmi", &reference]).map(drop)
    }

    /// Ends it. Engines keep what they have of it.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        let engine = Engine::local();
        let format = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}";
        let filter = format!("reference={}/*", self.address);
        let names = engine.docker(&["images", "--digests", "--format", format, "--filter", &filter]);
        for name in names.unwrap_or_default().split_whitespace().filter(|name| !name.contains("<none>")) {
            // Its tag and its digest are names of one image: the last one to go takes it along.
            let _ = engine.docker(&["rmi", name]);
        }
    }
}
