//! From configured providers to providers that can be called.

mod cloud;

use std::collections::HashMap;
use std::sync::Arc;

use gw_config::section::provider::Provider as Configured;
use gw_core::seam::{Clock, DialectId, Quirks, Upstream};
use gw_core::{Error, Kind, ProviderId, Result};
use gw_dialect::providers::{Auth, ProviderSpec, endpoint, operations_endpoint, spec};
use gw_engine::provider::ModelFilter;
use gw_engine::{Credential, Operations, Provider};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

/// Makes a configured provider callable.
///
/// # Errors
/// [`Kind::NotConfigured`] naming the configuration key that is missing or wrong.
pub(crate) fn provider(
    id: &str,
    configured: &Configured,
    anthropic_version: Option<&str>,
    upstream: &Arc<dyn Upstream>,
    clock: &Arc<dyn Clock>,
) -> Result<Provider> {
    let spec = known(id, configured);
    let key = |field: &str| format!("providers.{id}.{field}");
    let signer = cloud::signer(id, configured, &spec, clock)?;
    let base_url = match &configured.base_url {
        Some(given) => spec.complete_base_url(given),
        None => spec.default_base_url.clone(),
    };
    if base_url.is_empty() {
        return Err(Error::new(Kind::NotConfigured, format!("provider `{id}` has no address"))
            .with_field(key("base_url"))
            .with_hint(format!("Set {} to the address of its API.", key("base_url"))));
    }
    let base_url = cloud::filled(id, configured, &spec, &base_url, &signer)?;
    let dialect = gw_dialect::dialect(configured.dialect);
    let quirks = quirks(configured, &spec, &key)?;
    let path = if quirks.anthropic_vertex { "/{path}" } else { path_of(configured) };
    Ok(Provider {
        id: ProviderId::from(id),
        display_name: spec.display_name.clone(),
        url: endpoint(configured.dialect, &base_url, path),
        operations: operations(&spec, configured.dialect, &base_url),
        models_url: spec
            .models_path
            .as_deref()
            .map(|path| endpoint(configured.dialect, &base_url, path)),
        credentials: match &signer {
            Some(_) => Vec::new(),
            None => credentials(id, configured, &spec)?,
        },
        headers: headers(configured, &spec, anthropic_version, &key)?,
        quirks,
        timeouts: configured.timeouts.into(),
        upstream: cloud::way_out(upstream, signer),
        is_local: configured.is_free || spec.is_local,
        is_demo: false,
        model_filter: model_filter(configured),
        dialect,
    })
}

/// How a provider's calls that are no chats are said, and where they go.
fn operations(spec: &ProviderSpec, dialect: DialectId, base_url: &str) -> Operations {
    use gw_core::operation::OperationKind as K;
    let known = spec.operations();
    let each = [
        (known.embeddings, &[K::Embeddings][..]),
        (known.rerank, &[K::Rerank]),
        (known.moderations, &[K::Moderations]),
        (known.images, &[K::Images, K::ImageEdits]),
        (known.audio, &[K::Speech, K::Transcriptions, K::Translations]),
    ];
    let mut formats = HashMap::new();
    for (id, kinds) in each {
        let Some(id) = id else { continue };
        let format = gw_dialect::operation::format(id);
        formats.extend(kinds.iter().map(|kind| (*kind, Arc::clone(&format))));
    }
    Operations { url: operations_endpoint(dialect, base_url), formats }
}

/// The shipped facts about a provider, or those of any endpoint of its dialect.
pub(crate) fn known(id: &str, configured: &Configured) -> ProviderSpec {
    spec(id)
        .filter(|spec| spec.dialect == configured.dialect)
        .cloned()
        .unwrap_or_else(|| ProviderSpec::custom(id, configured.dialect))
}

fn path_of(configured: &Configured) -> &'static str {
    match configured.dialect {
        DialectId::OpenAiChat => "/chat/completions",
        DialectId::AnthropicMessages => "/v1/messages",
        DialectId::OpenAiResponses => "/responses",
        // The path of a call names the model or the kind of call: the engine fills it in.
        DialectId::Gemini
        | DialectId::Ollama
        | DialectId::CohereChat
        | DialectId::BedrockConverse => "/{path}",
    }
}

fn model_filter(configured: &Configured) -> Option<ModelFilter> {
    if configured.models_allow.is_empty() && configured.models_deny.is_empty() {
        return None;
    }
    let configured = configured.clone();
    Some(Box::new(move |name| configured.allows_model(name)))
}

fn credentials(id: &str, configured: &Configured, spec: &ProviderSpec) -> Result<Vec<Credential>> {
    let Some((header, prefix)) = spec.auth.header() else { return Ok(Vec::new()) };
    let needs_key = spec.auth != Auth::None && !spec.key_is_optional && !configured.is_free;
    if configured.api_keys.is_empty() && needs_key {
        let name =
            spec.key_env.first().cloned().unwrap_or_else(|| format!("providers.{id}.api_key"));
        return Err(Error::new(Kind::NotConfigured, format!("provider `{id}` has no key"))
            .with_field(format!("providers.{id}.api_key"))
            .with_hint(format!("Set {name}, or providers.{id}.enabled = false.")));
    }
    let numbered = configured.api_keys.iter().enumerate();
    Ok(numbered
        .map(|(at, secret)| Credential {
            name: if at == 0 { id.to_owned() } else { format!("{id}#{}", at + 1) },
            header: HeaderName::from_static(header),
            prefix,
            secret: secret.clone().into_inner(),
        })
        .collect())
}

fn headers(
    configured: &Configured,
    spec: &ProviderSpec,
    anthropic_version: Option<&str>,
    key: &dyn Fn(&str) -> String,
) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let mut put = |name: &str, value: &str, is_secret: bool| -> Result<()> {
        let field = || key(&format!("headers.{name}"));
        let name: HeaderName = name.parse().map_err(|_| {
            Error::bad_field(field(), format!("`{name}` is not the name of a header"))
        })?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| Error::bad_field(field(), "holds characters no header can carry"))?;
        value.set_sensitive(is_secret);
        headers.insert(name, value);
        Ok(())
    };
    for (name, value) in &spec.headers {
        put(name, value, false)?;
    }
    if let Some(version) = anthropic_version
        && spec.headers.contains_key("anthropic-version")
    {
        put("anthropic-version", version, false)?;
    }
    if let Some(organization) = &configured.organization {
        put("openai-organization", organization, false)?;
    }
    for (name, value) in &configured.headers {
        put(name, value.expose_secret(), true)?;
    }
    Ok(headers)
}

/// The shipped quirks with those of configuration over them.
fn quirks(
    configured: &Configured,
    spec: &ProviderSpec,
    key: &dyn Fn(&str) -> String,
) -> Result<Quirks> {
    let mut merged = serde_json::to_value(&spec.quirks).unwrap_or_default();
    if let Some(object) = merged.as_object_mut() {
        object.extend(configured.quirks.clone());
    }
    serde_json::from_value(merged)
        .map_err(|error| Error::bad_field(key("quirks"), format!("is not understood: {error}")))
}
