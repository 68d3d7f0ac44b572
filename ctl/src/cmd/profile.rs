//! `berth profile`: which cluster this command line talks to.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::context::Context;
use crate::details::Details;
use crate::failure::{Exit, Failure};
use crate::profile::{self as profiles, Profiles};
use crate::table::{Cell, Keep, Table, Tone};

/// Profiles: which cluster this command line talks to
#[derive(Debug, Subcommand)]
pub(crate) enum Profile {
    /// Show all profiles; the current one has a star
    #[command(visible_alias = "ls")]
    List,
    /// Show one profile, without its secret
    #[command(visible_alias = "get")]
    Show {
        /// The profile [default: the current one]
        name: Option<String>,
    },
    /// Make a profile the current one
    Use {
        /// The profile
        name: String,
    },
    /// Make a profile, or change what is given of it
    Set(Set),
    /// Remove a profile; nothing of the cluster is touched
    #[command(visible_alias = "rm")]
    Remove {
        /// The profile
        name: String,
    },
}

/// Make a profile, or change what is given of it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  berth profile set prod --endpoint c1:7400,c2:7400,c3:7400 --identity ~/prod/admin.json --use
  berth profile set prod --default-cluster web")]
pub(crate) struct Set {
    /// The profile
    name: String,
    /// Controllers; any of them serves, the next is tried when one does not answer
    #[arg(long = "endpoint", value_delimiter = ',', value_name = "HOST:PORT,...")]
    endpoint: Vec<String>,
    /// The admin.json that `berth init` wrote
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// The certificate authority of the cluster, as a PEM file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The access key, with --secret-access-key
    #[arg(long, value_name = "ID", requires = "secret_access_key")]
    access_key_id: Option<String>,
    /// The secret of the access key
    #[arg(long, value_name = "SECRET", requires = "access_key_id")]
    secret_access_key: Option<String>,
    /// The ECS cluster to work in when none is named
    #[arg(long, value_name = "NAME")]
    default_cluster: Option<String>,
    /// The region to work in when none is named
    #[arg(long, value_name = "REGION")]
    default_region: Option<String>,
    /// Make it the current profile
    #[arg(long = "use")]
    make_current: bool,
}

/// A profile as it is shown: everything but the secret.
#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    current: bool,
    endpoints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
}

// === impl Profile ===

impl Profile {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let all = Profiles::load(&context.home)?;
        match self {
            Self::List => list(context, &all)?,
            Self::Show { name } => show(context, &all, name.as_deref())?,
            Self::Use { name } => make_current(context, all, &name)?,
            Self::Set(set) => set.run(context, all)?,
            Self::Remove { name } => remove(context, all, &name)?,
        }
        Ok(Exit::Success)
    }
}

fn current(context: &Context, all: &Profiles) -> Result<String, Failure> {
    Ok(all.select(context.overrides.profile.as_deref())?.0)
}

fn list(context: &Context, all: &Profiles) -> Result<(), Failure> {
    let current = current(context, all)?;
    let shown: Vec<Shown<'_>> =
        all.profiles.iter().map(|(name, profile)| Shown::of(name, profile, *name == current)).collect();
    context.output.document(
        &shown,
        || shown.iter().map(|profile| profile.name.to_owned()).collect(),
        || {
            let mut table = Table::new(&[
                ("", Keep::Always),
                ("NAME", Keep::Always),
                ("ENDPOINTS", Keep::Always),
                ("CLUSTER", Keep::IfRoom(1)),
                ("IDENTITY", Keep::Wide),
            ]);
            for profile in &shown {
                let star = if profile.current { Cell::toned("*", Tone::Good) } else { Cell::from(" ") };
                let identity = profile.identity.map(|path| path.display().to_string()).unwrap_or_default();
                let cluster = profile.cluster.unwrap_or("default");
                table.row([
                    star,
                    profile.name.into(),
                    profile.endpoints.join(",").into(),
                    cluster.into(),
                    identity.into(),
                ]);
            }
            context.output.table(&table, "There is no profile yet: `berth init` or `berth dev` makes one.")
        },
    )
}

fn show(context: &Context, all: &Profiles, name: Option<&str>) -> Result<(), Failure> {
    let current = current(context, all)?;
    let name = name.unwrap_or(&current);
    let profile = all.profiles.get(name).ok_or_else(|| all.no_such(name))?;
    let shown = Shown::of(name, profile, name == current);
    context.output.document(
        &shown,
        || vec![name.to_owned()],
        || {
            let ca = shown.ca.map(|ca| if ca.contains("-----BEGIN") { "(in the profile)" } else { ca });
            let mut details = Details::new();
            details
                .field("Name", name)
                .field("Current", if shown.current { "yes" } else { "no" })
                .field("Endpoints", shown.endpoints.join(", "))
                .optional("Identity", shown.identity.map(|path| path.display().to_string()))
                .optional("Certificate authority", ca)
                .optional("Access key", shown.access_key_id)
                .field("Cluster", shown.cluster.unwrap_or("default"))
                .optional("Region", shown.region);
            details.render(context.output.surface())
        },
    )
}

fn make_current(context: &Context, mut all: Profiles, name: &str) -> Result<(), Failure> {
    if !all.profiles.contains_key(name) {
        return Err(all.no_such(name));
    }
    all.current = Some(name.to_owned());
    all.store(&context.home)?;
    context.output.note(&format!("`{name}` is the current profile."));
    Ok(())
}

fn remove(context: &Context, mut all: Profiles, name: &str) -> Result<(), Failure> {
    if all.profiles.remove(name).is_none() {
        return Err(all.no_such(name));
    }
    if all.current.as_deref() == Some(name) {
        all.current = None;
    }
    all.store(&context.home)?;
    context.output.note(&format!("Removed profile `{name}`."));
    Ok(())
}

// === impl Set ===

impl Set {
    fn run(self, context: &Context, mut all: Profiles) -> Result<(), Failure> {
        let known = all.profiles.contains_key(&self.name);
        if !known && self.endpoint.is_empty() {
            return Err(Failure::usage(format!(
                "profile `{}` does not exist yet and needs an endpoint",
                self.name
            ))
            .hint("add `--endpoint HOST:PORT`"));
        }
        let profile = all.profiles.entry(self.name.clone()).or_default();
        if !self.endpoint.is_empty() {
            profile.endpoints =
                self.endpoint.iter().map(|one| profiles::normalise(one)).collect::<Result<_, _>>()?;
        }
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        profile.identity = self.identity.map(absolute).or_else(|| profile.identity.take());
        profile.ca = self.ca.map(|path| absolute(path).display().to_string()).or_else(|| profile.ca.take());
        profile.access_key_id = self.access_key_id.or_else(|| profile.access_key_id.take());
        profile.secret_access_key = self.secret_access_key.or_else(|| profile.secret_access_key.take());
        profile.cluster = self.default_cluster.or_else(|| profile.cluster.take());
        profile.region = self.default_region.or_else(|| profile.region.take());
        if self.make_current || all.current.is_none() {
            all.current = Some(self.name.clone());
        }
        all.store(&context.home)?;
        context.output.note(&format!("{} profile `{}`.", if known { "Changed" } else { "Made" }, self.name));
        Ok(())
    }
}

// === impl Shown ===

impl<'a> Shown<'a> {
    fn of(name: &'a str, profile: &'a profiles::Profile, current: bool) -> Self {
        Self {
            name,
            current,
            endpoints: &profile.endpoints,
            identity: profile.identity.as_ref(),
            ca: profile.ca.as_deref(),
            access_key_id: profile.access_key_id.as_deref(),
            cluster: profile.cluster.as_deref(),
            region: profile.region.as_deref(),
        }
    }
}
