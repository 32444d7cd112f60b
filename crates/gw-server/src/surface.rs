//! In whose words a path speaks: which shape its errors have.

use gw_core::seam::DialectId;
use http::{HeaderMap, Method, Uri};

/// The manners of a group of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    /// OpenAI's error objects.
    OpenAi,
    /// Anthropic's error objects and statuses.
    Anthropic,
    /// Google's error objects.
    Gemini,
    /// Ollama's `{error}`.
    Ollama,
    /// Cohere's `{message}`.
    Cohere,
    /// System A's `{error, ...}`.
    General,
}

/// Methods of Google's API that stand behind a model's name.
const GOOGLE_METHODS: [&str; 5] = [
    ":generateContent",
    ":streamGenerateContent",
    ":countTokens",
    ":embedContent",
    ":batchEmbedContents",
];

/// Roots of OpenAI's paths, without the version.
const OPENAI: [&str; 9] = [
    "/chat/completions",
    "/responses",
    "/embeddings",
    "/moderations",
    "/images",
    "/audio",
    "/files",
    "/batches",
    "/realtime",
];

impl Surface {
    /// The surface of a request with its method: only Google's clients post to a model.
    pub(crate) fn of_request(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path().strip_prefix("/v1").unwrap_or(uri.path());
        match Self::of(uri, headers) {
            Self::OpenAi if method == Method::POST && path.starts_with("/models/") => Self::Gemini,
            surface => surface,
        }
    }

    /// The surface of an address, whether or not its path exists.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path();
        if is_below(path, "/v1beta") {
            return Self::Gemini;
        }
        if is_below(path, "/api") && path != "/api/hello" {
            return Self::Ollama;
        }
        if is_below(path, "/v2") || ["/rerank", "/v1/rerank"].contains(&path) {
            return Self::Cohere;
        }
        let path = path.strip_prefix("/v1").unwrap_or(path);
        if is_below(path, "/messages") {
            Self::Anthropic
        } else if OPENAI.iter().any(|root| is_below(path, root)) {
            Self::OpenAi
        } else if is_below(path, "/models") {
            Self::of_models(path, headers)
        } else {
            Self::General
        }
    }

    /// One path serves the lists of several makers; a client is told by its headers.
    fn of_models(path: &str, headers: &HeaderMap) -> Self {
        if headers.contains_key("anthropic-version") {
            Self::Anthropic
        } else if is_google(path, headers) {
            Self::Gemini
        } else {
            Self::OpenAi
        }
    }

    /// The dialect of its errors; `None` for system A's.
    pub(crate) const fn dialect(self) -> Option<DialectId> {
        match self {
            Self::OpenAi => Some(DialectId::OpenAiChat),
            Self::Anthropic => Some(DialectId::AnthropicMessages),
            Self::Gemini => Some(DialectId::Gemini),
            Self::Ollama => Some(DialectId::Ollama),
            Self::Cohere => Some(DialectId::CohereChat),
            Self::General => None,
        }
    }
}

/// True for what a client of Google's API asks below `/models`.
fn is_google(path: &str, headers: &HeaderMap) -> bool {
    // The colon may come escaped.
    let method = |name: &&str| {
        let before = path.strip_suffix(&name[1..]).unwrap_or_default();
        before.ends_with(':') || before.ends_with("%3A") || before.ends_with("%3a")
    };
    GOOGLE_METHODS.iter().any(method)
        || headers.contains_key("x-goog-api-key")
        || headers.contains_key("x-goog-api-client")
}

fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
