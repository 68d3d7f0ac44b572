//! Placement constraints and strategies of services and tasks.

use berth_proto::ecs::v1 as pb;

use super::name::member;
use crate::attribute::Expression;
use crate::error::ApiError;
use crate::limits::STRATEGIES;
use crate::placement::{Constraint, PackField, PlacementRules, SpreadField, Strategy};

const CONSTRAINTS: usize = 10;
const EXPRESSION_LENGTH: usize = 2000;

/// Reads what a request asks of the placer.
pub(super) fn rules(
    constraints: &[pb::PlacementConstraint],
    strategy: &[pb::PlacementStrategy],
) -> Result<PlacementRules, ApiError> {
    check_constraint_count(constraints.len())?;
    if strategy.len() > STRATEGIES {
        return Err(ApiError::invalid(format!("Maximum number of strategies is {STRATEGIES}.")));
    }
    Ok(PlacementRules {
        constraints: constraints.iter().map(constraint).collect::<Result<_, _>>()?,
        strategy: strategy.iter().map(one_strategy).collect::<Result<_, _>>()?,
    })
}

pub(super) fn check_constraint_count(count: usize) -> Result<(), ApiError> {
    if count <= CONSTRAINTS {
        return Ok(());
    }
    Err(ApiError::invalid(format!("Maximum number of placement constraints is {CONSTRAINTS}.")))
}

/// Reads an expression of the cluster query language; `what` is the member that it stands in.
pub(super) fn expression(what: &str, text: &str) -> Result<Expression, ApiError> {
    if !(1..=EXPRESSION_LENGTH).contains(&text.chars().count()) {
        let message = format!("{what} needs an expression of 1 to {EXPRESSION_LENGTH} characters.");
        return Err(ApiError::invalid(message));
    }
    Expression::parse(text)
        .map_err(|error| ApiError::invalid(format!("Invalid expression in {what}, {error}.")))
}

fn constraint(constraint: &pb::PlacementConstraint) -> Result<Constraint, ApiError> {
    match member("placementConstraints.type", constraint.r#type)? {
        Some(pb::PlacementConstraintType::DistinctInstance) if constraint.expression().is_empty() => {
            Ok(Constraint::DistinctInstance)
        }
        Some(pb::PlacementConstraintType::DistinctInstance) => {
            Err(ApiError::invalid("distinctInstance expression should not be specified."))
        }
        Some(pb::PlacementConstraintType::MemberOf) => {
            expression("memberOf", constraint.expression())?;
            Ok(Constraint::MemberOf(constraint.expression().to_owned()))
        }
        None | Some(pb::PlacementConstraintType::Unspecified) => {
            Err(ApiError::invalid("placementConstraints.type should not be null."))
        }
    }
}

fn one_strategy(strategy: &pb::PlacementStrategy) -> Result<Strategy, ApiError> {
    let field = strategy.field();
    let wrong_field = |kind: &str| ApiError::invalid(format!("{kind} field '{field}' is invalid."));
    match member("placementStrategy.type", strategy.r#type)? {
        Some(pb::PlacementStrategyType::Random) if field.is_empty() => Ok(Strategy::Random),
        Some(pb::PlacementStrategyType::Random) => {
            Err(ApiError::invalid("random field should not be specified."))
        }
        Some(pb::PlacementStrategyType::Spread) => {
            spread_field(field).map(Strategy::Spread).ok_or_else(|| wrong_field("spread"))
        }
        Some(pb::PlacementStrategyType::Binpack) => match field.to_ascii_lowercase().as_str() {
            "cpu" => Ok(Strategy::Binpack(PackField::Cpu)),
            "memory" => Ok(Strategy::Binpack(PackField::Memory)),
            _ => Err(wrong_field("binpack")),
        },
        None | Some(pb::PlacementStrategyType::Unspecified) => {
            Err(ApiError::invalid("placementStrategy.type should not be null."))
        }
    }
}

fn spread_field(field: &str) -> Option<SpreadField> {
    if field == "instanceId" || field == "host" {
        return Some(SpreadField::Instance);
    }
    let attribute = field.strip_prefix("attribute:").filter(|name| !name.is_empty())?;
    Some(SpreadField::Attribute(attribute.to_owned()))
}
