//! Promises of `Outcomes`.

use gw_core::outcome::{Outcome, OutcomeSource};
use gw_core::seam::{CallLog, Outcomes};

use super::{NOW_MS, call, call_id};

fn outcome(number: u64, model: &str, source: OutcomeSource, score: f64) -> Outcome {
    Outcome { call_id: call_id(number), model: model.to_owned(), source, score, at_ms: NOW_MS }
}

pub(super) async fn keeps_what_was_said_last(log: &dyn CallLog, store: &dyn Outcomes) {
    for number in [2, 1, 3] {
        log.record(call(number)).await.expect("recorded");
    }
    let said = [
        outcome(2, "acme/small", OutcomeSource::Feedback, 0.0),
        outcome(2, "acme/small", OutcomeSource::Feedback, 1.0),
        outcome(2, "acme/large", OutcomeSource::CrossCheck, 0.25),
        outcome(1, "acme/small", OutcomeSource::Validator, 0.0),
        outcome(9, "acme/small", OutcomeSource::Feedback, 1.0),
    ];
    for outcome in said.clone() {
        store.keep_outcome(outcome).await.expect("kept");
    }
    let found = store.judged_calls(None, 10).await.expect("read");
    assert_eq!(found.len(), 2, "a call that is not kept is left out");
    assert_eq!(found[0].call.id, call_id(1));
    assert_eq!(found[0].outcomes, [said[3].clone()]);
    assert_eq!(found[1].outcomes, [said[2].clone(), said[1].clone()]);
    let first = store.judged_calls(None, 1).await.expect("read");
    assert_eq!(first.len(), 1);
    let rest = store.judged_calls(Some(first[0].call.id), 10).await.expect("read");
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].call.id, call_id(2));
}
