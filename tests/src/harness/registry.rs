//! An image registry of one's own: the one that Debian packages, on a free port of this machine.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::command::output;
use super::engine::Engine;
use super::http;
use super::wait::try_until;

const DEADLINE: Duration = Duration::from_secs(20);

/// See the module. It ends with this, and its images with the folder they are in.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    process: Child,
    /// What was pushed, as the local engine has it.
    pushed: Vec<String>,
}

/// The program that is needed for it.
pub const PROGRAM: &str = "docker-registry";

// === impl Registry ===

impl Registry {
    /// Starts one that keeps everything in a folder.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(folder: &Path) -> Result<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").context("find a free port")?;
        let address = free.local_addr()?;
        drop(free);
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        let file = folder.join("config.yml");
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            folder.join("images").display()
        );
        std::fs::write(&file, config).with_context(|| format!("write {}", file.display()))?;
        // It ends with this process, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", PROGRAM, "serve"]).arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().with_context(|| format!("start {PROGRAM}"))?;
        let registry = Self { address, process, pushed: Vec::new() };
        try_until(DEADLINE, async || http::get(address, "/v2/").await.map(drop)).await?;
        Ok(registry)
    }

    /// How an image of this name is referred to.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Pushes an image of the local engine under a name; the digest that it has here.
    ///
    /// # Errors
    /// When the engine refuses.
    pub fn push(&mut self, local: &str, name: &str) -> Result<String> {
        let (engine, image) = (Engine::local(), self.image(name));
        engine.docker(&["tag", local, &image])?;
        self.pushed.push(image.clone());
        let said = engine.docker(&["push", &image])?;
        let digest = said.split_whitespace().find(|word| word.starts_with("sha256:"));
        digest.map(str::to_owned).with_context(|| format!("no digest in what the engine said: {said}"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        for image in &self.pushed {
            let _ = output(&mut Engine::local().command(&["image", "rm", image]));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
