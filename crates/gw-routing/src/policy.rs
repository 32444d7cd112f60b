//! Policies: rules that decide about a call by who asks, for what, when and with how much left.
//!
//! Every rule that fits has its say, in order; the first that sets a thing decides it, but for the
//! highest layer, where the lowest of all holds. No rule can raise anything above a cap of key, budget
//! or request: caps are put on afterwards.

use gw_core::task::{Complexity, Quality, TaskType};
use gw_core::{Layer, Money};

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Its name, in records.
    pub name: String,
    /// When it fits.
    pub when: When,
    /// What it decides.
    pub then: Then,
}

/// When a rule fits: everything that is set must be so. An empty list asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// One of these kinds of work.
    pub tasks: Vec<TaskType>,
    /// One of these difficulties.
    pub complexity: Vec<Complexity>,
    /// A file that one of these patterns matches; see [`matches_path`].
    pub files: Vec<String>,
    /// One of these keys, by public id.
    pub keys: Vec<String>,
    /// One of these teams.
    pub teams: Vec<String>,
    /// One of these users.
    pub users: Vec<String>,
    /// One of these projects.
    pub projects: Vec<String>,
    /// One of these doors, by their names in records.
    pub doors: Vec<String>,
    /// A time of the day; one whose end is before its beginning passes midnight.
    pub hours: Option<Hours>,
    /// Less than this is left in some budget.
    pub budget_below: Option<Money>,
    /// Tokens of the prompt, from this many on.
    pub input_tokens_from: Option<u64>,
}

/// A part of the day, in minutes since midnight; the end is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Its first minute.
    pub from: u16,
    /// The minute after its last.
    pub until: u16,
}

impl Hours {
    /// True for a minute of it. Beginning and end in one are the whole day.
    pub fn has(self, minute: u16) -> bool {
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

/// What a rule decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Then {
    /// The layer that `auto` begins in at least.
    pub min_layer: Option<Layer>,
    /// The highest layer.
    pub max_layer: Option<Layer>,
    /// Whether answers are checked.
    pub cross_check: Option<bool>,
    /// Whether a higher layer is asked without a question.
    pub auto_escalate: Option<bool>,
    /// How good answers have to be, where the request does not say.
    pub quality: Option<Quality>,
    /// What the work is taken for, where the request does not say.
    pub task: Option<TaskType>,
    /// Models to take first.
    pub models: Vec<String>,
    /// Models that are not taken.
    pub deny_models: Vec<String>,
    /// The most that one call may be expected to cost.
    pub cost_max: Option<Money>,
    /// The most tokens a prompt may have.
    pub input_tokens_max: Option<u64>,
    /// Whether the response cache may answer.
    pub cache: Option<bool>,
    /// Another model or layer to try on a share of the calls, beside the answer.
    pub shadow: Option<Shadow>,
}

/// A trial beside the answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shadow {
    /// The model or layer.
    pub model: String,
    /// The share of calls, in parts per ten thousand.
    pub share_bp: u32,
}

/// What is known of a call when policies decide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What it is for.
    pub task: TaskType,
    /// How hard it looks.
    pub complexity: Complexity,
    /// Files that it is about.
    pub files: &'a [String],
    /// The key.
    pub key: Option<&'a str>,
    /// The team.
    pub team: Option<&'a str>,
    /// The user.
    pub user: Option<&'a str>,
    /// The project.
    pub project: Option<&'a str>,
    /// The door.
    pub door: &'a str,
    /// Minutes since midnight, where policies reckon their day.
    pub minute_of_day: u16,
    /// What the tightest budget has left; `None`: no budget.
    pub budget_left: Option<Money>,
    /// Tokens of the prompt.
    pub input_tokens: u64,
}

/// What all rules together decide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruling {
    /// The layer that `auto` begins in at least.
    pub min_layer: Option<Layer>,
    /// The highest layer.
    pub max_layer: Option<Layer>,
    /// Whether answers are checked.
    pub cross_check: Option<bool>,
    /// Whether a higher layer is asked without a question.
    pub auto_escalate: Option<bool>,
    /// How good answers have to be, where the request does not say.
    pub quality: Option<Quality>,
    /// What the work is taken for, where the request does not say.
    pub task: Option<TaskType>,
    /// Models to take first.
    pub models: Vec<String>,
    /// Models that are not taken, of all rules.
    pub deny_models: Vec<String>,
    /// The most that one call may be expected to cost: the least of all rules.
    pub cost_max: Option<Money>,
    /// The most tokens a prompt may have: the least of all rules.
    pub input_tokens_max: Option<u64>,
    /// Whether the response cache may answer.
    pub cache: Option<bool>,
    /// A trial beside the answer.
    pub shadow: Option<Shadow>,
    /// Names of the rules that fitted, in order.
    pub rules: Vec<String>,
}

impl When {
    /// True where everything that is set is so.
    pub fn fits(&self, facts: &Facts<'_>) -> bool {
        let is_among = |list: &[String], word: Option<&str>| {
            list.is_empty() || word.is_some_and(|word| list.iter().any(|known| known == word))
        };
        let is_of_task = self.tasks.is_empty() || self.tasks.contains(&facts.task);
        let is_as_hard = self.complexity.is_empty() || self.complexity.contains(&facts.complexity);
        let has_file = || {
            let is_matched = |file: &String| self.files.iter().any(|it| matches_path(it, file));
            self.files.is_empty() || facts.files.iter().any(is_matched)
        };
        let is_short = |least: Money| facts.budget_left.is_some_and(|left| left < least);
        is_of_task
            && is_as_hard
            && is_among(&self.keys, facts.key)
            && is_among(&self.teams, facts.team)
            && is_among(&self.users, facts.user)
            && is_among(&self.projects, facts.project)
            && is_among(&self.doors, Some(facts.door))
            && self.hours.is_none_or(|hours| hours.has(facts.minute_of_day))
            && self.budget_below.is_none_or(is_short)
            && self.input_tokens_from.is_none_or(|least| facts.input_tokens >= least)
            && has_file()
    }
}

impl Ruling {
    /// What the rules decide of a call.
    pub fn of(rules: &[Rule], facts: &Facts<'_>) -> Self {
        let mut ruling = Self::default();
        for rule in rules.iter().filter(|rule| rule.when.fits(facts)) {
            ruling.add(&rule.name, &rule.then);
        }
        ruling
    }

    /// Takes in one more rule, after those that go before it.
    pub fn add(&mut self, name: &str, then: &Then) {
        self.rules.push(name.to_owned());
        self.min_layer = self.min_layer.or(then.min_layer);
        self.max_layer = least(self.max_layer, then.max_layer);
        self.cross_check = self.cross_check.or(then.cross_check);
        self.auto_escalate = self.auto_escalate.or(then.auto_escalate);
        self.quality = self.quality.or(then.quality);
        self.task = self.task.or(then.task);
        if self.models.is_empty() {
            self.models.clone_from(&then.models);
        }
        self.deny_models.extend(then.deny_models.iter().cloned());
        self.cost_max = least(self.cost_max, then.cost_max);
        self.input_tokens_max = least(self.input_tokens_max, then.input_tokens_max);
        self.cache = self.cache.or(then.cache);
        if self.shadow.is_none() {
            self.shadow.clone_from(&then.shadow);
        }
    }
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// True where a path pattern matches a path: `*` and `?` stay within a name, `**` passes folders, and
/// a pattern without a slash is about the file's name alone. Back slashes count as slashes, letters'
/// case counts.
pub fn matches_path(pattern: &str, path: &str) -> bool {
    let path = path.trim().replace('\\', "/");
    let path = path.trim_start_matches("./").trim_start_matches('/');
    let pattern = pattern.trim().trim_start_matches("./").trim_start_matches('/');
    if !pattern.contains('/') {
        let name = path.rsplit('/').next().unwrap_or(path);
        return matches_name(pattern.as_bytes(), name.as_bytes());
    }
    let patterns: Vec<&str> = pattern.split('/').collect();
    let names: Vec<&str> = path.split('/').collect();
    // Whether the rest of the pattern matches the rest of the path, for every rest: no pattern takes
    // more than its length times the path's.
    let mut rest = vec![false; names.len() + 1];
    rest[names.len()] = true;
    for part in patterns.iter().rev() {
        let mut longer = vec![false; names.len() + 1];
        if *part == "**" {
            let mut any = false;
            for at in (0..=names.len()).rev() {
                any |= rest[at];
                longer[at] = any;
            }
        } else {
            for at in 0..names.len() {
                longer[at] = rest[at + 1] && matches_name(part.as_bytes(), names[at].as_bytes());
            }
        }
        rest = longer;
    }
    rest[0]
}

/// Files that one request names in its text, at most.
const PATHS_MAX: usize = 32;

/// Text that is searched for names of files, in bytes.
const PATHS_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Words of a text that look like paths of files: with a slash and no scheme, or a name with a short
/// ending.
pub fn paths_in(text: &str) -> Vec<String> {
    let text = &text[..text.floor_char_boundary(PATHS_TEXT_BYTES_MAX.min(text.len()))];
    let is_edge =
        |letter: char| !letter.is_alphanumeric() && !matches!(letter, '/' | '.' | '_' | '-' | '\\');
    let words = text.split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ';'));
    words
        .filter(|word| !word.contains("://"))
        .map(|word| word.trim_matches(is_edge).trim_end_matches(['.', ':']))
        .filter(|word| looks_like_path(word))
        .take(PATHS_MAX)
        .map(str::to_owned)
        .collect()
}

fn looks_like_path(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let has_ending = name.rsplit_once('.').is_some_and(|(stem, ending)| {
        let is_short = (1..=5).contains(&ending.len());
        let is_name = ending.chars().all(|letter| letter.is_ascii_alphanumeric());
        let is_number = ending.chars().all(|letter| letter.is_ascii_digit());
        !stem.is_empty() && is_short && is_name && !is_number
    });
    let has_folder = word.matches('/').count() >= 2 && name.len() > 1;
    word.len() <= 256 && (has_ending || has_folder)
}

fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[seen] => {
                at += 1;
                seen += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                at = star + 1;
                seen = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
