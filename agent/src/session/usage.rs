//! What tasks use, for whoever asks through a controller.

use berth_proto::agent::v1 as wire;

use super::Parts;
use crate::task::timestamp;

/// The answer to a question.
pub(super) async fn answer(parts: &Parts, question: wire::ReadUsage) -> wire::Usage {
    let since_ms = question.since_seconds.map_or(i64::MIN, |seconds| {
        parts.clock.unix_ms().saturating_sub(i64::from(seconds).saturating_mul(1_000))
    });
    let mut pulls: Vec<wire::ImagePull> = Vec::new();
    if let Some(task) = parts.engine.task(&question.task_id).await {
        for container in &task.desired.definition.containers {
            let image = container.image();
            if pulls.iter().any(|pull| pull.image == image) {
                continue;
            }
            pulls.extend(parts.images.progress(image).map(|(since_ms, progress)| wire::ImagePull {
                image: image.to_owned(),
                started_at: Some(timestamp(since_ms)),
                layers: progress.layers,
                layers_done: progress.layers_done,
                bytes: progress.bytes,
                total_bytes: progress.total_bytes,
            }));
        }
    }
    let containers = parts.usage.of_task(&question.task_id, since_ms);
    wire::Usage { request_id: question.request_id, containers, pulls }
}
