//! Capacity providers as messages.

use berth_model::capacity_provider::CapacityProvider;
use berth_model::state::State;
use berth_proto::ecs::v1 as pb;
use pb::CapacityProviderUpdateStatus;

use super::Tags;

/// One that somebody made.
pub(crate) fn made(provider: &CapacityProvider, view: &State, tags: Tags) -> pb::CapacityProvider {
    let spec = provider.spec.to_owned_message();
    pb::CapacityProvider {
        tags: tags.filter(spec.tags.clone()),
        r#type: Some(pb::CapacityProviderType::Ec2Autoscaling.into()),
        ..named(&provider.name, view, spec)
    }
}

/// The same after it was changed.
pub(crate) fn updated(provider: &CapacityProvider, view: &State) -> pb::CapacityProvider {
    let update_status = Some(CapacityProviderUpdateStatus::UpdateComplete.into());
    pb::CapacityProvider { update_status, ..made(provider, view, Tags::Shown) }
}

/// One that is gone, as it was.
pub(crate) fn deleted(provider: &CapacityProvider, view: &State) -> pb::CapacityProvider {
    let update_status = Some(CapacityProviderUpdateStatus::DeleteInProgress.into());
    pb::CapacityProvider { update_status, ..made(provider, view, Tags::Shown) }
}

/// One that every account has.
pub(crate) fn built_in(name: &str, view: &State) -> pb::CapacityProvider {
    let kind = match name {
        "FARGATE" => pb::CapacityProviderType::Fargate,
        _ => pb::CapacityProviderType::FargateSpot,
    };
    named(name, view, pb::CapacityProvider { r#type: Some(kind.into()), ..pb::CapacityProvider::default() })
}

fn named(name: &str, view: &State, spec: pb::CapacityProvider) -> pb::CapacityProvider {
    pb::CapacityProvider {
        capacity_provider_arn: Some(view.scope().capacity_provider(name)),
        name: Some(name.to_owned()),
        status: Some(pb::CapacityProviderStatus::Active.into()),
        ..spec
    }
}
