//! The one table of error kinds: what each is called in every dialect and on every surface.
//!
//! Sources: OpenAI "Error codes" guide, Anthropic "Errors" page, google.rpc.Code, JSON-RPC 2.0
//! section 5.1. Statuses that decide how real clients retry were measured (402 for money, 529 for
//! overload on the Anthropic surface).

use crate::error::{Origin, Retry};

/// What a kind is called, everywhere.
#[derive(Debug)]
pub struct Row {
    /// The kind's stable name in logs, records and `error.code`.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// HTTP status on the Anthropic surface, where its clients expect another.
    pub anthropic_status: u16,
    /// OpenAI `error.type`.
    pub openai_type: &'static str,
    /// Anthropic `error.type`.
    pub anthropic_type: &'static str,
    /// Gemini `error.status` (google.rpc.Code).
    pub gemini_status: &'static str,
    /// JSON-RPC error code.
    pub json_rpc_code: i32,
    /// Exit code of the CLI.
    pub exit_code: u8,
    /// Who is at fault unless the error says otherwise.
    pub origin: Origin,
    /// What may be tried next unless the error says otherwise.
    pub retry: Retry,
    /// True where the client's own retry can help; false sends `x-should-retry: false`.
    pub client_may_retry: bool,
    /// One line for the reference page.
    pub doc: &'static str,
}

const SAME: Retry = Retry::Same { after_ms: None };

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident: $code:literal, $status:literal / $anthropic_status:literal,
        $openai:literal, $anthropic:literal, $gemini:literal, $rpc:literal, exit $exit:literal,
        $origin:ident, $retry:expr, $client_may_retry:literal, $text:literal;)+) => {
        /// What went wrong, for branching.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $text] $kind),+
        }

        impl Kind {
            /// Every kind, in table order.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The kind's row.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$kind => &Row {
                        code: $code,
                        status: $status,
                        anthropic_status: $anthropic_status,
                        openai_type: $openai,
                        anthropic_type: $anthropic,
                        gemini_status: $gemini,
                        json_rpc_code: $rpc,
                        exit_code: $exit,
                        origin: Origin::$origin,
                        retry: $retry,
                        client_may_retry: $client_may_retry,
                        doc: $text,
                    }),+
                }
            }
        }
    };
}

kinds! {
    InvalidJson: "invalid_json", 400 / 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", -32700, exit 2, Client, Retry::No, false, "The body is not JSON.";
    InvalidRequest: "invalid_request", 400 / 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", -32602, exit 2, Client, Retry::No, false, "A field is missing, of the wrong type or out of range.";
    UnsupportedFeature: "unsupported_feature", 400 / 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", -32602, exit 2, Client, Retry::Next, false, "The chosen model or provider cannot do what the request asks.";
    ContextTooLong: "context_length_exceeded", 400 / 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", -32602, exit 2, Client, Retry::Next, false, "The prompt does not fit the model's context window.";
    ContentFiltered: "content_filter", 400 / 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", -32602, exit 2, Provider, Retry::No, false, "The provider's filter refused the prompt.";
    Unauthenticated: "invalid_api_key", 401 / 401, "authentication_error", "authentication_error", "UNAUTHENTICATED", -32001, exit 4, Client, Retry::No, false, "No key, or one that is not known here.";
    BudgetExhausted: "budget_exhausted", 402 / 402, "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED", -32002, exit 5, Client, Retry::No, false, "The budget cannot pay for this call.";
    Forbidden: "forbidden", 403 / 403, "permission_error", "permission_error", "PERMISSION_DENIED", -32003, exit 4, Client, Retry::No, false, "The key may not do this.";
    NotFound: "not_found", 404 / 404, "invalid_request_error", "not_found_error", "NOT_FOUND", -32601, exit 2, Client, Retry::No, false, "No such path or object.";
    ModelNotFound: "model_not_found", 404 / 404, "invalid_request_error", "not_found_error", "NOT_FOUND", -32602, exit 2, Client, Retry::Next, false, "No configured provider offers that model.";
    MethodNotAllowed: "method_not_allowed", 405 / 405, "invalid_request_error", "invalid_request_error", "UNIMPLEMENTED", -32601, exit 2, Client, Retry::No, false, "The path exists, the method does not.";
    Conflict: "conflict", 409 / 409, "invalid_request_error", "invalid_request_error", "FAILED_PRECONDITION", -32602, exit 2, Client, Retry::No, false, "What is asked for contradicts what is defined.";
    RequestTimeout: "request_timeout", 408 / 408, "timeout_error", "timeout_error", "DEADLINE_EXCEEDED", -32000, exit 1, Client, Retry::No, true, "The request body did not arrive in time.";
    PayloadTooLarge: "payload_too_large", 413 / 413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT", -32600, exit 2, Client, Retry::No, false, "The body is over the size limit.";
    UnsupportedMediaType: "unsupported_media_type", 415 / 415, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", -32600, exit 2, Client, Retry::No, false, "The content type or encoding of the body is not understood.";
    RateLimited: "rate_limit_exceeded", 429 / 429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", -32029, exit 6, Client, Retry::No, true, "Too many requests or tokens for a limit set here.";
    Cancelled: "cancelled", 499 / 499, "server_error", "api_error", "CANCELLED", -32800, exit 130, Client, Retry::No, false, "The caller left before the answer was whole.";
    ProviderRejected: "provider_rejected", 400 / 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", -32602, exit 2, Provider, Retry::No, false, "The provider refused the request as malformed.";
    ProviderAuth: "provider_auth", 502 / 502, "server_error", "api_error", "FAILED_PRECONDITION", -32004, exit 4, Provider, Retry::Next, false, "The provider refused the gateway's own key.";
    ProviderBilling: "provider_billing", 402 / 402, "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED", -32004, exit 5, Provider, Retry::Next, false, "The gateway's account at the provider is out of credit.";
    ProviderRateLimited: "provider_rate_limited", 429 / 429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", -32029, exit 6, Provider, SAME, true, "The provider limits the gateway's rate.";
    ProviderOverloaded: "provider_overloaded", 503 / 529, "server_error", "overloaded_error", "UNAVAILABLE", -32005, exit 6, Provider, SAME, true, "The provider has no capacity now.";
    ProviderFailed: "provider_failed", 502 / 502, "server_error", "api_error", "INTERNAL", -32005, exit 6, Provider, SAME, true, "The provider answered with a failure of its own.";
    ProviderUnreachable: "provider_unreachable", 502 / 502, "server_error", "api_error", "UNAVAILABLE", -32005, exit 6, Provider, SAME, true, "No connection to the provider, or it broke.";
    ProviderTimeout: "provider_timeout", 504 / 504, "server_error", "timeout_error", "DEADLINE_EXCEEDED", -32005, exit 6, Provider, Retry::Next, true, "The provider was silent for too long.";
    ProviderMalformed: "provider_malformed", 502 / 502, "server_error", "api_error", "INTERNAL", -32005, exit 6, Provider, SAME, true, "The provider's answer breaks its own format.";
    ProviderTooLarge: "provider_too_large", 502 / 502, "server_error", "api_error", "INTERNAL", -32005, exit 6, Provider, Retry::Next, false, "The provider's answer is over the size limit.";
    NotCached: "not_cached", 504 / 504, "invalid_request_error", "invalid_request_error", "FAILED_PRECONDITION", -32007, exit 2, Client, Retry::No, false, "Only an answer from the cache was wanted, and there is none.";
    NoCandidate: "no_candidate", 503 / 529, "server_error", "overloaded_error", "UNAVAILABLE", -32005, exit 6, Gateway, Retry::No, true, "No model that may answer is healthy or configured.";
    StoreUnavailable: "store_unavailable", 503 / 503, "server_error", "api_error", "UNAVAILABLE", -32006, exit 6, Store, Retry::No, true, "The gateway's store does not answer.";
    ShuttingDown: "shutting_down", 503 / 529, "server_error", "overloaded_error", "UNAVAILABLE", -32006, exit 6, Gateway, Retry::No, true, "The gateway is stopping.";
    NotConfigured: "not_configured", 501 / 501, "invalid_request_error", "invalid_request_error", "UNIMPLEMENTED", -32601, exit 3, Gateway, Retry::No, false, "This needs configuration that is not there.";
    Internal: "internal_error", 500 / 500, "server_error", "api_error", "INTERNAL", -32603, exit 1, Gateway, Retry::No, true, "A fault of the gateway.";
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        for (at, kind) in Kind::ALL.iter().enumerate() {
            let row = kind.row();
            assert!((400..600).contains(&row.status), "{kind:?}");
            assert!(row.exit_code != 0, "{kind:?}");
            assert!(Kind::ALL[..at].iter().all(|other| other.row().code != row.code), "{kind:?}");
        }
    }
}
