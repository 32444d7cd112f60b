use gw_core::limits::{HEALTH_ENTRIES_MAX, PAUSE_MS_MAX};
use gw_core::{Error, Kind, ModelName, ProviderId};

use super::{Gate, Health, Pass, ProviderState, Tried};
use crate::options::EngineOptions;

struct Case {
    health: Health,
    provider: ProviderId,
    options: EngineOptions,
}

impl Case {
    fn new() -> Self {
        let options = EngineOptions {
            breaker_failures: 2,
            breaker_open_ms: 1_000,
            ..EngineOptions::default()
        };
        Self { health: Health::default(), provider: "p".into(), options }
    }

    fn tried(&self, model: &str, status: Option<u16>) -> Tried {
        Tried {
            provider: self.provider.clone(),
            model: ModelName::from(model),
            key: Some("key".to_owned()),
            has_other_key: false,
            pass: Pass::default(),
            status,
        }
    }

    fn enter(&self, model: &str, now_ms: u64) -> Tried {
        let pass = self.health.enter(&self.provider, &ModelName::from(model), now_ms);
        Tried { pass: pass.expect("may enter"), ..self.tried(model, None) }
    }

    fn fail(&self, tried: &Tried, kind: Kind, now_ms: u64) {
        self.health.fail(tried, &Error::new(kind, "said so"), now_ms, &self.options);
    }

    fn gate(&self, model: &str, now_ms: u64) -> Gate {
        self.health.gate(&self.provider, &ModelName::from(model), now_ms)
    }

    fn until(&self, model: &str, now_ms: u64) -> Option<u64> {
        match self.gate(model, now_ms) {
            Gate::Open(rest) => Some(rest.until_ms),
            Gate::Closed | Gate::Probe => None,
        }
    }

    fn key_until(&self, model: &str, key: &str, now_ms: u64) -> Option<u64> {
        let rest = self.health.key_rest(&self.provider, &ModelName::from(model), key, now_ms);
        rest.map(|rest| rest.until_ms)
    }
}

#[test]
fn a_wrong_request_says_nothing_about_anybody() {
    let case = Case::new();
    for _ in 0..10 {
        for kind in [Kind::ProviderRejected, Kind::ContextTooLong, Kind::ContentFiltered] {
            case.fail(&case.tried("m", Some(400)), kind, 0);
        }
    }
    assert_eq!(case.gate("m", 0), Gate::Closed);
}

#[test]
fn a_bad_model_rests_alone() {
    let case = Case::new();
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 0);
    assert_eq!(case.gate("m", 0), Gate::Closed);
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 10);
    assert_eq!(case.until("m", 20), Some(1_010));
    assert_eq!(case.gate("other", 20), Gate::Closed);
    // One that began earlier does not prolong it.
    case.fail(&case.tried("m", None), Kind::ProviderFailed, 500);
    assert_eq!(case.until("m", 501), Some(1_010));
}

#[test]
fn a_bad_key_rests_alone() {
    let case = Case::new();
    case.fail(&case.tried("m", Some(401)), Kind::ProviderAuth, 0);
    assert_eq!(case.key_until("any model", "key", 0), Some(case.options.key_rest_ms));
    assert_eq!(case.key_until("m", "second key", 0), None);
    assert_eq!(case.gate("m", 0), Gate::Closed);
    assert_eq!(case.key_until("m", "key", case.options.key_rest_ms), None);
    let report = case.health.report(&case.provider, &["key"], 0);
    assert_eq!(report.state, ProviderState::KeysRefused { reason: "said so".into() });
    let report = case.health.report(&case.provider, &["key", "second key"], 0);
    assert_eq!(report.state, ProviderState::Healthy);
    case.health.forget_key(&case.provider, "key");
    assert_eq!(case.key_until("m", "key", 0), None);
}

#[test]
fn a_key_that_may_not_use_a_model_may_use_others() {
    let case = Case::new();
    case.fail(&case.tried("m", Some(403)), Kind::ProviderAuth, 0);
    assert!(case.key_until("m", "key", 0).is_some());
    assert_eq!(case.key_until("other", "key", 0), None);
    let report = case.health.report(&case.provider, &["key"], 0);
    assert_eq!(report.state, ProviderState::Healthy);
    assert_eq!(report.models.len(), 1);
}

#[test]
fn a_provider_without_keys_that_wants_one_rests() {
    let case = Case::new();
    let tried = Tried { key: None, ..case.tried("m", Some(401)) };
    case.fail(&tried, Kind::ProviderAuth, 0);
    assert!(case.until("any", 0).is_some());
    let report = case.health.report(&case.provider, &[], 0);
    assert!(matches!(report.state, ProviderState::KeysRefused { .. }));
}

#[test]
fn a_provider_out_of_reach_rests_whole() {
    let case = Case::new();
    case.fail(&case.enter("m", 0), Kind::ProviderUnreachable, 0);
    case.fail(&case.enter("n", 0), Kind::ProviderUnreachable, 0);
    assert!(case.until("any", 1).is_some());
    // Any answer shows that it can be reached, a refusal too.
    let probe = case.enter("m", 1_000);
    assert!(case.until("any", 1_000).is_some(), "one probes");
    case.fail(&Tried { status: Some(400), ..probe }, Kind::ProviderRejected, 1_001);
    assert_eq!(case.gate("any", 1_002), Gate::Closed);
}

#[test]
fn an_answer_that_breaks_off_is_the_models_failure() {
    let case = Case::new();
    for _ in 0..2 {
        case.fail(&case.tried("m", Some(200)), Kind::ProviderUnreachable, 0);
    }
    assert!(case.until("m", 1).is_some());
    assert_eq!(case.gate("other", 1), Gate::Closed);
}

#[test]
fn three_failing_models_are_a_failing_provider() {
    let case = Case::new();
    for model in ["a", "b", "c"] {
        assert_eq!(case.gate("other", 0), Gate::Closed);
        case.fail(&case.enter(model, 0), Kind::ProviderOverloaded, 0);
        case.fail(&case.enter(model, 0), Kind::ProviderOverloaded, 0);
    }
    assert!(case.until("other", 1).is_some());
}

#[test]
fn one_call_probes_and_its_answer_decides() {
    let case = Case::new();
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 0);
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 0);
    assert_eq!(case.gate("m", 1_000), Gate::Probe);
    let probe = case.enter("m", 1_000);
    assert!(case.until("m", 1_001).is_some(), "only one may probe");
    case.fail(&probe, Kind::ProviderFailed, 1_002);
    assert_eq!(case.until("m", 1_500), Some(2_002));
    let probe = case.enter("m", 2_002);
    case.health.succeed(&probe);
    assert_eq!(case.gate("m", 2_003), Gate::Closed);
    case.fail(&case.enter("m", 2_003), Kind::ProviderFailed, 2_003);
    assert_eq!(case.gate("m", 2_003), Gate::Closed, "the count begins anew");
}

#[test]
fn a_probe_that_was_given_up_gives_its_place_back_and_no_other() {
    let case = Case::new();
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 0);
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 0);
    let probe = case.enter("m", 1_000);
    case.health.leave(&case.tried("m", None));
    assert!(case.until("m", 1_001).is_some(), "somebody else left");
    case.health.leave(&probe);
    assert_eq!(case.gate("m", 1_001), Gate::Probe);
    let probe = case.enter("m", 1_001);
    case.fail(&probe, Kind::ProviderRejected, 1_002);
    assert_eq!(case.gate("m", 1_003), Gate::Probe);
}

#[test]
fn a_stream_that_began_is_on_trial() {
    let case = Case::new();
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 0);
    case.fail(&case.enter("m", 0), Kind::ProviderFailed, 0);
    let probe = Tried { status: Some(200), ..case.enter("m", 1_000) };
    case.health.answering(&probe, &case.options);
    assert_eq!(case.gate("m", 1_001), Gate::Closed, "others need not wait for its end");
    case.fail(&probe, Kind::ProviderTimeout, 1_500);
    assert_eq!(case.until("m", 1_500), Some(2_500));
}

#[test]
fn a_rate_limit_is_kept_as_long_as_it_says_and_then_forgotten() {
    let case = Case::new();
    let limited =
        |wait_ms| Error::new(Kind::ProviderRateLimited, "slow down").with_retry_after_ms(wait_ms);
    let tried = Tried { key: None, ..case.tried("m", Some(429)) };
    case.health.fail(&tried, &limited(300), 100, &case.options);
    assert_eq!(case.until("m", 200), Some(400));
    assert_eq!(case.gate("other", 200), Gate::Closed);
    assert_eq!(case.gate("m", 400), Gate::Closed, "no probe: everybody may go");
    case.health.fail(&tried, &limited(u64::MAX), 500, &case.options);
    assert_eq!(case.until("m", 500), Some(500 + PAUSE_MS_MAX));
}

#[test]
fn limits_belong_to_a_key() {
    let case = Case::new();
    let tried = Tried { has_other_key: true, ..case.tried("m", Some(429)) };
    case.fail(&tried, Kind::ProviderRateLimited, 0);
    assert_eq!(case.gate("m", 0), Gate::Closed);
    assert!(case.key_until("m", "key", 0).is_some());
    assert_eq!(case.key_until("m", "second key", 0), None);
}

#[test]
fn callers_cannot_fill_the_memory_with_names() {
    let case = Case::new();
    for n in 0..HEALTH_ENTRIES_MAX * 3 {
        let model = format!("m{n}");
        case.fail(&case.tried(&model, Some(404)), Kind::ModelNotFound, 0);
        case.fail(&case.tried(&model, Some(500)), Kind::ProviderFailed, 0);
    }
    let providers = case.health.providers.lock();
    let entry = &providers[&case.provider];
    assert!(entry.pauses.len() <= HEALTH_ENTRIES_MAX);
    assert!(entry.models.len() <= HEALTH_ENTRIES_MAX);
}
