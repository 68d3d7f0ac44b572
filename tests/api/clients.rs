//! Running the programs of `clients/`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use berth_tests::harness::fleet::Fleet;
use tokio::process::Command;

/// Long enough for the slowest of them on two busy cores.
const DEADLINE: Duration = Duration::from_secs(300);

/// The clients of one fleet.
pub(crate) struct Clients {
    python: PathBuf,
    environment: Vec<(&'static str, String)>,
}

// === impl Clients ===

impl Clients {
    /// Clients with the administrator's key.
    pub(crate) fn new(python: &Path, fleet: &Fleet) -> Self {
        let key = fleet.admin_key();
        let environment = vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", fleet.aws_address())),
            ("AWS_ACCESS_KEY_ID", key.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", key.secret_access_key.clone()),
            ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
            // Nothing of the machine's own may have a say.
            ("AWS_CONFIG_FILE", "/nonexistent".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ];
        Self { python: python.to_owned(), environment }
    }

    /// The same with one more variable in their environment.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// The same for an endpoint with TLS.
    pub(crate) fn over_tls(python: &Path, fleet: &Fleet) -> Self {
        let mut clients = Self::new(python, fleet);
        clients.environment.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
        clients.environment.extend([
            ("AWS_ENDPOINT_URL", format!("https://{}", fleet.aws_address())),
            ("AWS_CA_BUNDLE", fleet.ca_file().display().to_string()),
        ]);
        clients
    }

    /// Runs a program to its end, which has to be a good one.
    pub(crate) async fn run(&self, program: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("api/clients");
        let command = Command::new(&self.python)
            .arg(folder.join(program))
            .envs(self.environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(DEADLINE, command).await.expect("ends in time").expect("starts");
        let (said, wrong) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program}: {}\n{said}\n{wrong}", output.status);
    }
}
