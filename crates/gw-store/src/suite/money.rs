//! Promises of `Keys`, `Budgets` and `UsageReports`.

use gw_core::budget::{Amount, Budget, Limit, LimitKind, SPEND_SLOT_MS, Spending, Window};
use gw_core::key::{KeyHash, KeyRecord, Policy, ScopeNode};
use gw_core::money::CostSource;
use gw_core::record::{CallRecord, CallStatus, Savings, UsageBy, UsageGroup, UsageQuery};
use gw_core::seam::{Budgets, CallLog, Keys, UsageReports};
use gw_core::{Cost, Kind, Layer, Money, Scope, ScopeKind, Usage};

use super::{NOW_MS, call, call_id};

fn key(id: &str) -> KeyRecord {
    KeyRecord {
        id: id.into(),
        name: "größte".into(),
        shown: "gw-ab…yz".into(),
        owner: Some("ada".into()),
        organisation: Some("acme".into()),
        team: Some("search".into()),
        user_id: Some("u".into()),
        project_id: Some("p".into()),
        tags: vec!["a".into(), "b".into()],
        policy: Policy {
            models: vec!["gpt-*".into()],
            layers: vec![Layer::L0, Layer::L1],
            endpoints: vec!["/v1/*".into()],
            tools: vec!["git::*".into()],
            max_layer: Some(Layer::L1),
        },
        is_admin: true,
        created_at_ms: NOW_MS,
        expires_at_ms: Some(NOW_MS + 5),
        revoked_at_ms: None,
        last_used_at_ms: None,
    }
}

fn hash(byte: u8) -> KeyHash {
    KeyHash([byte; 32])
}

pub(super) async fn keys_are_found_by_their_hash(keys: &dyn Keys) {
    assert_eq!(keys.find_key(&hash(1)).await.expect("asked"), None);
    let bare = KeyRecord { id: "k2".into(), created_at_ms: NOW_MS - 1, ..KeyRecord::default() };
    keys.create_key(key("k1"), hash(1)).await.expect("made");
    keys.create_key(bare.clone(), hash(2)).await.expect("made");
    let error = keys.create_key(key("k1"), hash(3)).await.expect_err("taken");
    assert_eq!(error.kind(), Kind::InvalidRequest);
    assert_eq!(keys.find_key(&hash(3)).await.expect("asked"), None);
    let (found, secret) = keys.find_key(&hash(1)).await.expect("asked").expect("known");
    assert_eq!((found, secret.key_id.as_str(), secret.until_ms), (key("k1"), "k1", None));
    assert_eq!(keys.keys().await.expect("listed"), [bare, key("k1")]);
    for (at, wanted) in [(7, 7), (9, 9), (8, 9)] {
        keys.touch_key("k1", at).await.expect("noted");
        let (found, _) = keys.find_key(&hash(1)).await.expect("asked").expect("known");
        assert_eq!(found.last_used_at_ms, Some(wanted));
    }
    keys.touch_key("nobody", 1).await.expect("no fault");
}

pub(super) async fn rotation_and_revocation_hold(keys: &dyn Keys) {
    keys.create_key(key("k"), hash(1)).await.expect("made");
    assert!(keys.rotate_key("k", hash(2), "gw-cd…", 100).await.expect("rotated"));
    assert!(keys.rotate_key("k", hash(3), "gw-ef…", 200).await.expect("rotated"));
    assert!(!keys.rotate_key("nobody", hash(4), "", 1).await.expect("asked"));
    let all = keys.secrets(0).await.expect("listed");
    let mut until: Vec<_> = all.iter().map(|secret| (secret.hash, secret.until_ms)).collect();
    until.sort_unstable();
    let wanted = [(hash(1), Some(100)), (hash(2), Some(200)), (hash(3), None)];
    assert_eq!(until, wanted, "an end that is near stays");
    assert_eq!(keys.secrets(100).await.expect("listed").len(), 2);
    let (found, _) = keys.find_key(&hash(1)).await.expect("asked").expect("known");
    assert_eq!(found.shown, "gw-ef…");
    assert!(keys.revoke_key("k", 5).await.expect("revoked"));
    assert!(keys.revoke_key("k", 9).await.expect("revoked"));
    assert!(!keys.revoke_key("nobody", 9).await.expect("asked"));
    let (found, _) = keys.find_key(&hash(3)).await.expect("asked").expect("known");
    assert_eq!(found.revoked_at_ms, Some(5), "the first revocation stays");
    assert!(!keys.rotate_key("k", hash(4), "", 1).await.expect("asked"), "revoked for good");
    assert_eq!(keys.find_key(&hash(4)).await.expect("asked"), None);
}

pub(super) async fn accounts_are_kept(keys: &dyn Keys) {
    let node = |kind, id: &str, parent| ScopeNode {
        scope: Scope::new(kind, id),
        parent,
        name: String::new(),
        policy: Policy::default(),
    };
    let acme = node(ScopeKind::Organisation, "acme", None);
    let search = node(ScopeKind::Team, "search", Some(acme.scope.clone()));
    for kept in [&search, &acme] {
        keys.put_scope(kept.clone()).await.expect("kept");
    }
    let renamed = ScopeNode { name: "Search".into(), ..search.clone() };
    keys.put_scope(renamed.clone()).await.expect("kept");
    assert_eq!(keys.scopes().await.expect("listed"), [acme.clone(), renamed]);
    assert!(keys.remove_scope(&acme.scope).await.expect("removed"));
    assert!(!keys.remove_scope(&acme.scope).await.expect("asked"));
}

pub(super) async fn definitions_are_kept(budgets: &dyn Budgets) {
    let budget = |id: &str, window| Budget {
        id: id.into(),
        scope: Scope::new(ScopeKind::Team, "a:b"),
        cap: Amount::Dollars(Money::MAX),
        window,
        is_hard: true,
        max_layer: Some(Layer::L2),
        alerts: vec![50, 100],
        when_away: None,
    };
    let tokens = Budget { cap: Amount::Tokens(u64::MAX), ..budget("c", Window::Sliding(7)) };
    budgets.put_budget(tokens.clone()).await.expect("kept");
    budgets.put_budget(budget("a", Window::Day)).await.expect("kept");
    budgets.put_budget(budget("a", Window::Month)).await.expect("kept");
    assert_eq!(budgets.budgets().await.expect("listed"), [budget("a", Window::Month), tokens]);
    assert!(budgets.remove_budget("a").await.expect("removed"));
    assert!(!budgets.remove_budget("a").await.expect("asked"));
    let limit = |id: &str, max| Limit {
        id: id.into(),
        scope: Scope::new(ScopeKind::Key, "k"),
        kind: LimitKind::TokensPerMinute,
        max,
        when_away: None,
        wait_ms: None,
    };
    budgets.put_limit(limit("l", 1)).await.expect("kept");
    budgets.put_limit(limit("l", u64::MAX)).await.expect("kept");
    assert_eq!(budgets.limits().await.expect("listed"), [limit("l", u64::MAX)]);
    assert!(budgets.remove_limit("l").await.expect("removed"));
    assert!(!budgets.remove_limit("l").await.expect("asked"));
}

fn priced(pico: i64) -> Cost {
    Cost::Priced { amount: Money::from_pico(pico), source: CostSource::Catalogue }
}

pub(super) async fn spending_goes_with_the_record(log: &dyn CallLog, budgets: &dyn Budgets) {
    let (team, key) = (Scope::new(ScopeKind::Team, "t"), Scope::new(ScopeKind::Key, "k"));
    let spent = |number, at_ms, pico, scopes: &[&Scope]| CallRecord {
        started_at_ms: at_ms,
        cost: priced(pico),
        scopes: scopes.iter().map(|scope| (*scope).clone()).collect(),
        ..call(number)
    };
    let unpriced = Cost::Unpriced { reason: String::new() };
    let slot = gw_core::budget::slot_of(NOW_MS);
    for record in [
        spent(1, slot, 5, &[&team, &key, &team]),
        spent(2, slot + 1, 7, &[&team]),
        spent(3, slot + SPEND_SLOT_MS, 11, &[&team]),
        spent(4, slot - 1, 13, &[&team]),
        CallRecord { cost: unpriced, ..spent(5, slot, 0, &[&key]) },
        spent(2, slot, 1_000, &[&team, &key]),
    ] {
        log.record(record).await.expect("recorded");
    }
    let row = |slot_ms, pico, calls| Spending {
        slot_ms,
        spent: Money::from_pico(pico),
        tokens: 13 * calls,
        calls,
    };
    let slots =
        [row(slot - SPEND_SLOT_MS, 13, 1), row(slot, 12, 2), row(slot + SPEND_SLOT_MS, 11, 1)];
    let ask = async |scope, from_ms| budgets.spending(scope, from_ms).await.expect("asked");
    assert_eq!(ask(&team, i64::MIN).await, slots);
    assert_eq!(ask(&team, slot + 77).await, slots[1..], "from the slot of that instant");
    assert_eq!(ask(&key, i64::MIN).await, [row(slot, 5, 2)]);
    assert_eq!(ask(&Scope::new(ScopeKind::User, "t"), i64::MIN).await, []);
    let lifetime = async |scope| budgets.lifetime_spending(scope).await.expect("asked");
    assert_eq!(lifetime(&team).await, row(0, 36, 4));
    assert_eq!(lifetime(&Scope::new(ScopeKind::Tag, "x")).await, Spending::default());
}

pub(super) async fn usage_adds_up_however_it_is_grouped(
    log: &dyn CallLog,
    reports: &dyn UsageReports,
) {
    assert_eq!(
        reports
            .usage(UsageQuery { by: vec![UsageBy::Day], ..UsageQuery::default() })
            .await
            .expect("asked"),
        []
    );
    const HOUR: i64 = 3_600_000;
    // 2026-09-21T14:13:20Z.
    let hour = NOW_MS - NOW_MS.rem_euclid(HOUR);
    let usage = Usage {
        input: 1,
        cache_read: 2,
        cache_write: 3,
        cache_write_long: 4,
        output: 5,
        reasoning: 6,
        ..Usage::default()
    };
    let tags = |tags: &[&str]| tags.iter().map(|tag| Scope::new(ScopeKind::Tag, *tag)).collect();
    let key_id = Some("k".to_owned());
    let failed = CallStatus::Failed { code: "x".into(), message: String::new() };
    let calls = [
        CallRecord { usage, key_id: key_id.clone(), scopes: tags(&["b", "a"]), ..call(1) },
        CallRecord { usage, key_id, scopes: tags(&["a", "b"]), ..call(2) },
        CallRecord { started_at_ms: hour + HOUR, scopes: tags(&["a"]), cached: true, ..call(3) },
        CallRecord {
            started_at_ms: hour + 24 * HOUR,
            cost: Cost::Unpriced { reason: String::new() },
            status: failed,
            layer: None,
            model_id: String::new(),
            usage: Usage::default(),
            project_id: Some("p".into()),
            user_id: Some("u".into()),
            ..call(4)
        },
    ];
    for record in &calls {
        log.record(record.clone()).await.expect("recorded");
    }
    let ask = async |query: UsageQuery| reports.usage(query).await.expect("asked");
    let counts = async |by: &[UsageBy], query: UsageQuery| -> Vec<(String, u64)> {
        let groups = ask(UsageQuery { by: by.to_vec(), ..query }).await;
        groups.into_iter().map(|group| (group.key.join(" "), group.calls)).collect()
    };
    let all = UsageQuery::default;
    let named = |groups: &[(&str, u64)]| -> Vec<(String, u64)> {
        groups.iter().map(|(key, calls)| ((*key).to_owned(), *calls)).collect()
    };
    assert_eq!(
        ask(all()).await,
        [UsageGroup {
            key: Vec::new(),
            calls: 4,
            failed_calls: 1,
            cached_calls: 1,
            unpriced_calls: 1,
            input_tokens: 30,
            cache_read_tokens: 4,
            cache_write_tokens: 14,
            output_tokens: 25,
            reasoning_tokens: 12,
            cost: Money::from_pico(3_000),
            duration_ms: 28,
            ..UsageGroup::default()
        }]
    );
    assert_eq!(
        counts(&[UsageBy::Day], all()).await,
        named(&[("2026-09-21", 3), ("2026-09-22", 1)])
    );
    let hours = [("2026-09-21T14", 2), ("2026-09-21T15", 1), ("2026-09-22T14", 1)];
    assert_eq!(counts(&[UsageBy::Hour], all()).await, named(&hours));
    assert_eq!(counts(&[UsageBy::Model], all()).await, named(&[("", 1), ("acme/small", 3)]));
    assert_eq!(counts(&[UsageBy::Layer], all()).await, named(&[("", 1), ("L1", 3)]));
    assert_eq!(counts(&[UsageBy::Key], all()).await, named(&[("", 2), ("k", 2)]));
    assert_eq!(counts(&[UsageBy::User], all()).await, named(&[("", 3), ("u", 1)]));
    assert_eq!(counts(&[UsageBy::Project], all()).await, named(&[("", 3), ("p", 1)]));
    assert_eq!(counts(&[UsageBy::Tag], all()).await, named(&[("", 1), ("a", 3), ("b", 2)]));
    let both = [("2026-09-21 L1", 3), ("2026-09-22 ", 1)];
    assert_eq!(counts(&[UsageBy::Day, UsageBy::Layer], all()).await, named(&both));

    let total = async |query: UsageQuery| ask(query).await[0].calls;
    assert_eq!(total(UsageQuery { tag: Some("b".into()), ..all() }).await, 2);
    assert_eq!(total(UsageQuery { tag: Some("' OR 1".into()), ..all() }).await, 0);
    assert_eq!(total(UsageQuery { from_ms: Some(hour + HOUR + 5), ..all() }).await, 2);
    assert_eq!(total(UsageQuery { until_ms: Some(hour + HOUR + 5), ..all() }).await, 2);
    assert_eq!(
        total(UsageQuery { layer: Some(Layer::L1), key_id: Some("k".into()), ..all() }).await,
        2
    );
    assert_eq!(total(UsageQuery { model_id: Some("acme/small".into()), ..all() }).await, 3);
    assert_eq!(
        total(UsageQuery { user_id: Some("u".into()), project_id: Some("p".into()), ..all() })
            .await,
        1
    );

    assert_eq!(reports.call(call_id(3)).await.expect("asked").as_ref(), Some(&calls[2]));
    assert_eq!(reports.call(call_id(9)).await.expect("asked"), None);
}

/// Only calls whose cost and baseline are both known are compared; the rest stands apart.
pub(super) async fn savings_compare_like_with_like(log: &dyn CallLog, reports: &dyn UsageReports) {
    let money = Money::from_pico;
    let savings = |baseline: Option<i64>, prompt_cache: Option<i64>| Savings {
        baseline: baseline.map(money),
        prompt_cache: prompt_cache.map(money),
        response_cache: prompt_cache.map(|_| money(9)),
    };
    let team = vec![Scope::new(ScopeKind::Team, "t")];
    let elsewhere = |number| CallRecord {
        provider: "other".into(),
        model_id: "other/small".into(),
        ..call(number)
    };
    let calls = [
        CallRecord { savings: savings(Some(5_000), Some(70)), scopes: team.clone(), ..call(1) },
        CallRecord { savings: savings(Some(400), Some(-100)), scopes: team, ..elsewhere(2) },
        CallRecord { savings: savings(None, None), ..call(3) },
        CallRecord {
            savings: savings(Some(9_000), None),
            cost: Cost::Unpriced { reason: String::new() },
            ..elsewhere(4)
        },
    ];
    for record in &calls {
        log.record(record.clone()).await.expect("recorded");
        assert_eq!(reports.call(record.id).await.expect("asked").as_ref(), Some(record));
    }
    let ask = async |query: UsageQuery| reports.usage(query).await.expect("asked");
    let all = ask(UsageQuery::default()).await;
    assert_eq!((all[0].calls, all[0].compared_calls, all[0].unpriced_calls), (4, 2, 1));
    assert_eq!((all[0].baseline, all[0].compared_cost), (money(5_400), money(2_000)));
    assert_eq!((all[0].saved(), all[0].prompt_cache_saved), (money(3_400), money(-30)));
    assert_eq!(all[0].response_cache_saved, money(18));
    let by = async |by: UsageBy| -> Vec<(String, u64, i64)> {
        let groups = ask(UsageQuery { by: vec![by], ..UsageQuery::default() }).await;
        let line = |group: &UsageGroup| (group.key.join(" "), group.calls, group.saved().pico());
        groups.iter().map(line).collect()
    };
    let wanted =
        |groups: [(&str, u64, i64); 2]| groups.map(|(key, n, pico)| (key.to_owned(), n, pico));
    assert_eq!(by(UsageBy::Provider).await, wanted([("acme", 2, 4_000), ("other", 2, -600)]));
    assert_eq!(by(UsageBy::Team).await, wanted([("", 2, 0), ("t", 2, 3_400)]));
    let one = UsageQuery { provider: Some("other".into()), ..UsageQuery::default() };
    assert_eq!(ask(one).await[0].calls, 2);
    let one = UsageQuery { team_id: Some("t".into()), ..UsageQuery::default() };
    assert_eq!(ask(one).await[0].calls, 2);
}

pub(super) async fn sums_hold_at_the_end_of_the_range(
    log: &dyn CallLog,
    budgets: &dyn Budgets,
    reports: &dyn UsageReports,
) {
    let team = Scope::new(ScopeKind::Team, "t");
    for (number, pico) in [(1, i64::MAX), (2, i64::MAX), (3, 1)] {
        let usage = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
        let scopes = vec![team.clone()];
        log.record(CallRecord { usage, cost: priced(pico), scopes, ..call(number) })
            .await
            .expect("recorded");
    }
    let spent = budgets.lifetime_spending(&team).await.expect("asked");
    assert_eq!((spent.spent, spent.calls), (Money::MAX, 3));
    assert!(spent.tokens >= i64::MAX.unsigned_abs());
    let group = &reports.usage(UsageQuery::default()).await.expect("asked")[0];
    assert_eq!((group.cost, group.calls), (Money::MAX, 3));
}
