//! How long the successors of crashed tasks wait.
//!
//! The first crash is followed at once; then the wait doubles with every further round, up to a cap. ECS does this only
//! for tasks that never ran; here a task that runs for a moment and crashes for ever is slowed down as well.

use std::time::Duration;

use crate::id::Ids;
use crate::plan::Policy;
use crate::service::Deployment;
use crate::time::Timestamp;

/// From this many rounds of crashes on an event says so.
pub(super) const NOTABLE_CRASHES: u32 = 3;

/// When the successors of crashed tasks may start; `None` when they need not wait.
pub(super) fn not_before(deployment: &Deployment, policy: &Policy) -> Option<Timestamp> {
    let crashed_at = deployment.last_crash_at?;
    let wait = wait(deployment.crashes, policy)?;
    Some(crashed_at.plus(wait + jitter(deployment, wait)))
}

fn wait(crashes: u32, policy: &Policy) -> Option<Duration> {
    let doublings = crashes.checked_sub(2)?;
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    Some(policy.crash_backoff_base.saturating_mul(factor).min(policy.crash_backoff_cap))
}

/// Up to an eighth of the wait, so that services that fail for the same reason do not return in step. Follows from the
/// deployment and its crashes: every call gives the same.
fn jitter(deployment: &Deployment, wait: Duration) -> Duration {
    let mut text = [0; 16];
    text[..8].copy_from_slice(&deployment.id.number().to_be_bytes());
    text[8..12].copy_from_slice(&deployment.crashes.to_be_bytes());
    let eighths = Ids::from_seed(u128::from_be_bytes(text)).short() % 1024;
    wait.mul_f64(0.125) * u32::try_from(eighths).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_from_the_second_round_up_to_the_cap() {
        let policy = Policy::default();
        let waits: Vec<Option<u64>> = [0, 1, 2, 3, 4, 10, 11, 40, u32::MAX]
            .map(|crashes| wait(crashes, &policy))
            .map(|wait| wait.map(|wait| wait.as_secs()))
            .to_vec();
        let expected = [None, None, Some(1), Some(2), Some(4), Some(256), Some(300), Some(300), Some(300)];
        assert_eq!(waits, expected);
    }
}
