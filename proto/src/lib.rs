//! The schema of Berth: one set of messages for both wires.
//!
//! Generated from `proto/berth`. Nothing is written by hand here but the AWS spelling of enum values, which the
//! schema itself carries as an option. This crate may use no other crate of the workspace.
#![forbid(unsafe_code)]
#![allow(clippy::allow_attributes_without_reason, reason = "attributes of the generated code")]

/// The ECS API: messages, members and operations named as AWS names them.
pub mod ecs {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.ecs.v1");
    }
}

/// The part of the STS API that says who a caller is.
pub mod sts {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.sts.v1");
    }
}

/// Parameters: the part of the Systems Manager API that task definitions refer to.
pub mod ssm {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.ssm.v1");
    }
}

/// Secrets: the part of the Secrets Manager API that task definitions refer to.
pub mod secretsmanager {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.secretsmanager.v1");
    }
}

/// Logs: the part of the CloudWatch Logs API that the output of containers is read with.
pub mod logs {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.logs.v1");
    }
}

/// What controllers and agents say to each other.
pub mod agent {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.agent.v1");
    }
}

/// What controllers say among themselves.
pub mod peer {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.peer.v1");
    }
}

/// What the command line asks for beyond the ECS API.
pub mod admin {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.admin.v1");
    }
}

/// What the scheduler can say and do beyond the ECS API.
pub mod scheduler {
    #[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; the schema documents it")]
    pub mod v1 {
        tonic::include_proto!("berth.scheduler.v1");
    }
}

/// The encoded descriptor set of the whole schema, for reflection and for walking messages by name.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor_set.bin"));

/// The spelling that the AWS API uses for an enum value.
pub trait AwsName: Copy + Sized + 'static {
    /// Every value that has a spelling, in the order of the schema.
    const ALL: &'static [Self];

    /// The spelling, such as `essential` or `RUNNING`; empty for the unspecified value.
    fn aws_name(self) -> &'static str;

    /// The value with this spelling.
    fn from_aws_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.aws_name() == name)
    }
}

include!(concat!(env!("OUT_DIR"), "/aws_names.rs"));
