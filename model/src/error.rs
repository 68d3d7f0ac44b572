//! What the API answers when it refuses: ECS's exceptions with ECS's texts.

use serde::{Deserialize, Serialize};

/// An ECS exception. The controller's error table gives each its gRPC code and HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Exception {
    /// A parameter is not valid.
    InvalidParameter,
    /// The request cannot be carried out as asked.
    Client,
    /// No such cluster.
    ClusterNotFound,
    /// Instances are still registered.
    ClusterContainsContainerInstances,
    /// Services are still there.
    ClusterContainsServices,
    /// Tasks are still there.
    ClusterContainsTasks,
    /// No such service.
    ServiceNotFound,
    /// The service is being deleted, or is.
    ServiceNotActive,
    /// The target of an attribute is not there.
    TargetNotFound,
    /// No such service deployment.
    ServiceDeploymentNotFound,
    /// No such task set.
    TaskSetNotFound,
    /// Too many attributes on one resource.
    AttributeLimitExceeded,
    /// A limit of this deployment is reached.
    LimitExceeded,
    /// The same token came with other parameters.
    Conflict,
    /// The resource of an ARN is not there.
    ResourceNotFound,
    /// Something still uses it.
    ResourceInUse,
    /// No such namespace.
    NamespaceNotFound,
    /// No such gateway.
    GatewayNotFound,
    /// No such managed daemon.
    DaemonNotFound,
    /// A live tail has gone on for as long as it may.
    SessionTimeout,
    /// The agent is as new as it can be.
    NoUpdateAvailable,
    /// The agent of a task cannot be reached.
    TargetNotConnected,
    /// ECS knows it and this deployment cannot do it.
    UnsupportedFeature,
    /// No such parameter.
    ParameterNotFound,
    /// The parameter has no such version.
    ParameterVersionNotFound,
    /// A parameter of that name is there.
    ParameterAlreadyExists,
    /// There are as many parameters as there may be.
    ParameterLimitExceeded,
    /// A parameter of a call about parameters or secrets is not valid.
    Validation,
    /// A secret of that name is there.
    ResourceExists,
    /// A log group or stream of that name is there.
    ResourceAlreadyExists,
    /// The secret is not in a state for this.
    InvalidRequest,
    /// The caller may not.
    AccessDenied,
    /// Too many calls.
    Throttling,
    /// Our fault.
    Server,
}

/// A refusal: which exception, and a text that says what was wrong with which input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The kind.
    pub exception: Exception,
    /// For people; ECS's own text where it has one, because tools match on it.
    pub message: String,
    /// ARNs of what is in the way; only `ConflictException` shows them.
    #[serde(default)]
    pub resource_ids: Vec<String>,
}

// === impl Exception ===

impl Exception {
    /// The name on the wire, such as `ClusterNotFoundException`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidParameter => "InvalidParameterException",
            Self::Client => "ClientException",
            Self::ClusterNotFound => "ClusterNotFoundException",
            Self::ClusterContainsContainerInstances => "ClusterContainsContainerInstancesException",
            Self::ClusterContainsServices => "ClusterContainsServicesException",
            Self::ClusterContainsTasks => "ClusterContainsTasksException",
            Self::ServiceNotFound => "ServiceNotFoundException",
            Self::ServiceNotActive => "ServiceNotActiveException",
            Self::TargetNotFound => "TargetNotFoundException",
            Self::ServiceDeploymentNotFound => "ServiceDeploymentNotFoundException",
            Self::TaskSetNotFound => "TaskSetNotFoundException",
            Self::AttributeLimitExceeded => "AttributeLimitExceededException",
            Self::LimitExceeded => "LimitExceededException",
            Self::Conflict => "ConflictException",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::ResourceInUse => "ResourceInUseException",
            Self::NamespaceNotFound => "NamespaceNotFoundException",
            Self::GatewayNotFound => "GatewayNotFoundException",
            Self::DaemonNotFound => "DaemonNotFoundException",
            Self::SessionTimeout => "SessionTimeoutException",
            Self::NoUpdateAvailable => "NoUpdateAvailableException",
            Self::TargetNotConnected => "TargetNotConnectedException",
            Self::UnsupportedFeature => "UnsupportedFeatureException",
            Self::ParameterNotFound => "ParameterNotFound",
            Self::ParameterVersionNotFound => "ParameterVersionNotFound",
            Self::ParameterAlreadyExists => "ParameterAlreadyExists",
            Self::ParameterLimitExceeded => "ParameterLimitExceeded",
            Self::Validation => "ValidationException",
            Self::ResourceExists => "ResourceExistsException",
            Self::ResourceAlreadyExists => "ResourceAlreadyExistsException",
            Self::InvalidRequest => "InvalidRequestException",
            Self::AccessDenied => "AccessDeniedException",
            Self::Throttling => "ThrottlingException",
            Self::Server => "ServerException",
        }
    }
}

// === impl ApiError ===

impl ApiError {
    /// A refusal of this kind with this text.
    pub fn new(exception: Exception, message: impl Into<String>) -> Self {
        Self { exception, message: message.into(), resource_ids: Vec::new() }
    }

    /// The same refusal, with the ARNs of what is in the way.
    pub fn about(self, resource_ids: Vec<String>) -> Self {
        Self { resource_ids, ..self }
    }

    /// `InvalidParameterException`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exception::InvalidParameter, message)
    }

    /// `ClientException`.
    pub fn client(message: impl Into<String>) -> Self {
        Self::new(Exception::Client, message)
    }

    /// `ClusterNotFoundException` with ECS's text.
    pub fn cluster_not_found() -> Self {
        Self::new(Exception::ClusterNotFound, "Cluster not found.")
    }

    /// `ServiceNotFoundException` with ECS's text.
    pub fn service_not_found() -> Self {
        Self::new(Exception::ServiceNotFound, "Service not found.")
    }

    /// `ServiceNotActiveException` with ECS's text.
    pub fn service_not_active() -> Self {
        Self::new(Exception::ServiceNotActive, "Service was not ACTIVE.")
    }
}
