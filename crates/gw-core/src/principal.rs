//! Who is calling.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::ConversationId;
use crate::key::Policy;
use crate::layer::Layer;
use crate::scope::{Scope, ScopeKind};

/// The caller of a request, as authentication established it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Principal {
    /// The key used, by its public id; `None` for a local caller without one.
    pub key_id: Option<String>,
    /// Who answers for the key.
    pub owner: Option<String>,
    /// The organisation that pays.
    pub organisation: Option<String>,
    /// The team that pays.
    pub team: Option<String>,
    /// The user, where the key or the client names one.
    pub user_id: Option<String>,
    /// The project, where the key or the client names one.
    pub project_id: Option<String>,
    /// Labels that are counted.
    pub tags: Vec<String>,
    /// The customer's own customer, where the client names one.
    pub end_user: Option<String>,
    /// What the caller may use: the key's policy and those of everything above it. All of them hold.
    pub policies: Vec<Arc<Policy>>,
    /// True where the caller may use the admin doors.
    pub is_admin: bool,
}

impl Principal {
    /// True where every policy allows the model.
    pub fn allows_model(&self, provider: &str, name: &str) -> bool {
        self.policies.iter().all(|policy| policy.allows_model(provider, name))
    }

    /// True where every policy allows the layer.
    pub fn allows_layer(&self, layer: Layer) -> bool {
        self.policies.iter().all(|policy| policy.allows_layer(layer))
    }

    /// True where every policy allows the path of the HTTP surface.
    pub fn allows_endpoint(&self, path: &str) -> bool {
        self.policies.iter().all(|policy| policy.allows_endpoint(path))
    }

    /// True where every policy allows the tool, named `server::tool`.
    pub fn allows_tool(&self, tool: &str) -> bool {
        self.policies.iter().all(|policy| policy.allows_tool(tool))
    }

    /// The highest layer that every policy allows; `None`: no layer at all.
    pub fn max_layer(&self) -> Option<Layer> {
        Layer::ALL.into_iter().rev().find(|layer| self.allows_layer(*layer))
    }

    /// Every account a call goes on, each once, in the order of [`ScopeKind::ALL`].
    pub fn scopes(&self, conversation: Option<&ConversationId>) -> Vec<Scope> {
        let named = |kind, id: &Option<String>| {
            id.as_deref().filter(|id| !id.is_empty()).map(|id| Scope::new(kind, id))
        };
        let mut scopes: Vec<Scope> = Vec::with_capacity(8);
        scopes.extend(named(ScopeKind::Organisation, &self.organisation));
        scopes.extend(named(ScopeKind::Team, &self.team));
        scopes.extend(named(ScopeKind::User, &self.user_id));
        scopes.extend(named(ScopeKind::Key, &self.key_id));
        scopes.extend(named(ScopeKind::Project, &self.project_id));
        scopes.extend(conversation.map(|id| Scope::new(ScopeKind::Conversation, id.as_str())));
        for tag in self.tags.iter().filter(|tag| !tag.is_empty()) {
            let is_new =
                !scopes.iter().any(|scope| scope.kind == ScopeKind::Tag && *scope.id == **tag);
            if is_new {
                scopes.push(Scope::new(ScopeKind::Tag, tag.as_str()));
            }
        }
        scopes.extend(named(ScopeKind::EndUser, &self.end_user));
        scopes
    }
}

#[cfg(test)]
mod tests {
    use super::Principal;

    #[test]
    fn a_call_goes_on_each_account_once() {
        let principal = Principal {
            key_id: Some("key_1".into()),
            team: Some("t".into()),
            user_id: Some(String::new()),
            tags: vec!["b".into(), String::new(), "a".into(), "b".into()],
            end_user: Some("e".into()),
            ..Principal::default()
        };
        let scopes = principal.scopes(Some(&"talk".into()));
        let text: Vec<String> = scopes.iter().map(ToString::to_string).collect();
        let wanted = ["team:t", "key:key_1", "conversation:talk", "tag:b", "tag:a", "end_user:e"];
        assert_eq!(text, wanted);
        assert!(Principal::default().scopes(None).is_empty());
    }
}
