//! Code compared without what does not run: comments, blank lines, white space.

/// The content of the first fenced block of a text.
pub(super) fn block(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("```")?;
    let (_, body) = after.split_once('\n')?;
    let (inside, _) = body.split_once("```")?;
    Some(inside)
}

/// True where two pieces of code are the same but for comments and white space. Indentation counts
/// by its depth order only, so that tabs and spaces compare.
pub fn same_code(one: &str, other: &str) -> bool {
    normalised(one) == normalised(other)
}

fn normalised(code: &str) -> Vec<(usize, String)> {
    let mut depths: Vec<usize> = vec![0];
    let mut lines = Vec::new();
    for line in code.lines() {
        let bare = without_comment(line);
        if bare.trim().is_empty() {
            continue;
        }
        let width = line.len() - line.trim_start().len();
        while depths.last().is_some_and(|last| *last > width) {
            depths.pop();
        }
        if depths.last().is_none_or(|last| *last < width) {
            depths.push(width);
        }
        lines.push((depths.len(), squeezed(bare)));
    }
    lines
}

/// The line up to a comment that begins outside quotes.
fn without_comment(line: &str) -> &str {
    let mut quote: Option<char> = None;
    let mut before = ' ';
    for (at, letter) in line.char_indices() {
        match (quote, letter) {
            (None, '"' | '\'' | '`') => quote = Some(letter),
            (Some(open), _) if letter == open && before != '\\' => quote = None,
            (None, '#') if before.is_whitespace() => return &line[..at],
            (None, '/') if line[at..].starts_with("//") && before != ':' => return &line[..at],
            _ => {}
        }
        before = letter;
    }
    line
}

/// The line without spaces that part nothing: one stays between two words.
fn squeezed(line: &str) -> String {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut kept = String::with_capacity(line.len());
    let mut has_gap = false;
    for letter in line.trim().chars() {
        if letter.is_whitespace() {
            has_gap = true;
            continue;
        }
        if has_gap && kept.chars().last().is_some_and(is_word) && is_word(letter) {
            kept.push(' ');
        }
        has_gap = false;
        kept.push(if letter == '\'' { '"' } else { letter });
    }
    kept
}
