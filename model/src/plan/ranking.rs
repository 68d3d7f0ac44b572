//! The best of many, again and again, while the counts that make it the best change.
//!
//! Strategies rank by what is a member's own (how much is free on an instance) and by what it shares with others (how
//! many tasks its zone has). Members stand in a tree with a level for each thing that is shared: below one branch of the
//! level of zones are the members of one zone, below one of the next level those of one rack of it. In a leaf only what
//! is the members' own decides, so it keeps them in a heap; a branch keeps its children by the score of their best.
//!
//! What changes is ranked anew and nothing else: a member that was taken within its leaf, a count at the branches that
//! stand for it, and their ancestors as far as their best is another.
//!
//! Holds at all times: the member that [`Ranking::pop`] gives is the least by full score of all that are in. For below
//! one branch what is shared at its level is equal, so the order of its members does not depend on that; and where two
//! branches are compared, everything from their level down is filled in.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::limits::STRATEGIES;
use crate::placement::{SpreadField, Strategy};

/// What decides between members; the lower one wins. The order of the fields is the policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// What comes before every strategy.
    pub(super) class: u64,
    /// A rank for each strategy, in their order.
    pub(super) ranks: [u64; STRATEGIES],
    /// What decides when the strategies do not.
    pub(super) tie: u64,
    /// The id, so that there is always one answer.
    pub(super) id: u128,
}

/// Whether it is good to share with many or with few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// For placing.
    Fewest,
    /// For taking away.
    Most,
}

/// The members that share everything that is shared: a leaf of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CellId(usize);

/// Members by rank. `'a` is what the values of attributes are borrowed from.
pub(super) struct Ranking<'a> {
    prefer: Prefer,
    /// Which strategies spread over an attribute, by their place, and its name: the levels below the root.
    levels: Vec<(usize, &'a str)>,
    groups: Vec<Group>,
    group_by_value: BTreeMap<(usize, Option<&'a str>), usize>,
    /// The root first.
    branches: Vec<Branch>,
    /// By depth, branches whose parent has them at an old score or not at all.
    dirty: Vec<Vec<usize>>,
}

/// The tasks that share one value of one attribute.
#[derive(Default)]
struct Group {
    tasks: u64,
    /// The branches that stand for it, one below each combination of values above it.
    branches: Vec<usize>,
}

#[derive(Default)]
struct Branch {
    parent: usize,
    depth: usize,
    /// What it stands for; meaningless at the root.
    group: usize,
    /// By group.
    children: BTreeMap<usize, usize>,
    /// The children that have members, by the score of their best.
    order: BTreeSet<(Score, usize)>,
    /// The members, at a leaf.
    members: BinaryHeap<Reverse<(Score, usize)>>,
    /// The score at which its parent has it.
    ranked_at: Option<Score>,
    is_dirty: bool,
}

impl Prefer {
    /// The rank of having this many.
    pub(super) fn rank(self, count: u64) -> u64 {
        match self {
            Self::Fewest => count,
            Self::Most => u64::MAX - count,
        }
    }
}

// === impl Ranking ===

impl<'a> Ranking<'a> {
    /// A ranking by these strategies, at most [`STRATEGIES`] of them.
    pub(super) fn new(strategy: &'a [Strategy], prefer: Prefer) -> Self {
        let levels = strategy.iter().enumerate().filter_map(|(place, strategy)| match strategy {
            Strategy::Spread(SpreadField::Attribute(name)) => Some((place, name.as_str())),
            Strategy::Spread(SpreadField::Instance) | Strategy::Binpack(_) | Strategy::Random => None,
        });
        let levels: Vec<(usize, &str)> = levels.collect();
        Self {
            prefer,
            dirty: vec![Vec::new(); levels.len() + 1],
            levels,
            groups: Vec::new(),
            group_by_value: BTreeMap::new(),
            branches: vec![Branch::default()],
        }
    }

    /// The cell of members with these values of attributes.
    pub(super) fn cell(&mut self, value: impl Fn(&str) -> Option<&'a str>) -> CellId {
        let mut at = 0;
        for level in 0..self.levels.len() {
            let group = self.group(level, value(self.levels[level].1));
            at = match self.branches[at].children.get(&group) {
                Some(child) => *child,
                None => self.add_child(at, group),
            };
        }
        CellId(at)
    }

    fn group(&mut self, level: usize, value: Option<&'a str>) -> usize {
        let next = self.groups.len();
        let group = *self.group_by_value.entry((level, value)).or_insert(next);
        if group == next {
            self.groups.push(Group::default());
        }
        group
    }

    fn add_child(&mut self, parent: usize, group: usize) -> usize {
        let child = self.branches.len();
        let depth = self.branches[parent].depth + 1;
        self.branches.push(Branch { parent, depth, group, ..Branch::default() });
        self.branches[parent].children.insert(group, child);
        self.groups[group].branches.push(child);
        child
    }

    /// Counts so many tasks more for everything that the cell shares.
    pub(super) fn count_more(&mut self, cell: CellId, tasks: u32) {
        self.recount(cell, |counted| counted + u64::from(tasks));
    }

    /// Counts one task less.
    pub(super) fn count_less(&mut self, cell: CellId) {
        self.recount(cell, |counted| counted.saturating_sub(1));
    }

    fn recount(&mut self, cell: CellId, change: impl Fn(u64) -> u64) {
        let mut at = cell.0;
        while at != 0 {
            let group = self.branches[at].group;
            self.groups[group].tasks = change(self.groups[group].tasks);
            for standing in 0..self.groups[group].branches.len() {
                self.touch(self.groups[group].branches[standing]);
            }
            at = self.branches[at].parent;
        }
    }

    /// Takes a member in. The ranks of what is shared are zero in `own`.
    pub(super) fn push(&mut self, cell: CellId, own: Score, member: usize) {
        self.branches[cell.0].members.push(Reverse((own, member)));
        self.touch(cell.0);
    }

    /// The score of the member that [`Ranking::pop`] would give, with everything that is shared filled in.
    pub(super) fn best(&mut self) -> Option<Score> {
        self.settle();
        let root = &self.branches[0];
        if self.levels.is_empty() {
            root.members.peek().map(|Reverse((score, _))| *score)
        } else {
            root.order.first().map(|(score, _)| *score)
        }
    }

    /// Takes the best member out.
    pub(super) fn pop(&mut self) -> Option<usize> {
        self.settle();
        let mut at = 0;
        while self.branches[at].depth < self.levels.len() {
            (_, at) = *self.branches[at].order.first()?;
        }
        let Reverse((_, member)) = self.branches[at].members.pop()?;
        self.touch(at);
        Some(member)
    }

    fn touch(&mut self, at: usize) {
        let branch = &mut self.branches[at];
        if !branch.is_dirty {
            branch.is_dirty = true;
            self.dirty[branch.depth].push(at);
        }
    }

    /// Ranks anew what changed, from the leaves to the root.
    fn settle(&mut self) {
        for depth in (0..self.dirty.len()).rev() {
            while let Some(at) = self.dirty[depth].pop() {
                self.branches[at].is_dirty = false;
                if at != 0 {
                    self.rank(at);
                }
            }
        }
    }

    /// Puts a branch where it belongs among its siblings.
    fn rank(&mut self, at: usize) {
        let score = self.score(at);
        let before = std::mem::replace(&mut self.branches[at].ranked_at, score);
        if before == score {
            return;
        }
        let parent = self.branches[at].parent;
        let order = &mut self.branches[parent].order;
        let best = order.first().copied();
        if let Some(before) = before {
            order.remove(&(before, at));
        }
        if let Some(score) = score {
            order.insert((score, at));
        }
        if order.first().copied() != best {
            self.touch(parent);
        }
    }

    /// The score of a branch's best member, with everything that is shared at its level and below filled in.
    fn score(&self, at: usize) -> Option<Score> {
        let branch = &self.branches[at];
        let mut score = if branch.depth < self.levels.len() {
            branch.order.first()?.0
        } else {
            branch.members.peek()?.0.0
        };
        let (place, _) = self.levels[branch.depth - 1];
        score.ranks[place] = self.prefer.rank(self.groups[branch.group].tasks);
        Some(score)
    }
}
