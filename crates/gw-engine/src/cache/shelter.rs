//! Keeps a call going whose client left, while others wait for its answer.

use std::sync::Arc;

use gw_core::Error;
use tokio::task::AbortHandle;

use super::Flight;
use crate::answer::{Answer, Failure};
use crate::call::Call;

/// Runs the rest of a call. Where others may wait for it, it runs in a task of its own, which ends
/// with its client only while nobody waits.
pub(crate) async fn shelter<F>(
    call: Box<Call>,
    go: impl FnOnce(Box<Call>) -> F,
) -> Result<Answer, Failure>
where
    F: Future<Output = Result<Answer, Failure>> + Send + 'static,
{
    let Some(flight) = call.course.flight() else { return go(call).await };
    let (id, tasks) = (call.id, call.engine.tasks.clone());
    let task = tasks.spawn(go(call));
    let guard = Guard { task: task.abort_handle(), flight };
    let ended = task.await;
    drop(guard);
    ended.unwrap_or_else(|error| {
        let error = Error::internal("a call broke off").with_source(error);
        Err(Failure { call_id: id, error })
    })
}

/// Ends the task with its client, unless somebody else waits.
struct Guard {
    task: AbortHandle,
    flight: Arc<Flight>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.flight.is_awaited() {
            self.task.abort();
        }
    }
}
