//! Accounts: organisations, teams, users and projects.

use gw_core::key::{Policy, ScopeNode};
use gw_core::seam::Governance;
use gw_core::{Error, Kind, Layer, Result};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::words::{self, Body, Page, PageQuery};

/// Names of fields in the rooms, and here.
const WORDS: [(&str, &str); 8] = [
    ("policy.models", "models"),
    ("policy.layers", "max_layer"),
    ("policy.endpoints", "endpoints"),
    ("policy.tools", "tools"),
    ("organisation", "scope"),
    ("team", "scope"),
    ("user", "scope"),
    ("project", "scope"),
];

/// An account that is to be. What is left out is not bound, or taken over from its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccountBody {
    /// Which one, as `kind:id`: organisation, team, user or project.
    #[schema(required = true, value_type = String, example = "team:research",
        pattern = "^(organisation|team|user|project):[a-z0-9._-]{1,64}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What it belongs to: a team to an organisation, a user or project to a team or organisation.
    #[schema(pattern = "^(organisation|team):[a-z0-9._-]{1,64}$", example = "organisation:acme")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// For people.
    #[schema(max_length = 100, pattern = "^[ -~]*$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Models that everything in it may use at most; `*` stands for any text. None: all.
    #[schema(schema_with = words::texts)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Layers that everything in it may use at most. None: all.
    #[schema(schema_with = words::layers)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Paths that everything in it may use at most; `*` stands for any text. None: all.
    #[schema(schema_with = words::texts)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// Tools that everything in it may use at most, as `server::tool`. None: all.
    #[schema(schema_with = words::texts)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The highest layer that everything in it may use.
    #[schema(schema_with = words::layer)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_layer: Option<Layer>,
}

impl Body for AccountBody {
    const FIELDS: &'static [&'static str] =
        &["scope", "parent", "name", "models", "layers", "endpoints", "tools", "max_layer"];
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AccountView {
    /// Which one.
    pub scope: String,
    /// What it belongs to.
    pub parent: Option<String>,
    /// For people.
    pub name: String,
    /// Models that everything in it may use at most; none: all.
    pub models: Vec<String>,
    /// Layers; none: all.
    #[schema(value_type = Vec<String>)]
    pub layers: Vec<Layer>,
    /// Paths; none: all.
    pub endpoints: Vec<String>,
    /// Tools; none: all.
    pub tools: Vec<String>,
    /// The highest layer.
    #[schema(value_type = Option<String>)]
    pub max_layer: Option<Layer>,
}

impl AccountView {
    /// The account.
    pub fn new(node: &ScopeNode) -> Self {
        let policy = node.policy.clone();
        Self {
            scope: node.scope.to_string(),
            parent: node.parent.as_ref().map(ToString::to_string),
            name: node.name.clone(),
            models: policy.models,
            layers: policy.layers,
            endpoints: policy.endpoints,
            tools: policy.tools,
            max_layer: policy.max_layer,
        }
    }
}

/// Defines an account.
///
/// # Errors
/// Those of [`Governance::put_account`], in the words of the body.
pub async fn set(office: &dyn Governance, body: AccountBody) -> Result<AccountView> {
    let has_layers = body.max_layer.is_none();
    let node = ScopeNode {
        scope: words::scope("scope", &words::required("scope", body.scope)?)?,
        parent: body.parent.as_deref().map(|text| words::scope("parent", text)).transpose()?,
        name: body.name.unwrap_or_default(),
        policy: Policy {
            models: body.models,
            layers: body.layers,
            endpoints: body.endpoints,
            tools: body.tools,
            max_layer: body.max_layer,
        },
    };
    let view = AccountView::new(&node);
    office.put_account(node).await.map_err(|error| match error.field() {
        Some("policy.layers") if has_layers => error.with_field("layers"),
        _ => words::in_words(error, &WORDS),
    })?;
    Ok(view)
}

/// Accounts, by kind and id.
///
/// # Errors
/// [`Kind::InvalidRequest`] for the query, [`Kind::StoreUnavailable`].
pub async fn list(office: &dyn Governance, query: &PageQuery) -> Result<Page<AccountView>> {
    let scope = query.scope()?;
    let mut all = office.accounts().await?;
    all.retain(|node| scope.as_ref().is_none_or(|scope| node.scope == *scope));
    all.sort_by_key(|node| node.scope.to_string());
    let page = query.cut(all, |node| node.scope.to_string())?;
    let data = page.data.iter().map(AccountView::new).collect();
    Ok(Page { data, has_more: page.has_more, next: page.next })
}

/// Removes an account.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Conflict`] where accounts or usable keys belong to it;
/// [`Kind::StoreUnavailable`].
pub async fn remove(office: &dyn Governance, text: &str) -> Result<()> {
    let scope = words::scope("scope", text)?;
    if office.remove_account(&scope).await? {
        return Ok(());
    }
    Err(Error::new(Kind::NotFound, format!("{scope} is not defined")))
}
