//! `berth init`: the keys of a cluster, and a profile for it.

use std::path::PathBuf;

use berth_process::entropy::Entropy;
use berth_process::identity::{ADMIN_FILE, AGENT_FILE, CA_FILE, CONTROLLER_FILE, ClusterIdentity};
use clap::Args;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{Exit, Failure, OrUsage as _};
use crate::profile::{DEFAULT_PORT, DEFAULT_PROFILE, Profile, Profiles, normalise};

/// Make the keys of a cluster, and a profile for it
#[derive(Debug, Args)]
#[command(after_help = "\
Writes controller.json for the hosts of the controllers, agent.json for those of the agents, \
admin.json for people, and ca.pem for AWS clients that use TLS. What exists is kept, so it is safe to run again.

Examples:
  berth init                                   for a controller on this host
  berth init --endpoint c1:7400,c2:7400,c3:7400
  berth init --dir ./prod --endpoint c1:7400 --profile prod

Then, on the first controller's host and on each host that is to run tasks:
  berth-controller --identity controller.json --data-dir DIR --advertise c1:7400 --bootstrap
  berth-agent --identity agent.json --data-dir DIR --controllers c1:7400,c2:7400,c3:7400")]
pub(crate) struct Init {
    /// Where the files go [default: ~/.config/berth, or $BERTH_HOME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where the controllers are, for the profile
    #[arg(long = "endpoint", value_delimiter = ',', value_name = "HOST:PORT,...")]
    endpoint: Vec<String>,
    /// The region in ARNs
    #[arg(long, default_value = "us-east-1", value_name = "NAME")]
    region: String,
    /// The account in ARNs
    #[arg(long, default_value = "000000000000", value_name = "DIGITS")]
    account: String,
    /// The partition in ARNs
    #[arg(long, default_value = "aws", value_name = "NAME")]
    partition: String,
}

/// What `init` made or kept.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    cluster_id: String,
    directory: PathBuf,
    /// False: the keys existed, and were kept.
    made: bool,
    region: String,
    profile: String,
    endpoints: Vec<String>,
}

// === impl Init ===

impl Init {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let directory = self.dir.clone().unwrap_or_else(|| context.home.clone());
        let directory =
            std::path::absolute(&directory).or_usage(|| format!("finding {}", directory.display()))?;
        let made = !directory.join(CONTROLLER_FILE).exists();
        let fresh =
            ClusterIdentity::generate(&Entropy::system(), &self.region, &self.account, &self.partition)
                .or_usage(|| "making the keys".to_owned())?;
        let identity = fresh
            .write_all(&directory)
            .or_usage(|| format!("writing the keys into {}", directory.display()))?;
        if !made && identity.region != self.region {
            context
                .output
                .note(&format!("The keys that exist are of region {}; that is kept.", identity.region));
        }
        let (profile, endpoints) = self.profile(context, directory.join(ADMIN_FILE))?;
        let report = Report {
            cluster_id: identity.cluster_id,
            directory,
            made,
            region: identity.region,
            profile,
            endpoints,
        };
        context.output.document(&report, || vec![report.profile.clone()], || report.for_people())?;
        Ok(Exit::Success)
    }

    /// Makes the profile, or points the one of that name to these keys.
    fn profile(&self, context: &Context, identity: PathBuf) -> Result<(String, Vec<String>), Failure> {
        let mut all = Profiles::load(&context.home)?;
        let name = context.overrides.profile.clone().unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
        let profile: &mut Profile = all.profiles.entry(name.clone()).or_default();
        profile.identity = Some(identity);
        if !self.endpoint.is_empty() {
            profile.endpoints = self.endpoint.iter().map(|one| normalise(one)).collect::<Result<_, _>>()?;
        }
        if profile.endpoints.is_empty() {
            profile.endpoints.push(format!("127.0.0.1:{DEFAULT_PORT}"));
        }
        let endpoints = profile.endpoints.clone();
        if all.current.is_none() {
            all.current = Some(name.clone());
        }
        all.store(&context.home)?;
        Ok((name, endpoints))
    }
}

// === impl Report ===

impl Report {
    fn for_people(&self) -> String {
        let directory = self.directory.display();
        let what = if self.made { "Made" } else { "Kept" };
        let first = self.endpoints.first().map(String::as_str).unwrap_or_default();
        format!(
            "\
{what} the keys of cluster {id} in {directory}:
  {CONTROLLER_FILE}  for the hosts of the controllers: whoever has it, has the cluster
  {AGENT_FILE}       for the hosts of the agents
  {ADMIN_FILE}       for people
  {CA_FILE}           for AWS clients that use TLS
Profile `{profile}` talks to {endpoints}.

Start the first controller, then an agent on each host:
  berth-controller --identity {directory}/{CONTROLLER_FILE} --data-dir DIR --advertise {first} --bootstrap
  berth-agent --identity {directory}/{AGENT_FILE} --controllers {all} --data-dir DIR
",
            id = self.cluster_id,
            profile = self.profile,
            endpoints = self.endpoints.join(", "),
            all = self.endpoints.join(","),
        )
    }
}
