//! How much to think: models of the 2.5 generation take a budget of tokens, later ones a level, and
//! earlier ones do not think. Which is which is read from the model's name, as nothing else says so.

use gw_core::chat::{Notice, NoticeAction, Reasoning};
use serde_json::{Map, Value};

/// Budgets that Google's own OpenAI-compatible API gives to efforts.
const BUDGET_LOW: i64 = 1_024;
const BUDGET_MEDIUM: i64 = 8_192;
const BUDGET_HIGH: i64 = 24_576;

/// Least budget of 2.5 Pro, which cannot do without.
const BUDGET_MIN_PRO: i64 = 128;

/// What kind of wish a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinker {
    Never,
    ByBudget,
    ByLevel,
}

fn thinker(model: &str) -> Thinker {
    let has = |names: &[&str]| names.iter().any(|name| model.contains(name));
    if has(&["gemini-1", "gemini-2.0", "gemma", "-image", "-tts", "embedding"]) {
        Thinker::Never
    } else if has(&["gemini-2"]) {
        Thinker::ByBudget
    } else {
        Thinker::ByLevel
    }
}

/// True for models before Gemini 3, which join neither tools with wanted forms nor results with
/// pictures.
pub(super) fn is_before_3(model: &str) -> bool {
    ["gemini-1", "gemini-2", "gemma"].iter().any(|name| model.contains(name))
}

fn note(feature: &str, action: NoticeAction, detail: String, notices: &mut Vec<Notice>) {
    notices.push(Notice { feature: feature.to_owned(), action, detail });
}

/// The `thinkingConfig` for a wish; `None` where nothing need be said.
pub(super) fn config(
    wish: Option<&Reasoning>,
    model: &str,
    notices: &mut Vec<Notice>,
) -> Option<Value> {
    let wish = wish?;
    let is_off = wish.is_enabled == Some(false) || wish.effort.as_deref() == Some("none");
    let thinker = thinker(model);
    if thinker == Thinker::Never {
        if !is_off {
            let detail = "this model does not think".to_owned();
            note("reasoning", NoticeAction::Dropped, detail, notices);
        }
        return None;
    }
    let mut config = Map::new();
    if is_off {
        switch_off(wish, model, thinker, &mut config, notices);
        return Some(Value::Object(config));
    }
    match (wish.budget_tokens, wish.effort.as_deref(), thinker) {
        (Some(budget), None, _) | (Some(budget), Some(_), Thinker::ByBudget) => {
            config.insert("thinkingBudget".to_owned(), budget.into());
            if wish.effort.is_some() {
                let detail = "the model takes a budget and no effort beside it".to_owned();
                note("reasoning.effort", NoticeAction::Dropped, detail, notices);
            }
        }
        (budget, Some(effort), Thinker::ByLevel) => {
            if budget.is_some() {
                let detail = "the model takes an effort and no budget beside it".to_owned();
                note("reasoning.budget_tokens", NoticeAction::Dropped, detail, notices);
            }
            config.insert("thinkingLevel".to_owned(), level(effort, model, notices).into());
        }
        (None, Some(effort), _) => {
            let budget = match effort {
                "minimal" | "low" => BUDGET_LOW,
                "medium" => BUDGET_MEDIUM,
                _ => BUDGET_HIGH,
            };
            let detail = format!("effort `{effort}` became a thinking budget of {budget} tokens");
            note("reasoning.effort", NoticeAction::Emulated, detail, notices);
            config.insert("thinkingBudget".to_owned(), budget.into());
        }
        (None, None, Thinker::ByBudget) if wish.is_enabled == Some(true) => {
            // The model chooses.
            config.insert("thinkingBudget".to_owned(), (-1).into());
        }
        _ => {}
    }
    let is_shown = wish.display.as_deref() != Some("omitted");
    config.insert("includeThoughts".to_owned(), is_shown.into());
    Some(Value::Object(config))
}

fn switch_off(
    wish: &Reasoning,
    model: &str,
    thinker: Thinker,
    config: &mut Map<String, Value>,
    notices: &mut Vec<Notice>,
) {
    let is_pro = model.contains("-pro");
    if thinker == Thinker::ByLevel && wish.budget_tokens != Some(0) {
        let level = if is_pro { "low" } else { "minimal" };
        let detail = format!("the model cannot do without thinking; it thinks at level `{level}`");
        note("reasoning", NoticeAction::Emulated, detail, notices);
        config.insert("thinkingLevel".to_owned(), level.into());
    } else if thinker == Thinker::ByBudget && is_pro {
        let detail = format!("the model thinks up to {BUDGET_MIN_PRO} tokens at least");
        note("reasoning", NoticeAction::Emulated, detail, notices);
        config.insert("thinkingBudget".to_owned(), BUDGET_MIN_PRO.into());
    } else {
        config.insert("thinkingBudget".to_owned(), 0.into());
    }
}

/// A level that the model knows.
fn level(effort: &str, model: &str, notices: &mut Vec<Notice>) -> &'static str {
    let known = match effort {
        "minimal" if model.contains("-pro") => "low",
        "minimal" => "minimal",
        "low" => "low",
        "medium" if model.contains("gemini-3-pro") => "high",
        "medium" => "medium",
        _ => "high",
    };
    if known != effort {
        let detail = format!("effort `{effort}` was sent as `{known}`");
        note("reasoning.effort", NoticeAction::Emulated, detail, notices);
    }
    known
}

#[cfg(test)]
mod tests {
    use gw_core::chat::Reasoning;
    use serde_json::{Value, json};

    use super::config;

    #[track_caller]
    fn check(wish: &Reasoning, model: &str, wanted: &Value, notices_wanted: usize) {
        let mut notices = Vec::new();
        let found = config(Some(wish), model, &mut notices).unwrap_or_default();
        assert_eq!(&found, wanted);
        assert_eq!(notices.len(), notices_wanted, "{notices:?}");
    }

    #[test]
    fn each_generation_is_asked_in_its_way() {
        let effort = |word: &str| Reasoning { effort: Some(word.into()), ..Reasoning::default() };
        let level = |level: &str| json!({"thinkingLevel": level, "includeThoughts": true});
        let budget = |budget: i64| json!({"thinkingBudget": budget, "includeThoughts": true});
        check(&effort("low"), "gemini-3-flash-preview", &level("low"), 0);
        check(&effort("xhigh"), "gemini-3.1-pro-preview", &level("high"), 1);
        check(&effort("medium"), "gemini-2.5-flash", &budget(8192), 1);
        check(&effort("high"), "gemini-2.0-flash", &Value::Null, 1);
        let on = Reasoning { is_enabled: Some(true), ..Reasoning::default() };
        check(&on, "gemini-2.5-pro", &budget(-1), 0);
        check(&on, "gemini-3-flash", &json!({"includeThoughts": true}), 0);
        let exact = Reasoning { budget_tokens: Some(5000), ..on };
        check(&exact, "gemini-2.5-pro", &budget(5000), 0);
        check(&exact, "gemini-3-flash", &budget(5000), 0);
        let off = Reasoning { is_enabled: Some(false), ..Reasoning::default() };
        check(&off, "gemini-2.5-flash", &json!({"thinkingBudget": 0}), 0);
        check(&off, "gemini-2.5-pro", &json!({"thinkingBudget": 128}), 1);
        check(&off, "gemini-3-flash", &json!({"thinkingLevel": "minimal"}), 1);
        check(&off, "gemini-1.5-pro", &Value::Null, 0);
    }
}
