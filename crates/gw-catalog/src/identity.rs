//! Which model a provider's name means: one identity for all who offer it.
//!
//! Pure rules over names: vendor paths, regions, snapshot dates and sale variants (`:free`) are
//! taken off; version numbers get the maker's own spelling. Distinct weights keep distinct
//! identities (`mistral-large-2411`, `kimi-k2-0905`).

/// Vendors that cloud catalogues write before a dot.
const VENDORS: &[&str] = &[
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "xai",
    "zai",
];

/// Regions that Bedrock writes before the vendor.
const REGIONS: &[&str] = &["us", "eu", "jp", "au", "apac", "global", "us-gov", "ca"];

/// Families by the beginning of the identity, with the catalogue provider of the maker.
const MAKERS: &[(&str, &str)] = &[
    ("claude", "anthropic"),
    ("gpt-oss", ""),
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("codex-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-3", "openai"),
    ("gemini", "gemini"),
    ("grok", "xai"),
    ("mistral", "mistral"),
    ("ministral", "mistral"),
    ("magistral", "mistral"),
    ("codestral", "mistral"),
    ("devstral", "mistral"),
    ("pixtral", "mistral"),
    ("voxtral", "mistral"),
    ("open-mi", "mistral"),
    ("deepseek", "deepseek"),
    ("command-", "cohere"),
    ("sonar", "perplexity"),
    ("kimi", "moonshotai"),
    ("moonshot", "moonshotai"),
    ("glm", "zhipuai"),
    ("minimax", "minimax"),
    ("voyage", "voyageai"),
];

/// Families whose versions some providers write with a dash (`grok-4-1-fast` for `grok-4.1-fast`).
const DOTTED: &[&str] = &["grok-", "glm-", "llama-", "mistral-medium-", "mistral-small-"];

/// Beginnings of identities that their makers present as good at code.
const CODERS: &[&str] = &[
    "claude",
    "gpt-4.1",
    "gpt-5",
    "gpt-oss",
    "o3",
    "o4",
    "gemini-2.5-pro",
    "gemini-3",
    "deepseek",
    "kimi-k2",
    "kimi-k3",
    "glm-4.5",
    "glm-4.6",
    "glm-4.7",
    "glm-5",
    "grok-4",
    "grok-build",
    "minimax-m",
    "qwen3.5",
    "qwen3.6",
    "qwen3.7",
    "qwen3.8",
    "mistral-medium",
    "mistral-large",
];

/// The identity of a model that a catalogue provider calls `name`.
pub fn identity(catalog_provider: &str, name: &str) -> String {
    let lower = name.trim().to_ascii_lowercase();
    let last = lower.trim_start_matches('~').rsplit('/').next().unwrap_or_default();
    let last = last.split('@').next().unwrap_or_default();
    let (mut text, is_cloud_name) = without_vendor(last);
    let has_revision = is_cloud_name && text.contains(':');
    text = without_variant(&text);
    if has_revision || ["claude-", "nova-", "titan-"].iter().any(|start| text.starts_with(start)) {
        text = without_revision(&text).to_owned();
    }
    loop {
        let shorter = without_suffix(catalog_provider, &text);
        if shorter.len() == text.len() || shorter.is_empty() {
            break;
        }
        text = shorter.to_owned();
    }
    spelled(&text)
}

/// The catalogue provider that makes and sells models of this identity itself.
pub fn maker(identity: &str) -> Option<&'static str> {
    let found = MAKERS.iter().find(|(start, _)| identity.starts_with(start));
    found.map(|(_, maker)| *maker).filter(|maker| !maker.is_empty())
}

/// True for a name that says on which day the model was frozen (`gpt-4o-2024-08-06`).
pub fn has_snapshot_date(name: &str) -> bool {
    let name = name.split(['@', ':']).next().unwrap_or_default();
    without_date(name).len() < name.len()
}

/// True where the maker presents the model as good at code, or its name says so.
pub fn is_coder(identity: &str) -> bool {
    let says_so = ["code", "devstral", "codestral"].iter().any(|word| identity.contains(word));
    says_so || CODERS.iter().any(|start| identity.starts_with(start))
}

/// A family for an identity without a listed one: its words before the first number.
pub fn family(identity: &str) -> String {
    let words: Vec<&str> = identity
        .split('-')
        .take_while(|word| !word.starts_with(|letter: char| letter.is_ascii_digit()))
        .take(2)
        .collect();
    match words.first() {
        None => identity.to_owned(),
        Some(first) if first.contains(|letter: char| letter.is_ascii_digit()) => first
            .trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.')
            .to_owned(),
        Some(first) => (*first).to_owned(),
    }
}

/// Takes `us.anthropic.` off; the flag says that there was a vendor.
fn without_vendor(name: &str) -> (String, bool) {
    let mut rest = name;
    if let Some((region, after)) = rest.split_once('.')
        && REGIONS.contains(&region)
    {
        rest = after;
    }
    match rest.split_once('.') {
        Some((vendor, after)) if VENDORS.contains(&vendor) => {
            // `deepseek.v3.1` and `deepseek.r1` leave the maker's name out of the model's.
            let is_bare = vendor == "deepseek" && !after.starts_with("deepseek");
            (if is_bare { format!("deepseek-{after}") } else { after.to_owned() }, true)
        }
        _ => (rest.to_owned(), false),
    }
}

/// Takes `:free`, `:0`, `:200k` off. A size (`gpt-oss:20b`) and `thinking` belong to the model.
fn without_variant(name: &str) -> String {
    let Some((model, variant)) = name.split_once(':') else { return name.to_owned() };
    let is_size = variant.starts_with(|letter: char| letter.is_ascii_digit())
        && variant.split(['-', ':']).next().is_some_and(|size| size.ends_with('b'));
    match variant {
        "thinking" => format!("{model}-thinking"),
        _ if is_size => format!("{model}-{variant}"),
        _ => model.to_owned(),
    }
}

/// Takes a cloud's revision (`-v1`) off.
fn without_revision(name: &str) -> &str {
    match name.rsplit_once("-v") {
        Some((model, digits)) if !digits.is_empty() && is_digits(digits) && model.contains('-') => {
            model
        }
        _ => name,
    }
}

fn without_suffix<'a>(catalog_provider: &str, name: &'a str) -> &'a str {
    for suffix in ["-maas", "-latest", "-fp8"] {
        if let Some(rest) = name.strip_suffix(suffix) {
            return rest;
        }
    }
    let dateless = without_date(name);
    if dateless.len() < name.len() {
        return dateless;
    }
    let Some((model, last)) = name.rsplit_once('-') else { return name };
    let is_number = is_digits(last);
    let is_gemini_revision = name.starts_with("gemini") && last.len() == 3 && is_number;
    let is_llama_serving = name.contains("llama") && last == "turbo";
    let is_gpt_oss_revision = name.starts_with("gpt-oss") && last.len() <= 2 && is_number;
    let is_deployment = catalog_provider == "azure"
        && last.len() <= 2
        && is_number
        && ["instruct", "chat", "phi-4", "codestral-2501", "large-2411"]
            .iter()
            .any(|end| model.ends_with(end));
    if is_gemini_revision || is_llama_serving || is_gpt_oss_revision || is_deployment {
        model
    } else {
        name
    }
}

/// Takes `-20250929` or `-2024-07-18` off the end.
fn without_date(name: &str) -> &str {
    let bytes = name.as_bytes();
    let ends_with = |pattern: &str| {
        bytes.len() > pattern.len()
            && bytes[bytes.len() - pattern.len()..].iter().zip(pattern.bytes()).all(
                |(have, want)| {
                    if want == b'0' { have.is_ascii_digit() } else { *have == want }
                },
            )
    };
    for pattern in ["-20000000", "-2000-00-00"] {
        // `2` stands for itself: model years begin with 20.
        if ends_with(pattern) {
            return &name[..name.len() - pattern.len()];
        }
    }
    name
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The maker's own spelling.
fn spelled(name: &str) -> String {
    if name.starts_with("claude") {
        return name.replace('.', "-");
    }
    let name =
        name.strip_prefix("meta-llama").map_or(name.to_owned(), |rest| format!("llama{rest}"));
    let name = name.strip_prefix("zai-glm").map_or(name.clone(), |rest| format!("glm{rest}"));
    let name = name.strip_prefix("gpt-35").map_or(name.clone(), |rest| format!("gpt-3.5{rest}"));
    let name = match name.strip_prefix("llama") {
        Some(rest) if rest.starts_with(|letter: char| letter.is_ascii_digit()) => {
            format!("llama-{rest}")
        }
        _ => name,
    };
    if DOTTED.iter().any(|start| name.starts_with(start)) { dotted(&name) } else { name }
}

/// Turns the first `-4-1` that ends a word into `-4.1`.
fn dotted(name: &str) -> String {
    let words: Vec<&str> = name.split('-').collect();
    for at in 1..words.len().saturating_sub(1) {
        let is_version = words[at].len() == 1 && is_digits(words[at]);
        let is_minor = words[at + 1].len() <= 2 && is_digits(words[at + 1]);
        if is_version && is_minor {
            let head = words[..at].join("-");
            let tail: String = words[at + 2..].iter().map(|word| format!("-{word}")).collect();
            return format!("{head}-{}.{}{tail}", words[at], words[at + 1]);
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests;
