//! Parameters: the handlers. Values are sealed before they are proposed and opened only for who asks for them.

use std::sync::Arc;

use berth_model::error::{ApiError, Exception};
use berth_model::parameter::{Parameter, ParameterType, ParameterVersion};
use berth_model::state::State;
use berth_model::validate::parameter as validate;
use berth_proto::ssm::v1 as pb;
use berth_proto::ssm::v1::parameters_server::Parameters;
use tonic::{Request, async_trait};

use super::call::{Answer, Handlers, Shared};

#[async_trait]
impl Parameters for Handlers {
    async fn put_parameter(
        &self,
        request: Request<pb::PutParameterRequest>,
    ) -> Answer<pb::PutParameterResponse> {
        let (name, value) = (request.get_ref().name().to_owned(), request.get_ref().value().to_owned());
        let sealed = self.shared().seal(&Parameter::seal_of(&name), &value);
        self.change(
            request,
            |request, view, admission| validate::put(request, &sealed, view, admission),
            |(version, tier), _| {
                Ok(pb::PutParameterResponse { version: i64::try_from(version).ok(), tier: Some(tier) })
            },
        )
        .await
    }

    async fn get_parameter(
        &self,
        request: Request<pb::GetParameterRequest>,
    ) -> Answer<pb::GetParameterResponse> {
        let shared = self.shared();
        self.read(request, |request, view| {
            let decrypted = request.with_decryption();
            let parameter = shared.parameter(request.name(), decrypted, view)?;
            Ok(pb::GetParameterResponse { parameter: Some(parameter) })
        })
        .await
    }

    async fn get_parameters(
        &self,
        request: Request<pb::GetParametersRequest>,
    ) -> Answer<pb::GetParametersResponse> {
        let shared = self.shared();
        self.read(request, |request, view| {
            validate::check_count(&request.names)?;
            let mut answer = pb::GetParametersResponse::default();
            for name in &request.names {
                match shared.parameter(name, request.with_decryption(), view) {
                    Ok(parameter) => answer.parameters.push(parameter),
                    Err(error) if error.exception == Exception::Server => return Err(error),
                    Err(_) => answer.invalid_parameters.push(name.clone()),
                }
            }
            Ok(answer)
        })
        .await
    }

    async fn get_parameters_by_path(
        &self,
        request: Request<pb::GetParametersByPathRequest>,
    ) -> Answer<pb::GetParametersByPathResponse> {
        let shared = self.shared();
        self.read(request, |request, view| {
            let page = validate::by_path(request, view)?;
            let decrypted = request.with_decryption();
            let render = |found: &Arc<Parameter>| shared.render(found, found.latest(), None, decrypted, view);
            let parameters = page.items.iter().map(render).collect::<Result<_, _>>()?;
            Ok(pb::GetParametersByPathResponse { parameters, next_token: page.next_token })
        })
        .await
    }

    async fn get_parameter_history(
        &self,
        request: Request<pb::GetParameterHistoryRequest>,
    ) -> Answer<pb::GetParameterHistoryResponse> {
        let shared = self.shared();
        self.read(request, |request, view| {
            let (known, page) = validate::history(request, view)?;
            let versions = page.items.iter().filter_map(|number| known.version(*number));
            let render = |version: &ParameterVersion| {
                let value = shared.value(known, version, request.with_decryption())?;
                Ok(history(known, version, value))
            };
            let parameters = versions.map(render).collect::<Result<_, ApiError>>()?;
            Ok(pb::GetParameterHistoryResponse { parameters, next_token: page.next_token })
        })
        .await
    }

    async fn describe_parameters(
        &self,
        request: Request<pb::DescribeParametersRequest>,
    ) -> Answer<pb::DescribeParametersResponse> {
        self.read(request, |request, view| {
            let page = validate::describe(request, view)?;
            let parameters = page.items.iter().map(|known| metadata(known, view)).collect();
            Ok(pb::DescribeParametersResponse { parameters, next_token: page.next_token })
        })
        .await
    }

    async fn delete_parameter(
        &self,
        request: Request<pb::DeleteParameterRequest>,
    ) -> Answer<pb::DeleteParameterResponse> {
        self.change(
            request,
            |request, view, _| validate::delete(request, view),
            |(), _| Ok(pb::DeleteParameterResponse {}),
        )
        .await
    }

    async fn delete_parameters(
        &self,
        request: Request<pb::DeleteParametersRequest>,
    ) -> Answer<pb::DeleteParametersResponse> {
        self.decide(
            request,
            |request, view, _| validate::delete_many(request, view),
            |done| {
                Ok(pb::DeleteParametersResponse {
                    deleted_parameters: done.subject.names,
                    invalid_parameters: done.subject.unknown,
                })
            },
        )
        .await
    }
}

// === impl Shared ===

impl Shared {
    /// Encrypts a value for the state.
    pub(super) fn seal(&self, subject: &str, value: &str) -> Vec<u8> {
        self.authenticator.seal(subject, value, &self.parts.entropy)
    }

    /// Opens a value of the state.
    pub(super) fn unseal(&self, subject: &str, sealed: &[u8]) -> Result<String, ApiError> {
        self.authenticator.unseal(subject, sealed).ok_or_else(|| {
            let text =
                format!("The value of {subject} cannot be read: this controller has another sealing key.");
            ApiError::new(Exception::Server, text)
        })
    }

    fn parameter(&self, reference: &str, decrypted: bool, view: &State) -> Result<pb::Parameter, ApiError> {
        let (known, version, selector) = validate::select(reference, view)?;
        self.render(known, version, selector, decrypted, view)
    }

    fn value(
        &self,
        known: &Parameter,
        version: &ParameterVersion,
        decrypted: bool,
    ) -> Result<String, ApiError> {
        if version.kind == ParameterType::SecureString && !decrypted {
            // What it is encrypted to is nobody's to see either.
            return Ok(String::new());
        }
        self.unseal(&Parameter::seal_of(&known.name), &version.sealed_value)
    }

    fn render(
        &self,
        known: &Parameter,
        version: &ParameterVersion,
        selector: Option<String>,
        decrypted: bool,
        view: &State,
    ) -> Result<pb::Parameter, ApiError> {
        Ok(pb::Parameter {
            name: Some(known.name.clone()),
            r#type: Some(version.kind.as_str().to_owned()),
            value: Some(self.value(known, version, decrypted)?),
            version: i64::try_from(version.version).ok(),
            selector,
            last_modified_date: Some(version.written_at.to_message()),
            arn: Some(view.scope().parameter(&known.name)),
            data_type: Some(version.data_type.clone()),
        })
    }
}

fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn history(known: &Parameter, version: &ParameterVersion, value: String) -> pb::ParameterHistory {
    pb::ParameterHistory {
        name: Some(known.name.clone()),
        r#type: Some(version.kind.as_str().to_owned()),
        key_id: given(&version.key_id),
        last_modified_date: Some(version.written_at.to_message()),
        last_modified_user: Some(version.written_by.clone()),
        description: given(&version.description),
        value: Some(value),
        version: i64::try_from(version.version).ok(),
        tier: Some(version.tier.clone()),
        data_type: Some(version.data_type.clone()),
    }
}

fn metadata(known: &Parameter, view: &State) -> pb::ParameterMetadata {
    let latest = known.latest();
    pb::ParameterMetadata {
        name: Some(known.name.clone()),
        arn: Some(view.scope().parameter(&known.name)),
        r#type: Some(latest.kind.as_str().to_owned()),
        key_id: given(&latest.key_id),
        last_modified_date: Some(latest.written_at.to_message()),
        last_modified_user: Some(latest.written_by.clone()),
        description: given(&latest.description),
        version: i64::try_from(latest.version).ok(),
        tier: Some(latest.tier.clone()),
        data_type: Some(latest.data_type.clone()),
    }
}
