//! Tool calls in the background: queued by priority, run a few at a time, kept for a day.
//!
//! A job that was running when the gateway died is not run again: its tool may have done its work.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gw_core::principal::Principal;
use gw_core::seam::{Job, JobStatus, Jobs as JobStore};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use crate::caller::{Caller, ClientKey, Profile};
use crate::catalogue::View;
use crate::desk::Desk;
use crate::hub::Hub;
use crate::limits::{JOB_AGEING_MS, JOB_KEPT_MS, JOB_LINES_MAX, JOBS_WAITING_MAX};
use crate::message::{Outcome, RpcError};
use crate::options::Exposure;
use crate::raw::Fields;

/// How long a job's call may take where nothing else is said, in milliseconds.
const TIMEOUT_MS_DEFAULT: u64 = 600_000;

/// Jobs that are over and kept where there is no store.
const FINISHED_MAX: usize = 500;

/// How often old jobs are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

type Shared = Arc<Mutex<Job>>;

#[derive(Clone)]
struct Owned {
    owner: String,
    principal: Arc<Principal>,
    job: Shared,
    /// True for a job of an earlier process.
    is_orphan: bool,
}

#[derive(Default)]
struct Table {
    waiting: Vec<Owned>,
    running: HashMap<String, (Owned, Option<AbortHandle>)>,
    finished: VecDeque<Owned>,
}

/// All jobs.
pub(crate) struct Jobs {
    store: Option<Arc<dyn JobStore>>,
    table: Mutex<Table>,
    running_max: usize,
    wake: Notify,
}

fn owner_of(principal: &Principal) -> String {
    principal.key_id.clone().unwrap_or_else(|| "anonymous".to_owned())
}

impl Jobs {
    pub(crate) fn new(store: Option<Arc<dyn JobStore>>, running_max: usize) -> Self {
        let running_max = running_max.max(1);
        Self { store, table: Mutex::default(), running_max, wake: Notify::new() }
    }

    /// Queues a job. It is kept before this returns.
    pub(crate) async fn add(&self, principal: &Arc<Principal>, job: Job) -> Result<(), String> {
        if self.table.lock().waiting.len() >= JOBS_WAITING_MAX {
            return Err("QUEUE_FULL: too many jobs wait".to_owned());
        }
        let owner = owner_of(principal);
        self.keep(&owner, &job).await?;
        let principal = Arc::clone(principal);
        let job = Arc::new(Mutex::new(job));
        let owned = Owned { owner, principal, job, is_orphan: false };
        self.table.lock().waiting.push(owned);
        self.wake.notify_one();
        Ok(())
    }

    /// One job of a caller.
    pub(crate) async fn find(&self, by: &Principal, id: &str) -> Result<Option<Job>, String> {
        let owner = owner_of(by);
        let found = self.live(&owner).into_iter().find(|job| job.id == id);
        match (found, &self.store) {
            (Some(job), _) => Ok(Some(job)),
            (None, Some(store)) => store.job(&owner, id).await.map_err(|e| e.full_message()),
            (None, None) => Ok(None),
        }
    }

    /// A caller's newest jobs.
    pub(crate) async fn list(&self, by: &Principal, limit: usize) -> Result<Vec<Job>, String> {
        let owner = owner_of(by);
        let mut jobs = self.live(&owner);
        if let Some(store) = &self.store {
            let kept = store.jobs(&owner, limit).await.map_err(|error| error.full_message())?;
            let new: Vec<Job> =
                kept.into_iter().filter(|job| jobs.iter().all(|own| own.id != job.id)).collect();
            jobs.extend(new);
        }
        jobs.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        jobs.truncate(limit);
        Ok(jobs)
    }

    fn live(&self, owner: &str) -> Vec<Job> {
        let table = self.table.lock();
        let running = table.running.values().map(|(owned, _)| owned);
        let all = table.waiting.iter().chain(running).chain(&table.finished);
        all.filter(|it| it.owner == owner).map(|it| it.job.lock().clone()).collect()
    }

    /// Stops a job of a caller; one that is over stays as it is.
    pub(crate) async fn cancel(&self, by: &Principal, id: &str, now_ms: i64) -> Result<(), String> {
        let owner = owner_of(by);
        let is_it = |it: &Owned| it.owner == owner && it.job.lock().id == id;
        let stopped = {
            let mut table = self.table.lock();
            if let Some(at) = table.waiting.iter().position(is_it) {
                Some(table.waiting.remove(at))
            } else if table.running.get(id).is_some_and(|(it, _)| it.owner == owner) {
                let (owned, task) = table.running.remove(id).unzip();
                if let Some(task) = task.flatten() {
                    task.abort();
                }
                owned
            } else {
                None
            }
        };
        let Some(owned) = stopped else { return Ok(()) };
        let job = {
            let mut job = owned.job.lock();
            job.status = JobStatus::Cancelled;
            job.finished_at = Some(now_ms);
            log(&mut job, "Job cancelled".to_owned());
            job.clone()
        };
        self.finish(owned, &job).await;
        self.wake.notify_one();
        Ok(())
    }

    async fn keep(&self, owner: &str, job: &Job) -> Result<(), String> {
        let Some(store) = &self.store else { return Ok(()) };
        store.put_job(owner, job).await.map_err(|error| error.full_message())
    }

    async fn finish(&self, owned: Owned, job: &Job) {
        match self.keep(&owned.owner, job).await {
            Ok(()) if self.store.is_some() => {}
            kept => {
                if let Err(error) = kept {
                    tracing::warn!(job = job.id, error, "a job's result is kept in memory only");
                }
                let mut table = self.table.lock();
                if table.finished.len() == FINISHED_MAX {
                    table.finished.pop_front();
                }
                table.finished.push_back(owned);
            }
        }
    }

    /// The job to run next, where there is room: the highest priority, raised by its wait, the oldest
    /// among equals.
    fn take(&self, now_ms: i64) -> Option<Owned> {
        let mut table = self.table.lock();
        if table.running.len() >= self.running_max {
            return None;
        }
        let rank = |owned: &Owned| {
            let job = owned.job.lock();
            let waited_ms = now_ms.saturating_sub(job.created_at).max(0);
            job.priority.saturating_add(waited_ms / JOB_AGEING_MS)
        };
        let mut best: Option<(i64, usize)> = None;
        for (at, owned) in table.waiting.iter().enumerate() {
            let rank = rank(owned);
            if best.is_none_or(|(highest, _)| rank > highest) {
                best = Some((rank, at));
            }
        }
        let owned = table.waiting.remove(best?.1);
        let id = owned.job.lock().id.clone();
        table.running.insert(id, (owned.clone(), None));
        Some(owned)
    }

    /// Takes up what an earlier process left.
    async fn recover(&self, now_ms: i64) {
        let Some(store) = &self.store else { return };
        let left = match store.unfinished_jobs().await {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(%error, "jobs of the last run cannot be read");
                return;
            }
        };
        for (owner, mut job) in left {
            if job.status == JobStatus::Running {
                job.status = JobStatus::Failed;
                job.finished_at = Some(now_ms);
                job.error = Some("INTERRUPTED: the gateway stopped while it ran".to_owned());
                if let Err(error) = store.put_job(&owner, &job).await {
                    tracing::warn!(%error, "a job cannot be closed");
                }
                continue;
            }
            let principal = Principal {
                key_id: (owner != "anonymous").then(|| owner.clone()),
                ..Principal::default()
            };
            let is_orphan = principal.key_id.is_some();
            let (principal, job) = (Arc::new(principal), Arc::new(Mutex::new(job)));
            let owned = Owned { owner, principal, job, is_orphan };
            self.table.lock().waiting.push(owned);
        }
    }
}

fn log(job: &mut Job, line: String) {
    if job.logs.len() < JOB_LINES_MAX {
        job.logs.push(line);
    }
}

/// Runs jobs until the gateway stops.
pub(crate) async fn run(hub: Arc<Hub>) {
    hub.jobs.recover(hub.clock.unix_ms()).await;
    let mut tasks = JoinSet::new();
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        while let Some(owned) = hub.jobs.take(hub.clock.unix_ms()) {
            let id = owned.job.lock().id.clone();
            let task = tasks.spawn(work(Arc::clone(&hub), owned));
            if let Some((_, slot)) = hub.jobs.table.lock().running.get_mut(&id) {
                *slot = Some(task);
            }
        }
        tokio::select! {
            () = hub.stopped() => return,
            () = hub.jobs.wake.notified() => {}
            Some(_) = tasks.join_next() => {}
            _ = sweep.tick() => forget(&hub).await,
        }
    }
}

async fn forget(hub: &Hub) {
    let before = hub.clock.unix_ms().saturating_sub(JOB_KEPT_MS);
    hub.jobs.table.lock().finished.retain(|it| it.job.lock().finished_at >= Some(before));
    if let Some(store) = &hub.jobs.store
        && let Err(error) = store.forget_jobs(before).await
    {
        tracing::warn!(%error, "old jobs stay in the store");
    }
}

async fn work(hub: Arc<Hub>, owned: Owned) {
    let (id, tool_id, params, limit) = {
        let mut job = owned.job.lock();
        job.status = JobStatus::Running;
        job.started_at = Some(hub.clock.unix_ms());
        log(&mut job, "Job started".to_owned());
        let mut params = Fields::default();
        params.put("arguments", &job.args);
        let mut meta = Fields::default();
        meta.put("progressToken", &job.id);
        params.put("_meta", &meta);
        let limit = Duration::from_millis(job.timeout_ms.unwrap_or(TIMEOUT_MS_DEFAULT));
        (job.id.clone(), job.tool_id.clone(), params, limit)
    };
    let begun = owned.job.lock().clone();
    if let Err(error) = hub.jobs.keep(&owned.owner, &begun).await {
        tracing::warn!(job = id, error, "a job's start is not kept");
    }
    let view = View { servers: None, principal: Arc::clone(&owned.principal) };
    let caller = Arc::new(JobCall {
        key: ClientKey(format!("job:{id}").into()),
        job: Arc::clone(&owned.job),
        is_orphan: owned.is_orphan,
    });
    let desk =
        Desk { hub: Arc::clone(&hub), view, exposure: Exposure::All, is_modern: false, caller };
    hub.ready().await;
    let entry = hub.catalogue().tool_by_id(&tool_id).cloned();
    let outcome = match entry.filter(|entry| desk.view.sees_tool(entry)) {
        Some(entry) => desk.invoke(&entry, params, Some(limit)).await.map(|it| it.result.to_raw()),
        None => Err(RpcError::params(format!("TOOL_NOT_FOUND: {tool_id}"))),
    };
    let job = {
        let mut job = owned.job.lock();
        job.finished_at = Some(hub.clock.unix_ms());
        match outcome {
            Ok(result) => {
                job.status = JobStatus::Completed;
                job.result = serde_json::from_str(result.get()).ok();
                log(&mut job, "Job completed".to_owned());
            }
            Err(error) => {
                job.status = JobStatus::Failed;
                job.error = Some(error.message.clone());
                log(&mut job, format!("Job failed: {}", error.message));
            }
        }
        job.clone()
    };
    // Findable throughout: it leaves the table when it is kept elsewhere.
    hub.jobs.finish(owned, &job).await;
    hub.jobs.table.lock().running.remove(&id);
}

/// A job as a caller: nobody is there to be asked, but progress is noted.
struct JobCall {
    key: ClientKey,
    job: Shared,
    is_orphan: bool,
}

#[async_trait]
impl Caller for JobCall {
    fn key(&self) -> &ClientKey {
        &self.key
    }

    fn profile(&self) -> Profile {
        Profile::default()
    }

    fn capabilities(&self) -> Fields {
        Fields::default()
    }

    fn log_level(&self) -> Option<&str> {
        None
    }

    fn is_orphan(&self) -> bool {
        self.is_orphan
    }

    fn notify(&self, method: &str, mut params: Fields) {
        let mut job = self.job.lock();
        if method == "notifications/progress" {
            params.remove("progressToken");
            job.progress = serde_json::from_str(params.to_raw().get()).ok();
        } else if method == "notifications/message"
            && let Some(data) = params.get("data")
        {
            log(&mut job, data.get().chars().take(500).collect());
        }
    }

    async fn ask(&self, method: &str, _: Fields) -> Outcome {
        Err(RpcError::method(method))
    }
}
