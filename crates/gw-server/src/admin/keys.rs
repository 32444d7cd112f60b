//! Keys.

use gw_core::budget::{Amount, BudgetTerms, LimitKind, LimitTerms, Window};
use gw_core::key::{KeyOrder, KeyRecord, NewKey, Policy};
use gw_core::principal::Principal;
use gw_core::seam::Governance;
use gw_core::{Error, Kind, Layer, Result, Scope, ScopeKind, duration};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::words::{self, Body, Page, PageQuery, Usd};
use crate::admin::{BudgetView, LimitView};

/// Names of fields in the rooms, and here.
const WORDS: [(&str, &str); 9] = [
    ("policy.models", "models"),
    ("policy.layers", "max_layer"),
    ("policy.endpoints", "endpoints"),
    ("policy.tools", "tools"),
    ("cap", "budget_usd"),
    ("window", "period"),
    ("max", "rpm"),
    ("key", "name"),
    ("tag", "tags"),
];

/// A key that is wanted. What is left out is not bound, or taken over from the accounts above.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeyBody {
    /// For people.
    #[schema(required = true, value_type = String, min_length = 1, max_length = 100,
        pattern = "^[A-Za-z0-9][A-Za-z0-9._ -]*$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who answers for it.
    #[schema(min_length = 1, max_length = 100, pattern = "^[ -~]+$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its organisation. Filled in from the team, user or project where those belong to one.
    #[schema(min_length = 1, max_length = 100, pattern = "^[ -~]+$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Its team.
    #[schema(min_length = 1, max_length = 100, pattern = "^[ -~]+$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Its user.
    #[schema(min_length = 1, max_length = 100, pattern = "^[ -~]+$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its project.
    #[schema(min_length = 1, max_length = 100, pattern = "^[ -~]+$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Labels on whose account its calls go as well.
    #[schema(schema_with = words::texts)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Models it may use, by name or `provider/name`; `*` stands for any text. None: all.
    #[schema(schema_with = words::texts)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Layers it may use. None: all.
    #[schema(schema_with = words::layers)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Paths it may use; `*` stands for any text. None: all.
    #[schema(schema_with = words::texts)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// Tools it may use, as `server::tool`; `*` stands for any text. None: all.
    #[schema(schema_with = words::texts)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The highest layer it may use.
    #[schema(schema_with = words::layer)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_layer: Option<Layer>,
    /// True where it opens the admin doors.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub admin: bool,
    /// When it ends: an instant, a day, or a length of time from now such as `30d`.
    #[schema(pattern = "^[1-9][0-9]{0,2}[hdw]$", example = "30d")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Dollars it may spend a period.
    #[schema(value_type = Option<String>, pattern = "^[0-9]{1,6}([.][0-9]{1,12})?$", example = "25")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_usd: Option<Usd>,
    /// Tokens it may use a period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    /// Over which time the budgets count: `lifetime` (unless said), `day`, `week`, `month`,
    /// `sliding:24h`.
    #[schema(pattern = "^(lifetime|day|week|month|sliding:[1-9][0-9]?[hd])$", example = "month")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
    /// True: a call beyond the budgets is let through, and alerts tell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
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
}

impl Body for KeyBody {
    const FIELDS: &'static [&'static str] = &[
        "name",
        "owner",
        "organisation",
        "team",
        "user",
        "project",
        "tags",
        "models",
        "layers",
        "endpoints",
        "tools",
        "max_layer",
        "admin",
        "expires",
        "budget_usd",
        "budget_tokens",
        "period",
        "soft",
        "rpm",
        "tpm",
        "dollars_per_minute",
        "concurrent",
    ];
}

impl KeyBody {
    fn order(self, now_ms: i64) -> Result<KeyOrder> {
        let expires_at_ms = self
            .expires
            .as_deref()
            .map(|text| words::end_instant("expires", text, now_ms))
            .transpose()?;
        let budgets = self.budgets()?;
        let limits = limit_terms(self.rpm, self.tpm, self.dollars_per_minute, self.concurrent);
        let record = KeyRecord {
            name: words::required("name", self.name)?,
            owner: self.owner,
            organisation: self.organisation,
            team: self.team,
            user_id: self.user,
            project_id: self.project,
            tags: self.tags,
            policy: Policy {
                models: self.models,
                layers: self.layers,
                endpoints: self.endpoints,
                tools: self.tools,
                max_layer: self.max_layer,
            },
            is_admin: self.admin,
            expires_at_ms,
            ..KeyRecord::default()
        };
        Ok(KeyOrder { record, budgets, limits })
    }

    fn budgets(&self) -> Result<Vec<BudgetTerms>> {
        let caps = [
            self.budget_usd.map(|usd| Amount::Dollars(usd.0)),
            self.budget_tokens.map(Amount::Tokens),
        ];
        let window = super::budgets::window(self.period.as_deref())?;
        let terms = |cap| BudgetTerms {
            cap,
            window: window.unwrap_or(Window::Lifetime),
            is_hard: !self.soft,
            max_layer: None,
            alerts: Vec::new(),
            when_away: None,
        };
        let budgets: Vec<BudgetTerms> = caps.into_iter().flatten().map(terms).collect();
        if budgets.is_empty() && (window.is_some() || self.soft) {
            let field = if window.is_some() { "period" } else { "soft" };
            let message = format!("`{field}` says something of a budget, and there is none");
            return Err(Error::conflict(field, message)
                .with_hint("add `budget_usd` or `budget_tokens`, or leave it out"));
        }
        Ok(budgets)
    }
}

/// A new secret is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotateBody {
    /// How long the old secret stays good, such as `24h`; it ends at once unless said.
    #[schema(pattern = "^[1-9][0-9]?[mhd]$", example = "24h")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
}

impl Body for RotateBody {
    const FIELDS: &'static [&'static str] = &["overlap"];
}

/// A key, without its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct KeyView {
    /// Its public id.
    pub id: String,
    /// For people.
    pub name: String,
    /// `active`, `expired` or `revoked`.
    pub state: String,
    /// First and last characters of the newest secret.
    pub shown: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its organisation.
    pub organisation: Option<String>,
    /// Its team.
    pub team: Option<String>,
    /// Its user.
    pub user: Option<String>,
    /// Its project.
    pub project: Option<String>,
    /// Its labels.
    pub tags: Vec<String>,
    /// Models it may use; none: all.
    pub models: Vec<String>,
    /// Layers it may use; none: all.
    #[schema(value_type = Vec<String>)]
    pub layers: Vec<Layer>,
    /// Paths it may use; none: all.
    pub endpoints: Vec<String>,
    /// Tools it may use; none: all.
    pub tools: Vec<String>,
    /// The highest layer it may use.
    #[schema(value_type = Option<String>)]
    pub max_layer: Option<Layer>,
    /// True where it opens the admin doors.
    pub admin: bool,
    /// When it was made.
    pub created_at: String,
    /// From when on it is refused.
    pub expires_at: Option<String>,
    /// Since when it is refused for good.
    pub revoked_at: Option<String>,
    /// When it was last used; at most a minute late.
    pub last_used_at: Option<String>,
}

impl KeyView {
    /// The key at an instant (milliseconds since 1970).
    pub fn new(record: &KeyRecord, now_ms: i64) -> Self {
        let record = record.clone();
        let is_past = record.expires_at_ms.is_some_and(|end_ms| end_ms <= now_ms);
        let state = match (record.revoked_at_ms, is_past) {
            (Some(_), _) => "revoked",
            (None, true) => "expired",
            (None, false) => "active",
        };
        Self {
            id: record.id,
            name: record.name,
            state: state.to_owned(),
            shown: record.shown,
            owner: record.owner,
            organisation: record.organisation,
            team: record.team,
            user: record.user_id,
            project: record.project_id,
            tags: record.tags,
            models: record.policy.models,
            layers: record.policy.layers,
            endpoints: record.policy.endpoints,
            tools: record.policy.tools,
            max_layer: record.policy.max_layer,
            admin: record.is_admin,
            created_at: words::instant(record.created_at_ms),
            expires_at: record.expires_at_ms.map(words::instant),
            revoked_at: record.revoked_at_ms.map(words::instant),
            last_used_at: record.last_used_at_ms.map(words::instant),
        }
    }
}

/// A key with its own budgets and limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct KeyDetail {
    /// The key.
    #[serde(flatten)]
    pub key: KeyView,
    /// Its own budgets.
    pub budgets: Vec<BudgetView>,
    /// Its own limits.
    pub limits: Vec<LimitView>,
}

/// A key just made or rotated: the only time its secret is shown.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NewKeyView {
    /// The secret.
    pub key: String,
    /// The key.
    #[serde(flatten)]
    pub detail: KeyDetail,
}

impl std::fmt::Debug for NewKeyView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKeyView").field("detail", &self.detail).finish_non_exhaustive()
    }
}

/// What a caller may know of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnKey {
    /// The public id of its key.
    pub id: Option<String>,
    /// The key's name; absent for one of the configuration file.
    pub name: Option<String>,
    /// First and last characters of the key's newest secret.
    pub shown: Option<String>,
    /// From when on the key is refused.
    pub expires_at: Option<String>,
    /// True where it opens the admin doors.
    pub admin: bool,
    /// The accounts that its calls go on.
    pub scopes: Vec<String>,
    /// The highest layer it may use, by its own policy and those above it.
    #[schema(value_type = Option<String>)]
    pub max_layer: Option<Layer>,
    /// The budgets of all those accounts.
    pub budgets: Vec<BudgetView>,
    /// Their limits.
    pub limits: Vec<LimitView>,
}

/// Makes a key.
///
/// # Errors
/// Those of [`Governance::create_key`], in the words of the body.
pub async fn create(office: &dyn Governance, body: KeyBody, now_ms: i64) -> Result<NewKeyView> {
    let cap_word = if body.budget_usd.is_some() { "budget_usd" } else { "budget_tokens" };
    let has_layers = body.max_layer.is_none();
    let order = body.order(now_ms)?;
    let made = office.create_key(order).await.map_err(|error| match error.field() {
        Some("cap") => error.with_field(cap_word),
        Some("policy.layers") if has_layers => error.with_field("layers"),
        _ => words::in_words(error, &WORDS),
    })?;
    shown_once(office, made, now_ms).await
}

/// Gives a key a new secret.
///
/// # Errors
/// Those of [`Governance::rotate_key`].
pub async fn rotate(
    office: &dyn Governance,
    id: &str,
    body: &RotateBody,
    now_ms: i64,
) -> Result<NewKeyView> {
    let overlap_ms = match &body.overlap {
        None => 0,
        Some(text) => duration::parse_ms(text).ok_or_else(|| {
            Error::bad_field("overlap", "`overlap` is no length of time")
                .with_hint(format!("write {}", duration::FORMS))
        })?,
    };
    let made = office.rotate_key(id, overlap_ms).await?;
    shown_once(office, made, now_ms).await
}

/// Refuses a key from now on.
///
/// # Errors
/// Those of [`Governance::revoke_key`].
pub async fn revoke(office: &dyn Governance, id: &str, now_ms: i64) -> Result<KeyView> {
    Ok(KeyView::new(&office.revoke_key(id).await?, now_ms))
}

/// One key.
///
/// # Errors
/// [`Kind::NotFound`], [`Kind::StoreUnavailable`].
pub async fn show(office: &dyn Governance, id: &str, now_ms: i64) -> Result<KeyDetail> {
    let record = office.key(id).await?.ok_or_else(|| no_key(id))?;
    detail(office, &record, now_ms).await
}

/// Keys, oldest first.
///
/// # Errors
/// [`Kind::NotFound`] where `after` is no key, [`Kind::StoreUnavailable`].
pub async fn list(
    office: &dyn Governance,
    query: &PageQuery,
    now_ms: i64,
) -> Result<Page<KeyView>> {
    let mut all = office.keys().await?;
    if let Some(after) = &query.after {
        let place = all.iter().position(|key| key.id == *after);
        let place = place.ok_or_else(|| no_key(after).with_field("after"))?;
        all.drain(..=place);
    }
    let page = query.first_of(all, |key| key.id.clone())?;
    let data = page.data.iter().map(|record| KeyView::new(record, now_ms)).collect();
    Ok(Page { data, has_more: page.has_more, next: page.next })
}

/// What a caller may know of itself.
///
/// # Errors
/// [`Kind::Unauthenticated`] for a caller that is nobody; [`Kind::StoreUnavailable`].
pub async fn own(office: &dyn Governance, caller: &Principal) -> Result<OwnKey> {
    let scopes = caller.scopes(None);
    if scopes.is_empty() && !caller.is_admin {
        return Err(Error::new(Kind::Unauthenticated, "no key was sent, so there is none to show")
            .with_hint("send it as `Authorization: Bearer <key>` or `x-api-key: <key>`"));
    }
    let record = match &caller.key_id {
        Some(id) => office.key(id).await?,
        None => None,
    };
    let budgets = office.budgets(Some(&scopes)).await?;
    let limits = office.limits(Some(&scopes)).await?;
    Ok(OwnKey {
        id: caller.key_id.clone(),
        name: record.as_ref().map(|record| record.name.clone()),
        shown: record.as_ref().map(|record| record.shown.clone()),
        expires_at: record.and_then(|record| record.expires_at_ms).map(words::instant),
        admin: caller.is_admin,
        scopes: scopes.iter().map(Scope::to_string).collect(),
        max_layer: caller.max_layer(),
        budgets: budgets.iter().map(BudgetView::new).collect(),
        limits: limits.iter().map(LimitView::new).collect(),
    })
}

/// Terms of the limits that are named.
pub(crate) fn limit_terms(
    rpm: Option<u64>,
    tpm: Option<u64>,
    dollars_per_minute: Option<Usd>,
    concurrent: Option<u64>,
) -> Vec<LimitTerms> {
    let pico = dollars_per_minute.map(|usd| u64::try_from(usd.0.pico()).unwrap_or(0));
    [
        (LimitKind::RequestsPerMinute, rpm),
        (LimitKind::TokensPerMinute, tpm),
        (LimitKind::DollarsPerMinute, pico),
        (LimitKind::Concurrent, concurrent),
    ]
    .into_iter()
    .filter_map(|(kind, max)| {
        max.map(|max| LimitTerms { kind, max, when_away: None, wait_ms: None })
    })
    .collect()
}

async fn shown_once(office: &dyn Governance, made: NewKey, now_ms: i64) -> Result<NewKeyView> {
    // The key is made; a failure to look at it must not lose its secret.
    let detail = detail(office, &made.record, now_ms).await.unwrap_or_else(|_| KeyDetail {
        key: KeyView::new(&made.record, now_ms),
        ..KeyDetail::default()
    });
    Ok(NewKeyView { key: made.key, detail })
}

async fn detail(office: &dyn Governance, record: &KeyRecord, now_ms: i64) -> Result<KeyDetail> {
    let own = [Scope::new(ScopeKind::Key, record.id.as_str())];
    let budgets = office.budgets(Some(&own)).await?;
    let limits = office.limits(Some(&own)).await?;
    Ok(KeyDetail {
        key: KeyView::new(record, now_ms),
        budgets: budgets.iter().map(BudgetView::new).collect(),
        limits: limits.iter().map(LimitView::new).collect(),
    })
}

fn no_key(id: &str) -> Error {
    let shown: String = id.chars().take(64).collect();
    Error::new(Kind::NotFound, format!("there is no key `{shown}`"))
}
