//! What there is to choose from, and the shapes in which clients want it listed.
//!
//! One path serves them all; a client is told by its headers and query (measured per client).

use gw_catalog::{MatchedBy, Modality, Offering, Resolution};
use gw_core::Layer;
use gw_engine::Snapshot;
use http::HeaderMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::app::iso_instant;

/// A model that may be asked for by its id.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// `auto`, `L0`, or a catalogue id: `provider/model`.
    pub(super) id: String,
    /// The model in the provider's word.
    name: String,
    display_name: String,
    owner: String,
    layer: Option<Layer>,
    context_window: Option<u64>,
    max_output_tokens: Option<u64>,
    released_s: i64,
    sees: bool,
    calls_tools: bool,
    reasons: bool,
}

/// In whose words a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `{"object": "list", "data": [...]}`
    OpenAi,
    /// `{"data": [...], "has_more": ...}`
    Anthropic,
    /// `{"models": [{"name": "models/..."}]}`
    Google,
    /// `{"models": [{"slug": ...}]}`
    Codex,
    /// `{"models": [{"model": ..., "digest": ...}]}`
    Ollama,
}

impl Shape {
    /// The shape a client wants.
    pub(super) fn wanted(headers: &HeaderMap, is_codex: bool) -> Self {
        if is_codex {
            Self::Codex
        } else if headers.contains_key("anthropic-version") {
            Self::Anthropic
        } else if headers.contains_key("x-goog-api-key")
            || headers.contains_key("x-goog-api-client")
        {
            Self::Google
        } else {
            Self::OpenAi
        }
    }
}

/// Everything that can be asked for: the router, its layers, then the models of configured
/// providers in order of id.
pub(super) fn listed(snapshot: &Snapshot) -> Vec<Listed> {
    let mut models: Vec<Listed> = snapshot
        .catalog
        .offerings()
        .iter()
        .filter(|offering| offering.is_enabled && is_offered(snapshot, offering))
        .filter(|offering| {
            offering.capabilities.output.is_empty() || offering.capabilities.is_chat()
        })
        .map(|offering| Listed::of(offering))
        .collect();
    models.sort_by(|a, b| a.id.cmp(&b.id));
    let aliases: Vec<Listed> = snapshot
        .catalog
        .aliases()
        .into_iter()
        .filter_map(|(alias, stands_for)| Some(find(&models, stands_for)?.known_as(alias)))
        .collect();
    let layers =
        Layer::ALL.into_iter().filter(|layer| models.iter().any(|m| m.layer == Some(*layer)));
    let mut all = vec![Listed::standing_for("auto", "The router's choice", None)];
    all.extend(layers.map(|layer| {
        Listed::standing_for(
            layer.as_str(),
            &format!("The router's choice within {layer}"),
            Some(layer),
        )
    }));
    all.extend(aliases);
    all.append(&mut models);
    all
}

/// What Claude Code shows of a list: only ids that speak of Claude or Anthropic. Other models are
/// listed under [`ALIAS`], by which the doors of this dialect find them.
pub(super) fn aliased(models: Vec<Listed>) -> Vec<Listed> {
    let shown = |model: Listed| {
        let lower = model.id.to_ascii_lowercase();
        if lower.contains("claude") || lower.contains("anthropic") {
            return model;
        }
        Listed { id: format!("{ALIAS}{}", model.id), ..model }
    };
    models.into_iter().map(shown).collect()
}

/// What stands before the id of another maker's model for clients that show only Anthropic's.
const ALIAS: &str = "anthropic/";

/// The model that a client of Anthropic's dialect means: an id under the alias loses it, unless
/// Anthropic itself, or a provider that resells it, has a model of the whole name.
pub(super) fn unaliased<'a>(snapshot: &Snapshot, model: &'a str) -> &'a str {
    let Some(rest) = model.strip_prefix(ALIAS) else { return model };
    let is_known = |id: &str| match snapshot.catalog.resolve(id, &snapshot.provider_ids) {
        Resolution::NotFound { .. } | Resolution::Found { by: MatchedBy::Unlisted, .. } => false,
        Resolution::Found { .. } => true,
    };
    let is_router = rest == "auto" || rest.parse::<Layer>().is_ok();
    if is_router || (!is_known(model) && is_known(rest)) { rest } else { model }
}

/// True for a model of a configured provider that configuration allows.
pub(super) fn is_offered(snapshot: &Snapshot, offering: &Offering) -> bool {
    let provider = snapshot.providers.get(&offering.provider);
    provider.is_some_and(|provider| provider.allows(offering.name.as_str()))
}

/// The model of an id, by every name under which a call would find it listed.
pub(super) fn lookup(snapshot: &Snapshot, models: &[Listed], id: &str) -> Option<Listed> {
    if let Some(model) = find(models, id) {
        return Some(model.clone());
    }
    let bare = unaliased(snapshot, id);
    if bare != id {
        return lookup(snapshot, models, bare).map(|model| Listed { id: id.to_owned(), ..model });
    }
    match snapshot.catalog.resolve(id, &snapshot.provider_ids) {
        Resolution::Found { by: MatchedBy::Unlisted, .. } | Resolution::NotFound { .. } => None,
        found @ Resolution::Found { .. } => found.best().map(|offering| Listed::of(offering)),
    }
}

/// The model of an id: its catalogue id, or the provider's bare name for it.
fn find<'a>(models: &'a [Listed], id: &str) -> Option<&'a Listed> {
    let id = id.strip_prefix("models/").unwrap_or(id);
    models
        .iter()
        .find(|model| model.id == id)
        .or_else(|| models.iter().find(|model| model.name == id))
}

impl Listed {
    fn of(offering: &Offering) -> Self {
        let capabilities = &offering.capabilities;
        Self {
            id: offering.id(),
            name: offering.name.as_str().to_owned(),
            display_name: offering.display_name.clone(),
            owner: offering.provider.as_str().to_owned(),
            layer: offering.layer,
            context_window: offering.context_window,
            max_output_tokens: offering.max_output_tokens,
            released_s: offering.released.as_deref().and_then(midnight_s).unwrap_or(0),
            sees: capabilities.reads(Modality::Image),
            calls_tools: capabilities.tools,
            reasons: capabilities.reasoning,
        }
    }

    fn known_as(&self, alias: &str) -> Self {
        Self { id: alias.to_owned(), name: alias.to_owned(), ..self.clone() }
    }

    fn standing_for(id: &str, display_name: &str, layer: Option<Layer>) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            display_name: display_name.to_owned(),
            owner: "ai-mcp-gateway".to_owned(),
            layer,
            context_window: None,
            max_output_tokens: None,
            released_s: 0,
            sees: true,
            calls_tools: true,
            reasons: true,
        }
    }

    /// The entry in a shape. `place` is its place in the list.
    pub(super) fn entry(&self, shape: Shape, place: usize) -> Value {
        match shape {
            Shape::OpenAi => self.openai(),
            Shape::Anthropic => self.anthropic(),
            Shape::Google => self.google(),
            Shape::Codex => self.codex(place),
            Shape::Ollama => self.ollama(),
        }
    }

    /// `type` and `capabilities` are what Mistral's SDK wants of every entry.
    fn openai(&self) -> Value {
        json!({
            "id": self.id,
            "object": "model",
            "created": self.released_s,
            "owned_by": self.owner,
            "type": "base",
            "name": self.display_name,
            "layer": self.layer,
            "context_window": self.context_window,
            "max_output_tokens": self.max_output_tokens,
            "capabilities": {
                "completion_chat": true,
                "function_calling": self.calls_tools,
                "vision": self.sees,
            },
        })
    }

    fn anthropic(&self) -> Value {
        json!({
            "type": "model",
            "id": self.id,
            "display_name": self.display_name,
            "created_at": iso_instant(self.released_s.saturating_mul(1_000)),
        })
    }

    fn google(&self) -> Value {
        let mut entry = json!({
            "name": format!("models/{}", self.id),
            "displayName": self.display_name,
            "type": "model",
            "version": "1",
            "supportedGenerationMethods": ["generateContent", "countTokens"],
        });
        if let Some(limit) = self.context_window {
            entry["inputTokenLimit"] = json!(limit);
        }
        if let Some(limit) = self.max_output_tokens {
            entry["outputTokenLimit"] = json!(limit);
        }
        entry
    }

    /// An entry of `/api/tags`. No file stands behind it: the digest is that of its name, and it
    /// takes no room here.
    fn ollama(&self) -> Value {
        let released = iso_instant(self.released_s.saturating_mul(1_000));
        json!({
            "name": self.id,
            "model": self.id,
            "modified_at": released,
            "size": 0,
            "digest": self.digest(),
            "details": self.ollama_details(),
        })
    }

    fn digest(&self) -> String {
        blake3::hash(self.id.as_bytes()).to_hex().to_string()
    }

    fn ollama_details(&self) -> Value {
        json!({
            "parent_model": "", "format": "remote", "family": self.owner,
            "families": [self.owner], "parameter_size": "", "quantization_level": "",
        })
    }

    /// The answer of `/api/show`.
    pub(super) fn ollama_card(&self) -> Value {
        let abilities = [
            ("completion", true),
            ("tools", self.calls_tools),
            ("vision", self.sees),
            ("thinking", self.reasons),
        ];
        let abilities: Vec<&str> =
            abilities.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        let mut info = json!({
            "general.architecture": self.owner,
            "general.basename": self.name,
        });
        if let Some(window) = self.context_window {
            info[format!("{}.context_length", self.owner)] = json!(window);
        }
        json!({
            "modelfile": "", "parameters": "", "template": "{{ .Prompt }}", "license": "",
            "details": self.ollama_details(),
            "model_info": info,
            "capabilities": abilities,
            "modified_at": iso_instant(self.released_s.saturating_mul(1_000)),
        })
    }

    /// The least set of fields that Codex was seen to accept.
    fn codex(&self, place: usize) -> Value {
        let efforts: &[&str] = if self.reasons { &["low", "medium", "high"] } else { &[] };
        let levels: Vec<Value> = efforts
            .iter()
            .map(|effort| json!({"effort": effort, "description": format!("{effort} effort")}))
            .collect();
        json!({
            "slug": self.id,
            "type": "model",
            "display_name": self.display_name,
            "description": format!("{} through ai-mcp-gateway", self.display_name),
            "default_reasoning_level": self.reasons.then_some("medium"),
            "supported_reasoning_levels": levels,
            "shell_type": "shell_command",
            "visibility": "list",
            "supported_in_api": true,
            "priority": place,
            "base_instructions": BASE_INSTRUCTIONS,
            "supports_reasoning_summaries": self.reasons,
            "support_verbosity": false,
            "truncation_policy": {"mode": "tokens", "limit": 10_000},
            "supports_parallel_tool_calls": self.calls_tools,
            "context_window": self.context_window,
            "experimental_supported_tools": [],
        })
    }
}

const BASE_INSTRUCTIONS: &str = "You are a coding agent working in the user's terminal. Read before \
    you change, make the smallest change that does what was asked, check it by running it, and say \
    briefly what you did.";

fn midnight_s(date: &str) -> Option<i64> {
    let date: Date = date.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}
