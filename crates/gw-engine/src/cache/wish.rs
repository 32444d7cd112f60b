//! What a client may say about the cache: `cache-control` as in RFC 9111 section 5.2.1, and the
//! `cache` object of LiteLLM's request bodies.

use gw_core::limits::CACHE_WORD_BYTES_MAX;
use gw_core::{Error, Result};
use serde_json::{Map, Value};

use crate::call::Call;

/// The member of a body that is about the cache.
const FIELD: &str = "cache";

/// LiteLLM's words in it.
const WORDS: [&str; 8] =
    ["no-cache", "no-store", "ttl", "s-maxage", "s-max-age", "max-age", "namespace", "use-cache"];

/// What a client says about the cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheWish {
    /// A model shall answer; the answer may be kept.
    pub no_cache: bool,
    /// The answer is not to be kept.
    pub no_store: bool,
    /// An answer from the cache, or none.
    pub only_if_cached: bool,
    /// True asks for the cache where it is used on request only.
    pub use_cache: bool,
    /// Oldest answer accepted, in seconds.
    pub max_age_s: Option<u64>,
    /// How long the answer may be kept, in seconds.
    pub ttl_s: Option<u64>,
    /// Keeps answers apart from those under other names.
    pub namespace: Option<String>,
}

impl CacheWish {
    /// Reads a `cache-control` header. Unknown directives are passed over, as the RFC wants it.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`] for a `max-age` that is no number of seconds.
    pub fn from_header(text: &str) -> Result<Self> {
        let mut wish = Self::default();
        for directive in text.split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => wish.no_cache = true,
                "no-store" => wish.no_store = true,
                "only-if-cached" => wish.only_if_cached = true,
                "max-age" => {
                    let seconds = value.trim().trim_matches('"').parse().map_err(|_| {
                        Error::bad_field("cache-control", "`max-age` must be a number of seconds")
                    })?;
                    wish.max_age_s = Some(seconds);
                }
                _ => {}
            }
        }
        Ok(wish)
    }

    /// How long the answer may be kept, in milliseconds, where the client says so.
    pub(super) fn ttl_ms(&self) -> Option<u64> {
        self.ttl_s.map(|seconds| seconds.saturating_mul(1_000))
    }

    /// Adds what LiteLLM's object says.
    fn add(&mut self, object: &Map<String, Value>) -> Result<()> {
        let is_true = |name: &str| object.get(name).and_then(Value::as_bool) == Some(true);
        let seconds = |name: &str| match object.get(name).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                let field = format!("{FIELD}.{name}");
                Error::bad_field(field, format!("`{FIELD}.{name}` must be a number of seconds"))
            }),
        };
        self.no_cache |= is_true("no-cache");
        self.no_store |= is_true("no-store");
        self.use_cache |= is_true("use-cache");
        self.ttl_s = seconds("ttl")?.or(self.ttl_s);
        for name in ["s-maxage", "s-max-age", "max-age"] {
            self.max_age_s = seconds(name)?.or(self.max_age_s);
        }
        match object.get("namespace").filter(|value| !value.is_null()) {
            None => {}
            Some(Value::String(name)) if name.len() <= CACHE_WORD_BYTES_MAX => {
                self.namespace = Some(name.clone());
            }
            Some(_) => {
                let message =
                    format!("`cache.namespace` is a text of {CACHE_WORD_BYTES_MAX} bytes");
                return Err(Error::bad_field("cache.namespace", message));
            }
        }
        Ok(())
    }
}

/// What the call's client wishes. The body's object is about the gateway and goes no further: no
/// provider knows it.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`] naming the member.
pub(super) fn take(call: &mut Call) -> Result<CacheWish> {
    let mut wish = call.inbound.context.cache.clone();
    let extra = &mut call.inbound.request.extra;
    let Some(Value::Object(object)) = extra.fields.get(FIELD) else { return Ok(wish) };
    // An object of other words is the provider's business.
    if object.keys().all(|word| WORDS.contains(&word.as_str())) {
        wish.add(object)?;
        extra.fields.remove(FIELD);
        call.is_edited = true;
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};
    use serde_json::json;

    use super::CacheWish;

    #[test]
    fn directives_are_read_in_any_case_and_unknown_ones_passed_over() {
        let wish = CacheWish::from_header("No-Store, max-stale=5 , MAX-AGE=\"60\"").expect("reads");
        assert!(wish.no_store && !wish.no_cache && !wish.only_if_cached);
        assert_eq!(wish.max_age_s, Some(60));
        assert_eq!(CacheWish::from_header("").expect("reads"), CacheWish::default());
        for wrong in ["max-age", "max-age=", "max-age=-1", "max-age=soon"] {
            let error = CacheWish::from_header(wrong).expect_err("is refused");
            assert_eq!(error.field(), Some("cache-control"), "{wrong}");
        }
    }

    #[test]
    fn the_object_of_litellm_adds_to_the_header() {
        let mut wish = CacheWish::from_header("no-cache").expect("reads");
        let object = json!({"no-store": true, "ttl": 9, "s-maxage": 7, "namespace": "n"});
        wish.add(object.as_object().expect("is one")).expect("reads");
        assert!(wish.no_cache && wish.no_store);
        assert_eq!((wish.ttl_ms(), wish.max_age_s), (Some(9_000), Some(7)));
        assert_eq!(wish.namespace.as_deref(), Some("n"));
        let wrong = json!({"ttl": "soon"});
        let error = wish.add(wrong.as_object().expect("is one")).expect_err("is refused");
        assert_eq!(error.field(), Some("cache.ttl"));
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(text in ".{0,60}") {
            if let Err(error) = CacheWish::from_header(&text) {
                prop_assert!(text.to_ascii_lowercase().contains("max-age"), "{error:?}");
            }
        }
    }
}
