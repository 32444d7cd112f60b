//! The conformance suite of the durable store: what every implementation must do, written once.
//!
//! [`run`] takes a maker of empty stores and panics at the first broken promise. It uses the seam
//! traits alone; the store's clock must not stand before [`NOW_MS`].

mod calls;
mod conversations;
mod hot;
mod jobs;
mod money;
mod outcomes;
mod responses;
mod tiers;

use std::future::Future;
use std::sync::Arc;

use gw_core::layer::Layer;
use gw_core::money::CostSource;
use gw_core::record::{CallRecord, CallStatus, ConversationRef, Savings, StoredMessage};
use gw_core::seam::{
    Budgets, CallLog, Conversations, Hot, Jobs, Keys, Outcomes, PersonalData, Responses,
    StoreHealth, UsageReports,
};
use gw_core::task::{Complexity, TaskType};
use gw_core::{CallId, ConversationId, Cost, Money, Usage};
use serde_json::Map;

pub use tiers::Ground;

/// The instant around which the suite's records lie, in milliseconds since 1970.
pub const NOW_MS: i64 = 1_790_000_000_000;

/// Runs the checks of background jobs, which not every store keeps.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn run_jobs(store: &impl Jobs) {
    jobs::keeps_jobs_by_owner(store).await;
}

/// Runs every check, each on a store of its own. It wants a Tokio runtime.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn run<S, F>(fresh: impl Fn() -> F)
where
    S: CallLog + Conversations + StoreHealth + Keys + Budgets + UsageReports + Outcomes,
    F: Future<Output = Arc<S>>,
{
    calls::keeps_every_field(&*fresh().await).await;
    calls::ignores_an_id_it_knows(&*fresh().await).await;
    calls::lists_newest_first(&*fresh().await).await;
    calls::sums_by_model_and_layer(&*fresh().await).await;
    calls::filters_sums(&*fresh().await).await;
    calls::sums_hold_at_the_end_of_the_range(&*fresh().await).await;
    let store = fresh().await;
    calls::turns_do_not_multiply_sums(&*store, &*store).await;
    calls::unknown_conversation_has_no_sums(&*fresh().await).await;

    run_conversations(&fresh).await;

    money::keys_are_found_by_their_hash(&*fresh().await).await;
    money::rotation_and_revocation_hold(&*fresh().await).await;
    money::accounts_are_kept(&*fresh().await).await;
    money::definitions_are_kept(&*fresh().await).await;
    let store = fresh().await;
    money::spending_goes_with_the_record(&*store, &*store).await;
    let store = fresh().await;
    money::usage_adds_up_however_it_is_grouped(&*store, &*store).await;
    let store = fresh().await;
    money::savings_compare_like_with_like(&*store, &*store).await;
    let store = fresh().await;
    money::sums_hold_at_the_end_of_the_range(&*store, &*store, &*store).await;

    let store = fresh().await;
    outcomes::keeps_what_was_said_last(&*store, &*store).await;

    let store = fresh().await;
    store.check().await.expect("an open store is alive");
    store.flush().await.expect("an open store can be flushed");
}

/// Runs the checks of conversations, each on a store of its own.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn run_conversations<S, F>(fresh: impl Fn() -> F)
where
    S: Conversations,
    F: Future<Output = Arc<S>>,
{
    conversations::keeps_every_field_of_a_turn(&*fresh().await).await;
    conversations::keeps_any_text(&*fresh().await).await;
    conversations::gives_the_last_turns_oldest_first(&*fresh().await).await;
    conversations::deep_nesting_costs_no_text(&*fresh().await).await;
    conversations::keeps_conversations_apart(&*fresh().await).await;
    conversations::counts_summary_versions(&*fresh().await).await;
    conversations::keeps_a_bounded_number_of_versions(&*fresh().await).await;
    conversations::gives_turns_after_a_place(&*fresh().await).await;
    conversations::lists_heads(&*fresh().await).await;
    conversations::replaces_the_todo_list(&*fresh().await).await;
    conversations::concurrent_appends_lose_nothing(fresh().await).await;
    conversations::concurrent_summaries_get_versions_of_their_own(fresh().await).await;
}

/// Runs the checks of a hot store, each on an empty one.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn run_hot<F>(fresh: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Hot>>,
{
    hot::keeps_and_removes(&*fresh().await).await;
    hot::replaces_what_is_expected_only(&*fresh().await).await;
    hot::keeps_any_bytes(&*fresh().await).await;
    hot::removes_by_pattern_within_a_family(&*fresh().await).await;
    hot::one_of_many_gets_there_first(fresh().await).await;
}

/// Runs the checks of conversations at hand, with what goes wrong: `fresh` gives an empty durable
/// store and an empty hot one, `flush` empties the hot one from outside.
///
/// # Panics
/// Where a promise is broken.
pub async fn run_tiers<F>(fresh: impl Fn() -> F, flush: impl AsyncFn())
where
    F: Future<Output = Ground>,
{
    tiers::a_flush_in_mid_conversation_loses_nothing(&fresh().await, &flush).await;
    tiers::an_entry_that_ran_out_is_fetched_again(&fresh().await).await;
    tiers::a_value_at_hand_is_served_from_there(&fresh().await).await;
    tiers::a_crash_between_hot_and_cold_shows_the_truth(&fresh().await).await;
    tiers::a_reader_that_was_overtaken_leaves_nothing_old(&fresh().await).await;
    tiers::foreign_entries_are_no_conversation(&fresh().await).await;
    tiers::two_replicas_appending_at_once_lose_nothing(&fresh().await).await;
    tiers::what_was_appended_is_seen_whatever_the_order_of_steps(&fresh().await).await;
}

/// Runs the checks of personal data, each on a store of its own.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn run_personal<S, F>(fresh: impl Fn() -> F)
where
    S: Conversations + CallLog + PersonalData,
    F: Future<Output = Arc<S>>,
{
    conversations::forgets_and_shows(&*fresh().await).await;
}

/// Runs the checks of kept responses, each on a store of its own.
///
/// # Panics
/// Where the store breaks its contract.
pub async fn run_responses<S, F>(fresh: impl Fn() -> F)
where
    S: Responses,
    F: Future<Output = Arc<S>>,
{
    responses::keeps_every_field(&*fresh().await).await;
    responses::gives_a_thread_oldest_first(&*fresh().await).await;
    responses::keeps_owners_apart(&*fresh().await).await;
    responses::replaces_and_forgets(&*fresh().await).await;
    responses::finds_the_response_of_an_item(&*fresh().await).await;
    responses::a_thread_that_bites_its_tail_ends(&*fresh().await).await;
    responses::removes_what_is_too_old(&*fresh().await).await;
}

/// A call with a number for an id, a priced answer and nothing else.
pub fn call(number: u64) -> CallRecord {
    CallRecord {
        id: call_id(number),
        started_at_ms: NOW_MS,
        conversation_id: None,
        user_id: None,
        project_id: None,
        key_id: None,
        scopes: Vec::new(),
        door: "openai-chat".to_owned(),
        requested_model: "auto".to_owned(),
        model: "small".to_owned(),
        model_id: "acme/small".to_owned(),
        provider: "acme".to_owned(),
        layer: Some(Layer::L1),
        route_reason: "cheapest".to_owned(),
        task: TaskType::General,
        complexity: Complexity::Low,
        stream: false,
        status: CallStatus::Ok,
        attempts: Vec::new(),
        usage: Usage { input: 10, output: 3, ..Usage::default() },
        cost: Cost::Priced { amount: Money::from_pico(1_000), source: CostSource::Catalogue },
        duration_ms: 7,
        first_token_ms: None,
        cached: false,
        demo: false,
        savings: Savings::default(),
        metadata: Map::new(),
    }
}

/// The id of call `number`.
pub fn call_id(number: u64) -> CallId {
    let text = format!("01900000-0000-7000-8000-{number:012x}");
    CallId::parse(&text).expect("a UUID by its form")
}

/// A user's turn of one text.
pub fn turn(text: impl Into<String>) -> StoredMessage {
    StoredMessage {
        role: "user".to_owned(),
        content: text.into(),
        message: None,
        metadata: Map::new(),
        created_at_ms: NOW_MS,
        place: 0,
    }
}

/// A conversation without an owner.
pub fn conversation(id: &str) -> ConversationRef {
    ConversationRef { id: ConversationId::new(id), user_id: None, project_id: None, owner: None }
}
