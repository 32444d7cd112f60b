//! The bounds of this room, each with its unit.

/// Largest single message either way, in bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Lines waiting for a child that does not read.
pub(crate) const CHILD_LINES_WAITING_MAX: usize = 256;

/// Lines of a child's standard error that are kept, and the bytes of each.
pub(crate) const STDERR_LINES_MAX: usize = 200;
pub(crate) const STDERR_LINE_BYTES_MAX: usize = 2_048;

/// Requests waiting for a place at one server.
pub(crate) const CALLS_WAITING_MAX: usize = 1_024;

/// Connections to one server, over all kinds of clients.
pub(crate) const LINKS_MAX: usize = 256;

/// Pages of one list, and its items, read from a server.
pub(crate) const LIST_PAGES_MAX: usize = 1_000;
pub(crate) const LIST_ITEMS_MAX: usize = 20_000;

/// Items on one page of a merged list. Clients of many kinds do not read a second page.
pub(crate) const PAGE_ITEMS: usize = 5_000;

/// How long a server may take for the question which protocol it speaks, in milliseconds. Servers
/// that take longer are asked the old way.
pub(crate) const PROBE_MS: u64 = 10_000;

/// Waits between attempts to reach a server, in milliseconds: doubled each time up to the longest.
pub(crate) const RETRY_MS_MIN: u64 = 1_000;
pub(crate) const RETRY_MS_MAX: u64 = 60_000;

/// A connection that lived so long was a good one, in milliseconds.
pub(crate) const GOOD_LINK_MS: u64 = 30_000;

/// A connection of one client alone is closed after so long without use, in milliseconds.
pub(crate) const CLIENT_LINK_IDLE_MS: u64 = 600_000;

/// How often unused connections are looked for, in milliseconds.
pub(crate) const TICK_MS: u64 = 5_000;

/// How long a child may take to end after its input is closed, and again after SIGTERM, in
/// milliseconds.
pub(crate) const CHILD_GRACE_MS: u64 = 2_000;

/// Rounds of questions for one request.
pub(crate) const ROUNDS_MAX: usize = 16;

/// Times a broken stream of a server is taken up again.
pub(crate) const RESUMES_MAX: usize = 5;

/// Sessions of clients at one time, and how long one may be silent, in milliseconds.
pub(crate) const SESSIONS_MAX: usize = 10_000;
pub(crate) const SESSION_IDLE_MS: u64 = 1_800_000;

/// Requests of one client under way.
pub(crate) const CLIENT_REQUESTS_MAX: usize = 256;

/// Messages of one batch (revision 2025-03-26).
pub(crate) const BATCH_MAX: usize = 100;

/// Messages kept for a client's stream until it has read them, and their bytes.
pub(crate) const STREAM_MESSAGES_MAX: usize = 1_024;
pub(crate) const STREAM_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Streams of one session that can be taken up again after their end.
pub(crate) const STREAMS_KEPT_MAX: usize = 64;

/// Calls parked for an answer of their client, and for how long, in milliseconds.
pub(crate) const PARKED_MAX: usize = 1_024;
pub(crate) const PARKED_MS: u64 = 600_000;

/// How long a signed state of another server is good for, in milliseconds.
pub(crate) const STATE_MS: i64 = 3_600_000;

/// Resources that one client watches.
pub(crate) const WATCHED_MAX: usize = 1_024;

/// Jobs that wait or run, over all callers.
pub(crate) const JOBS_WAITING_MAX: usize = 10_000;

/// How long a job's result is kept, in milliseconds.
pub(crate) const JOB_KEPT_MS: i64 = 86_400_000;

/// A job's priority rises by one for so long a wait, in milliseconds.
pub(crate) const JOB_AGEING_MS: i64 = 60_000;

/// Log lines of one job.
pub(crate) const JOB_LINES_MAX: usize = 100;
