//! `usage reconcile`: our ledger against a provider's export of the same days.

use anyhow::{Result, anyhow};
use gw_catalog::identity::identity;
use gw_catalog::price_text::day_to_ms;
use gw_core::record::{UsageBy, UsageQuery};
use gw_core::{Error, Money};
use gw_ledger::reconcile::{Line, Side, Statement, Tolerance, add, reconcile, total};
use serde_json::{Value, json};

use super::{DAY_MS, Ledger, aligned, export};
use crate::cli::ReconcileArgs;
use crate::output::Output;

/// Runs the command. It fails where a line is off by more than is tolerated.
pub(super) async fn run(args: &ReconcileArgs, ledger: &Ledger, output: Output) -> Result<()> {
    let tolerance = Tolerance::from_percent(&args.tolerance).ok_or_else(|| {
        Error::bad_field("--tolerance", format!("`{}` is no share in per cent", args.tolerance))
    })?;
    let theirs = theirs(args)?;
    let days = theirs.keys().map(|(day, _)| day.as_str());
    let (Some(first), Some(last)) = (days.clone().min(), days.max()) else {
        return Err(Error::bad_field("--file", "the export holds no line of usage").into());
    };
    let ours = ours(args, ledger, first, last).await?;
    let lines = reconcile(&ours, &theirs);
    let off = lines.iter().filter(|line| !line.agrees(tolerance)).count();
    if output.is_json() {
        let whole = total(&lines);
        output.json(&json!({
            "provider": args.provider,
            "from": first,
            "to": last,
            "tolerance_percent": args.tolerance,
            "lines": lines.iter().map(|line| document(line, tolerance)).collect::<Vec<Value>>(),
            "total": document(&whole, tolerance),
            "off": off,
        }))?;
    } else {
        output.write(&table(&lines, tolerance))?;
    }
    if off > 0 {
        let of = lines.len();
        return Err(anyhow!("{off} of {of} lines differ by more than {} %", args.tolerance));
    }
    Ok(())
}

/// One name for both sides: the provider's snapshots of a model are the model.
fn name_of(provider: &str, model: &str) -> String {
    identity(provider, model)
}

fn theirs(args: &ReconcileArgs) -> Result<Side> {
    let text = std::fs::read_to_string(&args.file).map_err(|error| {
        Error::bad_field("--file", format!("`{}` cannot be read: {error}", args.file.display()))
    })?;
    let mut side = Side::new();
    for line in export::read(&text, &args.columns)? {
        let model = name_of(&args.provider, &line.model);
        add(&mut side, line.day, model, &line.statement);
    }
    Ok(side)
}

async fn ours(args: &ReconcileArgs, ledger: &Ledger, first: &str, last: &str) -> Result<Side> {
    let query = UsageQuery {
        by: vec![UsageBy::Day, UsageBy::Model],
        from_ms: day_to_ms(first),
        until_ms: day_to_ms(last).map(|at_ms| at_ms.saturating_add(DAY_MS)),
        provider: Some(args.provider.clone()),
        ..UsageQuery::default()
    };
    let (groups, _) = ledger.usage(query).await?;
    let mut side = Side::new();
    for group in groups {
        let [day, model] = group.key.as_slice() else { continue };
        let name = model.strip_prefix(&format!("{}/", args.provider)).unwrap_or(model);
        let statement = Statement {
            // What failed or came from the gateway's own cache, the provider does not count.
            calls: Some(group.calls.saturating_sub(group.failed_calls + group.cached_calls)),
            input_tokens: Some(group.input_tokens),
            output_tokens: Some(group.output_tokens),
            // Money that we do not know is not nothing.
            cost: (group.unpriced_calls == 0).then_some(group.cost),
        };
        add(&mut side, day.clone(), name_of(&args.provider, name), &statement);
    }
    Ok(side)
}

fn document(line: &Line, tolerance: Tolerance) -> Value {
    let side = |side: &Statement| {
        json!({
            "calls": side.calls,
            "input_tokens": side.input_tokens,
            "output_tokens": side.output_tokens,
            "cost_pico_usd": side.cost.map(Money::pico),
        })
    };
    json!({
        "day": line.day,
        "model": line.model,
        "ours": side(&line.ours),
        "theirs": side(&line.theirs),
        "token_difference": line.token_difference().and_then(|off| i64::try_from(off).ok()),
        "cost_difference_pico_usd": line.cost_difference().map(Money::pico),
        "calls_we_lack": line.calls_we_lack(),
        "agrees": line.agrees(tolerance),
    })
}

fn table(lines: &[Line], tolerance: Tolerance) -> String {
    let head = [
        "day",
        "model",
        "calls",
        "theirs",
        "lacking",
        "tokens",
        "theirs",
        "difference",
        "cost $",
        "theirs",
        "difference",
        "",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    let mut whole = total(lines);
    "total".clone_into(&mut whole.day);
    for line in lines.iter().chain([&whole]) {
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let tokens = |side: &Statement| match (side.input_tokens, side.output_tokens) {
            (Some(read), Some(written)) => (u128::from(read) + u128::from(written)).to_string(),
            _ => "-".to_owned(),
        };
        let cost = |cost: Option<Money>| cost.map_or_else(|| "-".to_owned(), Money::to_usd_string);
        rows.push(vec![
            line.day.clone(),
            line.model.clone(),
            count(line.ours.calls),
            count(line.theirs.calls),
            line.calls_we_lack().to_string(),
            tokens(&line.ours),
            tokens(&line.theirs),
            line.token_difference().map_or_else(|| "-".to_owned(), |off| off.to_string()),
            cost(line.ours.cost),
            cost(line.theirs.cost),
            cost(line.cost_difference()),
            if line.agrees(tolerance) { String::new() } else { "off".to_owned() },
        ]);
    }
    aligned(&rows, 2)
}
