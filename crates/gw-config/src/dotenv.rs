//! Reads `.env` files as the common readers do: `export`, comments, three kinds of quotes, values
//! over several lines, a byte order mark, any line ending. Nothing is expanded.

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Line where it begins, from 1.
    pub(crate) line: usize,
}

/// What a `.env` file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DotEnv {
    /// In order; of two with one name the later counts.
    pub(crate) variables: Vec<Variable>,
    /// Lines that make no sense, and why.
    pub(crate) odd_lines: Vec<(usize, &'static str)>,
    /// The line of a quote that is never closed.
    pub(crate) open_quote: Option<usize>,
}

/// Reads the text of a `.env` file.
pub(crate) fn parse(text: &str) -> DotEnv {
    let text =
        text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let mut found = DotEnv::default();
    let mut rest = text.as_str();
    let mut line = 1;
    while !rest.is_empty() {
        let (first, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let entry = first.trim_start();
        if entry.is_empty() || entry.starts_with('#') {
            (rest, line) = (after, line + 1);
            continue;
        }
        let Some((name, value_at)) = name(first) else {
            found.odd_lines.push((line, "is not NAME=value"));
            (rest, line) = (after, line + 1);
            continue;
        };
        let value = &rest[value_at..];
        let Some((value, used)) = value_of(value) else {
            found.open_quote = Some(line);
            return found;
        };
        found.variables.push(Variable { name: name.to_owned(), value, line });
        let used = &rest[..value_at + used];
        let tail = &rest[used.len()..];
        let (tail, next) = tail.split_once('\n').unwrap_or((tail, ""));
        let tail = tail.trim();
        if !tail.is_empty() && !tail.starts_with('#') {
            found.odd_lines.push((line, "has text after the closing quote, which is ignored"));
        }
        line += used.matches('\n').count() + 1;
        rest = next;
    }
    found
}

/// The name on a line, and where its value begins.
fn name(line: &str) -> Option<(&str, usize)> {
    let (before, _) = line.split_once('=')?;
    let value_at = before.len() + 1;
    let name = before.trim();
    let name = match name.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => name,
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well =
        name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    (starts_well && goes_on_well).then_some((name, value_at))
}

/// The value at the beginning of `text`, and how many bytes it takes; `None` for a quote that is
/// never closed.
fn value_of(text: &str) -> Option<(String, usize)> {
    let line_end = text.find('\n').unwrap_or(text.len());
    let line = &text[..line_end];
    let indent = line.len() - line.trim_start().len();
    let Some(quote) = line[indent..].chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))
    else {
        // A comment starts at a `#` that follows white space; `a#b` is a value.
        let value = &line[..comment_at(line).unwrap_or(line.len())];
        return Some((value.trim().to_owned(), line_end));
    };
    let body = &text[indent + 1..];
    if quote != '"' {
        let end = body.find(quote)?;
        return Some((body[..end].to_owned(), indent + 1 + end + 1));
    }
    let mut value = String::new();
    let mut chars = body.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, indent + 1 + at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$' | '`' | '\'') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    None
}

/// Where the first `#` after white space, or at the very beginning, stands.
fn comment_at(line: &str) -> Option<usize> {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && before.is_whitespace() {
            return Some(at);
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests;
