//! `berth instance attribute`: what placement constraints and strategies look at.

use berth_proto::ecs::v1::{
    Attribute as Message, DeleteAttributesRequest, ListAttributesRequest, ListAttributesResponse,
    PutAttributesRequest, TargetType,
};
use clap::{Args, Subcommand};

use crate::api;
use crate::context::{Context, Session};
use crate::failure::Failure;
use crate::json::Described;
use crate::view;

/// The attributes that placement looks at
#[derive(Debug, Subcommand)]
pub(crate) enum Attribute {
    /// Set attributes of an instance
    #[command(
        visible_alias = "set",
        after_help = "Example:\n  berth instance attribute put 3f2a91c0b7e4 rack=r1 ssd"
    )]
    Put {
        /// Id, its beginning, or ARN
        instance: String,
        /// NAME=VALUE, or NAME alone
        #[arg(required = true)]
        attributes: Vec<String>,
    },
    /// Show attributes
    #[command(visible_alias = "ls")]
    List(List),
    /// Delete attributes of an instance
    #[command(visible_alias = "rm")]
    Delete {
        /// Id, its beginning, or ARN
        instance: String,
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Show attributes
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only attributes of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only attributes with this value
    #[arg(long, value_name = "VALUE", requires = "name")]
    value: Option<String>,
    /// Only those of this instance
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
}

// === impl Attribute ===

impl Attribute {
    pub(super) async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        match self {
            Self::Put { instance, attributes } => {
                let attributes = of_instance(session, instance, &attributes).await?;
                let request = PutAttributesRequest { cluster: session.cluster(), attributes };
                let response = session.client.call(request).await?;
                show(context, &response, &response.attributes)
            }
            Self::List(list) => list.run(context, session).await,
            Self::Delete { instance, names } => {
                let attributes = of_instance(session, instance, &names).await?;
                let request = DeleteAttributesRequest { cluster: session.cluster(), attributes };
                let response = session.client.call(request).await?;
                show(context, &response, &response.attributes)
            }
        }
    }
}

/// `NAME=VALUE` and `NAME` as attributes of one instance.
async fn of_instance(session: &Session, instance: String, texts: &[String]) -> Result<Vec<Message>, Failure> {
    let target_id = api::whole_instance_ids(session, &[instance]).await?.pop();
    let one = |text: &String| {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.as_str(), None),
        };
        Message {
            name: Some(name.to_owned()),
            value,
            target_type: Some(TargetType::ContainerInstance.into()),
            target_id: target_id.clone(),
        }
    };
    Ok(texts.iter().map(one).collect())
}

fn show(context: &Context, response: &impl Described, attributes: &[Message]) -> Result<(), Failure> {
    context.output.result(
        response,
        || attributes.iter().map(|attribute| attribute.name().to_owned()).collect(),
        || {
            context.output.table(
                &view::instance::attributes(attributes, context.output.surface().wide),
                "No instance has such an attribute.",
            )
        },
    )
}

// === impl List ===

impl List {
    async fn run(self, context: &Context, session: &Session) -> Result<(), Failure> {
        let request = ListAttributesRequest {
            cluster: session.cluster(),
            target_type: Some(TargetType::ContainerInstance.into()),
            attribute_name: self.name,
            attribute_value: self.value,
            max_results: Some(100),
            ..ListAttributesRequest::default()
        };
        let mut attributes = api::every(&session.client, request).await?;
        if let Some(instance) = self.instance {
            let ids = api::whole_instance_ids(session, &[instance]).await?;
            attributes.retain(|attribute| {
                ids.iter().any(|id| crate::names::short(id) == crate::names::short(attribute.target_id()))
            });
        }
        let response = ListAttributesResponse { attributes, next_token: None };
        show(context, &response, &response.attributes)
    }
}
