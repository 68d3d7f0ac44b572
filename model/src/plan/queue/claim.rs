//! Instances that are kept free for a task which others have been passing for too long.

use std::collections::BTreeSet;
use std::time::Duration;

use super::PATIENCE;
use super::kinds::Kinds;
use crate::id::InstanceId;
use crate::task::Task;
use crate::time::Timestamp;

/// The instances that are kept free for a task; nothing when it has no claim, or one to nothing.
pub(super) fn kept<'a>(task: &'a Task, now: Timestamp, kinds: &mut Kinds<'a>) -> BTreeSet<InstanceId> {
    let Some(claimed_at) = claimed_at(task) else { return BTreeSet::new() };
    let nearest = kinds.nearest(task);
    let most = nearest.len().div_ceil(2);
    nearest.iter().copied().take(extent(now.since(claimed_at)).min(most)).collect()
}

/// Whether a task that others pass may have a claim: it has been patient, and fits somewhere once one-off tasks end.
pub(super) fn is_due<'a>(task: &'a Task, now: Timestamp, kinds: &mut Kinds<'a>) -> bool {
    claimed_at(task).is_none() && now.since(task.created_at) >= PATIENCE && !kinds.nearest(task).is_empty()
}

pub(super) fn claimed_at(task: &Task) -> Option<Timestamp> {
    task.scheduling.queue.and_then(|queue| queue.claimed_at)
}

/// How many instances a claim of this age is worth.
fn extent(age: Duration) -> usize {
    let doublings = (1 + age.as_secs() / PATIENCE.as_secs()).ilog2();
    1_usize.checked_shl(doublings).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_grows_with_its_age() {
        let extents: Vec<usize> =
            [0, 59, 60, 179, 180, 420, 3600].map(|seconds| extent(Duration::from_secs(seconds))).to_vec();
        assert_eq!(extents, [1, 1, 2, 2, 4, 8, 32]);
    }
}
