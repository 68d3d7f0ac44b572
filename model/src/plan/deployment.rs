//! The arithmetic of a rolling deployment: from counts to how many tasks to start and to stop.
//!
//! Four parts of a service: *current* tasks are of the primary deployment and stay; *old* ones are of deployments that
//! are being replaced; *draining* and *unhealthy* ones are of the primary deployment and have to be replaced all the
//! same, for their instance's sake or their own. Tasks that are not RUNNING are only counted among the current ones:
//! elsewhere they serve nobody and are stopped without any arithmetic.
//!
//! Holds for every answer: RUNNING and PENDING tasks do not come to exceed the ceiling by what is started, and healthy
//! tasks do not fall below the floor by what is stopped. Source: ECS API, `deploymentConfiguration`.

/// What a service has and is to have. RUNNING tasks are healthy or shaky: not known to be healthy, or known not to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// How many current tasks there are to be.
    pub(super) desired: u32,
    /// The fewest healthy tasks.
    pub(super) floor: u32,
    /// The most RUNNING and PENDING tasks.
    pub(super) ceiling: u32,
    /// RUNNING and PENDING tasks of every kind, those that are stopping included.
    pub(super) occupied: u32,
    /// Those of `occupied` that are about to make room, without any further doing.
    pub(super) leaving: u32,
    /// Current tasks, PENDING ones included.
    pub(super) current: u32,
    /// Current tasks of which it is known that they are really there, and so can be spared.
    pub(super) current_settled: u32,
    /// Those of `current_settled` that are healthy.
    pub(super) current_healthy: u32,
    /// Old tasks that run and are not healthy.
    pub(super) old_shaky: u32,
    /// Old tasks that are healthy.
    pub(super) old_healthy: u32,
    /// Tasks whose health check fails.
    pub(super) unhealthy: u32,
    /// Tasks on DRAINING instances that run and are not healthy.
    pub(super) draining_shaky: u32,
    /// Tasks on DRAINING instances that are healthy.
    pub(super) draining_healthy: u32,
}

/// How many tasks to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Starts {
    /// So many.
    pub(super) now: u32,
    /// So many more, were it not for the ceiling, and no room is about to come.
    pub(super) blocked: u32,
}

/// How many tasks to stop, by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stops {
    pub(super) old_shaky: u32,
    pub(super) old_healthy: u32,
    pub(super) unhealthy: u32,
    pub(super) draining_shaky: u32,
    pub(super) draining_healthy: u32,
    /// Surplus current tasks that are not healthy.
    pub(super) current_shaky: u32,
    /// Surplus current tasks that are.
    pub(super) current_healthy: u32,
}

// === impl Counts ===

impl Counts {
    /// What to start: what is missing, as far as the ceiling allows.
    pub(super) fn starts(&self) -> Starts {
        let wanted = self.desired.saturating_sub(self.current);
        let room = self.ceiling.saturating_sub(self.occupied);
        let room_soon = self.ceiling.saturating_sub(self.occupied - self.leaving);
        Starts { now: wanted.min(room), blocked: wanted.saturating_sub(room_soon) }
    }

    /// What to stop, when `starts` is what can be started and `unplaced` of it found no instance.
    pub(super) fn stops(&self, starts: Starts, unplaced: u32) -> Stops {
        let mut healthy = self.current_healthy + self.old_healthy + self.draining_healthy;
        let mut blocked = starts.blocked;
        let mut stops = Stops::default();

        // Shaky old tasks may be all there is: they go once the floor is reached without them, or for a successor that
        // has no room.
        let needed = self.floor.saturating_sub(healthy);
        stops.old_shaky = self.old_shaky.saturating_sub(needed).max(self.old_shaky.min(blocked));
        blocked = blocked.saturating_sub(stops.old_shaky);

        // Those to be replaced wait until their successors are healthy. One that fails its health check makes way for a
        // successor that finds no place; the resources of a DRAINING instance would not help that one.
        let needed = self.desired.saturating_sub(healthy);
        let spare = (self.unhealthy + self.draining_shaky).saturating_sub(needed);
        stops.unhealthy = self.unhealthy.min(spare.max(blocked.saturating_add(unplaced)));
        blocked = blocked.saturating_sub(stops.unhealthy);
        let spare = spare.saturating_sub(stops.unhealthy);
        stops.draining_shaky = self.draining_shaky.min(spare.max(blocked));
        blocked = blocked.saturating_sub(stops.draining_shaky);

        stops.old_healthy = self.old_healthy.min(healthy.saturating_sub(self.floor));
        healthy -= stops.old_healthy;
        blocked = blocked.saturating_sub(stops.old_healthy);

        let replaced = healthy.saturating_sub(self.desired.max(self.floor));
        let spared = healthy.saturating_sub(self.floor).min(blocked);
        stops.draining_healthy = self.draining_healthy.min(replaced.max(spared));
        healthy -= stops.draining_healthy;

        let surplus = self.current_settled.saturating_sub(self.desired);
        stops.current_shaky = surplus.min(self.current_settled - self.current_healthy);
        let rest = (surplus - stops.current_shaky).min(self.current_healthy);
        stops.current_healthy = rest.min(healthy.saturating_sub(self.floor));
        stops
    }
}

#[cfg(test)]
mod tests;
