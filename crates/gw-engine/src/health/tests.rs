use gw_core::{Error, Kind, ModelName, ProviderId};

use super::{Gate, Health, ProviderState};
use crate::options::EngineOptions;

struct Case {
    health: Health,
    provider: ProviderId,
    options: EngineOptions,
}

impl Case {
    fn new() -> Self {
        let options =
            EngineOptions { breaker_failures: 2, breaker_open_ms: 1_000, ..EngineOptions::default() };
        Self { health: Health::default(), provider: "p".into(), options }
    }

    fn fail(&self, model: &str, kind: Kind, now_ms: u64) {
        let error = Error::new(kind, "said so");
        let model = ModelName::from(model);
        self.health.fail(&self.provider, &model, Some("key"), &error, now_ms, &self.options);
    }

    fn gate(&self, model: &str, now_ms: u64) -> Gate {
        self.health.gate(&self.provider, &ModelName::from(model), now_ms)
    }
}

#[test]
fn a_wrong_request_says_nothing_about_anybody() {
    let case = Case::new();
    for _ in 0..10 {
        case.fail("m", Kind::ProviderRejected, 0);
        case.fail("m", Kind::ContextTooLong, 0);
    }
    assert_eq!(case.gate("m", 0), Gate::Closed);
}

#[test]
fn a_bad_model_rests_alone() {
    let case = Case::new();
    case.fail("m", Kind::ProviderFailed, 0);
    assert_eq!(case.gate("m", 0), Gate::Closed);
    case.fail("m", Kind::ProviderFailed, 10);
    assert_eq!(case.gate("m", 20), Gate::Open { until_ms: 1_010 });
    assert_eq!(case.gate("other", 20), Gate::Closed);
}

#[test]
fn a_bad_key_rests_alone() {
    let case = Case::new();
    case.fail("m", Kind::ProviderAuth, 0);
    assert!(!case.health.key_is_usable(&case.provider, "key", 0));
    assert!(case.health.key_is_usable(&case.provider, "second key", 0));
    assert_eq!(case.gate("m", 0), Gate::Closed);
    assert!(case.health.key_is_usable(&case.provider, "key", case.options.key_rest_ms));
    let report = case.health.report(&case.provider, &["key"], 0);
    assert_eq!(report.state, ProviderState::KeysRefused { reason: "said so".into() });
    let report = case.health.report(&case.provider, &["key", "second key"], 0);
    assert_eq!(report.state, ProviderState::Healthy);
}

#[test]
fn a_provider_out_of_reach_rests_whole() {
    let case = Case::new();
    case.fail("m", Kind::ProviderUnreachable, 0);
    case.fail("n", Kind::ProviderUnreachable, 0);
    assert!(matches!(case.gate("any", 1), Gate::Open { .. }));
}

#[test]
fn three_failing_models_are_a_failing_provider() {
    let case = Case::new();
    for model in ["a", "b", "c"] {
        assert_eq!(case.gate("other", 0), Gate::Closed);
        case.fail(model, Kind::ProviderOverloaded, 0);
        case.fail(model, Kind::ProviderOverloaded, 0);
    }
    assert!(matches!(case.gate("other", 1), Gate::Open { .. }));
}

#[test]
fn one_call_probes_and_its_answer_decides() {
    let case = Case::new();
    case.fail("m", Kind::ProviderFailed, 0);
    case.fail("m", Kind::ProviderFailed, 0);
    let model = ModelName::from("m");
    assert_eq!(case.gate("m", 1_000), Gate::Probe);
    case.health.begin(&case.provider, &model, 1_000);
    assert!(matches!(case.gate("m", 1_001), Gate::Open { .. }), "only one may probe");
    case.fail("m", Kind::ProviderFailed, 1_002);
    assert!(matches!(case.gate("m", 1_500), Gate::Open { until_ms: 2_002 }));
    case.health.begin(&case.provider, &model, 2_002);
    case.health.succeed(&case.provider, &model, Some("key"));
    assert_eq!(case.gate("m", 2_003), Gate::Closed);
}

#[test]
fn a_probe_that_was_abandoned_gives_its_place_back() {
    let case = Case::new();
    case.fail("m", Kind::ProviderFailed, 0);
    case.fail("m", Kind::ProviderFailed, 0);
    case.health.begin(&case.provider, &ModelName::from("m"), 1_000);
    case.fail("m", Kind::ProviderRejected, 1_001);
    assert_eq!(case.gate("m", 1_002), Gate::Probe);
}

#[test]
fn a_rate_limit_is_kept_as_long_as_it_says() {
    let case = Case::new();
    let error = Error::new(Kind::ProviderRateLimited, "slow down").with_retry_after_ms(300);
    let model = ModelName::from("m");
    case.health.fail(&case.provider, &model, None, &error, 100, &case.options);
    assert_eq!(case.gate("m", 200), Gate::Open { until_ms: 400 });
    assert_eq!(case.gate("m", 400), Gate::Probe);
}
