//! Limits.

use gw_core::budget::{LimitKind, LimitStatus, LimitTerms};
use gw_core::seam::Governance;
use gw_core::{Error, Kind, Money, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::keys::limit_terms;
use crate::admin::words::{self, Body, Page, PageQuery, Usd};

/// Limits that an account is to have; those that are not named stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitBody {
    /// Whose, as `kind:id`: organisation, team, user, key, project, conversation, tag or end_user.
    #[schema(required = true, value_type = String, example = "team:research",
        pattern = "^(organisation|team|user|project|conversation|tag|end_user):[a-z0-9._-]{1,64}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Calls a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpm: Option<u64>,
    /// Tokens a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm: Option<u64>,
    /// Dollars a minute.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{1,6}([.][0-9]{1,12})?$", example = "0.5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dollars_per_minute: Option<Usd>,
    /// Calls at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u64>,
    /// How long a call that does not fit waits for room, in milliseconds, before it is refused. Unless
    /// said, not at all.
    #[schema(maximum = 600_000, example = 2_000)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Whether its calls go on (`open`) or are refused (`closed`) while the Redis that gateways share
    /// is away. Unless said, `store.redis_loss` decides.
    #[schema(pattern = "^(open|closed)$", example = "open")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_loss: Option<String>,
}

impl Body for LimitBody {
    const FIELDS: &'static [&'static str] =
        &["scope", "rpm", "tpm", "dollars_per_minute", "concurrent", "wait_ms", "redis_loss"];
}

/// A limit and how it stands. Dollars are exact decimals, everything else is whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LimitView {
    /// Its id.
    pub id: String,
    /// Whose.
    pub scope: String,
    /// `rpm`, `tpm`, `dollars_per_minute` or `concurrent`.
    pub kind: String,
    /// How many at most.
    pub max: String,
    /// How long a call that does not fit waits for room, in milliseconds; null: not at all.
    pub wait_ms: Option<u64>,
    /// `open` or `closed` while Redis is away; null: as `store.redis_loss` says.
    pub redis_loss: Option<String>,
    /// How many more fit now; null where only the running gateway knows.
    pub remaining: Option<String>,
    /// Until all of it is free again if nothing is asked for, in milliseconds; null where only the
    /// running gateway knows.
    pub reset_ms: Option<u64>,
}

impl LimitView {
    /// The limit as it stands.
    pub fn new(status: &LimitStatus) -> Self {
        let limit = &status.limit;
        let text = |number: u64| match limit.kind {
            LimitKind::DollarsPerMinute => {
                Money::from_pico(i64::try_from(number).unwrap_or(i64::MAX)).to_usd_string()
            }
            _ => number.to_string(),
        };
        Self {
            id: limit.id.clone(),
            scope: limit.scope.to_string(),
            kind: word(limit.kind).to_owned(),
            max: text(limit.max),
            wait_ms: limit.wait_ms,
            redis_loss: limit.when_away.map(|word| word.as_str().to_owned()),
            remaining: Some(text(status.remaining)),
            reset_ms: Some(status.reset_ms),
        }
    }
}

/// The name of a kind in bodies.
pub const fn word(kind: LimitKind) -> &'static str {
    match kind {
        LimitKind::RequestsPerMinute => "rpm",
        LimitKind::TokensPerMinute => "tpm",
        LimitKind::DollarsPerMinute => "dollars_per_minute",
        LimitKind::Concurrent => "concurrent",
    }
}

/// Sets an account's limits; as they stand then.
///
/// # Errors
/// [`Kind::InvalidRequest`] in the words of the body, [`Kind::StoreUnavailable`]. Of several limits
/// the first may be set where a later one is refused.
pub async fn set(office: &dyn Governance, body: LimitBody) -> Result<Page<LimitView>> {
    let scope = words::scope("scope", &words::required("scope", body.scope)?)?;
    let terms = limit_terms(body.rpm, body.tpm, body.dollars_per_minute, body.concurrent);
    if terms.is_empty() {
        let message = "a limit needs `rpm`, `tpm`, `dollars_per_minute` or `concurrent`";
        return Err(Error::bad_field("rpm", message));
    }
    let when_away = words::when_away(body.redis_loss.as_deref())?;
    let mut set = Vec::new();
    for terms in terms {
        let terms = LimitTerms { when_away, wait_ms: body.wait_ms, ..terms };
        let status = office
            .put_limit(scope.clone(), terms)
            .await
            .map_err(|error| words::in_words(error, &[("max", word(terms.kind))]))?;
        set.push(LimitView::new(&status));
    }
    Ok(Page::whole(set))
}

/// Limits as they stand, by id.
///
/// # Errors
/// [`Kind::InvalidRequest`] for the query, [`Kind::StoreUnavailable`].
pub async fn list(office: &dyn Governance, query: &PageQuery) -> Result<Page<LimitView>> {
    let scope = query.scope()?;
    let all = office.limits(scope.as_ref().map(std::slice::from_ref)).await?;
    let page = query.cut(all, |status| status.limit.id.clone())?;
    let data = page.data.iter().map(LimitView::new).collect();
    Ok(Page { data, has_more: page.has_more, next: page.next })
}

/// Removes a limit.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::StoreUnavailable`].
pub async fn remove(office: &dyn Governance, id: &str) -> Result<()> {
    if office.remove_limit(id).await? {
        return Ok(());
    }
    let shown: String = id.chars().take(64).collect();
    Err(Error::new(Kind::NotFound, format!("there is no limit `{shown}`")))
}
