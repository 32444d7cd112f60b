//! `usage`: what was used and what it cost, from the store of this configuration or from a running
//! gateway.

mod export;
mod reconcile;

use std::sync::Arc;

use anyhow::Result;
use gw_catalog::price_text::instant_to_ms;
use gw_config::Purpose;
use gw_core::record::{CallRecord, UsageBy, UsageGroup, UsageQuery};
use gw_core::seam::UsageReports;
use gw_core::{CallId, Error, Kind, Money, usage_report};
use http::Method;
use serde_json::{Value, json};

use crate::assemble;
use crate::cli::{ReportArgs, UsageArgs, UsageCommand};
use crate::output::Output;
use crate::remote::Remote;
use crate::setup::Setup;

const DAY_MS: i64 = 86_400_000;

/// Whom a report asks.
pub(crate) enum Ledger {
    /// A running gateway.
    Remote(Box<Remote>),
    /// The store of this configuration.
    Local(Arc<dyn UsageReports>),
}

/// Runs the command.
pub(crate) async fn run(args: &UsageArgs, setup: &Setup, output: Output) -> Result<()> {
    match &args.command {
        Some(UsageCommand::Call { id }) => call(id, &ledger(setup).await?, output).await,
        Some(UsageCommand::Reconcile(args)) => {
            let ledger = ledger(setup).await?;
            reconcile::run(args, &ledger, output).await
        }
        None => report(&args.report, &ledger(setup).await?, output).await,
    }
}

async fn ledger(setup: &Setup) -> Result<Ledger> {
    if let Some(remote) = setup.remote()? {
        return Ok(Ledger::Remote(Box::new(remote)));
    }
    let loaded = setup.load(Purpose::Other, &[])?;
    Ok(Ledger::Local(assemble::store(&loaded.settings).await?.reports))
}

impl Ledger {
    /// Groups, and their whole.
    ///
    /// # Errors
    /// A store or a gateway that does not answer.
    async fn usage(&self, query: UsageQuery) -> Result<(Vec<UsageGroup>, UsageGroup)> {
        match self {
            Self::Local(reports) => {
                let whole = UsageQuery { by: Vec::new(), ..query.clone() };
                let total = reports.usage(whole).await?.into_iter().next().unwrap_or_default();
                Ok((reports.usage(query).await?, total))
            }
            Self::Remote(remote) => {
                let answer = remote.admin(Method::GET, &path_of(&query), None).await?;
                let groups = answer["groups"].as_array().into_iter().flatten();
                let groups = groups.map(|group| group_of(&query.by, group)).collect();
                Ok((groups, group_of(&[], &answer["total"])))
            }
        }
    }
}

async fn report(args: &ReportArgs, ledger: &Ledger, output: Output) -> Result<()> {
    let query = query(args)?;
    let by = query.by.clone();
    let (groups, total) = ledger.usage(query).await?;
    if args.csv {
        return output.write(&usage_report::to_csv(&by, &groups));
    }
    if output.is_json() {
        let words: Vec<&str> = by.iter().map(|by| by.as_str()).collect();
        return output.json(&json!({
            "by": words,
            "groups": usage_report::to_json(&by, &groups),
            "total": usage_report::object(&[], &total),
        }));
    }
    output.write(&table(&by, &groups, &total))
}

fn query(args: &ReportArgs) -> Result<UsageQuery> {
    let by = args.by.iter().map(|word| word.parse()).collect::<Result<Vec<UsageBy>, Error>>()?;
    let instant = |flag: &str, text: &Option<String>| -> Result<Option<i64>> {
        let Some(text) = text else { return Ok(None) };
        let at_ms = instant_to_ms(text).ok_or_else(|| {
            Error::bad_field(flag, format!("`{text}` is no date"))
                .with_hint("Write it as 2026-11-21 or 2026-11-21T18:00:00Z.")
        })?;
        let is_end_of_day = flag == "--to" && text.trim().len() == 10;
        Ok(Some(if is_end_of_day { at_ms.saturating_add(DAY_MS) } else { at_ms }))
    };
    Ok(UsageQuery {
        by,
        from_ms: instant("--from", &args.from)?,
        until_ms: instant("--to", &args.to)?,
        model_id: args.model.clone(),
        layer: args.layer,
        provider: args.provider.clone(),
        key_id: args.key.clone(),
        team_id: args.team.clone(),
        user_id: args.user.clone(),
        project_id: args.project.clone(),
        tag: args.tag.clone(),
    })
}

fn path_of(query: &UsageQuery) -> String {
    let instant = |ms: Option<i64>| ms.and_then(gw_catalog::price_text::ms_to_instant);
    let by: Vec<&str> = query.by.iter().map(|by| by.as_str()).collect();
    let fields = [
        ("by", Some(by.join(","))),
        ("from", instant(query.from_ms)),
        ("to", instant(query.until_ms)),
        ("model", query.model_id.clone()),
        ("layer", query.layer.map(|layer| layer.as_str().to_owned())),
        ("provider", query.provider.clone()),
        ("key", query.key_id.clone()),
        ("team", query.team_id.clone()),
        ("user", query.user_id.clone()),
        ("project", query.project_id.clone()),
        ("tag", query.tag.clone()),
    ];
    let said = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let query: Vec<String> =
        said.map(|(name, value)| format!("{name}={}", escaped(&value))).collect();
    format!("/admin/v1/usage?{}", query.join("&"))
}

/// A text inside the query of an address.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Reads what [`usage_report::object`] writes.
fn group_of(by: &[UsageBy], object: &Value) -> UsageGroup {
    let count = |name: &str| object[name].as_u64().unwrap_or(0);
    let money = |name: &str| Money::from_pico(object[name].as_i64().unwrap_or(0));
    let key = |by: &UsageBy| object[by.as_str()].as_str().unwrap_or_default().to_owned();
    UsageGroup {
        key: by.iter().map(key).collect(),
        calls: count("calls"),
        failed_calls: count("failed_calls"),
        cached_calls: count("cached_calls"),
        unpriced_calls: count("unpriced_calls"),
        input_tokens: count("input_tokens"),
        cache_read_tokens: count("cache_read_tokens"),
        cache_write_tokens: count("cache_write_tokens"),
        output_tokens: count("output_tokens"),
        reasoning_tokens: count("reasoning_tokens"),
        cost: money("cost_pico_usd"),
        duration_ms: count("duration_ms"),
        compared_calls: count("compared_calls"),
        compared_cost: money("compared_cost_pico_usd"),
        baseline: money("baseline_pico_usd"),
        prompt_cache_saved: money("prompt_cache_saved_pico_usd"),
        response_cache_saved: money("response_cache_saved_pico_usd"),
    }
}

fn table(by: &[UsageBy], groups: &[UsageGroup], total: &UsageGroup) -> String {
    const NUMBERS: [&str; 8] =
        ["calls", "failed", "unpriced", "input", "cached", "output", "cost $", "saved $"];
    let mut rows: Vec<Vec<String>> = vec![
        by.iter().map(|by| by.as_str().to_owned()).chain(NUMBERS.map(str::to_owned)).collect(),
    ];
    let row = |key: Vec<String>, group: &UsageGroup| -> Vec<String> {
        let numbers = [
            group.calls.to_string(),
            group.failed_calls.to_string(),
            group.unpriced_calls.to_string(),
            group.input_tokens.to_string(),
            group.cache_read_tokens.to_string(),
            group.output_tokens.to_string(),
            group.cost.to_usd_string(),
            group.saved().to_usd_string(),
        ];
        key.into_iter().chain(numbers).collect()
    };
    let shown = |key: &String| if key.is_empty() { "-".to_owned() } else { key.clone() };
    rows.extend(groups.iter().map(|group| row(group.key.iter().map(shown).collect(), group)));
    if !by.is_empty() {
        let mut key = vec![String::new(); by.len()];
        "total".clone_into(&mut key[0]);
        rows.push(row(key, total));
    }
    let mut text = aligned(&rows, by.len());
    if total.compared_calls > 0 {
        text.push_str(&format!(
            "always the top layer: {} instead of {} for {} calls; {} of what was saved is the \
             providers' prompt caches\n",
            total.baseline, total.compared_cost, total.compared_calls, total.prompt_cache_saved,
        ));
    }
    if total.cached_calls > 0 {
        text.push_str(&format!(
            "{} calls answered from the response cache, where models had cost {}\n",
            total.cached_calls, total.response_cache_saved,
        ));
    }
    if total.unpriced_calls > 0 {
        text.push_str(&format!("{} calls have no known price\n", total.unpriced_calls));
    }
    text
}

/// Columns side by side; the first `words` to the left, numbers to the right.
pub(crate) fn aligned(rows: &[Vec<String>], words: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|it| it.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(at, (cell, width))| {
                    if at < words { format!("{cell:width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

async fn call(id: &str, ledger: &Ledger, output: Output) -> Result<()> {
    let unknown = || {
        Error::new(Kind::NotFound, format!("no call `{id}` is kept"))
            .with_hint("The id stands in the x-gateway-call-id header of the answer.")
    };
    let known = CallId::parse(id).ok_or_else(unknown)?;
    let call: CallRecord = match ledger {
        Ledger::Local(reports) => reports.call(known).await?.ok_or_else(unknown)?,
        Ledger::Remote(remote) => {
            let path = format!("/admin/v1/usage/calls/{known}");
            let answer = remote.admin(Method::GET, &path, None).await?;
            serde_json::from_value(answer)?
        }
    };
    if output.is_json() {
        return output.json(&serde_json::to_value(&call)?);
    }
    output.write(&call_words(&call))
}

fn call_words(call: &CallRecord) -> String {
    let amount = |cost: &gw_core::Cost| match cost {
        gw_core::Cost::Priced { amount, source } => {
            let source = serde_json::to_value(source).unwrap_or_default();
            format!("{amount} ({})", source.as_str().unwrap_or_default())
        }
        gw_core::Cost::Unpriced { reason } => format!("unpriced: {reason}"),
    };
    let scopes: Vec<String> = call.scopes.iter().map(ToString::to_string).collect();
    let lines = [
        ("call", call.id.to_string()),
        ("began", gw_catalog::price_text::ms_to_instant(call.started_at_ms).unwrap_or_default()),
        ("door", call.door.clone()),
        ("asked for", call.requested_model.clone()),
        ("answered", call.model_id.clone()),
        ("layer", call.layer.map_or("-", |layer| layer.as_str()).to_owned()),
        ("why", call.route_reason.clone()),
        ("status", call.status.as_str().to_owned()),
        ("accounts", scopes.join(" ")),
        ("cost", amount(&call.cost)),
        ("top layer", call.savings.baseline.map_or_else(|| "-".to_owned(), |it| it.to_string())),
    ];
    let mut text: String =
        lines.iter().map(|(name, value)| format!("{name:10} {value}\n")).collect();
    let head = ["attempt", "status", "read", "cached", "written", "ms", "cost"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    rows.extend(call.attempts.iter().map(|attempt| {
        vec![
            format!("{}/{}", attempt.provider, attempt.model),
            attempt.status.as_str().to_owned(),
            attempt.usage.total_input().to_string(),
            attempt.usage.total_cache_read().to_string(),
            attempt.usage.total_output().to_string(),
            attempt.duration_ms.to_string(),
            amount(&attempt.cost),
        ]
    }));
    text.push_str(&aligned(&rows, 2));
    text
}
