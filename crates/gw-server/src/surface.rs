//! In whose words a path speaks: which shape its errors have.

use gw_core::seam::DialectId;
use http::{HeaderMap, Uri};

/// The manners of a group of paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    /// OpenAI's error objects.
    OpenAi,
    /// Anthropic's error objects and statuses.
    Anthropic,
    /// System A's `{error, ...}`.
    General,
}

impl Surface {
    /// The surface of a request, whether or not its path exists.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path();
        let path = path.strip_prefix("/v1").unwrap_or(path);
        if is_below(path, "/messages") {
            Self::Anthropic
        } else if is_below(path, "/chat/completions") {
            Self::OpenAi
        } else if is_below(path, "/models") {
            if headers.contains_key("anthropic-version") { Self::Anthropic } else { Self::OpenAi }
        } else {
            Self::General
        }
    }

    /// The dialect of its errors; `None` for system A's.
    pub(crate) const fn dialect(self) -> Option<DialectId> {
        match self {
            Self::OpenAi => Some(DialectId::OpenAiChat),
            Self::Anthropic => Some(DialectId::AnthropicMessages),
            Self::General => None,
        }
    }
}

fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
