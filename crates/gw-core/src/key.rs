//! Keys of the gateway, what they may do, and who stands above them. A key's secret is never here:
//! only its hash.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::budget::{BudgetTerms, LimitTerms};
use crate::layer::Layer;
use crate::principal::Principal;
use crate::scope::Scope;

/// The hash of a key's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

/// What a caller may use. An empty list allows everything of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Models, by name or `provider/name`; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Layers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
    /// Paths of the HTTP surface; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// Tools, as `server::tool`; `*` stands for any text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// The highest layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_layer: Option<Layer>,
}

impl Policy {
    /// True where it allows the model: its own name or `provider/name` matches an entry.
    pub fn allows_model(&self, provider: &str, name: &str) -> bool {
        self.models.is_empty() || {
            let id = format!("{provider}/{name}");
            self.models.iter().any(|entry| matches(entry, name) || matches(entry, &id))
        }
    }

    /// True where it allows the layer.
    pub fn allows_layer(&self, layer: Layer) -> bool {
        (self.layers.is_empty() || self.layers.contains(&layer))
            && self.max_layer.is_none_or(|max| layer <= max)
    }

    /// True where it allows the path of the HTTP surface.
    pub fn allows_endpoint(&self, path: &str) -> bool {
        self.endpoints.is_empty() || self.endpoints.iter().any(|entry| matches(entry, path))
    }

    /// True where it allows the tool, named `server::tool`.
    pub fn allows_tool(&self, tool: &str) -> bool {
        self.tools.is_empty() || self.tools.iter().any(|entry| matches(entry, tool))
    }

    /// This policy with what it leaves open taken over from `parent`: what it comes to under it,
    /// since at a call all policies of a chain hold.
    #[must_use]
    pub fn under(&self, parent: &Self) -> Self {
        let taken = |own: &Vec<String>, above: &Vec<String>| {
            if own.is_empty() { above.clone() } else { own.clone() }
        };
        let is_open = self.layers.is_empty() && self.max_layer.is_none();
        let layers = if is_open { parent } else { self };
        Self {
            models: taken(&self.models, &parent.models),
            layers: layers.layers.clone(),
            endpoints: taken(&self.endpoints, &parent.endpoints),
            tools: taken(&self.tools, &parent.tools),
            max_layer: layers.max_layer,
        }
    }

    /// Nothing, or the name of the part in which it would allow more than `parent` does. An entry
    /// is within the parent where one of the parent's entries covers all that it matches.
    pub fn exceeds(&self, parent: &Self) -> Option<&'static str> {
        let listed = |child: &[String], parent: &[String]| {
            parent.is_empty()
                || !child.is_empty()
                    && child.iter().all(|entry| parent.iter().any(|above| matches(above, entry)))
        };
        let may = |policy: &Self| Layer::ALL.map(|layer| policy.allows_layer(layer));
        let is_above = |(child, parent): (bool, bool)| child && !parent;
        if !listed(&self.models, &parent.models) {
            Some("models")
        } else if may(self).into_iter().zip(may(parent)).any(is_above) {
            Some("layers")
        } else if !listed(&self.endpoints, &parent.endpoints) {
            Some("endpoints")
        } else if !listed(&self.tools, &parent.tools) {
            Some("tools")
        } else {
            None
        }
    }
}

/// True where the text matches the pattern, in which `*` stands for any text, none included. A `*`
/// in the text is text: only a `*` of the pattern covers it.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    // The last part must end the text; those between take the first place that fits.
    let (middle, tail) = rest.rsplit_once('*').map_or(("", rest), |(middle, tail)| (middle, tail));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(tail)
}

/// A key as it is kept: everything but its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyRecord {
    /// Public id, the id of its scope.
    pub id: String,
    /// For people.
    pub name: String,
    /// First and last characters of the newest secret, to recognise it by.
    pub shown: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Its organisation.
    pub organisation: Option<String>,
    /// Its team.
    pub team: Option<String>,
    /// Its user.
    pub user_id: Option<String>,
    /// Its project.
    pub project_id: Option<String>,
    /// Its labels.
    pub tags: Vec<String>,
    /// What it may use.
    pub policy: Policy,
    /// True where it may use the admin doors.
    pub is_admin: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// From when on it is refused, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// Since when it is refused for good, in milliseconds since 1970.
    pub revoked_at_ms: Option<i64>,
    /// When it was last used, in milliseconds since 1970; at most a minute late.
    pub last_used_at_ms: Option<i64>,
}

impl KeyRecord {
    /// The caller that this key makes, with nothing added by anything above it.
    pub fn principal(&self) -> Principal {
        Principal {
            key_id: Some(self.id.clone()),
            owner: self.owner.clone(),
            organisation: self.organisation.clone(),
            team: self.team.clone(),
            user_id: self.user_id.clone(),
            project_id: self.project_id.clone(),
            tags: self.tags.clone(),
            end_user: None,
            policies: vec![Arc::new(self.policy.clone())],
            is_admin: self.is_admin,
        }
    }
}

/// A key that is wanted, with what binds it alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyOrder {
    /// The key: its name, accounts, policy and end. An empty id is made up; what only the gateway
    /// knows (`shown`, `created_at_ms` and the like) is filled in.
    pub record: KeyRecord,
    /// Its own budgets.
    pub budgets: Vec<BudgetTerms>,
    /// Its own limits.
    pub limits: Vec<LimitTerms>,
}

/// A key just made or rotated: the only time its secret is seen.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    /// What is kept of it.
    pub record: KeyRecord,
    /// The secret.
    pub key: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("record", &self.record).finish_non_exhaustive()
    }
}

/// One secret of a key. A key that is being rotated has two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySecret {
    /// The hash of the secret.
    pub hash: KeyHash,
    /// The key's public id.
    pub key_id: String,
    /// From when on it is refused, in milliseconds since 1970; `None`: as long as the key is good.
    pub until_ms: Option<i64>,
}

/// An organisation, team, user or project: what it may use, and what stands above it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeNode {
    /// Which one.
    pub scope: Scope,
    /// What it belongs to: a team to an organisation, a user or project to a team or organisation.
    #[serde(default)]
    pub parent: Option<Scope>,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// What everything in it may use at most.
    #[serde(default)]
    pub policy: Policy,
}

#[cfg(test)]
mod tests;
