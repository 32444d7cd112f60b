//! `route`: judge routing on outcome data, learn from such data, explain a decision.

mod log;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use gw_catalog::Offering;
use gw_config::Purpose;
use gw_core::chat::{ChatRequest, Message, Role};
use gw_core::money::Money;
use gw_core::seam::Clock;
use gw_core::task::Quality;
use gw_core::{Error, Kind, Layer, ProviderId};
use gw_engine::Learning;
use gw_learn::data::{Outcomes, load};
use gw_learn::evaluate::{Evaluation, Options, evaluate};
use gw_learn::fit::Recipe;
use gw_learn::learn::learn;
use gw_learn::report;
use gw_learn::split::SplitBy;
use gw_routing::learned::Heard;
use gw_routing::plan::ALL_PPM;
use gw_routing::{Advice, Features, Health, Plan, Question, Snapshot, plan};
use serde_json::{Value, json};

use crate::assemble;
use crate::cli::{
    OutcomeData, RouteCommand, RouteEvalArgs, RouteExplainArgs, RouteLearnArgs, SplitChoice,
};
use crate::learned;
use crate::output::Output;
use crate::real::SystemClock;
use crate::setup::Setup;

/// Runs the command.
pub(crate) async fn run(command: &RouteCommand, setup: &Setup, output: Output) -> Result<()> {
    match command {
        RouteCommand::Eval(args) => eval(args, output),
        RouteCommand::Learn(args) => {
            if args.from_store {
                log::export_to(&args.data.data, setup).await?;
            }
            learn_from(args, output)
        }
        RouteCommand::Feedback(args) => log::feedback(args, setup, output).await,
        RouteCommand::Export(args) => log::export(args, setup, output).await,
        RouteCommand::Drift => log::drift(setup, output).await,
        RouteCommand::Explain(args) => explain(args, setup, output),
    }
}

fn eval(args: &RouteEvalArgs, output: Output) -> Result<()> {
    let outcomes = outcomes(&args.data)?;
    let split = match args.split {
        SplitChoice::Random => SplitBy::Random,
        SplitChoice::Task => SplitBy::Task,
        SplitChoice::Time => SplitBy::Time,
    };
    let priors = args.train.iter().map(|folder| load(folder, &[])).collect::<Result<_, _>>()?;
    let options = Options {
        split,
        seeds: args.data.seeds,
        cascade: args.cascade.clone(),
        recipe: Recipe::default(),
        priors,
    };
    let evaluation = evaluate(&outcomes, &options, &stopwatch())?;
    if let Some(file) = &args.chart {
        std::fs::write(file, report::chart(&evaluation))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    print(&evaluation, output)?;
    if args.savings && !output.is_json() {
        output.write(&report::savings(&evaluation))?;
    }
    Ok(())
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
    let learning = learning(args, &loaded.settings)?;
    let now_ms = SystemClock::new().unix_ms();
    let quality = args.quality.unwrap_or(Quality::Normal);
    let heard = learning.learned.as_ref().map(|learned| (learned, learned.hear(&request, "")));
    let expected = |offering: &Offering| {
        let (learned, heard) = heard.as_ref()?;
        let (input, most) = (features.likely_input_tokens, features.max_output_tokens);
        learned.expected(heard, offering, input, most, 0, now_ms)
    };
    let value = args.value.unwrap_or_else(|| learning.value_at(quality));
    let advice = heard.is_some().then_some(Advice {
        expected: &expected,
        value,
        warm: None,
        margin: Learning::margin(value),
        explore_ppm: learning.explore_ppm,
        // The choice without a trial.
        draw_ppm: ALL_PPM,
    });
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
        learned: advice.as_ref(),
    };
    let plan = plan(&question, &snapshot)?;
    let read = heard.as_ref().map(|(learned, heard)| (learned.origin(), heard));
    show(&plan, &features, read, output)
}

/// What was learned: of the file that is named, the prior where that word is said, else as
/// configuration has it.
fn learning(args: &RouteExplainArgs, settings: &gw_config::Settings) -> Result<Learning> {
    let configured = learned::learning(settings)?;
    let Some(file) = &args.learned else { return Ok(configured) };
    let known = match file.as_os_str() == "prior" {
        true => learned::prior()?,
        false => learned::from_file(file, "--learned")?,
    };
    Ok(Learning { learned: Some(Arc::new(known)), ..configured })
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

fn show(
    plan: &Plan,
    features: &Features,
    heard: Option<(&str, &Heard)>,
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
            let weighed = plan.weighed.as_ref();
            let id = offering.id();
            let weighed = weighed.and_then(|all| all.models.iter().find(|model| model.id == id));
            let cost = weighed.map(|model| model.expected.cost).or(cost);
            let success = weighed.map(|model| f64::from(model.expected.success_ppm) / 1e6);
            json!({
                "model": offering.id(),
                "layer": candidate.layer.as_str(),
                "why": candidate.why,
                "expectedCostUsd": cost.map(Money::to_usd_string),
                "success": success,
                "isOnHull": weighed.map(|model| model.is_on_hull),
                "propensity": weighed.map(|model| f64::from(model.propensity_ppm) / 1e6),
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
            "learned": heard.map(|(origin, heard)| json!({
                "origin": origin,
                "class": heard.signals.class.as_str(),
                "familiarity": heard.found.familiarity,
                "isKnownTag": heard.found.is_known_tag,
                "isUsed": plan.weighed.is_some(),
                "answerValueUsd": plan.weighed.as_ref().map(|it| it.value.to_usd_string()),
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
    if let Some((origin, heard)) = heard {
        text.push_str(&format!(
            "\nlearned ({origin}): class {}, familiarity {:.2}, tag {}{}\n",
            heard.signals.class.as_str(),
            heard.found.familiarity,
            if heard.found.is_known_tag { "known" } else { "new" },
            if plan.weighed.is_some() {
                ""
            } else {
                "; fewer than two models known, layers decided"
            },
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
