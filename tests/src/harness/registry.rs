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

/// Who may use a registry that asks: the name, the password, and that password as the registry keeps it (bcrypt).
const LOGIN: (&str, &str, &str) =
    ("puller", "let-me-pull", "$2b$04$U0pwqv5gMpnCo43a4ERSiuat.O1h2HrSvMmKVlyvrT4AMM3Vmdo3G");

/// See the module. When dropped it ends, and the machine's engine forgets its images.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    address: String,
    asks: bool,
    dir: TempDir,
}

// === impl Registry ===

impl Registry {
    /// Starts this program and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(program: &Path) -> Result<Self> {
        Self::start_and_ask(program, false).await
    }

    /// The same, and whoever wants an image has to log in: see [`Self::login`].
    ///
    /// # Errors
    /// When it does not.
    pub async fn start_private(program: &Path) -> Result<Self> {
        Self::start_and_ask(program, true).await
    }

    async fn start_and_ask(program: &Path, asks: bool) -> Result<Self> {
        let dir = tempfile::tempdir().context("make a folder for images")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
            dir.path().join("images").display()
        );
        if asks {
            let logins = dir.path().join("logins");
            std::fs::write(&logins, format!("{}:{}\n", LOGIN.0, LOGIN.2)).context("write who may log in")?;
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", logins.display());
        }
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
        let registry = Self { process, address: address.to_string(), asks, dir };
        try_until(STARTS_WITHIN, async || match http::get(address, "/v2/").await {
            Err(error) if asks && error.to_string().contains("401") => Ok(()),
            answer => answer.map(drop),
        })
        .await?;
        Ok(registry)
    }

    /// The name and the password that a private one wants.
    #[must_use]
    pub fn login() -> (&'static str, &'static str) {
        (LOGIN.0, LOGIN.1)
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
        // The machine's own client learns nothing of it.
        let config = self.dir.path().join("client");
        let config = config.to_str().context("a folder with a name in UTF-8")?;
        if self.asks {
            let login = ["--username", LOGIN.0, "--password", LOGIN.1, self.address.as_str()];
            engine.docker(&[&["--config", config, "login"], login.as_slice()].concat())?;
        }
        engine.docker(&["--config", config, "push", "--quiet", &reference])?;
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
