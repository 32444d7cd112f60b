//! `route`: judge routing on outcome data, learn from such data, explain a decision.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use gw_config::Purpose;
use gw_core::chat::{ChatRequest, Message, Role};
use gw_core::money::Money;
use gw_core::seam::Clock;
use gw_core::{Error, Kind, Layer, ProviderId};
use gw_learn::data::{Outcomes, load};
use gw_learn::evaluate::{Evaluation, Options, evaluate};
use gw_learn::fit::Recipe;
use gw_learn::learn::learn;
use gw_learn::report;
use gw_learn::split::SplitBy;
use gw_routing::estimate::{Estimates, Estimator};
use gw_routing::signal::{Signals, tag_of};
use gw_routing::{Features, Health, Plan, Question, Snapshot, plan};
use serde_json::{Value, json};

use crate::assemble;
use crate::cli::{
    OutcomeData, RouteCommand, RouteEvalArgs, RouteExplainArgs, RouteLearnArgs, SplitChoice,
};
use crate::output::Output;
use crate::real::SystemClock;
use crate::setup::Setup;

/// Largest file of `route learn` that is read, in bytes.
const LEARNED_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Runs the command.
pub(crate) fn run(command: &RouteCommand, setup: &Setup, output: Output) -> Result<()> {
    match command {
        RouteCommand::Eval(args) => eval(args, output),
        RouteCommand::Learn(args) => learn_from(args, output),
        RouteCommand::Explain(args) => explain(args, setup, output),
    }
}

fn eval(args: &RouteEvalArgs, output: Output) -> Result<()> {
    let outcomes = outcomes(&args.data)?;
    let split = match args.split {
        SplitChoice::Random => SplitBy::Random,
        SplitChoice::Task => SplitBy::Task,
    };
    let options = Options {
        split,
        seeds: args.data.seeds,
        cascade: args.cascade.clone(),
        recipe: Recipe::default(),
    };
    let evaluation = evaluate(&outcomes, &options, &stopwatch())?;
    if let Some(file) = &args.chart {
        std::fs::write(file, report::chart(&evaluation))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&evaluation, output)
}

fn print(evaluation: &Evaluation, output: Output) -> Result<()> {
    if output.is_json() {
        output.json(&serde_json::to_value(evaluation)?)
    } else {
        output.write(&report::table(evaluation))
    }
}

fn learn_from(args: &RouteLearnArgs, output: Output) -> Result<()> {
    let outcomes = outcomes(&args.data)?;
    let learned = learn(&outcomes, args.data.seeds, &Recipe::default(), &stopwatch())?;
    let is_written = learned.estimator.is_some();
    if let Some(estimator) = &learned.estimator {
        std::fs::write(&args.out, estimator.to_bytes())
            .with_context(|| format!("cannot write {}", args.out.display()))?;
    }
    if output.is_json() {
        let mut value = serde_json::to_value(&learned)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("is_written".to_owned(), is_written.into());
        }
        output.json(&value)?;
    } else {
        output.write(&report::table(&learned.by_chance))?;
        output.write(&format!("\n{}", report::table(&learned.by_task)))?;
        if is_written {
            output.write(&format!("\nwritten to {}\n", args.out.display()))?;
        }
    }
    if is_written {
        return Ok(());
    }
    let error = Error::new(Kind::InvalidRequest, learned.refused.join("; ")).with_hint(
        "Nothing was written. More labelled requests of each application help most; without them \
         routing by layers stays.",
    );
    Err(error.into())
}

fn outcomes(data: &OutcomeData) -> Result<Outcomes> {
    let mut outcomes = load(&data.data, &data.models)?;
    if let Some(task) = &data.only {
        outcomes.keep_task(task)?;
    }
    Ok(outcomes)
}

/// Nanoseconds since it was made: decisions are timed, nothing else depends on it.
#[expect(clippy::disallowed_methods, reason = "measuring the program itself, at its edge")]
fn stopwatch() -> impl Fn() -> u64 {
    let began = Instant::now();
    move || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn explain(args: &RouteExplainArgs, setup: &Setup, output: Output) -> Result<()> {
    let loaded = setup.load(Purpose::Other, &[])?;
    let providers: Vec<ProviderId> =
        loaded.settings.enabled_providers().map(|(id, _)| ProviderId::from(id)).collect();
    let catalog = assemble::catalog(&loaded.settings, &providers)?;
    let options = assemble::routing(&loaded);
    let request = request(args)?;
    let features = Features::of(&request);
    let question = Question {
        features: &features,
        model: &request.model,
        quality: args.quality,
        complexity: None,
        task: None,
        preferred_layer: None,
        max_layer: args.max_layer.unwrap_or(Layer::L3),
        is_free_only: false,
    };
    let snapshot = Snapshot {
        catalog: &catalog,
        providers: &providers,
        health: &|_, _| Health::Well,
        bar: &|_, _| None,
        options: &options,
    };
    let plan = plan(&question, &snapshot)?;
    let estimates = match &args.learned {
        Some(file) => Some(estimates(file, &request, &args.message.join(" "))?),
        None => None,
    };
    show(&plan, &features, estimates.as_ref(), output)
}

fn request(args: &RouteExplainArgs) -> Result<ChatRequest> {
    let message = args.message.join(" ");
    if message.trim().is_empty() {
        let error = Error::bad_field("message", "there is no message to route");
        return Err(error.with_hint("ai-mcp-gateway route explain \"your question\"").into());
    }
    let system = args.system.iter().map(|text| Message::text(Role::System, text.as_str()));
    let messages = system.chain([Message::text(Role::User, message)]).collect();
    Ok(ChatRequest { model: args.model.clone(), messages, ..ChatRequest::default() })
}

/// What was learned, and what it says of a request.
struct Estimated {
    estimator: Estimator,
    found: Estimates,
    class: &'static str,
}

impl Estimated {
    fn success(&self, model: &str) -> Option<f32> {
        self.estimator.position(model).map(|at| self.found.success[at])
    }
}

fn estimates(file: &Path, request: &ChatRequest, text: &str) -> Result<Estimated> {
    let size =
        std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?;
    if size.len() > LEARNED_BYTES_MAX {
        return Err(Error::bad_field("--learned", "the file is too large").into());
    }
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let estimator = Estimator::from_bytes(&bytes).map_err(|error| error.with_field("--learned"))?;
    let signals = Signals::of(text, tag_of(request, ""));
    let mut found = Estimates::default();
    estimator.estimate(&signals, &mut found);
    Ok(Estimated { estimator, found, class: signals.class.as_str() })
}

fn show(
    plan: &Plan,
    features: &Features,
    estimated: Option<&Estimated>,
    output: Output,
) -> Result<()> {
    let now_ms = SystemClock::new().unix_ms();
    let candidates: Vec<Value> = plan
        .candidates
        .iter()
        .map(|candidate| {
            let offering = &candidate.offering;
            let row = gw_catalog::listing::row(offering, now_ms);
            let price = |text: &Option<String>| {
                text.as_deref().and_then(gw_core::money::Rate::from_usd_per_million)
            };
            let input = price(&row.input_usd_per_million);
            let cost = input.zip(price(&row.output_usd_per_million)).map(|(input, written)| {
                expected_cost(features, input.pico_per_unit(), written.pico_per_unit())
            });
            let success = estimated.and_then(|estimated| estimated.success(offering.name.as_str()));
            json!({
                "model": offering.id(),
                "layer": candidate.layer.as_str(),
                "why": candidate.why,
                "expectedCostUsd": cost.map(Money::to_usd_string),
                "success": success,
            })
        })
        .collect();
    if output.is_json() {
        let considered: Vec<Value> = plan
            .considered
            .iter()
            .map(|looked| {
                json!({
                    "model": looked.id,
                    "layer": looked.layer.map(|layer| layer.as_str()),
                    "verdict": format!("{:?}", looked.verdict),
                })
            })
            .collect();
        return output.json(&json!({
            "summary": plan.summary,
            "reason": plan.reason,
            "task": plan.task.to_string(),
            "complexity": plan.complexity.to_string(),
            "quality": plan.quality.to_string(),
            "wantsCrossCheck": plan.wants_cross_check,
            "inputTokens": features.likely_input_tokens,
            "candidates": candidates,
            "considered": considered,
            "learned": estimated.map(|estimated| json!({
                "class": estimated.class,
                "familiarity": estimated.found.familiarity,
                "isKnownTag": estimated.found.is_known_tag,
            })),
        }));
    }
    let mut text = format!("{}\n{}\n\n", plan.summary, plan.reason);
    for (at, candidate) in candidates.iter().enumerate() {
        let word = |field: &str| candidate[field].as_str().unwrap_or("-").to_owned();
        let success = candidate["success"].as_f64();
        let success = success.map_or_else(String::new, |p| format!("  p {p:.2}"));
        text.push_str(&format!(
            "{}. {:44} {}  ${}{success}  {}\n",
            at + 1,
            word("model"),
            word("layer"),
            word("expectedCostUsd"),
            word("why"),
        ));
    }
    for looked in plan.considered.iter().skip(plan.candidates.len()).take(12) {
        text.push_str(&format!("   {:44} {:?}\n", looked.id, looked.verdict));
    }
    if let Some(estimated) = estimated {
        text.push_str(&format!(
            "\nlearned: class {}, familiarity {:.2}, tag {}\n",
            estimated.class,
            estimated.found.familiarity,
            if estimated.found.is_known_tag { "known" } else { "new" },
        ));
    }
    output.write(&text)
}

/// Tokens of an answer assumed where nothing is learned.
const ANSWER_TOKENS: u64 = 300;

fn expected_cost(features: &Features, input: u64, written: u64) -> Money {
    let answer = features.max_output_tokens.map_or(ANSWER_TOKENS, |most| most.min(ANSWER_TOKENS));
    let pico = input
        .saturating_mul(features.likely_input_tokens)
        .saturating_add(written.saturating_mul(answer));
    Money::from_pico(i64::try_from(pico).unwrap_or(i64::MAX))
}
