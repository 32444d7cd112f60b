//! On whose account a call goes beside its key's: tags and end users that clients name. They only add
//! accounts, so whoever names one more has one more budget to keep within.

use gw_core::limits::{CLIENT_ID_BYTES_MAX, CLIENT_TAGS_MAX};
use gw_core::principal::Principal;
use gw_core::{Error, Result};
use http::HeaderMap;
use serde_json::Value;

use crate::fields::client_id;

/// Headers that list tags, with commas between them: our own and LiteLLM's.
const TAGS: [&str; 2] = ["x-gateway-tags", "x-litellm-tags"];

/// Headers that name the end user: our own and LiteLLM's.
const END_USER: [&str; 2] = ["x-gateway-end-user", "x-litellm-end-user-id"];

/// Adds the accounts that the headers name.
///
/// # Errors
/// [`gw_core::Kind::InvalidRequest`] naming the header.
pub(crate) fn add_named(principal: &mut Principal, headers: &HeaderMap) -> Result<()> {
    for name in TAGS {
        for value in headers.get_all(name) {
            add_tags(principal, name, text(name, value)?)?;
        }
    }
    for name in END_USER {
        if let Some(value) = headers.get(name) {
            let id = text(name, value)?.trim();
            if !id.is_empty() {
                principal.end_user = Some(client_id(name, id)?.to_owned());
                break;
            }
        }
    }
    Ok(())
}

fn add_tags(principal: &mut Principal, name: &str, list: &str) -> Result<()> {
    for tag in list.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
        let tag = client_id(name, tag)?;
        if principal.tags.iter().any(|known| known == tag) {
            continue;
        }
        if principal.tags.len() >= CLIENT_TAGS_MAX {
            let message =
                format!("a call has {CLIENT_TAGS_MAX} tags at most, those of its key included");
            return Err(Error::bad_field(name, message));
        }
        principal.tags.push(tag.to_owned());
    }
    Ok(())
}

fn text<'a>(name: &str, value: &'a http::HeaderValue) -> Result<&'a str> {
    value.to_str().map_err(|_| Error::bad_field(name, format!("`{name}` must be plain ASCII")))
}

/// Takes the end user that a request's body names, unless a header did. What cannot be an account is
/// not taken: the field is the provider's, and the call is none the worse for it.
pub(crate) fn add_end_user(principal: &mut Principal, user: Option<&str>) {
    if principal.end_user.is_none() {
        principal.end_user = user.and_then(steady).filter(|id| client_id("user", id).is_ok());
    }
}

/// The part of a client's word for its user that stays the same from session to session: Claude Code
/// sends device, account and session in one, as JSON or joined by underscores.
fn steady(user: &str) -> Option<String> {
    let user = user.trim();
    if let Ok(Value::Object(parts)) = serde_json::from_str::<Value>(user) {
        let named = |name: &str| parts.get(name)?.as_str().filter(|id| !id.is_empty());
        return named("account_uuid").or_else(|| named("device_id")).map(str::to_owned);
    }
    let steady = match user.split_once("_session_") {
        Some((steady, _)) if user.starts_with("user_") => steady,
        _ => user,
    };
    (!steady.is_empty() && steady.len() <= CLIENT_ID_BYTES_MAX).then(|| steady.to_owned())
}

#[cfg(test)]
mod tests {
    use gw_core::principal::Principal;
    use http::{HeaderMap, HeaderValue};

    use super::{add_end_user, add_named};

    fn named(pairs: &[(&'static str, &str)]) -> gw_core::Result<Principal> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).expect("a value"));
        }
        let mut principal = Principal { tags: vec!["own".into()], ..Principal::default() };
        add_named(&mut principal, &headers).map(|()| principal)
    }

    #[test]
    fn tags_are_added_once_and_bounded() {
        let pairs = [("x-gateway-tags", "a, b,,own"), ("x-litellm-tags", "b,c")];
        assert_eq!(named(&pairs).expect("good").tags, ["own", "a", "b", "c"]);
        let many: Vec<String> = (0..100).map(|tag| tag.to_string()).collect();
        let error = named(&[("x-gateway-tags", &many.join(","))]).expect_err("too many");
        assert_eq!(error.field(), Some("x-gateway-tags"));
        let long = "x".repeat(1_000);
        assert!(named(&[("x-gateway-tags", &long)]).is_err());
    }

    #[test]
    fn the_header_names_the_end_user_before_the_body_does() {
        let mut principal = named(&[("x-gateway-end-user", " eve ")]).expect("good");
        add_end_user(&mut principal, Some("bob"));
        assert_eq!(principal.end_user.as_deref(), Some("eve"));
    }

    #[test]
    fn of_a_clients_user_the_steady_part_is_taken() {
        let check = |user: &str, expected: Option<&str>| {
            let mut principal = Principal::default();
            add_end_user(&mut principal, Some(user));
            assert_eq!(principal.end_user.as_deref(), expected, "{user}");
        };
        check("bob", Some("bob"));
        check(r#"{"device_id":"d1","account_uuid":"","session_id":"s"}"#, Some("d1"));
        check(r#"{"device_id":"d1","account_uuid":"a1","session_id":"s"}"#, Some("a1"));
        check("user_abc_account_def_session_123", Some("user_abc_account_def"));
        check("my_session_7", Some("my_session_7"));
        check("", None);
        check("{}", None);
        check(&"x".repeat(1_000), None);
        check("a\u{7}b", None);
    }
}
