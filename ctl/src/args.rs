//! The command tree, and what every command accepts.

use clap::{Arg, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cmd;
use crate::failure::EXIT_CODES;
use crate::output::{ColorChoice, Format};
use crate::profile::Overrides;

const EXAMPLES: &str = "\
Start here:
  berth dev                                      a whole cluster on this machine
  berth run --image alpine -- echo hello         one task: its output, its exit code
  berth task-definition register -f web.json     as AWS writes them
  berth service create web -t web -n 3 --wait    three tasks, kept running
  berth ps                                       what runs where
  berth logs -f service/web                      what it prints
  berth events -f                                what happens

`berth COMMAND --help` has more examples.";

/// Everything that can be typed.
#[derive(Debug, Parser)]
#[command(
    name = "berth",
    version,
    about = "Amazon ECS on your own hosts",
    long_about = "Berth runs containers on your own hosts, the way Amazon ECS does: clusters, task definitions, tasks \
                  and services, placed over availability zones and kept running.",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"),
    disable_help_subcommand = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that only the help of `berth` itself shows: below each command they would drown its own.
const SHOWN_ONCE: [&str; 5] = ["profile", "region", "endpoints", "quiet", "color"];

/// Reads the command line; wrong usage ends the process with code 2.
pub(crate) fn parse() -> Cli {
    Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit())
}

/// The command tree, with some global options hidden below its root.
fn command() -> clap::Command {
    let root = Cli::command();
    let is_hidden = |argument: &&Arg| SHOWN_ONCE.contains(&argument.get_id().as_str());
    let hidden: Vec<Arg> =
        root.get_arguments().filter(is_hidden).map(|argument| argument.clone().hide(true)).collect();
    root.mut_subcommands(|below| with_hidden(below, &hidden))
}

/// A global option is handed down only to commands that do not have it: those get a hidden one of their own.
fn with_hidden(command: clap::Command, hidden: &[Arg]) -> clap::Command {
    let has = |one: &Arg| command.get_arguments().any(|argument| argument.get_id() == one.get_id());
    let lacking: Vec<Arg> = hidden.iter().filter(|one| !has(one)).cloned().collect();
    command.args(lacking).mut_subcommands(|below| with_hidden(below, hidden))
}

/// What every command accepts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// How results are written
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value = "table",
        env = "BERTH_OUTPUT",
        value_name = "FORMAT"
    )]
    #[arg(hide_env = true)]
    pub(crate) output: Format,

    /// The ECS cluster to work in [default: the profile's, else `default`]
    #[arg(short = 'C', long, global = true, env = "BERTH_CLUSTER", value_name = "NAME")]
    pub(crate) cluster: Option<String>,

    /// The region to work in [default: the profile's, else the deployment's own]
    #[arg(long, global = true, env = "BERTH_REGION", value_name = "REGION")]
    pub(crate) region: Option<String>,

    /// The profile to use: controllers, access key and cluster; see `berth profile`
    #[arg(long, global = true, env = "BERTH_PROFILE", value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Controllers as HOST:PORT, instead of the profile's
    #[arg(long, global = true, env = "BERTH_ENDPOINTS", value_delimiter = ',', value_name = "HOST:PORT,...")]
    pub(crate) endpoints: Vec<String>,

    /// Say only the result
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorChoice,
}

/// The first word.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the keys of a cluster, and a profile for it
    Init(cmd::init::Init),
    /// Run a whole cluster on this machine
    Dev(cmd::dev::Dev),
    /// Run one task, show what it prints, exit as it does
    Run(cmd::run::Run),
    /// What runs where
    Ps(cmd::ps::Ps),
    /// What tasks print
    #[command(alias = "log")]
    Logs(cmd::logs::Logs),
    /// Run a command in a container of a task
    Exec(cmd::exec::Exec),
    /// Copy files into a container of a task, or out of it
    Cp(cmd::cp::Cp),
    /// Connect ports of this machine with those of a task
    PortForward(cmd::port_forward::PortForward),
    /// What happens in the cluster
    #[command(alias = "event")]
    Events(cmd::events::Events),
    /// Clusters: the names that group everything else
    #[command(subcommand, alias = "clusters")]
    Cluster(cmd::cluster::Cluster),
    /// Task definitions: what a task runs
    #[command(subcommand, visible_alias = "td", alias = "task-definitions")]
    TaskDefinition(cmd::task_definition::TaskDefinition),
    /// Tasks: running instances of a task definition
    #[command(subcommand, alias = "tasks")]
    Task(cmd::task::Task),
    /// Services: tasks that are kept running
    #[command(subcommand, visible_alias = "svc", alias = "services")]
    Service(cmd::service::Service),
    /// Container instances: the hosts
    #[command(subcommand, alias = "instances", alias = "container-instance")]
    Instance(cmd::instance::Instance),
    /// Controllers: who decides
    #[command(subcommand, alias = "controllers")]
    Controller(cmd::controller::Controller),
    /// Parameters: values that task definitions refer to
    #[command(subcommand, alias = "parameters")]
    Parameter(cmd::parameter::Parameter),
    /// Secrets: values that task definitions refer to, with versions
    #[command(subcommand, alias = "secrets")]
    Secret(cmd::secret::Secret),
    /// Security groups: who may talk to tasks with addresses of their own
    #[command(subcommand, visible_alias = "sg", alias = "security-groups")]
    SecurityGroup(cmd::security_group::SecurityGroup),
    /// Access keys: who may call
    #[command(subcommand, alias = "keys")]
    Key(cmd::key::Key),
    /// Reconcilers: what keeps things as they should be
    #[command(subcommand, alias = "reconcilers")]
    Reconciler(cmd::reconciler::Reconciler),
    /// Profiles: which cluster this command line talks to
    #[command(subcommand, alias = "profiles")]
    Profile(cmd::profile::Profile),
    /// Print a completion script for a shell
    Completion(cmd::completion::Completion),
}

// === impl Global ===

impl Global {
    /// What flags and environment say about the connection.
    pub(crate) fn overrides(&self) -> Overrides {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Overrides {
            profile: self.profile.clone(),
            endpoints: self.endpoints.iter().filter(|endpoint| !endpoint.is_empty()).cloned().collect(),
            ca: variable("BERTH_CA"),
            access_key_id: variable("BERTH_ACCESS_KEY_ID"),
            secret_access_key: variable("BERTH_SECRET_ACCESS_KEY"),
            cluster: self.cluster.clone(),
            region: self.region.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn the_usual_ways_to_say_it_are_understood() {
        let lines = [
            "berth dev --controllers 3 --agents 3 --zones a,b,c --detach",
            "berth dev down",
            "berth init --dir /tmp/x --endpoint a:1,b:2",
            "berth cluster ls",
            "berth cluster get prod -o json",
            "berth td register -f -",
            "berth td list web --status inactive",
            "berth task-definition rm web:1",
            "berth task run web --count 2 --env A=b --tag team=x",
            "berth task start web --instance abcd1234",
            "berth task ls --all",
            "berth svc create web --task-definition web:1 --desired-count 3 --placement-strategy spread=zone --wait",
            "berth svc update web --force --minimum-healthy-percent 50",
            "berth svc scale web 5 --wait --timeout 2m",
            "berth svc rm web --force",
            "berth service wait web api --timeout 60s",
            "berth service events web -f",
            "berth instance drain abcd1234 --wait",
            "berth instance attribute put abcd1234 rack=r1",
            "berth run --image alpine -e A=b -- sh -c 'exit 3'",
            "berth run web --detach",
            "berth ps -C prod --service web -o wide",
            "berth logs -f service/web --tail 10 --since 5m -c app",
            "berth events -f --since 1h",
            "berth key create --description pipeline",
            "berth exec -it 3f2a91c0b7e4 -- sh -c 'exit 3'",
            "berth exec -i 3f2a91c0b7e4 -c app -- cat",
            "berth cp a.txt 3f2a91c0b7e4:/srv --force",
            "berth cp 3f2a91c0b7e4:/srv - -c app",
            "berth port-forward 3f2a91c0b7e4 8080:80 :90 --address 0.0.0.0",
            "berth key ls",
            "berth parameter put /prod/db/url db:1 --type String",
            "berth parameter put /prod/db/password --file -",
            "berth parameter ls /prod",
            "berth secret create db --file db.json --description app",
            "berth secret put db new",
            "berth secret get db --stage AWSPREVIOUS",
            "berth secret rm db --force",
            "berth task run web --subnet a --security-group sg-1",
            "berth svc create web -t web --security-group db",
            "berth security-group create web --description front",
            "berth sg authorize db --ingress --protocol tcp --port 5432 --from web",
            "berth sg revoke web --egress --to 10.0.0.0/8",
            "berth sg ls",
            "berth controller ls",
            "berth reconciler list -o yaml",
            "berth profile set prod --endpoint a:1 --default-region eu-west-1 --use",
            "berth ps --region eu-west-1",
            "berth init --region eu-west-1 --endpoint a:1",
            "berth completion fish",
        ];
        for line in lines {
            let matches = command().try_get_matches_from(line.split(' '));
            assert!(matches.is_ok_and(|matches| Cli::from_arg_matches(&matches).is_ok()), "{line}");
        }
    }

    #[test]
    fn wrong_usage_is_refused() {
        let lines = [
            "berth",
            "berth service scale web",
            "berth service wait",
            "berth svc scale web many",
            "berth svc update web",
            "berth task run",
            "berth run",
            "berth run web --image alpine",
            "berth ps -o xml",
            "berth completion tcsh",
            "berth exec 3f2a91c0b7e4",
            "berth cp 3f2a91c0b7e4:/srv",
            "berth port-forward 3f2a91c0b7e4 80:",
            "berth secret put db",
            "berth security-group authorize web --ingress --port many",
            "berth parameter put /x value --file y",
        ];
        for line in lines {
            let error = command().try_get_matches_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
