//! Promises of `CallLog`.

use gw_core::money::CostSource;
use gw_core::record::{AttemptRecord, CallRecord, CallStatus, Savings, StatsFilter, StatsRow};
use gw_core::seam::{CallLog, Conversations};
use gw_core::task::{Complexity, TaskType};
use gw_core::{ConversationId, Cost, Layer, Money, Scope, ScopeKind, Usage};
use serde_json::json;

use super::{NOW_MS, call, call_id, conversation, turn};

fn full_call(number: u64) -> CallRecord {
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write: 3,
        cache_write_long: 4,
        input_audio: 5,
        cache_read_audio: 6,
        output: 7,
        reasoning: 8,
        output_audio: 9,
        web_search: 10,
        input_image: 11,
        cache_read_image: 12,
        output_image: 13,
        rerank_search: 14,
        page: 15,
        image: 16,
        character: 17,
        second: 18,
    };
    let metadata = json!({ "tags": ["a", "\u{0}", "🦀"], "n": 1.5, "big": u64::MAX });
    CallRecord {
        conversation_id: Some(ConversationId::new("talk \u{0} 🦀")),
        user_id: Some("'; DROP TABLE llm_calls; --".to_owned()),
        project_id: Some(String::new()),
        key_id: Some("key-1".to_owned()),
        scopes: vec![Scope::new(ScopeKind::Key, "key-1"), Scope::new(ScopeKind::Tag, "ü:\u{0} 🦀")],
        requested_model: "größte".to_owned(),
        layer: Some(Layer::L3),
        route_reason: "because\nof \"this\"".to_owned(),
        task: TaskType::CreateProject,
        complexity: Complexity::High,
        stream: true,
        attempts: vec![
            AttemptRecord {
                purpose: Default::default(),
                provider: "acme".to_owned(),
                model: "large".to_owned(),
                layer: Layer::L2,
                status: CallStatus::Failed {
                    code: "provider_failed".to_owned(),
                    message: "it broke".to_owned(),
                },
                usage: Usage::default(),
                cost: Cost::Unpriced { reason: "no price".to_owned() },
                duration_ms: 12,
            },
            AttemptRecord {
                purpose: Default::default(),
                provider: "bolt".to_owned(),
                model: "huge".to_owned(),
                layer: Layer::L3,
                status: CallStatus::Ok,
                usage,
                cost: Cost::Priced { amount: Money::from_pico(5), source: CostSource::Reported },
                duration_ms: 13,
            },
        ],
        usage,
        cost: Cost::Priced { amount: Money::from_pico(i64::MAX), source: CostSource::Reported },
        duration_ms: 25,
        first_token_ms: Some(0),
        cached: true,
        demo: true,
        savings: Savings {
            baseline: Some(Money::from_pico(77)),
            prompt_cache: Some(Money::from_pico(-3)),
            response_cache: Some(Money::from_pico(11)),
        },
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        ..call(number)
    }
}

pub(super) async fn keeps_every_field(log: &dyn CallLog) {
    let priced = |source| Cost::Priced { amount: Money::ZERO, source };
    let failed = |code: &str, message: &str| CallStatus::Failed {
        code: code.to_owned(),
        message: message.to_owned(),
    };
    let calls = vec![
        full_call(9),
        call(8),
        CallRecord { cost: priced(CostSource::Estimated), ..call(7) },
        CallRecord { cost: Cost::Unpriced { reason: "no price for audio".to_owned() }, ..call(6) },
        CallRecord { cost: Cost::Unpriced { reason: String::new() }, ..call(5) },
        CallRecord { status: CallStatus::Cancelled, ..call(4) },
        // Words that could be mistaken for the other states.
        CallRecord { status: failed("cancelled", ""), ..call(3) },
        CallRecord { status: failed("ok", "no\u{0}body"), ..call(2) },
        CallRecord { model_id: String::new(), layer: None, started_at_ms: -1, ..call(1) },
    ];
    for record in calls.iter().rev() {
        log.record(record.clone()).await.expect("recorded");
    }
    let kept = log.recent_calls(100).await.expect("listed");
    assert_eq!(kept, calls);
}

pub(super) async fn ignores_an_id_it_knows(log: &dyn CallLog) {
    log.record(call(1)).await.expect("recorded");
    log.record(CallRecord { duration_ms: 999, ..call(1) }).await.expect("ignored without a fault");
    assert_eq!(log.recent_calls(10).await.expect("listed"), [call(1)]);
    assert_eq!(log.stats(StatsFilter::default()).await.expect("sums").total.calls, 1);
}

pub(super) async fn lists_newest_first(log: &dyn CallLog) {
    for (number, started_at_ms) in [(1, 30), (2, 10), (3, 20), (4, 20)] {
        log.record(CallRecord { started_at_ms, ..call(number) }).await.expect("recorded");
    }
    let listed = async |limit| {
        let calls = log.recent_calls(limit).await.expect("listed");
        calls.into_iter().map(|call| call.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(usize::MAX).await, [1, 4, 3, 2].map(call_id));
    assert_eq!(listed(2).await, [1, 4].map(call_id));
    assert_eq!(listed(0).await, []);
}

pub(super) async fn sums_by_model_and_layer(log: &dyn CallLog) {
    assert_eq!(log.stats(StatsFilter::default()).await.expect("sums"), Default::default());
    let unpriced = Cost::Unpriced { reason: "new model".to_owned() };
    let failed =
        CallStatus::Failed { code: "no_candidate".to_owned(), message: "nobody".to_owned() };
    let calls = [
        call(1),
        CallRecord { cached: true, usage: Usage::default(), ..call(2) },
        CallRecord {
            model_id: "bolt/huge".to_owned(),
            layer: Some(Layer::L3),
            cost: unpriced,
            ..call(3)
        },
        CallRecord {
            model_id: String::new(),
            layer: None,
            status: failed,
            usage: Usage::default(),
            cost: Cost::Priced { amount: Money::ZERO, source: CostSource::Catalogue },
            duration_ms: 100,
            ..call(4)
        },
    ];
    for record in calls {
        log.record(record).await.expect("recorded");
    }
    let small = StatsRow {
        calls: 2,
        cached_calls: 1,
        unpriced_calls: 0,
        input_tokens: 10,
        output_tokens: 3,
        cost: Money::from_pico(2_000),
        duration_ms: 14,
    };
    let huge = StatsRow {
        calls: 1,
        cached_calls: 0,
        unpriced_calls: 1,
        input_tokens: 10,
        output_tokens: 3,
        cost: Money::ZERO,
        duration_ms: 7,
    };
    let stats = log.stats(StatsFilter::default()).await.expect("sums");
    assert_eq!(
        stats.total,
        StatsRow {
            calls: 4,
            cached_calls: 1,
            unpriced_calls: 1,
            input_tokens: 20,
            output_tokens: 6,
            cost: Money::from_pico(2_000),
            duration_ms: 121,
        }
    );
    let by_model =
        [("acme/small".to_owned(), small.clone()), ("bolt/huge".to_owned(), huge.clone())];
    assert_eq!(stats.by_model, by_model);
    assert_eq!(stats.by_layer, [(Layer::L1, small), (Layer::L3, huge)]);
}

pub(super) async fn filters_sums(log: &dyn CallLog) {
    for (number, user, at) in
        [(1, Some("ada"), 10), (2, Some("ada"), 20), (3, Some("bob"), 20), (4, None, 30)]
    {
        let user_id = user.map(str::to_owned);
        log.record(CallRecord { user_id, started_at_ms: at, ..call(number) })
            .await
            .expect("recorded");
    }
    let count = async |user: Option<&str>, from_ms, until_ms| {
        let filter = StatsFilter { user_id: user.map(str::to_owned), from_ms, until_ms };
        let stats = log.stats(filter).await.expect("sums");
        assert_eq!(stats.by_model.iter().map(|(_, row)| row.calls).sum::<u64>(), stats.total.calls);
        stats.total.calls
    };
    assert_eq!(count(None, None, None).await, 4);
    assert_eq!(count(Some("ada"), None, None).await, 2);
    assert_eq!(count(Some("nobody"), None, None).await, 0);
    assert_eq!(count(Some("' OR 1 = 1 --"), None, None).await, 0);
    assert_eq!(count(None, Some(20), None).await, 3);
    assert_eq!(count(None, None, Some(20)).await, 1);
    assert_eq!(count(None, Some(10), Some(30)).await, 3);
    assert_eq!(count(Some("ada"), Some(20), Some(21)).await, 1);
    assert_eq!(count(None, Some(30), Some(10)).await, 0);
}

pub(super) async fn sums_hold_at_the_end_of_the_range(log: &dyn CallLog) {
    for number in 1..=3 {
        let usage = Usage { input: u64::MAX, output: 1, ..Usage::default() };
        let cost =
            Cost::Priced { amount: Money::from_pico(i64::MAX), source: CostSource::Reported };
        log.record(CallRecord { usage, cost, ..call(number) }).await.expect("recorded");
    }
    let total = log.stats(StatsFilter::default()).await.expect("sums").total;
    assert_eq!(total.cost, Money::MAX);
    assert_eq!(total.input_tokens, u64::MAX);
    assert_eq!(total.output_tokens, 3);
}

/// Contract defect A11: a join counted every call once for each turn.
pub(super) async fn turns_do_not_multiply_sums(log: &dyn CallLog, talks: &dyn Conversations) {
    let id = ConversationId::new("talk");
    for number in 1..=2 {
        let conversation_id = Some(id.clone());
        log.record(CallRecord { conversation_id, ..call(number) }).await.expect("recorded");
    }
    log.record(CallRecord { conversation_id: Some("other".into()), ..call(3) })
        .await
        .expect("recorded");
    let turns = (0..6).map(|number| turn(format!("turn {number}"))).collect();
    talks.append(conversation("talk"), turns).await.expect("appended");

    let stats = log.conversation_stats(&id).await.expect("sums").expect("known");
    assert_eq!(stats.messages, 6);
    assert_eq!(
        stats.calls,
        StatsRow {
            calls: 2,
            cached_calls: 0,
            unpriced_calls: 0,
            input_tokens: 20,
            output_tokens: 6,
            cost: Money::from_pico(2_000),
            duration_ms: 14,
        }
    );
    assert_eq!(stats.created_at_ms, NOW_MS);
    assert!(stats.updated_at_ms >= NOW_MS);
    assert_eq!(log.stats(StatsFilter::default()).await.expect("sums").total.calls, 3);
}

pub(super) async fn unknown_conversation_has_no_sums(log: &dyn CallLog) {
    log.record(CallRecord { conversation_id: Some("known".into()), ..call(1) })
        .await
        .expect("recorded");
    assert_eq!(log.conversation_stats(&"unknown".into()).await.expect("asked"), None);
    let known = log.conversation_stats(&"known".into()).await.expect("asked").expect("known");
    assert_eq!((known.messages, known.calls.calls), (0, 1));
}
