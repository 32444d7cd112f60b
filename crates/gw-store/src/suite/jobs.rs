//! Background jobs: every store keeps them by owner, over restarts, until they are forgotten.

use gw_core::Result;
use gw_core::seam::{Job, JobStatus, Jobs};
use serde_json::json;

fn job(id: &str, created_at: i64, status: JobStatus) -> Job {
    Job {
        id: id.to_owned(),
        status,
        tool_id: "files::read".to_owned(),
        args: json!({"path": "é", "n": 1.5}),
        priority: 3,
        created_at,
        started_at: None,
        finished_at: status.is_final().then_some(created_at + 5),
        result: None,
        error: None,
        logs: vec!["Job created".to_owned()],
        timeout_ms: Some(1_000),
        progress: None,
    }
}

pub(super) async fn keeps_jobs_by_owner(store: &impl Jobs) {
    checked(store).await.expect("the store answers");
}

async fn checked(store: &impl Jobs) -> Result<()> {
    let mut first = job("job_1", 10, JobStatus::Queued);
    store.put_job("a", &first).await?;
    store.put_job("a", &job("job_2", 20, JobStatus::Completed)).await?;
    store.put_job("b", &job("job_3", 30, JobStatus::Running)).await?;
    assert_eq!(store.job("a", "job_1").await?, Some(first.clone()));
    assert_eq!(store.job("b", "job_1").await?, None, "another owner's job does not exist");
    let ids: Vec<String> = store.jobs("a", 9).await?.into_iter().map(|job| job.id).collect();
    assert_eq!(ids, ["job_2", "job_1"]);
    let left: Vec<String> =
        store.unfinished_jobs().await?.into_iter().map(|(owner, job)| owner + &job.id).collect();
    assert_eq!(left, ["ajob_1", "bjob_3"]);
    first.status = JobStatus::Failed;
    first.finished_at = Some(40);
    store.put_job("a", &first).await?;
    assert_eq!(store.jobs("a", 9).await?.len(), 2, "a later state replaces the earlier one");
    store.forget_jobs(40).await?;
    assert_eq!(store.job("a", "job_2").await?, None);
    assert_eq!(store.job("a", "job_1").await?, Some(first), "40 is not before 40");
    assert_eq!(store.unfinished_jobs().await?.len(), 1, "what is not over is never forgotten");
    Ok(())
}
