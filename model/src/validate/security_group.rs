//! Security groups: what may be asked of them. ECS has no calls for them; the texts are EC2's where it has one.

use berth_proto::admin::v1 as pb;
use berth_proto::agent::v1 as agent;

use super::{Accepted, Admission};
use crate::command::Command;
use crate::error::{ApiError, Exception};
use crate::limits::{RULES_PER_GROUP, SECURITY_GROUPS};
use crate::network::security_group::{Peer, Protocol, Rule, SecurityGroup};
use crate::state::State;

/// Characters of a name and of a description. Source: EC2 API, `CreateSecurityGroup`.
const TEXT_LENGTH: usize = 255;
/// Hexadecimal digits of an id.
const ID_DIGITS: usize = 17;

/// CreateSecurityGroup.
pub fn create(
    request: &pb::CreateSecurityGroupRequest,
    view: &State,
    admission: &mut Admission,
) -> Accepted<String> {
    let name = checked_text("name", &request.name)?;
    if name.is_empty() || name.starts_with("sg-") {
        let text = format!("Invalid value {name:?} for name. It must not be empty, nor begin with sg-.");
        return Err(ApiError::invalid(text));
    }
    if view.security_group(name).is_some() {
        let text = format!("The security group '{name}' already exists.");
        return Err(ApiError::new(Exception::ResourceExists, text));
    }
    if view.security_groups().count() >= SECURITY_GROUPS {
        let text = format!("At most {SECURITY_GROUPS} security groups are allowed.");
        return Err(ApiError::new(Exception::LimitExceeded, text));
    }
    let group = SecurityGroup {
        id: id(&request.group_id, view, admission)?,
        name: name.to_owned(),
        description: checked_text("description", &request.description)?.to_owned(),
        ingress: Vec::new(),
        egress: vec![Rule::everything()],
        generation: 1,
    };
    Ok((group.id.clone(), Command::PutSecurityGroup(Box::new(group))))
}

/// ChangeSecurityGroup.
pub fn change(request: &pb::ChangeSecurityGroupRequest, view: &State) -> Accepted<String> {
    let mut group = known(&request.group, view)?.clone();
    revoke(&mut group.ingress, &request.revoke_ingress, view)?;
    revoke(&mut group.egress, &request.revoke_egress, view)?;
    authorize(&mut group.ingress, &request.authorize_ingress, view)?;
    authorize(&mut group.egress, &request.authorize_egress, view)?;
    group.generation += 1;
    Ok((group.id.clone(), Command::PutSecurityGroup(Box::new(group))))
}

/// DeleteSecurityGroup.
pub fn delete(request: &pb::DeleteSecurityGroupRequest, view: &State) -> Accepted<()> {
    let group = known(&request.group, view)?;
    let is_named = |named: &str| named == group.id || named == group.name;
    let by_task = view.tasks().filter(|task| !task.is_stopped()).any(|task| {
        task.network.as_ref().is_some_and(|network| network.security_groups.iter().any(|one| is_named(one)))
    });
    let others = view.security_groups().filter(|other| other.id != group.id);
    let by_group = others.flat_map(SecurityGroup::named_groups).any(is_named);
    if by_task || by_group {
        let text = format!("resource {} has a dependent object", group.id);
        return Err(ApiError::new(Exception::ResourceInUse, text));
    }
    Ok(((), Command::DeleteSecurityGroup(group.id.clone())))
}

/// DescribeSecurityGroups.
pub fn describe<'a>(
    request: &pb::DescribeSecurityGroupsRequest,
    view: &'a State,
) -> Result<Vec<&'a SecurityGroup>, ApiError> {
    if request.groups.is_empty() {
        return Ok(view.security_groups().collect());
    }
    request.groups.iter().map(|reference| known(reference, view)).collect()
}

fn known<'a>(reference: &str, view: &'a State) -> Result<&'a SecurityGroup, ApiError> {
    view.security_group(reference).ok_or_else(|| {
        let text = format!("The security group '{reference}' does not exist");
        ApiError::new(Exception::ResourceNotFound, text)
    })
}

fn id(given: &str, view: &State, admission: &mut Admission) -> Result<String, ApiError> {
    if given.is_empty() {
        let digits = format!("{:032x}", admission.ids.number());
        return Ok(format!("sg-{}", &digits[..ID_DIGITS]));
    }
    let is_well_formed = given.strip_prefix("sg-").is_some_and(|digits| {
        !digits.is_empty()
            && digits.len() <= ID_DIGITS
            && digits.bytes().all(|one| one.is_ascii_alphanumeric())
    });
    if !is_well_formed {
        let text =
            format!("Invalid id: {given:?} (expecting \"sg-...\", up to {ID_DIGITS} letters and digits)");
        return Err(ApiError::invalid(text));
    }
    if view.security_group(given).is_some() {
        let text = format!("The security group '{given}' already exists.");
        return Err(ApiError::new(Exception::ResourceExists, text));
    }
    Ok(given.to_owned())
}

fn checked_text<'a>(what: &str, text: &'a str) -> Result<&'a str, ApiError> {
    if text.chars().count() > TEXT_LENGTH || text.chars().any(char::is_control) {
        let text = format!("The {what} of a security group has at most {TEXT_LENGTH} printable characters.");
        return Err(ApiError::invalid(text));
    }
    Ok(text)
}

fn authorize(
    rules: &mut Vec<Rule>,
    given: &[agent::SecurityGroupRule],
    view: &State,
) -> Result<(), ApiError> {
    for message in given {
        let rule = rule(message, view)?;
        if rules.iter().any(|known| known.is_same(&rule)) {
            let text = format!("the specified rule \"{rule}\" already exists");
            return Err(ApiError::new(Exception::ResourceExists, text));
        }
        rules.push(rule);
    }
    if rules.len() > RULES_PER_GROUP {
        let text = format!("A security group has at most {RULES_PER_GROUP} rules in a direction.");
        return Err(ApiError::new(Exception::LimitExceeded, text));
    }
    Ok(())
}

fn revoke(rules: &mut Vec<Rule>, given: &[agent::SecurityGroupRule], view: &State) -> Result<(), ApiError> {
    for message in given {
        let rule = rule(message, view)?;
        let at = rules.iter().position(|known| known.is_same(&rule)).ok_or_else(|| {
            let text = format!("The specified rule \"{rule}\" does not exist in this security group.");
            ApiError::new(Exception::ResourceNotFound, text)
        })?;
        rules.remove(at);
    }
    Ok(())
}

fn rule(message: &agent::SecurityGroupRule, view: &State) -> Result<Rule, ApiError> {
    let protocol = Protocol::parse(&message.protocol).ok_or_else(|| {
        ApiError::invalid(format!("Invalid protocol {:?}: tcp, udp, icmp or -1.", message.protocol))
    })?;
    let peer = match (message.cidr.as_str(), message.group_id.as_str()) {
        ("", "") => return Err(ApiError::invalid("A rule needs addresses or a security group.")),
        (cidr, "") => Peer::Addresses(
            cidr.parse().map_err(|_| ApiError::invalid(format!("CIDR block {cidr} is malformed")))?,
        ),
        ("", group) => Peer::Group(known(group, view)?.id.clone()),
        _ => return Err(ApiError::invalid("A rule has addresses or a security group, not both.")),
    };
    let description = checked_text("rule", &message.description)?.to_owned();
    Ok(Rule { protocol, ports: ports(protocol, message)?, peer, description })
}

fn ports(protocol: Protocol, message: &agent::SecurityGroupRule) -> Result<Option<(u16, u16)>, ApiError> {
    let (from, to) = (message.from_port, message.to_port);
    if (from, to) == (0, 0) {
        return Ok(None);
    }
    if !matches!(protocol, Protocol::Tcp | Protocol::Udp) {
        return Err(ApiError::invalid(format!("The protocol {} has no ports.", protocol.as_str())));
    }
    let port = |port: u32| u16::try_from(port).ok().filter(|port| *port > 0);
    match (port(from), port(to)) {
        (Some(from), Some(to)) if from <= to => Ok(Some((from, to))),
        _ => Err(ApiError::invalid(format!("Invalid value for portRange: {from}-{to}."))),
    }
}

/// A rule as a message.
pub fn render(rule: &Rule) -> agent::SecurityGroupRule {
    let (from, to) = rule.ports.unwrap_or_default();
    let (cidr, group_id) = match &rule.peer {
        Peer::Addresses(block) => (block.to_string(), String::new()),
        Peer::Group(id) => (String::new(), id.clone()),
    };
    agent::SecurityGroupRule {
        protocol: rule.protocol.as_str().to_owned(),
        from_port: from.into(),
        to_port: to.into(),
        cidr,
        group_id,
        description: rule.description.clone(),
    }
}
