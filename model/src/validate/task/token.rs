//! Ids of tasks that a client token makes repeatable.
//!
//! With a token, the upper half of a task's id follows from the cluster, the token and the place of the task in the call,
//! and the lower from the parameters. Tasks of one call have nothing in common in the beginnings of their ids, by which
//! people and the names of containers tell them apart. So the tasks themselves remember the call: a repeated one finds them, one
//! with other parameters finds that they differ, and two that race propose the same ids, of which `apply` takes each
//! once. A token is remembered for as long as one of its tasks can be described.

use prost::Message;

use berth_proto::ecs::v1 as pb;

use crate::arn::fnv128;
use crate::error::{ApiError, Exception};
use crate::id::{ClusterName, Ids, TaskId};
use crate::limits::TASKS_PER_RUN;
use crate::state::State;

/// Source: ECS API, `RunTask.clientToken`.
const TOKEN_LENGTH: usize = 64;

/// A call that can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// Of the cluster, its region and the token.
    token: u128,
    /// The lower half of all ids.
    parameters: u128,
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
        let region = view.region().map(|region| format!("\0{region}")).unwrap_or_default();
        let name = format!("{}\0{cluster}\0{token}{region}", view.cluster_id());
        let parameters = spread(fnv128(&request.encode_to_vec())) >> 64;
        Ok(Some(Self { token: fnv128(name.as_bytes()), parameters }))
    }

    /// The id of the task at this place in the call.
    pub(super) fn id(self, place: usize) -> TaskId {
        TaskId::new(self.upper(place) | self.parameters)
    }

    /// The upper half of the id of the task at this place, whatever the parameters.
    fn upper(self, place: usize) -> u128 {
        let place = u128::try_from(place).unwrap_or(u128::MAX);
        spread(self.token.wrapping_add(place)) << 64
    }

    /// The tasks that this call has started already; a conflict when the token came with other parameters.
    pub(super) fn started(self, view: &State, cluster: &ClusterName) -> Result<Vec<TaskId>, ApiError> {
        let of_place = |place: usize| {
            let first = self.upper(place);
            let range = TaskId::new(first)..=TaskId::new(first | u128::from(u64::MAX));
            view.tasks.range(range).map(|(id, _)| *id)
        };
        let (same, others): (Vec<TaskId>, Vec<TaskId>) = (0..TASKS_PER_RUN)
            .flat_map(of_place)
            .partition(|id| id.number() & u128::from(u64::MAX) == self.parameters);
        if others.is_empty() {
            return Ok(same);
        }
        let arns = others.into_iter().map(|id| view.scope().task(cluster, id)).collect();
        let message = "The clientToken was used before with other parameters. Use a new one.";
        Err(ApiError::new(Exception::Conflict, message).about(arns))
    }
}

/// A hash whose bits all depend on all of the input.
fn spread(hash: u128) -> u128 {
    Ids::from_seed(hash).number()
}
