//! Budgets.

use gw_core::budget::{Amount, BudgetStatus, BudgetTerms, Window};
use gw_core::seam::Governance;
use gw_core::{Error, Kind, Layer, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::words::{self, Body, Page, PageQuery, Usd};

/// Budgets that an account is to have: in dollars, in tokens, or one of each, over one period. One in
/// the same unit over the same period is replaced, and keeps what was spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetBody {
    /// Whose, as `kind:id`: organisation, team, user, key, project, conversation, tag or end_user.
    #[schema(required = true, value_type = String, example = "team:research",
        pattern = "^(organisation|team|user|project|conversation|tag|end_user):[a-z0-9._-]{1,64}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Dollars a period.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{1,6}([.][0-9]{1,12})?$", example = "100")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// Tokens a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Over which time it counts: `lifetime` (unless said), `day`, `week`, `month`, `sliding:24h`.
    /// Calendar periods are in UTC.
    #[schema(pattern = "^(lifetime|day|week|month|sliding:[1-9][0-9]?[hd])$", example = "month")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// True: a call beyond it is let through, and alerts tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
    /// Per cent of the budget at which an alert goes out.
    #[schema(schema_with = words::percents)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<u16>,
    /// The highest layer that calls of this account may use.
    #[schema(schema_with = words::layer)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_layer: Option<Layer>,
    /// Whether its calls go on (`open`) or are refused (`closed`) while the Redis that gateways share
    /// is away. Unless said, `store.redis_loss` decides.
    #[schema(pattern = "^(open|closed)$", example = "open")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_loss: Option<String>,
}

impl Body for BudgetBody {
    const FIELDS: &'static [&'static str] =
        &["scope", "usd", "tokens", "period", "soft", "alerts", "max_layer", "redis_loss"];
}

/// A budget and how it stands. Amounts are exact decimals, in dollars or in tokens like the cap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BudgetView {
    /// Its id.
    pub id: String,
    /// Whose.
    pub scope: String,
    /// The cap of a budget in dollars.
    pub usd: Option<String>,
    /// The cap of a budget in tokens.
    pub tokens: Option<u64>,
    /// Over which time it counts.
    pub period: String,
    /// True: a call beyond it is let through.
    pub soft: bool,
    /// Per cent of the cap at which an alert goes out.
    pub alerts: Vec<u16>,
    /// The highest layer that calls of this account may use.
    #[schema(value_type = Option<String>)]
    pub max_layer: Option<Layer>,
    /// `open` or `closed` while Redis is away; null: as `store.redis_loss` says.
    pub redis_loss: Option<String>,
    /// Spent in the period that holds now.
    pub spent: String,
    /// Held back for calls that run; null where only the running gateway knows.
    pub reserved: Option<String>,
    /// What is left.
    pub remaining: String,
    /// When the period ends; null: never, or bit by bit.
    pub resets_at: Option<String>,
}

impl BudgetView {
    /// The budget as it stands.
    pub fn new(status: &BudgetStatus) -> Self {
        let budget = &status.budget;
        let (usd, tokens) = match budget.cap {
            Amount::Dollars(amount) => (Some(amount.to_usd_string()), None),
            Amount::Tokens(tokens) => (None, Some(tokens)),
        };
        Self {
            id: budget.id.clone(),
            scope: budget.scope.to_string(),
            usd,
            tokens,
            period: budget.window.to_string(),
            soft: !budget.is_hard,
            alerts: budget.alerts.clone(),
            max_layer: budget.max_layer,
            redis_loss: budget.when_away.map(|word| word.as_str().to_owned()),
            spent: decimal(status.spent),
            reserved: Some(decimal(status.reserved)),
            remaining: decimal(status.remaining()),
            resets_at: status.resets_at_ms.map(words::instant),
        }
    }
}

/// Sets an account's budgets; as they stand then.
///
/// # Errors
/// [`Kind::InvalidRequest`] in the words of the body, [`Kind::StoreUnavailable`]. Of two budgets the
/// first may be set where the second is refused.
pub async fn set(office: &dyn Governance, body: BudgetBody) -> Result<Page<BudgetView>> {
    let scope = words::scope("scope", &words::required("scope", body.scope)?)?;
    let window = window(body.period.as_deref())?.unwrap_or(Window::Lifetime);
    let caps = [
        ("usd", body.usd.map(|usd| Amount::Dollars(usd.0))),
        ("tokens", body.tokens.map(Amount::Tokens)),
    ];
    if caps.iter().all(|(_, cap)| cap.is_none()) {
        return Err(Error::bad_field("usd", "a budget needs `usd` or `tokens`"));
    }
    let when_away = words::when_away(body.redis_loss.as_deref())?;
    let mut set = Vec::new();
    for (word, cap) in caps {
        let Some(cap) = cap else { continue };
        let terms = BudgetTerms {
            cap,
            window,
            is_hard: !body.soft,
            max_layer: body.max_layer,
            alerts: body.alerts.clone(),
            when_away,
        };
        let status = office
            .put_budget(scope.clone(), terms)
            .await
            .map_err(|error| words::in_words(error, &[("cap", word), ("window", "period")]))?;
        set.push(BudgetView::new(&status));
    }
    Ok(Page::whole(set))
}

/// Budgets as they stand, by id.
///
/// # Errors
/// [`Kind::InvalidRequest`] for the query, [`Kind::StoreUnavailable`].
pub async fn list(office: &dyn Governance, query: &PageQuery) -> Result<Page<BudgetView>> {
    let scope = query.scope()?;
    let all = office.budgets(scope.as_ref().map(std::slice::from_ref)).await?;
    let page = query.cut(all, |status| status.budget.id.clone())?;
    let data = page.data.iter().map(BudgetView::new).collect();
    Ok(Page { data, has_more: page.has_more, next: page.next })
}

/// One budget as it stands.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::StoreUnavailable`].
pub async fn show(office: &dyn Governance, id: &str) -> Result<BudgetView> {
    let all = office.budgets(None).await?;
    let mine = all.iter().find(|status| status.budget.id == id);
    mine.map(BudgetView::new).ok_or_else(|| no_budget(id))
}

/// Removes a budget.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::StoreUnavailable`].
pub async fn remove(office: &dyn Governance, id: &str) -> Result<()> {
    if office.remove_budget(id).await? { Ok(()) } else { Err(no_budget(id)) }
}

/// Reads a period.
pub(crate) fn window(period: Option<&str>) -> Result<Option<Window>> {
    let read = |text: &str| {
        text.parse().map_err(|error: gw_core::budget::NotAWindow| {
            let mut shown = error.to_string();
            if text.len() > 64 {
                shown = "this is no period, it is too long".to_owned();
            }
            Error::bad_field("period", shown)
        })
    };
    period.map(read).transpose()
}

fn decimal(amount: Amount) -> String {
    match amount {
        Amount::Dollars(amount) => amount.to_usd_string(),
        Amount::Tokens(tokens) => tokens.to_string(),
    }
}

fn no_budget(id: &str) -> Error {
    let shown: String = id.chars().take(64).collect();
    Error::new(Kind::NotFound, format!("there is no budget `{shown}`"))
}
