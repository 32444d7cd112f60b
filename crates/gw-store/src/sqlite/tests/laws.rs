//! Laws over arbitrary calls: what is kept reads back equal, and sums are the fold of the calls.

use std::collections::BTreeMap;

use gw_core::money::CostSource;
use gw_core::record::{CallRecord, CallStatus, Stats, StatsFilter, StatsRow};
use gw_core::seam::CallLog;
use gw_core::{Cost, Layer, Money, Usage};
use proptest::option;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;

use super::open;
use crate::StoreOptions;
use crate::suite::call;

fn cost() -> impl Strategy<Value = Cost> {
    let source = select(vec![CostSource::Reported, CostSource::Catalogue, CostSource::Estimated]);
    prop_oneof![
        (any::<i64>(), source)
            .prop_map(|(pico, source)| Cost::Priced { amount: Money::from_pico(pico), source }),
        any::<String>().prop_map(|reason| Cost::Unpriced { reason }),
    ]
}

fn status() -> impl Strategy<Value = CallStatus> {
    prop_oneof![
        Just(CallStatus::Ok),
        Just(CallStatus::Cancelled),
        any::<(String, String)>().prop_map(|(code, message)| CallStatus::Failed { code, message }),
    ]
}

fn calls() -> impl Strategy<Value = Vec<CallRecord>> {
    let row = (
        (0..100_i64, option::of(select(vec!["ada", "bob"])), any::<String>()),
        (select(vec!["", "acme/a", "bolt/b"]), option::of(select(Layer::ALL.to_vec()))),
        (any::<u64>(), any::<u32>(), 0..=i64::MAX.unsigned_abs()),
        (cost(), status(), any::<bool>()),
    );
    proptest::collection::vec(row, 0..20).prop_map(|rows| {
        let numbered = (0..).zip(rows);
        let call = |(number, (who, model, amounts, end))| {
            let (started_at_ms, user, route_reason): (i64, Option<&str>, String) = who;
            let (model_id, layer): (&str, Option<Layer>) = model;
            let (input, output, duration_ms): (u64, u32, u64) = amounts;
            let (cost, status, cached) = end;
            CallRecord {
                started_at_ms,
                user_id: user.map(str::to_owned),
                route_reason,
                model_id: model_id.to_owned(),
                layer,
                usage: Usage { input, output: output.into(), ..Usage::default() },
                duration_ms,
                cost,
                status,
                cached,
                ..call(number)
            }
        };
        numbered.map(call).collect()
    })
}

#[derive(Default)]
struct Sum {
    row: StatsRow,
    input: u128,
    duration: u128,
    pico: i128,
}

impl Sum {
    fn add(&mut self, call: &CallRecord) {
        // A column holds 63 bits; a count beyond stands at its end.
        self.input += u128::from(call.usage.input.min(i64::MAX.unsigned_abs()));
        self.duration += u128::from(call.duration_ms);
        self.pico += i128::from(call.cost.amount_or_zero().pico());
        self.row.calls += 1;
        self.row.cached_calls += u64::from(call.cached);
        self.row.unpriced_calls += u64::from(call.cost.amount().is_none());
        self.row.output_tokens += call.usage.output;
    }

    fn row(&self) -> StatsRow {
        let pico = self.pico.clamp(i64::MIN.into(), i64::MAX.into());
        StatsRow {
            input_tokens: u64::try_from(self.input).unwrap_or(u64::MAX),
            duration_ms: u64::try_from(self.duration).unwrap_or(u64::MAX),
            cost: Money::from_pico(i64::try_from(pico).expect("clamped")),
            ..self.row.clone()
        }
    }
}

fn folded(calls: &[CallRecord], filter: &StatsFilter) -> Stats {
    let mut total = Sum::default();
    let mut by_model: BTreeMap<String, Sum> = BTreeMap::new();
    let mut by_layer: BTreeMap<Layer, Sum> = BTreeMap::new();
    let wanted = calls.iter().filter(|call| {
        filter.user_id.as_ref().is_none_or(|user| call.user_id.as_ref() == Some(user))
            && filter.from_ms.is_none_or(|from| call.started_at_ms >= from)
            && filter.until_ms.is_none_or(|until| call.started_at_ms < until)
    });
    for call in wanted {
        total.add(call);
        if !call.model_id.is_empty() {
            by_model.entry(call.model_id.clone()).or_default().add(call);
        }
        if let Some(layer) = call.layer {
            by_layer.entry(layer).or_default().add(call);
        }
    }
    Stats {
        total: total.row(),
        by_model: by_model.into_iter().map(|(id, sum)| (id, sum.row())).collect(),
        by_layer: by_layer.into_iter().map(|(layer, sum)| (layer, sum.row())).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn kept_calls_read_back_and_sums_are_their_fold(
        calls in calls(),
        user in option::of(select(vec!["ada", "bob", "nobody"])),
        from_ms in option::of(0..100_i64),
        until_ms in option::of(0..100_i64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let store = open(StoreOptions::memory()).expect("opened");
            for call in &calls {
                store.record(call.clone()).await.expect("recorded");
            }
            let mut newest_first = calls.clone();
            newest_first.sort_by_key(|call| std::cmp::Reverse((call.started_at_ms, call.id)));
            assert_eq!(store.recent_calls(usize::MAX).await.expect("listed"), newest_first);
            let filter = StatsFilter { user_id: user.map(str::to_owned), from_ms, until_ms };
            let expected = folded(&calls, &filter);
            assert_eq!(store.stats(filter).await.expect("sums"), expected);
        });
    }
}
