//! What each pair of formats does with each feature, found out by asking: a request with the feature
//! is written in the client's format, read as its door reads it, written for the provider, and read
//! again. `docs/features.md` is what was found; a feature that gets lost without a notice is an error.

mod asked;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gw_core::chat::{ChatRequest, NoticeAction};
use gw_core::seam::{DialectId, Quirks, Target};
use gw_core::{Error, Kind};

use asked::{FEATURES, Feature};

/// What becomes of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    /// The client's format cannot ask for it.
    Unasked,
    /// Said in the provider's format, or passed on byte by byte.
    Exact,
    /// Reached by other means; a warning header says how.
    Emulated,
    /// Left out; a warning header says so.
    Dropped,
    /// Refused with an error that names the field.
    Refused,
}

impl Cell {
    const fn word(self) -> &'static str {
        match self {
            Self::Unasked => "",
            Self::Exact => "exact",
            Self::Emulated => "emulated",
            Self::Dropped => "dropped, says so",
            Self::Refused => "refused",
        }
    }
}

/// The model of each format, so that encoders that look at names know what it can do.
fn model_of(provider: DialectId) -> &'static str {
    match provider {
        DialectId::AnthropicMessages => "claude-sonnet-4-5",
        DialectId::Gemini => "gemini-2.5-pro",
        DialectId::BedrockConverse => "us.anthropic.claude-sonnet-4-5-v1:0",
        _ => "model",
    }
}

/// A provider that takes everything its format can say.
fn generous() -> Quirks {
    Quirks {
        reasoning_field: "reasoning_content".to_owned(),
        reasoning_details: true,
        cache_control: true,
        ..Quirks::default()
    }
}

/// The request as a client of this format sends it, read as its door reads it; `None` where the
/// format cannot ask for the feature.
fn asked_by(client: DialectId, feature: &Feature) -> Option<ChatRequest> {
    let wish = (feature.ask)(client)?;
    let quirks = generous();
    let model = model_of(client);
    let target = Target { model, quirks: &quirks, max_output_tokens: Some(64_000) };
    let dialect = gw_dialect::dialect(client);
    let wire = dialect.encode_request(&wish, &target).ok()?;
    let mut read = dialect.decode_request(&wire.body).ok()?;
    if read.model.is_empty() {
        read.model = model.to_owned();
    }
    (feature.holds)(&read).then_some(read)
}

/// What the provider's format makes of it.
fn cell(client: DialectId, provider: DialectId, feature: &Feature) -> Result<Cell, String> {
    let Some(request) = asked_by(client, feature) else { return Ok(Cell::Unasked) };
    if client == provider {
        // Bytes pass.
        return Ok(Cell::Exact);
    }
    let quirks = generous();
    let model = model_of(provider);
    let target = Target { model, quirks: &quirks, max_output_tokens: Some(64_000) };
    let dialect = gw_dialect::dialect(provider);
    let place = || format!("{} of {client} for {provider}", feature.name);
    let wire = match dialect.encode_request(&request, &target) {
        Ok(wire) => wire,
        Err(error) if error.kind() == Kind::UnsupportedFeature && error.field().is_some() => {
            return Ok(Cell::Refused);
        }
        Err(error) => return Err(format!("{}: an error that names no field: {error}", place())),
    };
    let has = |action| wire.notices.iter().any(|notice| notice.action == action);
    if has(NoticeAction::Emulated) {
        return Ok(Cell::Emulated);
    }
    if has(NoticeAction::Dropped) {
        return Ok(Cell::Dropped);
    }
    let again = dialect.decode_request(&wire.body);
    let again = again.map_err(|error: Error| format!("{}: is not read back: {error}", place()))?;
    if (feature.holds)(&again) {
        return Ok(Cell::Exact);
    }
    let body = String::from_utf8_lossy(&wire.body).into_owned();
    Err(format!("{}: lost without a notice: {body}", place()))
}

/// The page, and what gets lost in silence.
pub(crate) fn page() -> (String, Vec<String>) {
    let mut text = String::from(
        "# Features\n\n\
         What a client's request becomes at a provider of each format. Made by asking: every cell is \
         a request that was read, written and read again (`cargo run -p xtask -- docs`).\n\n\
         - **exact**: said in the provider's own format; between equal formats the bytes pass\n\
         - **emulated**: reached by other means; `x-gateway-warning` says how\n\
         - **dropped, says so**: left out; `x-gateway-warning` names the field\n\
         - **refused**: an error that names the field\n\
         - empty: the client's format cannot ask for it\n\n\
         Chat completions stand for a provider that takes thoughts back and knows cache marks; what a \
         given one lacks is in `providers.toml` and is named the same way.\n",
    );
    let mut lost = Vec::new();
    let mut sums: BTreeMap<Cell, usize> = BTreeMap::new();
    for client in DialectId::ALL {
        let _ = writeln!(text, "\n## Clients of {client}\n");
        let providers: Vec<&str> = DialectId::ALL.iter().map(|it| it.as_str()).collect();
        let _ = writeln!(text, "| feature | {} |", providers.join(" | "));
        let _ = writeln!(text, "| --- |{}", " --- |".repeat(providers.len()));
        for feature in FEATURES {
            let mut cells = Vec::new();
            for provider in DialectId::ALL {
                match cell(client, provider, feature) {
                    Ok(cell) => {
                        *sums.entry(cell).or_default() += 1;
                        cells.push(cell.word());
                    }
                    Err(why) => {
                        lost.push(why);
                        cells.push("LOST");
                    }
                }
            }
            let _ = writeln!(text, "| {} | {} |", feature.name, cells.join(" | "));
        }
    }
    let sum = |cell| sums.get(&cell).copied().unwrap_or(0);
    let _ = writeln!(
        text,
        "\n{} exact, {} emulated, {} dropped with a warning, {} refused, {} lost in silence.",
        sum(Cell::Exact),
        sum(Cell::Emulated),
        sum(Cell::Dropped),
        sum(Cell::Refused),
        lost.len(),
    );
    (text, lost)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_gets_lost_in_silence() {
        let (_, lost) = super::page();
        assert!(lost.is_empty(), "{}", lost.join("\n"));
    }
}
