//! Joins base addresses and paths, however the base was written.
//!
//! People give the address with or without `/v1`, with a trailing slash, or as the whole endpoint
//! (system B's `API_ENDPOINT`); all of them mean the same place.

use gw_core::seam::DialectId;

/// Endings of a base address that name an endpoint rather than a base.
const ENDPOINTS: [&str; 4] =
    ["/chat/completions", "/responses", "/messages/count_tokens", "/messages"];

/// The address of `path` at a provider.
///
/// A query in the base (`?api-version=…`) stays at the end. An OpenAI-style base without a path gets
/// `/v1`; an Anthropic base works with and without it, a Gemini base with and without its version, an
/// Ollama base also with the `/v1` of its OpenAI side.
pub fn endpoint(dialect: DialectId, base_url: &str, path: &str) -> String {
    let (base, query) = match base_url.trim().split_once('?') {
        Some((base, query)) => (base, query),
        None => (base_url.trim(), ""),
    };
    let base = base.trim_end_matches('/');
    let (root, is_whole) = match ENDPOINTS.iter().find_map(|ending| base.strip_suffix(ending)) {
        Some(root) => (root.trim_end_matches('/'), true),
        None => (base, false),
    };
    let path = path.trim_start_matches('/');
    let joined = match dialect {
        DialectId::OpenAiChat | DialectId::OpenAiResponses => {
            let path = path.strip_prefix("v1/").unwrap_or(path);
            // A whole endpoint is taken at its word: Perplexity has no /v1.
            let version = if !is_whole && has_no_path(root) { version_of(root) } else { "" };
            format!("{root}{version}/{path}")
        }
        // Vertex AI: all up to `/models` stands in the base.
        DialectId::AnthropicMessages if root.contains("/publishers/") => format!("{root}/{path}"),
        DialectId::AnthropicMessages => {
            let root = root.strip_suffix("/v1").unwrap_or(root);
            let path = path.strip_prefix("v1/").unwrap_or(path);
            format!("{root}/v1/{path}")
        }
        DialectId::Gemini => {
            let root = root.strip_suffix("/models").unwrap_or(root);
            let version = if has_google_version(root) { "" } else { "/v1beta" };
            format!("{root}{version}/{path}")
        }
        DialectId::Ollama => {
            let root =
                root.strip_suffix("/v1").or_else(|| root.strip_suffix("/api")).unwrap_or(root);
            format!("{root}/{path}")
        }
        DialectId::CohereChat => {
            let root = ["/v2/chat", "/v2", "/v1"].iter().find_map(|end| root.strip_suffix(end));
            format!("{}/{path}", root.unwrap_or(base))
        }
        DialectId::BedrockConverse => format!("{root}/{path}"),
    };
    if query.is_empty() { joined } else { format!("{joined}?{query}") }
}

/// Where a provider's calls that are no chats go, with `{path}` for the path of each. A base that
/// names the endpoint of chats stands for what is before it.
pub fn operations_endpoint(dialect: DialectId, base_url: &str) -> String {
    let base_url = base_url.trim();
    let (base, query) = base_url.split_once('?').unwrap_or((base_url, ""));
    let base = base.trim_end_matches('/');
    let root = ENDPOINTS.iter().find_map(|ending| base.strip_suffix(ending)).unwrap_or(base);
    let root = root.trim_end_matches('/');
    let whole = if query.is_empty() { root.to_owned() } else { format!("{root}?{query}") };
    endpoint(dialect, &whole, "/{path}")
}

/// What an OpenAI-style base without a path lacks; Azure's resources have it one level lower.
fn version_of(root: &str) -> &'static str {
    if root.ends_with(".azure.com") { "/openai/v1" } else { "/v1" }
}

/// True for a Google base that holds its version (`…/v1beta`) or, at Vertex AI, all up to `/models`
/// (`…/publishers/google`).
fn has_google_version(base: &str) -> bool {
    let last = base.rsplit('/').next().unwrap_or_default();
    let is_version =
        last.strip_prefix('v').is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
    is_version || base.contains("/publishers/")
}

fn has_no_path(base: &str) -> bool {
    let after_scheme = base.split_once("://").map_or(base, |(_, rest)| rest);
    !after_scheme.contains('/')
}

/// Fills in scheme and port from `default` where `given` has no scheme.
pub(super) fn complete(given: &str, default: &str) -> String {
    let given = given.trim();
    if given.is_empty() || given.contains("://") {
        return given.to_owned();
    }
    let (scheme, rest) = default.split_once("://").unwrap_or(("http", default));
    let default_port = rest.split('/').next().and_then(|host| host.rsplit_once(':'));
    let (host, path) = given.split_at(given.find('/').unwrap_or(given.len()));
    // An address in brackets has colons of its own.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let host = match host.strip_prefix(':') {
        Some(port) => format!("localhost:{port}"),
        None => host.to_owned(),
    };
    // The address that a server listens on everywhere by is not one to call.
    let host = match host.strip_prefix("0.0.0.0") {
        Some(port) => format!("localhost{port}"),
        None => host,
    };
    match default_port {
        Some((_, port)) if !has_port => format!("{scheme}://{host}:{port}{path}"),
        _ => format!("{scheme}://{host}{path}"),
    }
}
