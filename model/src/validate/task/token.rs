//! Ids of tasks that a client token makes repeatable.
//!
//! With a token, the upper half of a task's id follows from the cluster and the token, and the rest from the parameters
//! and the place of the task in the call. So the tasks themselves remember the call: a repeated one finds them, one
//! with other parameters finds that they differ, and two that race propose the same ids, of which `apply` takes each
//! once. A token is remembered for as long as one of its tasks can be described.

use prost::Message;

use berth_proto::ecs::v1 as pb;

use crate::arn::fnv128;
use crate::error::{ApiError, Exception};
use crate::id::{ClusterName, Ids, TaskId};
use crate::state::State;

/// Source: ECS API, `RunTask.clientToken`.
const TOKEN_LENGTH: usize = 64;
/// Bits for the place of a task in its call, of which there are at most [`crate::limits::TASKS_PER_RUN`].
const PLACE_BITS: u32 = 8;

/// A call that can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Everything of an id but the place.
    base: u128,
}

// === impl Call ===

impl Call {
    /// The call of this request, if it has a token.
    pub(super) fn of(
        request: &pb::RunTaskRequest,
        cluster: &ClusterName,
        view: &State,
    ) -> Result<Option<Self>, ApiError> {
        let Some(token) = request.client_token.as_deref().filter(|token| !token.is_empty()) else {
            return Ok(None);
        };
        if token.len() > TOKEN_LENGTH || !token.is_ascii() {
            return Err(ApiError::invalid(format!(
                "clientToken must have at most {TOKEN_LENGTH} ASCII characters."
            )));
        }
        let name = format!("{}\0{cluster}\0{token}", view.cluster_id());
        let parameters = request.encode_to_vec();
        let upper = spread(name.as_bytes()) << 64;
        let lower = spread(&parameters) >> (64 + PLACE_BITS) << PLACE_BITS;
        Ok(Some(Self { base: upper | lower }))
    }

    /// The id of the task at this place in the call.
    pub(super) fn id(self, place: usize) -> TaskId {
        let place = u128::try_from(place).unwrap_or(0) & ((1 << PLACE_BITS) - 1);
        TaskId::new(self.base | place)
    }

    /// The tasks that this call has started already; a conflict when the token came with other parameters.
    pub(super) fn started(self, view: &State, cluster: &ClusterName) -> Result<Vec<TaskId>, ApiError> {
        let first = self.base >> 64 << 64;
        let range = TaskId::new(first)..=TaskId::new(first | u128::from(u64::MAX));
        let (same, others): (Vec<TaskId>, Vec<TaskId>) = view
            .tasks
            .range(range)
            .map(|(id, _)| *id)
            .partition(|id| id.number() >> PLACE_BITS == self.base >> PLACE_BITS);
        if others.is_empty() {
            return Ok(same);
        }
        let arns = others.into_iter().map(|id| view.scope().task(cluster, id)).collect();
        let message = "The clientToken was used before with other parameters. Use a new one.";
        Err(ApiError::new(Exception::Conflict, message).about(arns))
    }
}

/// A hash whose bits all depend on all of the input.
fn spread(bytes: &[u8]) -> u128 {
    Ids::from_seed(fnv128(bytes)).number()
}
