//! System B's one provider (`API_FORMAT`, `API_KEY`, `API_ENDPOINT`) as an entry of `providers`.

use std::collections::BTreeMap;

use gw_core::seam::DialectId;
use url::Url;

use super::Resolver;
use crate::section::defaults::Defaults;
use crate::section::endpoint::{Endpoint, EndpointFormat};
use crate::section::provider::RawProvider;

/// The id where the address belongs to no well-known provider.
const DEFAULT_ID: &str = "default";

impl Resolver {
    pub(super) fn endpoint(
        &mut self,
        endpoint: &Endpoint,
        providers: &mut BTreeMap<String, RawProvider>,
        defaults: &mut Defaults,
    ) {
        let Some(api_key) = &endpoint.api_key else {
            for key in ["endpoint.url", "endpoint.format"] {
                if let Some(source) = self.sources.get(key) {
                    let name = source.variable().unwrap_or(key).to_owned();
                    self.warning(key, format!("{name} has no effect without API_KEY"));
                }
            }
            return;
        };
        let dialect = match endpoint.format {
            EndpointFormat::Openai => DialectId::OpenAiChat,
            EndpointFormat::Anthropic => DialectId::AnthropicMessages,
        };
        let url = match &endpoint.url {
            Some(url) => {
                let Some(checked) = self.check_url("endpoint.url", url, "https://llm.example/v1")
                else {
                    return;
                };
                Some(checked)
            }
            None => None,
        };
        let known = well_known_at(dialect, url.as_ref().and_then(Url::host_str));
        // A key that the well-known provider has already is another account: both stay.
        let is_free = |id: &&str| {
            providers.get(*id).is_none_or(|other| {
                other.api_key.is_none() && other.api_keys.is_empty() && other.base_url.is_none()
            })
        };
        let id = known.filter(is_free).unwrap_or(DEFAULT_ID);
        let organization = providers.get("openai").and_then(|openai| openai.organization.clone());
        let provider = providers.entry(id.to_owned()).or_default();
        provider.api_key = Some(api_key.clone());
        provider.dialect.get_or_insert(dialect);
        if provider.base_url.is_none() {
            let usual = (id == DEFAULT_ID).then(|| usual_address(dialect).to_owned());
            provider.base_url = endpoint.url.clone().or(usual);
        }
        if id == DEFAULT_ID {
            provider.catalog = provider.catalog.take().or_else(|| known.map(str::to_owned));
            if dialect == DialectId::OpenAiChat && provider.organization.is_none() {
                provider.organization = organization;
            }
        }
        self.derive_source(&format!("providers.{id}.api_keys"), "endpoint.api_key");
        self.derive_source(&format!("providers.{id}.base_url"), "endpoint.url");
        self.derive_source(&format!("providers.{id}.dialect"), "endpoint.format");
        if defaults.provider.is_none() {
            defaults.provider = Some(id.to_owned());
            self.derive_source("defaults.provider", "endpoint.api_key");
        }
    }
}

/// The provider whose address this is; without an address, the format's own.
fn well_known_at(dialect: DialectId, host: Option<&str>) -> Option<&'static str> {
    match (dialect, host) {
        (DialectId::OpenAiChat, None | Some("api.openai.com")) => Some("openai"),
        (DialectId::OpenAiChat, Some("openrouter.ai")) => Some("openrouter"),
        (DialectId::AnthropicMessages, None | Some("api.anthropic.com")) => Some("anthropic"),
        _ => None,
    }
}

/// System B's default for `API_ENDPOINT`.
fn usual_address(dialect: DialectId) -> &'static str {
    match dialect {
        DialectId::OpenAiChat | DialectId::OpenAiResponses => "https://api.openai.com/v1",
        DialectId::AnthropicMessages => "https://api.anthropic.com",
        DialectId::Gemini => "https://generativelanguage.googleapis.com",
        DialectId::Ollama => "http://localhost:11434",
        DialectId::CohereChat => "https://api.cohere.com",
        DialectId::BedrockConverse => "https://bedrock-runtime.us-east-1.amazonaws.com",
    }
}
