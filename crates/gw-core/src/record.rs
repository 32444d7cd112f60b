//! What is remembered of a call, of a conversation, and the sums made from them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::Message;
use crate::ids::{CallId, ConversationId};
use crate::layer::Layer;
use crate::money::{Cost, Money};
use crate::principal::Principal;
use crate::scope::Scope;
use crate::task::{Complexity, TaskType};
use crate::usage::Usage;

/// How a call or an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CallStatus {
    /// Answered.
    Ok,
    /// The caller left; what was delivered is billed.
    Cancelled,
    /// Failed.
    Failed {
        /// The error's stable code.
        code: String,
        /// Its message.
        message: String,
    },
}

impl CallStatus {
    /// `ok`, `cancelled` or the error's code.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ok => "ok",
            Self::Cancelled => "cancelled",
            Self::Failed { code, .. } => code,
        }
    }

    /// True for an answer.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }
}

/// What a try was for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The first answer of a call, its retries and fallbacks.
    #[default]
    Answer,
    /// A second answer, to compare the first with.
    CrossCheck,
    /// A verdict about an answer.
    Judge,
    /// A third opinion where two answers differ.
    Arbiter,
    /// The same question at a higher layer.
    Escalation,
}

impl Purpose {
    /// The word in records and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::CrossCheck => "cross_check",
            Self::Judge => "judge",
            Self::Arbiter => "arbiter",
            Self::Escalation => "escalation",
        }
    }
}

/// One try at one provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// What it was for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The provider tried.
    pub provider: String,
    /// The model, in the provider's word.
    pub model: String,
    /// Its layer.
    pub layer: Layer,
    /// How it ended.
    pub status: CallStatus,
    /// What it consumed.
    pub usage: Usage,
    /// What it cost; a failed attempt that the provider does not charge costs nothing.
    pub cost: Cost,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// One call through the gateway, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The call.
    pub id: CallId,
    /// When it began, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// The conversation it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// The user.
    pub user_id: Option<String>,
    /// The project.
    pub project_id: Option<String>,
    /// The key, by its public id.
    pub key_id: Option<String>,
    /// Every account it goes on, each once: [`crate::principal::Principal::scopes`].
    #[serde(default)]
    pub scopes: Vec<Scope>,
    /// The door it came through: `openai-chat`, `anthropic-messages`, `route`, `chat`.
    pub door: String,
    /// The model as the client named it.
    pub requested_model: String,
    /// The model that answered, in the provider's word; empty where none did.
    pub model: String,
    /// The catalogue id of that model (`provider/model`).
    pub model_id: String,
    /// The provider that answered; empty where none did.
    pub provider: String,
    /// The layer of the model that answered.
    pub layer: Option<Layer>,
    /// Why this model: the routing summary.
    pub route_reason: String,
    /// What the request was taken for.
    pub task: TaskType,
    /// How hard it looked.
    pub complexity: Complexity,
    /// True for a streamed answer.
    pub stream: bool,
    /// How it ended.
    pub status: CallStatus,
    /// Every try, in order.
    pub attempts: Vec<AttemptRecord>,
    /// Sum over the attempts.
    pub usage: Usage,
    /// Sum over the attempts.
    pub cost: Cost,
    /// From request to last byte, in milliseconds.
    pub duration_ms: u64,
    /// From request to first content, in milliseconds.
    pub first_token_ms: Option<u64>,
    /// True where the answer came from the gateway's own cache.
    pub cached: bool,
    /// True where a simulated model answered.
    pub demo: bool,
    /// What it saved.
    #[serde(default)]
    pub savings: Savings,
    /// Tags and whatever else is worth keeping.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// What a call saved, reckoned when it ended, at the prices of that time. `None`: nobody can say, for a
/// price is missing or there is nothing to compare with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Savings {
    /// What the same tokens, all of them at full price, cost at the reference model of the top layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Money>,
    /// What the provider's prompt cache took off: cached tokens at the full price of the model that
    /// answered, less what was charged for reading and writing them. Below zero where more was
    /// written than read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_cache: Option<Money>,
    /// What the answer had cost when a model gave it, for a call that got it from the gateway's own
    /// cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_cache: Option<Money>,
}

/// A turn as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// `user`, `assistant`, `system` or `tool`.
    pub role: String,
    /// Its text.
    pub content: String,
    /// The whole turn where it is more than one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// Whatever the door attached.
    #[serde(default)]
    pub metadata: Map<String, Value>,
    /// When it was said, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// Its place in the conversation: later turns have larger ones, with gaps. 0 for a turn that was
    /// not read from a store.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub place: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A version of a conversation's summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredSummary {
    /// 1 for the first.
    pub version: u32,
    /// The summary as the client or the gateway made it.
    pub body: Value,
    /// When it was stored, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// Which conversation, and whose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRef {
    /// The conversation.
    pub id: ConversationId,
    /// The user, where known.
    pub user_id: Option<String>,
    /// The project, where known.
    pub project_id: Option<String>,
    /// The key whose caller began it, by its public id; `None` without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl ConversationRef {
    /// True for a caller that may read and continue it: the key that began it, an administrator, or
    /// anyone where no key began it.
    pub fn is_open_to(&self, principal: &Principal) -> bool {
        principal.is_admin || self.owner.is_none() || self.owner == principal.key_id
    }
}

/// What is known of a conversation beside its turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationHead {
    /// The conversation, and whose: its first known user, project and key.
    #[serde(flatten)]
    pub conversation: ConversationRef,
    /// Turns kept.
    pub messages: u64,
    /// The newest version of its summary; 0 where there is none.
    pub summary_version: u32,
    /// When it began, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it was last added to, in milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// Which conversations are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationQuery {
    /// Only this one.
    pub id: Option<ConversationId>,
    /// Only those of this user.
    pub user_id: Option<String>,
    /// Only those that this key began.
    pub owner: Option<String>,
    /// Only those last added to before this instant, in milliseconds since 1970.
    pub before_ms: Option<i64>,
    /// True counts turns and versions, which takes longer the more there are.
    pub with_counts: bool,
    /// At most so many, the last added to first.
    pub limit: usize,
}

/// Whose data is shown or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One conversation.
    Conversation(ConversationId),
    /// A user, by the id that keys and callers name.
    User(String),
}

/// Some of the rows that hold a subject's data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPage {
    /// The rows, each with its table and its columns by name.
    pub rows: Vec<(&'static str, Map<String, Value>)>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<DataCursor>,
}

/// A place in a subject's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataCursor {
    /// Which table.
    pub table: usize,
    /// How many of its rows were read.
    pub rows: u64,
}

/// One item of a conversation's TODO list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TodoItem {
    /// Its number in the list.
    pub id: u32,
    /// What is to be done.
    pub title: String,
    /// More about it.
    #[serde(default)]
    pub description: String,
    /// `not-started`, `in-progress` or `completed`.
    pub status: TodoStatus,
}

/// How far an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TodoStatus {
    /// Nobody has begun.
    NotStarted,
    /// Being done.
    InProgress,
    /// Done.
    Completed,
}

/// Which calls a sum is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsFilter {
    /// Only this user's.
    pub user_id: Option<String>,
    /// Only calls that began at or after this instant, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Only calls that began before this instant, in milliseconds since 1970.
    pub until_ms: Option<i64>,
}

/// A sum over calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsRow {
    /// Number of calls.
    pub calls: u64,
    /// How many of them came from the gateway's own cache.
    pub cached_calls: u64,
    /// How many of them have no known price.
    pub unpriced_calls: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written, thinking included.
    pub output_tokens: u64,
    /// Sum of the known costs.
    pub cost: Money,
    /// Sum of durations, in milliseconds.
    pub duration_ms: u64,
}

/// Sums over calls, whole and in groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Over all.
    pub total: StatsRow,
    /// By model id.
    pub by_model: Vec<(String, StatsRow)>,
    /// By layer; calls that no model answered have none and stand only in the total.
    pub by_layer: Vec<(Layer, StatsRow)>,
}

/// Sums over one conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationStats {
    /// Turns kept.
    pub messages: u64,
    /// Calls made.
    pub calls: StatsRow,
    /// When it began, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it was last added to, in milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// By what a usage report is grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageBy {
    /// By day (UTC): `2026-08-31`.
    Day,
    /// By hour (UTC): `2026-08-31T13`.
    Hour,
    /// By model id.
    Model,
    /// By layer.
    Layer,
    /// By provider.
    Provider,
    /// By key.
    Key,
    /// By team.
    Team,
    /// By user.
    User,
    /// By project.
    Project,
    /// By tag. A call with several tags stands in each group, one without in none but the empty one.
    Tag,
}

impl UsageBy {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Day,
        Self::Hour,
        Self::Model,
        Self::Layer,
        Self::Provider,
        Self::Key,
        Self::Team,
        Self::User,
        Self::Project,
        Self::Tag,
    ];

    /// The word in queries and column heads.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Model => "model",
            Self::Layer => "layer",
            Self::Provider => "provider",
            Self::Key => "key",
            Self::Team => "team",
            Self::User => "user",
            Self::Project => "project",
            Self::Tag => "tag",
        }
    }
}

impl std::str::FromStr for UsageBy {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|by| by.as_str() == text);
        found.ok_or_else(|| {
            crate::Error::bad_field("by", format!("`{text}` is nothing to group by"))
                .with_hint("day, hour, model, layer, provider, key, team, user, project or tag")
        })
    }
}

/// Which calls a usage report is made of, and how it is grouped. Times are rounded down to hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageQuery {
    /// Groups; several make one group of each combination, none makes one sum of all.
    pub by: Vec<UsageBy>,
    /// Only calls that began in or after this hour, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Only calls that began before this hour, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Only this model id.
    pub model_id: Option<String>,
    /// Only this layer.
    pub layer: Option<Layer>,
    /// Only this provider.
    pub provider: Option<String>,
    /// Only this key.
    pub key_id: Option<String>,
    /// Only this team.
    pub team_id: Option<String>,
    /// Only this user.
    pub user_id: Option<String>,
    /// Only this project.
    pub project_id: Option<String>,
    /// Only calls with this tag.
    pub tag: Option<String>,
}

/// One group of a usage report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageGroup {
    /// The group's key, one text for each of [`UsageQuery::by`]; empty text: none.
    pub key: Vec<String>,
    /// Number of calls.
    pub calls: u64,
    /// How many of them were not answered.
    pub failed_calls: u64,
    /// How many came from the gateway's own cache.
    pub cached_calls: u64,
    /// How many have no known price.
    pub unpriced_calls: u64,
    /// Tokens read, cached ones included.
    pub input_tokens: u64,
    /// Tokens read from a provider's prompt cache.
    pub cache_read_tokens: u64,
    /// Tokens written to a provider's prompt cache.
    pub cache_write_tokens: u64,
    /// Tokens written, thinking included.
    pub output_tokens: u64,
    /// Tokens of thinking, where counted apart.
    pub reasoning_tokens: u64,
    /// Sum of the known costs.
    pub cost: Money,
    /// Sum of durations, in milliseconds.
    pub duration_ms: u64,
    /// Calls that have both a known cost and a baseline ([`Savings::baseline`]).
    pub compared_calls: u64,
    /// What those calls cost.
    pub compared_cost: Money,
    /// What they would have cost at the reference model of the top layer.
    pub baseline: Money,
    /// Sum of [`Savings::prompt_cache`]: a part of what was saved.
    pub prompt_cache_saved: Money,
    /// Sum of [`Savings::response_cache`]: what answers from the gateway's own cache had cost.
    pub response_cache_saved: Money,
}

impl UsageGroup {
    /// What routing and caching saved together against always using the top layer.
    pub fn saved(&self) -> Money {
        self.baseline.saturating_sub(self.compared_cost)
    }
}

/// A response that a client of OpenAI's responses may continue or read again.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResponse {
    /// Its id, as the client knows it.
    pub id: String,
    /// Whose it is: the id of a key; empty for callers without one.
    pub owner: String,
    /// The response that it continues.
    pub previous_id: Option<String>,
    /// The items that the client sent for it; those of earlier turns are with their responses.
    pub input: Vec<Value>,
    /// The response object as the client had it.
    pub response: Value,
    /// When it was kept, in milliseconds since 1970.
    pub created_at_ms: i64,
}
