//! What tasks use: a caller asks, the agent that runs the task answers on its session.
//!
//! A question is known by a random id. An answer that nobody waits for any more is dropped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use berth_model::id::InstanceId;
use berth_process::entropy::Entropy;
use berth_proto::agent::v1 as pb;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::registry::Registry;
use crate::limits::USAGE_QUESTIONS;

/// How long an agent may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The agent's session is not here.
    #[error("the agent of the instance has no session with this controller")]
    NotHere,
    /// As many as there may be are open.
    #[error("{USAGE_QUESTIONS} questions about usage are open already, which is the most")]
    TooMany,
    /// It did not answer.
    #[error("the agent of the instance did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Silent,
}

/// The questions through this controller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Questions {
    registry: Registry,
    entropy: Entropy,
    waiting: Arc<Mutex<BTreeMap<String, oneshot::Sender<pb::Usage>>>>,
}

/// Takes a question out when whoever asked goes away.
struct Asked<'a> {
    questions: &'a Questions,
    id: String,
}

// === impl Questions ===

impl Questions {
    pub(super) fn new(registry: Registry, entropy: Entropy) -> Self {
        Self { registry, entropy, waiting: Arc::default() }
    }

    /// Asks the agent of an instance. The question's id is made here.
    pub async fn ask(&self, instance: InstanceId, question: pb::ReadUsage) -> Result<pb::Usage, AskError> {
        let entry = self.registry.get(instance).ok_or(AskError::NotHere)?;
        let asked = Asked { questions: self, id: format!("{:032x}", self.entropy.u128()) };
        let (sender, answer) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            if waiting.len() >= USAGE_QUESTIONS {
                return Err(AskError::TooMany);
            }
            waiting.insert(asked.id.clone(), sender);
        }
        let question = pb::ReadUsage { request_id: asked.id.clone(), ..question };
        let message = pb::controller_message::Message::ReadUsage(question);
        let message = pb::ControllerMessage { message: Some(message) };
        entry.outbound.try_send(message).map_err(|_| AskError::NotHere)?;
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(AskError::Silent),
        }
    }

    /// Takes an agent's answer to whoever asked.
    pub(super) fn answered(&self, answer: pb::Usage) {
        if let Some(waiting) = self.waiting.lock().remove(&answer.request_id) {
            let _ = waiting.send(answer);
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.questions.waiting.lock().remove(&self.id);
    }
}
