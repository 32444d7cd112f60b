//! How names and addresses of many servers are kept apart, and how they are read back.
//!
//! A prefix can be taken off again without a table, so that what a client kept from earlier still
//! finds its server.

/// Between a server's name and a tool's. LLM APIs allow no dots or colons in names.
const BETWEEN: &str = "__";

/// Longest name that the protocol allows, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Before the address of a resource of a server.
const SCHEME: &str = "gateway://";

/// Before the host of an interface resource, whose scheme clients look at.
const UI: &str = "ui://";
const UI_HOST: &str = "gateway.";

/// A name with its server's before it.
pub(crate) fn prefixed(server: &str, name: &str) -> String {
    let whole = format!("{server}{BETWEEN}{name}");
    if whole.len() <= NAME_BYTES_MAX {
        return whole;
    }
    let digest = blake3::hash(name.as_bytes()).to_hex();
    let mut short: String = String::new();
    for c in whole.chars() {
        if short.len() + c.len_utf8() > NAME_BYTES_MAX - 9 {
            break;
        }
        short.push(c);
    }
    format!("{short}_{}", &digest[..8])
}

/// The id of a tool, as the five tools call it.
pub(crate) fn tool_id(server: &str, tool: &str) -> String {
    format!("{server}::{tool}")
}

/// The server and the tool of an id. Only the first `::` parts them.
pub(crate) fn split_id(id: &str) -> Option<(&str, &str)> {
    let (server, tool) = id.split_once("::")?;
    (!server.is_empty() && !tool.is_empty()).then_some((server, tool))
}

/// The address of a server's resource with its server in it.
pub(crate) fn prefixed_uri(server: &str, uri: &str) -> String {
    match uri.strip_prefix(UI) {
        Some(rest) => format!("{UI}{UI_HOST}{server}/{rest}"),
        None => format!("{SCHEME}{server}/{uri}"),
    }
}

/// The server and the resource of an address made by [`prefixed_uri`].
pub(crate) fn split_uri(uri: &str) -> Option<(&str, String)> {
    if let Some(rest) = uri.strip_prefix(SCHEME) {
        let (server, own) = rest.split_once('/')?;
        return Some((server, own.to_owned()));
    }
    let rest = uri.strip_prefix(UI)?.strip_prefix(UI_HOST)?;
    let (server, own) = rest.split_once('/')?;
    Some((server, format!("{UI}{own}")))
}

/// A task's id with its server in it.
pub(crate) fn prefixed_task(server: &str, task: &str) -> String {
    format!("{server}:{task}")
}

/// The server and the task of an id made by [`prefixed_task`].
pub(crate) fn split_task(task: &str) -> Option<(&str, &str)> {
    task.split_once(':')
}

/// True where an address could have been made from a template (RFC 6570, expressions taken as "any
/// text").
pub(crate) fn fits_template(template: &str, uri: &str) -> bool {
    let mut literals = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        literals.push(before);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    literals.push(rest);
    let Some(mut left) = uri.strip_prefix(literals[0]) else { return false };
    if literals.len() == 1 {
        return left.is_empty();
    }
    let last = literals[literals.len() - 1];
    for literal in &literals[1..literals.len() - 1] {
        match left.find(literal) {
            Some(at) => left = &left[at + literal.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert_eq, proptest};

    use super::{fits_template, prefixed, prefixed_uri, split_id, split_uri};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn an_address_comes_back(server in "[a-z][a-z0-9_-]{0,12}", uri in "(ui|file|test|https)://[ -~]{0,40}") {
            let exposed = prefixed_uri(&server, &uri);
            prop_assert_eq!(uri.starts_with("ui://"), exposed.starts_with("ui://"));
            prop_assert_eq!(split_uri(&exposed), Some((server.as_str(), uri)));
        }
    }

    #[test]
    fn names_with_colons_and_long_names_survive() {
        assert_eq!(split_id("a::b::c"), Some(("a", "b::c")));
        assert_eq!(split_id("a:b"), None);
        let (one, other) = (prefixed("s", &"x".repeat(200)), prefixed("s", &"x".repeat(201)));
        assert!(one.len() <= 128 && one != other);
    }

    #[test]
    fn templates_fit_what_they_make() {
        assert!(fits_template("test://template/{id}/data", "test://template/7/data"));
        assert!(!fits_template("test://template/{id}/data", "test://template/7/date"));
        assert!(fits_template("file:///{+path}", "file:///a/b"));
        assert!(!fits_template("test://a", "test://ab"));
    }
}
