//! The candidates that can take a task with these needs, by rank, and what kept the others out.
//!
//! One that cannot any more never comes back: what is placed only adds.

use std::collections::BTreeMap;

use super::Reason;
use crate::limits::DECISION_FILTERS;
use crate::plan::ranking::{CellId, Ranking};
use crate::resource::Requirements;

/// What is said of a candidate that could, and is kept free.
const KEPT: &str = "kept free for a task of the queue";

pub(super) struct Ranked<'a> {
    pub(super) needs: Requirements,
    pub(super) ranking: Ranking<'a>,
    /// The cell of each candidate.
    pub(super) cells: Vec<CellId>,
    /// Candidates that cannot, by what was in the way first.
    refused: BTreeMap<String, u32>,
}

// === impl Ranked ===

impl<'a> Ranked<'a> {
    pub(super) fn new(needs: &Requirements, ranking: Ranking<'a>, cells: Vec<CellId>) -> Self {
        Self { needs: needs.clone(), ranking, cells, refused: BTreeMap::new() }
    }

    pub(super) fn refuse(&mut self, reason: &Reason) {
        *self.refused.entry(reason.gist()).or_default() += 1;
    }

    pub(super) fn keep(&mut self) {
        *self.refused.entry(KEPT.to_owned()).or_default() += 1;
    }

    /// How many candidates cannot.
    pub(super) fn refused(&self) -> u32 {
        self.refused.values().sum()
    }

    /// What kept them out, the most frequent first.
    pub(super) fn filtered(&self) -> Vec<(String, u32)> {
        let mut filtered: Vec<(&String, &u32)> = self.refused.iter().collect();
        filtered.sort_by_key(|(_, instances)| std::cmp::Reverse(**instances));
        filtered.truncate(DECISION_FILTERS);
        filtered.into_iter().map(|(reason, instances)| (reason.clone(), *instances)).collect()
    }
}
