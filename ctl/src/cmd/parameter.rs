//! `berth parameter`: values that task definitions refer to.

use berth_proto::ssm::v1::{
    DeleteParameterRequest, DescribeParametersRequest, DescribeParametersResponse, GetParameterRequest,
    ParameterStringFilter, PutParameterRequest,
};
use clap::{Args, Subcommand, ValueEnum};

use crate::api;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::input::value_of;
use crate::view;

/// Parameters: values that task definitions refer to
#[derive(Debug, Subcommand)]
pub(crate) enum Parameter {
    /// Set a parameter; a new one is made, and an old value stays in its history
    #[command(
        visible_alias = "set",
        after_help = "\
A task definition refers to it by its name, as `valueFrom` of a secret of a container. The parameter /s3/BUCKET/KEY is the
file that `environmentFiles` names as arn:aws:s3:::BUCKET/KEY.

Examples:
  berth parameter put /prod/db/url postgres://db/app
  berth parameter put /s3/config/app.env --file app.env --type String
  pass db | berth parameter put /prod/db/password --file -"
    )]
    Put(Put),
    /// Print the value of a parameter
    #[command(
        after_help = "Examples:\n  berth parameter get /prod/db/url\n  berth parameter get /prod/db/url:2"
    )]
    Get {
        /// Its name; NAME:VERSION for an earlier value
        name: String,
    },
    /// Show parameters, without their values
    #[command(visible_alias = "ls")]
    List {
        /// Only those below this path
        path: Option<String>,
    },
    /// Delete a parameter and its history
    #[command(visible_alias = "rm")]
    Delete {
        /// Its name
        name: String,
    },
}

/// Set a parameter
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// Its name: a word, or a path such as /prod/db/url
    name: String,
    /// The value
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    value: Option<String>,
    /// Read the value from a file; `-` is standard input
    #[arg(short, long, value_name = "PATH")]
    file: Option<String>,
    /// What it is; a SecureString is shown only to those who ask for it
    #[arg(long = "type", value_enum, default_value = "SecureString", value_name = "TYPE")]
    kind: Kind,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    #[value(name = "String")]
    String,
    #[value(name = "StringList")]
    StringList,
    #[value(name = "SecureString")]
    SecureString,
}

// === impl Parameter ===

impl Parameter {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let client = context.connect()?.client;
        match self {
            Self::Put(put) => {
                let request = put.request()?;
                let name = request.name().to_owned();
                let made = client.call(request).await?;
                let said = format!("{name} has version {}.", made.version());
                context.output.result(&made, || vec![name.clone()], || said.clone())?;
            }
            Self::Get { name } => {
                let request = GetParameterRequest { name: Some(name.clone()), with_decryption: Some(true) };
                let found = client.call(request).await?;
                let value =
                    found.parameter.as_ref().map(|found| found.value().to_owned()).unwrap_or_default();
                context.output.result(&found, || vec![value.clone()], || value.clone())?;
            }
            Self::List { path } => {
                let parameters = api::every(&client, listing(path)).await?;
                let response = DescribeParametersResponse { parameters, next_token: None };
                context.output.result(
                    &response,
                    || response.parameters.iter().map(|found| found.name().to_owned()).collect(),
                    || {
                        let table = view::secret::parameters(&response.parameters, context.now_unix_ms());
                        context.output.table(&table, "There is no parameter.")
                    },
                )?;
            }
            Self::Delete { name } => {
                client.call(DeleteParameterRequest { name: Some(name.clone()) }).await?;
                context.output.note(&format!("Deleted parameter {name}."));
            }
        }
        Ok(Exit::Success)
    }
}

// === impl Put ===

impl Put {
    fn request(self) -> Result<PutParameterRequest, Failure> {
        let value = value_of(self.value, self.file.as_deref())?;
        let kind = match self.kind {
            Kind::String => "String",
            Kind::StringList => "StringList",
            Kind::SecureString => "SecureString",
        };
        Ok(PutParameterRequest {
            name: Some(self.name),
            value: Some(value),
            r#type: Some(kind.to_owned()),
            description: self.description,
            overwrite: Some(true),
            // Files are larger than what AWS takes without being asked.
            tier: Some("Intelligent-Tiering".to_owned()),
            ..PutParameterRequest::default()
        })
    }
}

fn listing(path: Option<String>) -> DescribeParametersRequest {
    let filter = path.map(|path| ParameterStringFilter {
        key: Some("Path".to_owned()),
        option: Some("Recursive".to_owned()),
        values: vec![path],
    });
    let parameter_filters = filter.into_iter().collect();
    DescribeParametersRequest { parameter_filters, ..DescribeParametersRequest::default() }
}
