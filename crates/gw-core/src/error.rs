//! The one error that crosses crates.
//!
//! It answers two questions apart: *what do we do* ([`Kind`], [`Retry`]) and *what do we say*
//! (`message`, `hint`, `field`). Statuses and dialect words come from [`crate::error_table`].

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::ids::ProviderId;
use crate::seam::DialectId;

pub use crate::error_table::Kind;

/// Who is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The caller.
    Client,
    /// This program.
    Gateway,
    /// An LLM provider.
    Provider,
    /// A durable or hot store.
    Store,
}

/// What may be tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: every other candidate would refuse as well.
    No,
    /// The same candidate again, after at least this many milliseconds; then the next one.
    Same {
        /// Least wait, from `Retry-After` where the provider gave one.
        after_ms: Option<u64>,
    },
    /// Another candidate; this one will not do better.
    Next,
}

/// A failure, with what to do and what to say.
#[derive(Clone)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Clone)]
struct Inner {
    kind: Kind,
    origin: Origin,
    retry: Retry,
    message: String,
    field: Option<String>,
    hint: Option<String>,
    provider: Option<ProviderId>,
    retry_after_ms: Option<u64>,
    upstream: Option<UpstreamAnswer>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// A provider's own words when it refused, kept so that a client of the same dialect sees them
/// unchanged.
#[derive(Clone, Debug)]
pub struct UpstreamAnswer {
    /// HTTP status, 0 for an error inside a stream.
    pub status: u16,
    /// The dialect of the body.
    pub dialect: DialectId,
    /// The body, cut at [`crate::limits::ERROR_BODY_BYTES_MAX`].
    pub body: Bytes,
}

impl Error {
    /// A failure of this kind; origin and retry verdict start from the kind's row in the table.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        let row = kind.row();
        Self {
            inner: Box::new(Inner {
                kind,
                origin: row.origin,
                retry: row.retry,
                message: message.into(),
                field: None,
                hint: None,
                provider: None,
                retry_after_ms: None,
                upstream: None,
                source: None,
            }),
        }
    }

    /// A request that is wrong in one field; `field` is a path such as `messages[2].content`.
    pub fn bad_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidRequest, message).with_field(field)
    }

    /// A request that contradicts in one field what is defined.
    pub fn conflict(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message).with_field(field)
    }

    /// A broken invariant of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.inner.field = Some(field.into());
        self
    }

    /// Says how to mend it: one sentence, shown to the caller.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.inner.hint = Some(hint.into());
        self
    }

    /// Names the provider that failed.
    #[must_use]
    pub fn with_provider(mut self, provider: ProviderId) -> Self {
        self.inner.provider = Some(provider);
        self
    }

    /// Overrides the retry verdict.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.inner.retry = retry;
        self
    }

    /// Tells the client when to come back, in milliseconds.
    #[must_use]
    pub fn with_retry_after_ms(mut self, retry_after_ms: u64) -> Self {
        self.inner.retry_after_ms = Some(retry_after_ms);
        if let Retry::Same { after_ms } = &mut self.inner.retry {
            *after_ms = Some(retry_after_ms);
        }
        self
    }

    /// Keeps the provider's own words.
    #[must_use]
    pub fn with_upstream(mut self, upstream: UpstreamAnswer) -> Self {
        self.inner.upstream = Some(upstream);
        self
    }

    /// Keeps the cause, for the log.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.inner.source = Some(Arc::new(source));
        self
    }

    /// The kind, for branching.
    pub fn kind(&self) -> Kind {
        self.inner.kind
    }

    /// Who is at fault.
    pub fn origin(&self) -> Origin {
        self.inner.origin
    }

    /// What may be tried next.
    pub fn retry(&self) -> Retry {
        self.inner.retry
    }

    /// What happened, safe to show to the caller.
    pub fn message(&self) -> &str {
        &self.inner.message
    }

    /// The field at fault.
    pub fn field(&self) -> Option<&str> {
        self.inner.field.as_deref()
    }

    /// How to mend it.
    pub fn hint(&self) -> Option<&str> {
        self.inner.hint.as_deref()
    }

    /// The provider that failed.
    pub fn provider(&self) -> Option<&ProviderId> {
        self.inner.provider.as_ref()
    }

    /// When to come back, in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        self.inner.retry_after_ms
    }

    /// The provider's own words.
    pub fn upstream(&self) -> Option<&UpstreamAnswer> {
        self.inner.upstream.as_ref()
    }

    /// Message, field and hint in one text, for dialects whose errors hold a single string.
    pub fn full_message(&self) -> String {
        let mut text = self.inner.message.clone();
        if let Some(field) = &self.inner.field
            && !text.contains(field.as_str())
        {
            text = format!("{field}: {text}");
        }
        if let Some(hint) = &self.inner.hint {
            text.push_str(if text.ends_with('.') { " " } else { ". " });
            text.push_str(hint);
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.full_message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        f.debug_struct("Error")
            .field("kind", &inner.kind)
            .field("message", &inner.message)
            .field("field", &inner.field)
            .field("provider", &inner.provider)
            .field("retry", &inner.retry)
            .field("source", &inner.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
