//! How many disks are enough: the one rule of reads and of copies.
//!
//! A voter may miss a write, whose majority are the others. Of `n` voters at most `n - majority` miss one, so that many and one
//! more always include somebody who has it. Whoever became a voter later has what was written before only once it has
//! copied it from enough of the others; until then it answers, and does not count. Votes may have been more when
//! something was written, so a disk says how many it knows of, and the largest number counts. When everybody answers, that is
//! all there is, whoever counts.
//!
//! The majorities of two memberships that follow each other overlap, since they differ by one voter, and a write is for one
//! membership: a disk that was copied from refuses what is written for an older one (see [`super::copy`]).

use berth_proto::peer::v1 as pb;
use pb::LogArchiveMark as Mark;

/// Of so many voters, how many may miss what was acknowledged.
const fn most_without(voters: u32) -> u32 {
    voters.saturating_sub(1) / 2
}

/// Whether these disks have everything between them that was acknowledged. `voters`: how many there are now; `silent`: from how
/// many nothing was heard.
pub(super) fn is_enough<'a>(heard: impl IntoIterator<Item = &'a Mark>, voters: usize, silent: usize) -> bool {
    let (mut whole, mut most) = (0, u32::try_from(voters).unwrap_or(u32::MAX));
    for mark in heard.into_iter().filter(|mark| mark.is_whole) {
        whole += 1;
        most = most.max(mark.voters);
    }
    silent == 0 || whole > most_without(most)
}

/// What a disk may lack, once there are so many voters; none if that is no news.
pub(super) fn seen(mark: &Mark, voters: usize) -> Option<Mark> {
    let voters = u32::try_from(voters).unwrap_or(u32::MAX);
    let since = if mark.voters_since == 0 { 0 } else { mark.voters_since.max(voters) };
    let seen = Mark { voters: mark.voters.max(voters), voters_since: since, ..*mark };
    (seen != *mark).then_some(seen)
}

/// Whether a disk is to copy from others: it may lack what was written before it voted, or when there were more voters, of whom
/// more could miss it.
pub(super) fn is_behind(mark: &Mark, voters: usize) -> bool {
    !mark.is_whole || usize::try_from(mark.voters).is_ok_and(|most| most > voters)
}

#[cfg(test)]
mod tests;
