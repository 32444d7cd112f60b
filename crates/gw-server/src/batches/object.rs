//! Files and batches as OpenAI's clients read them.

use gw_core::batch::{Batch, BatchStatus, FileInfo};
use gw_core::limits::FILES_KEPT_MS;
use serde_json::{Value, json};

/// Seconds since 1970.
fn seconds(unix_ms: i64) -> i64 {
    unix_ms.div_euclid(1_000)
}

/// A file.
pub(crate) fn file_object(file: &FileInfo) -> Value {
    json!({
        "id": file.id, "object": "file", "bytes": file.bytes, "filename": file.filename,
        "purpose": file.purpose, "created_at": seconds(file.created_at_ms),
        "expires_at": seconds(file.created_at_ms.saturating_add(FILES_KEPT_MS)),
        "status": "processed", "status_details": null,
    })
}

/// A batch.
pub(crate) fn batch_object(batch: &Batch) -> Value {
    let ended = |status: BatchStatus| {
        let at = batch.ended_at_ms.filter(|_| batch.status == status);
        at.map(seconds)
    };
    let errors =
        (!batch.errors.is_empty()).then(|| json!({"object": "list", "data": batch.errors}));
    let began = (batch.status != BatchStatus::Failed).then(|| seconds(batch.created_at_ms));
    json!({
        "id": batch.id, "object": "batch", "endpoint": batch.endpoint, "errors": errors,
        "input_file_id": batch.input_file_id, "completion_window": batch.completion_window,
        "status": batch.status.as_str(), "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id, "created_at": seconds(batch.created_at_ms),
        "in_progress_at": began, "expires_at": seconds(batch.expires_at_ms),
        "finalizing_at": batch.finalizing_at_ms.map(seconds),
        "completed_at": ended(BatchStatus::Completed), "failed_at": ended(BatchStatus::Failed),
        "expired_at": ended(BatchStatus::Expired),
        "cancelling_at": batch.cancelling_at_ms.map(seconds),
        "cancelled_at": ended(BatchStatus::Cancelled),
        "request_counts": {"total": batch.total, "completed": batch.completed,
            "failed": batch.failed},
        "metadata": batch.metadata,
    })
}

/// Something wrong with the file of a batch; `line` counts from 0.
pub(super) fn fault(code: &str, message: &str, line: Option<usize>) -> Value {
    json!({"code": code, "message": message, "line": line.map(|line| line + 1), "param": null})
}
