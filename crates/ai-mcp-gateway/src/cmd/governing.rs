//! What the commands that govern share: naming one thing, and errors in the words of the command
//! line.

use gw_core::{Error, Kind, Result};
use gw_server::admin::{BudgetView, LimitView};

use crate::table::{minute, table};

/// Fields of bodies whose flag has another name.
const FLAGS: [(&str, &str); 9] = [
    ("organisation", "--org"),
    ("tags", "--tag"),
    ("models", "--model"),
    ("layers", "--layer"),
    ("endpoints", "--path"),
    ("tools", "--tool"),
    ("alerts", "--alert"),
    ("scope", "SCOPE"),
    ("key", "KEY"),
];

/// The error with the flag at fault in place of the field.
pub(crate) fn in_flags(error: Error) -> Error {
    let Some(field) = error.field().map(str::to_owned) else { return error };
    // A fault of the store names no field; what else has one came from a body.
    if !field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return error;
    }
    let named = FLAGS.iter().find(|(name, _)| *name == field).map(|(_, flag)| (*flag).to_owned());
    error.with_field(named.unwrap_or_else(|| format!("--{}", field.replace('_', "-"))))
}

/// True for text that names an account and no id.
pub(crate) fn is_scope(text: &str) -> bool {
    text.contains(':')
}

/// The ids that a word of the command line means: itself, or those of an account.
pub(crate) fn meant(
    word: &str,
    what: &str,
    of_account: Vec<String>,
    may_be_several: bool,
) -> Result<Vec<String>> {
    if !is_scope(word) {
        return Ok(vec![word.to_owned()]);
    }
    match of_account.len() {
        0 => Err(Error::new(Kind::NotFound, format!("{word} has no {what}"))),
        2.. if !may_be_several => {
            let message = format!("{word} has {} {what}s", of_account.len());
            Err(Error::bad_field(what, message).with_hint(format!(
                "Name one by its id ({}), or add --all.",
                of_account.join(", ")
            )))
        }
        _ => Ok(of_account),
    }
}

/// Budgets as a table.
pub(crate) fn budgets(list: &[BudgetView]) -> String {
    let heading = ["SCOPE", "PERIOD", "BUDGET", "SPENT", "HELD", "LEFT", "RESETS", "RULES", "ID"];
    let rows: Vec<Vec<String>> = list.iter().map(budget_row).collect();
    table(&heading, &rows)
}

fn budget_row(view: &BudgetView) -> Vec<String> {
    let amount = |text: &str| match view.tokens {
        Some(_) => format!("{text} tok"),
        None => format!("${text}"),
    };
    let cap = match (&view.usd, view.tokens) {
        (Some(usd), _) => amount(usd),
        (None, tokens) => amount(&tokens.unwrap_or_default().to_string()),
    };
    let mut rules = Vec::new();
    if view.soft {
        rules.push("soft".to_owned());
    }
    rules.extend(view.max_layer.map(|layer| format!("up to {layer}")));
    if !view.alerts.is_empty() {
        let percents: Vec<String> = view.alerts.iter().map(|at| format!("{at}%")).collect();
        rules.push(format!("alert {}", percents.join(" ")));
    }
    vec![
        view.scope.clone(),
        view.period.clone(),
        cap,
        amount(&view.spent),
        view.reserved.as_deref().map(amount).unwrap_or_default(),
        amount(&view.remaining),
        view.resets_at.as_deref().map(minute).unwrap_or_default(),
        rules.join(", "),
        view.id.clone(),
    ]
}

/// Limits as a table.
pub(crate) fn limits(list: &[LimitView]) -> String {
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|view| {
            vec![
                view.scope.clone(),
                view.kind.clone(),
                view.max.clone(),
                view.remaining.clone().unwrap_or_default(),
                view.id.clone(),
            ]
        })
        .collect();
    table(&["SCOPE", "LIMIT", "MOST", "LEFT", "ID"], &rows)
}

#[cfg(test)]
mod tests {
    use gw_core::{Error, Kind};

    use super::{in_flags, meant};

    #[test]
    fn errors_name_the_flag() {
        let flag = |field: &str| {
            in_flags(Error::bad_field(field, "x")).field().map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(flag("budget_usd"), "--budget-usd");
        assert_eq!(flag("models"), "--model");
        assert_eq!(flag("scope"), "SCOPE");
        assert_eq!(flag("store.path"), "store.path");
    }

    #[test]
    fn an_account_means_its_only_one_unless_all_are_asked_for() {
        let ids = |count: usize| (0..count).map(|at| format!("bud_{at}")).collect::<Vec<_>>();
        assert_eq!(meant("bud_9", "budget", ids(2), false).expect("itself"), ["bud_9"]);
        assert_eq!(meant("team:a", "budget", ids(1), false).expect("one"), ["bud_0"]);
        assert_eq!(meant("team:a", "budget", ids(2), true).expect("all"), ["bud_0", "bud_1"]);
        assert_eq!(
            meant("team:a", "budget", ids(0), true).expect_err("none").kind(),
            Kind::NotFound
        );
        let several = meant("team:a", "budget", ids(2), false).expect_err("which?");
        assert!(
            several.hint().is_some_and(|hint| hint.contains("bud_1") && hint.contains("--all"))
        );
    }
}
