//! Every bound of the gateway in one place, with its unit in its name.
//!
//! These are the defaults and the hard ceilings; what configuration may lower says so.

/// Largest request body accepted, in bytes. Image-heavy coding sessions reach some 30 MB.
pub const REQUEST_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Largest whole response read from a provider, in bytes.
pub const RESPONSE_BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Largest error body read from a provider, in bytes; the rest is not needed to explain a failure.
pub const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// Largest single event of a stream, in bytes. An image in one event is the largest seen.
pub const STREAM_EVENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Frames of a stream that may wait for a slow client before the provider is no longer read.
pub const STREAM_FRAMES_WAITING_MAX: usize = 64;

/// Text of one answer kept for the conversation and the record, in bytes.
pub const REMEMBERED_TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Messages in one request.
pub const MESSAGES_MAX: usize = 20_000;

/// Tools in one request.
pub const TOOLS_MAX: usize = 4_096;

/// Upstream attempts for one call, over all candidates and retries.
pub const ATTEMPTS_MAX: usize = 12;

/// Longest `Retry-After` that the gateway waits out itself, in milliseconds; above it the next
/// candidate is tried, or the client is told.
pub const RETRY_AFTER_WAIT_MS_MAX: u64 = 5_000;

/// Versions of a conversation's summary that are kept.
pub const SUMMARY_VERSIONS_KEPT: i64 = 100;

/// Turns of a conversation that are read for one call, at most.
pub const TURNS_READ_MAX: usize = 2_000;

/// Rows of a subject's data that are read at one time.
pub const DATA_PAGE_ROWS: u64 = 500;

/// Text of a request shown to the model that judges its complexity, in bytes.
pub const CLASSIFIED_TEXT_BYTES_MAX: usize = 4 * 1024;

/// Longest that judgement is waited for, in milliseconds.
pub const CLASSIFY_MS_MAX: u64 = 5_000;

/// Length of a client-given identifier (conversation, user, project, tag), in bytes.
pub const CLIENT_ID_BYTES_MAX: usize = 256;

/// Tags of one call, those of its key included.
pub const CLIENT_TAGS_MAX: usize = 32;

/// Records that wait because the store refuses them, in bytes; above it no new call begins.
pub const BACKLOG_BYTES_MAX: usize = 128 * 1024 * 1024;

/// One of them, in bytes.
pub const BACKLOG_RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Records waiting for the durable store before new ones wait for room.
pub const STORE_QUEUE_MAX: usize = 8_192;

/// Writes that the durable store commits in one transaction.
pub const STORE_BATCH_MAX: usize = 512;

/// Text that the durable store gathers for one transaction, in bytes; a single larger write still
/// goes through, alone.
pub const STORE_BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reads of the durable store that run at one time; configuration may lower it.
pub const STORE_READERS_MAX: usize = 4;

/// Text of the last user turns that routing reads to guess task and complexity, in bytes.
pub const ROUTED_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Models that a plan says something about, chosen ones included.
pub const PLAN_CONSIDERED_MAX: usize = 48;

/// A configuration file, a `.env` file, or a file that one of them refers to, in bytes.
pub const CONFIG_FILE_BYTES_MAX: usize = 1024 * 1024;

/// How long a stream waits for a client that does not read, in milliseconds; then the client is
/// taken for gone.
pub const CLIENT_STALL_MS_MAX: u64 = 300_000;

/// Bytes of a provider's stream that are decoded at one time, however much arrived: bounds the frames
/// in memory.
pub const STREAM_SLICE_BYTES_MAX: usize = 16 * 1024;

/// Longest time a provider's `Retry-After` keeps a model from being tried at all, in milliseconds.
pub const PAUSE_MS_MAX: u64 = 600_000;

/// Models, and pauses, whose health is remembered for one provider.
pub const HEALTH_ENTRIES_MAX: usize = 1_024;

/// Accounts that one call goes on: scopes beyond are refused.
pub const CLAIM_SCOPES_MAX: usize = 64;

/// Longest sliding window of a budget, in milliseconds: 90 days.
pub const SLIDING_WINDOW_MS_MAX: i64 = 90 * 86_400_000;

/// How long slots of spending are kept beside the sum of a lifetime, in milliseconds: the longest
/// window and a month more.
pub const SPENDING_KEPT_MS: i64 = 121 * 86_400_000;

/// Presented keys with a right checksum that are not known, remembered so that the store is asked
/// for each of them once.
pub const UNKNOWN_KEYS_MAX: usize = 4_096;

/// How many unknown keys with a right checksum the store is asked for within one second.
pub const UNKNOWN_KEYS_ASKED_PER_SECOND_MAX: u32 = 50;

/// Longest that a call may wait for room under a limit, in milliseconds.
pub const LIMIT_WAIT_MS_MAX: u64 = 600_000;

/// Calls that wait for room under limits at one time, in one process; further ones are refused.
pub const LIMIT_WAITING_MAX: usize = 10_000;

/// How long a reservation lives at most unless it is settled or dropped, in milliseconds.
pub const RESERVATION_LEASE_MS: u64 = 6 * 3_600_000;

/// A response kept for its client, with the items sent for it, in bytes; a larger one is not kept.
pub const STORED_RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// All kept responses together, in bytes; the oldest go first.
pub const STORED_RESPONSES_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// How long a response is kept, in milliseconds: 30 days, as OpenAI does.
pub const STORED_RESPONSES_KEPT_MS: i64 = 30 * 86_400_000;

/// Responses in one chain of `previous_response_id`.
pub const RESPONSE_THREAD_MAX: usize = 1_000;

/// WebSockets open at one time.
pub const SOCKETS_MAX: usize = 2_048;

/// Messages of a WebSocket that may wait while another is answered; a client that sends more is
/// disconnected.
pub const SOCKET_MESSAGES_WAITING_MAX: usize = 4;

/// How long a WebSocket may be silent, in milliseconds: an hour, after which OpenAI closes it too.
pub const SOCKET_IDLE_MS_MAX: u64 = 3_600_000;

/// How often a replica gives the shared store a sign of life, in milliseconds.
pub const INSTANCE_HEARTBEAT_MS: u64 = 750;

/// How long the totals of one instance are kept by slot, in milliseconds: two days, long after any
/// other ledger has taken them in.
pub const INSTANCE_SPENDING_KEPT_MS: i64 = 2 * 86_400_000;

/// Connections to a database server; configuration may lower or raise it within 2 to 256.
pub const STORE_CONNECTIONS_MAX: usize = 256;

/// Bytes of journal kept while a database server is away; configuration may change it.
pub const STORE_JOURNAL_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Keys, accounts, budgets and limits that are defined, of each at most.
pub const DEFINITIONS_MAX: usize = 100_000;

/// Models, layers, endpoints, tools or tags that one key or account lists, of each at most.
pub const POLICY_ENTRIES_MAX: usize = 256;

/// Entries of a list that one answer of the admin doors holds.
pub const ADMIN_PAGE_MAX: usize = 1_000;

/// Longest that a rotated key's old secret stays good, in milliseconds: 90 days.
pub const KEY_OVERLAP_MS_MAX: u64 = 90 * 86_400_000;

/// One answer in the response cache, in bytes; a larger one is not kept.
pub const CACHED_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Longest an answer may stay in the response cache, in milliseconds: 30 days.
pub const CACHED_ANSWER_MS_MAX: u64 = 30 * 86_400_000;

/// A pattern or namespace that a client names for the response cache, in bytes.
pub const CACHE_WORD_BYTES_MAX: usize = 512;

/// How long the lock of a replica that asks for an answer lives without being renewed, in
/// milliseconds: what others wait at most for one that died.
pub const CACHE_LOCK_MS: u64 = 5_000;

/// The last turns of a conversation that stand in the hot store.
pub const HOT_MESSAGES_MAX: usize = 50;

/// One entry of a conversation in the hot store, in bytes; a larger one is read from the durable
/// store each time.
pub const HOT_ENTRY_BYTES_MAX: usize = 1024 * 1024;

/// Text of one answer that is held back to be checked, in bytes; a longer one is passed on unchecked.
pub const CHECKED_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Answers and verdicts that one call asks for beside its first answer.
pub const OPTIONAL_CALLS_MAX: usize = 8;

/// Text of an answer or a task that a judge, an arbiter or a higher layer is shown, in bytes.
pub const REVIEWED_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Proposals to escalate that wait for a yes.
pub const PENDING_ESCALATIONS_MAX: usize = 4_096;

/// Bytes of all waiting proposals together; the oldest go first.
pub const PENDING_ESCALATIONS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a proposal to escalate waits for a yes, in milliseconds: 15 minutes.
pub const PENDING_ESCALATION_MS: i64 = 15 * 60_000;

/// Applications whose checks are watched for paying.
pub const CHECKED_TAGS_MAX: usize = 4_096;

/// Files that a request names.
pub const REQUEST_FILES_MAX: usize = 256;

/// What was said of answers, kept for learning, in rows; the oldest go.
pub const OUTCOMES_MAX: usize = 1_000_000;

/// Texts in one request for embeddings, and documents in one to be ordered.
pub const OPERATION_INPUTS_MAX: usize = 10_000;

/// Requests in one batch.
pub const BATCH_REQUESTS_MAX: usize = 50_000;

/// Requests of batches that are answered at one time.
pub const BATCH_REQUESTS_AT_ONCE_MAX: usize = 8;

/// Batches of one owner that are not over.
pub const BATCHES_UNFINISHED_MAX: usize = 64;

/// All files of one owner, in bytes.
pub const FILES_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// How long files and ended batches are kept, in milliseconds: 30 days, as OpenAI does with those of
/// batches.
pub const FILES_KEPT_MS: i64 = 30 * 86_400_000;

/// How long a batch may take, in milliseconds: 24 hours, the only window that OpenAI offers.
pub const BATCH_WINDOW_MS: i64 = 86_400_000;
