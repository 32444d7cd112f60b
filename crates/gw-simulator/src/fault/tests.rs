//! The names of faults.

use super::{Cut, Fault, RetryAfter};

#[test]
fn every_name_reads_back_as_itself() {
    for spec in [
        "429",
        "500-retry-after=1",
        "429-retry-after-ms=1500",
        "503-retry-after-date=1790000000",
        "bad-key",
        "unknown-model",
        "context-overflow",
        "overloaded",
        "rate-limit=2",
        "slow=50",
        "pace=5",
        "never",
        "stall=1",
        "stall-bytes=9",
        "reset=3",
        "reset-bytes=100",
        "close=2",
        "close-bytes=2",
        "end=0",
        "end-bytes=4",
        "split=1",
        "malformed",
        "truncated",
        "html",
        "oversized=3",
        "empty",
        "stream-error",
        "usage-twice",
        "no-usage",
        "no-done",
    ] {
        let faults = Fault::parse_all(spec).unwrap();
        assert_eq!(faults.len(), 1, "{spec}");
        assert_eq!(faults[0].to_string(), spec);
    }
}

#[test]
fn faults_combine_and_nonsense_is_named() {
    let faults = Fault::parse_all("slow=20+429-retry-after=1").unwrap();
    assert_eq!(faults, [Fault::Slow(20), Fault::Status(429, RetryAfter::Seconds(1))]);
    assert_eq!(Fault::parse_all("").unwrap(), []);
    for spec in ["nonsense", "42", "999", "slow", "slow=x", "429-later", "never=1", "html+what"] {
        let error = Fault::parse_all(spec).unwrap_err();
        assert!(error.contains("is no fault"), "{spec}: {error}");
    }
}

#[test]
fn model_names_carry_faults() {
    let (faults, model) = Fault::from_model("fault:reset=2").unwrap();
    assert_eq!((faults.unwrap(), model.as_str()), (vec![Fault::Reset(Cut::Frames(2))], ""));
    let (_, model) = Fault::from_model("fault:503/meta/llama").unwrap();
    assert_eq!(model, "meta/llama");
    let (_, model) = Fault::from_model("gpt-x@fault:503").unwrap();
    assert_eq!(model, "gpt-x");
    assert!(Fault::from_model("fault:nonsense").unwrap().0.is_err());
    assert!(Fault::from_model("gpt-x").is_none());
}
