//! Security groups: the handlers.

use berth_model::network::security_group::SecurityGroup;
use berth_model::validate::security_group as validate;
use berth_proto::admin::v1 as pb;
use tonic::Request;

use crate::api::call::{Answer, Handlers};
use crate::api::error::Error;

const GONE: Error = Error::Vanished("the security group");

pub(super) async fn create(
    handlers: &Handlers,
    request: Request<pb::CreateSecurityGroupRequest>,
) -> Answer<pb::CreateSecurityGroupResponse> {
    let answer = handlers.change(request, validate::create, |id, view| {
        let security_group = Some(render(view.security_group(&id).ok_or(GONE)?));
        Ok(pb::CreateSecurityGroupResponse { security_group })
    });
    answer.await
}

pub(super) async fn change(
    handlers: &Handlers,
    request: Request<pb::ChangeSecurityGroupRequest>,
) -> Answer<pb::ChangeSecurityGroupResponse> {
    let change = |request: &_, view: &_, _: &mut _| validate::change(request, view);
    let answer = handlers.change(request, change, |id, view| {
        let security_group = Some(render(view.security_group(&id).ok_or(GONE)?));
        Ok(pb::ChangeSecurityGroupResponse { security_group })
    });
    answer.await
}

pub(super) async fn describe(
    handlers: &Handlers,
    request: Request<pb::DescribeSecurityGroupsRequest>,
) -> Answer<pb::DescribeSecurityGroupsResponse> {
    let answer = handlers.read(request, |request, view| {
        let security_groups = validate::describe(request, view)?.into_iter().map(render).collect();
        Ok(pb::DescribeSecurityGroupsResponse { security_groups })
    });
    answer.await
}

pub(super) async fn delete(
    handlers: &Handlers,
    request: Request<pb::DeleteSecurityGroupRequest>,
) -> Answer<pb::DeleteSecurityGroupResponse> {
    let delete = |request: &_, view: &_, _: &mut _| validate::delete(request, view);
    handlers.change(request, delete, |(), _| Ok(pb::DeleteSecurityGroupResponse {})).await
}

fn render(group: &SecurityGroup) -> pb::SecurityGroup {
    pb::SecurityGroup {
        group_id: group.id.clone(),
        name: group.name.clone(),
        description: group.description.clone(),
        ingress: group.ingress.iter().map(validate::render).collect(),
        egress: group.egress.iter().map(validate::render).collect(),
    }
}
