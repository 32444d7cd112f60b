//! `[providers]`: which are on, what they speak, where they are.

use std::collections::BTreeMap;

use gw_core::seam::DialectId;
use secrecy::ExposeSecret as _;
use url::Url;

use super::Resolver;
use crate::check::join;
use crate::secret::Secret;
use crate::section::defaults::Defaults;
use crate::section::provider::{Provider, RawProvider, Timeouts};
use crate::source::Source;
use crate::suggest;
use crate::well_known::{WELL_KNOWN, WellKnown, env_word, well_known};

/// The model that system A asks a local Ollama for.
const OLLAMA_MODEL: &str = "llama3:8b";

/// Variables that describe a provider without asking for it.
const DESCRIBING: &[&str] = &[
    "OSS_MODEL_ENDPOINT",
    "OSS_MODEL_NAME",
    "OLLAMA_HOST",
    "OPENAI_ORGANIZATION",
    "OPENAI_ORG_ID",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_LOCATION",
];

impl Resolver {
    pub(super) fn providers(
        &mut self,
        raw: BTreeMap<String, RawProvider>,
        timeouts: Timeouts,
        defaults: &Defaults,
    ) -> BTreeMap<String, Provider> {
        let mut providers = BTreeMap::new();
        for (id, raw) in raw {
            if let Some(provider) = self.provider(&id, raw, timeouts, defaults) {
                providers.insert(id, provider);
            }
        }
        providers
    }

    fn provider(
        &mut self,
        id: &str,
        raw: RawProvider,
        timeouts: Timeouts,
        defaults: &Defaults,
    ) -> Option<Provider> {
        let path = join("providers", id);
        if !is_id(id) {
            let message = format!("{path} is not an id that a provider can have");
            self.problem(&path, message, "use lower-case letters, digits, -, _ and .");
            return None;
        }
        let known = well_known(id);
        let Some(dialect) = raw.dialect.or(known.map(|known| known.dialect)) else {
            self.problem(&join(&path, "dialect"), no_dialect(id, &path), &dialect_fix(id));
            return None;
        };
        if let Some(url) = &raw.base_url {
            self.check_base_url(&join(&path, "base_url"), url, known);
        }
        let api_keys = self.api_keys(&path, raw.api_key.clone(), raw.api_keys.clone());
        self.check_headers(&join(&path, "headers"), &raw.headers);
        let enabled = self.is_on(id, &path, &raw, known, &api_keys);
        let mut headers = raw.headers;
        if dialect == DialectId::AnthropicMessages
            && let Some(version) = &defaults.anthropic_version
            && !headers.keys().any(|name| name.eq_ignore_ascii_case("anthropic-version"))
        {
            headers.insert("anthropic-version".to_owned(), Secret::new(version.clone()));
        }
        Some(Provider {
            enabled,
            dialect,
            base_url: raw.base_url,
            api_keys,
            headers,
            models_allow: raw.models_allow,
            models_deny: raw.models_deny,
            default_model: raw
                .default_model
                .or_else(|| (id == "ollama").then(|| OLLAMA_MODEL.to_owned())),
            timeouts: raw.timeouts.over(timeouts),
            organization: raw.organization,
            region: raw.region,
            project: raw.project,
            aws_access_key_id: raw.aws_access_key_id,
            aws_secret_access_key: raw.aws_secret_access_key,
            aws_session_token: raw.aws_session_token,
            service_account_file: raw.service_account_file,
            catalog: raw.catalog,
            is_free: raw.is_free.unwrap_or(known.is_some_and(|known| known.is_free)),
            quirks: raw.quirks,
        })
    }

    /// Whether a provider is on. One that was switched on and cannot work is a problem; one that
    /// merely appears somewhere is off.
    fn is_on(
        &mut self,
        id: &str,
        path: &str,
        raw: &RawProvider,
        known: Option<&WellKnown>,
        api_keys: &[Secret],
    ) -> bool {
        let has_key = !api_keys.is_empty() || raw.headers.keys().any(|name| is_auth(name));
        let has_cloud_key = raw.aws_access_key_id.is_some() || raw.service_account_file.is_some();
        // A cloud's credentials lie in many environments for other ends: they alone want nothing.
        let has_credentials = has_key || has_cloud_key;
        let needs_url = raw.base_url.is_none() && known.is_none_or(|known| known.needs_base_url);
        let needs_key = known.is_some_and(|known| known.needs_key && raw.base_url.is_none())
            && !has_credentials;
        let word = env_word(id);
        if raw.enabled == Some(false) {
            return false;
        }
        if raw.enabled == Some(true) || known.is_none() {
            if needs_url {
                let (key, fix) = (
                    join(path, "base_url"),
                    format!("set {path}.base_url{}", env_hint(known, &word, "BASE_URL")),
                );
                self.problem(&key, format!("{path} is on and has no base_url"), &fix);
            }
            if needs_key {
                let (key, fix) = (
                    join(path, "api_key"),
                    format!("set {path}.api_key{}", env_hint(known, &word, "API_KEY")),
                );
                self.problem(&key, format!("{path} is on and has no api_key"), &fix);
            }
            return true;
        }
        let is_cloud = known.is_some_and(|known| known.needs_key);
        let is_wanted = if is_cloud {
            has_key || (has_cloud_key && self.is_asked_for(path))
        } else {
            self.is_asked_for(path)
        };
        if is_wanted && needs_url {
            self.warning(
                path,
                format!("{path} has no base_url, so it is off; set {word}_BASE_URL"),
            );
            return false;
        }
        if !is_wanted && matches!(self.sources.get(path), Some(Source::File { .. })) {
            self.warning(path, format!("{path} has no api_key, so it is off; set {word}_API_KEY"));
        }
        is_wanted
    }

    /// Whether anything was set for the provider that means to use it.
    fn is_asked_for(&self, path: &str) -> bool {
        let inside = self.sources.iter().filter(|(key, _)| {
            key.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        inside.into_iter().any(|(_, source)| match source {
            Source::File { .. } | Source::Flag { .. } => true,
            Source::Env { name } | Source::DotEnv { name, .. } => {
                !DESCRIBING.contains(&name.as_ref())
            }
            Source::Default => false,
        })
    }

    fn api_keys(&mut self, path: &str, first: Option<Secret>, more: Vec<Secret>) -> Vec<Secret> {
        self.derive_source(&join(path, "api_keys"), &join(path, "api_key"));
        let keys: Vec<Secret> = first.into_iter().chain(more).collect();
        for key in &keys {
            if !key.expose_secret().chars().all(|c| c.is_ascii_graphic()) {
                let field = join(path, "api_key");
                self.problem(
                    &field,
                    format!("{field} has characters that a header cannot carry"),
                    "check for blanks or line breaks that were copied along",
                );
            }
        }
        keys
    }

    fn check_base_url(&mut self, key: &str, url: &str, known: Option<&WellKnown>) {
        // `OLLAMA_HOST=box:11434` and its like come without a scheme.
        if known.is_some_and(|known| !known.needs_key) && !url.contains("://") {
            let host = url.trim().trim_start_matches(':');
            if Url::parse(&format!("http://{host}")).is_ok() || host.parse::<u16>().is_ok() {
                return;
            }
        }
        self.check_url(key, url.trim(), "https://llm.example/v1");
    }

    fn check_headers(&mut self, path: &str, headers: &BTreeMap<String, Secret>) {
        for (name, value) in headers {
            let is_name = !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
            let value = value.expose_secret();
            if !is_name || value.chars().any(|c| c.is_ascii_control()) {
                let key = join(path, name);
                let message = format!("{key} cannot be an HTTP header");
                self.problem(&key, message, "names have no blanks, values no line breaks");
            }
        }
    }
}

fn env_hint(known: Option<&WellKnown>, word: &str, end: &str) -> String {
    if known.is_some() { format!(", or {word}_{end}") } else { String::new() }
}

fn no_dialect(id: &str, path: &str) -> String {
    format!("{path} has no dialect, and {id:?} is not a well-known provider")
}

fn dialect_fix(id: &str) -> String {
    let words = "add dialect = \"openai-chat\" or \"anthropic-messages\"";
    match suggest::nearest(id, WELL_KNOWN.iter().map(|known| known.id)) {
        Some(near) => format!("did you mean {near:?}? Otherwise {words}"),
        None => words.to_owned(),
    }
}

fn is_auth(header: &str) -> bool {
    ["authorization", "x-api-key", "api-key"].iter().any(|name| header.eq_ignore_ascii_case(name))
}

fn is_id(id: &str) -> bool {
    id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && id.len() <= 64
        && id
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}
