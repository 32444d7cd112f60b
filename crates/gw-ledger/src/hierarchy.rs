//! Who stands above whom, and what a child may have at most: what its parents have.
//!
//! Checked when something is defined; at every call all policies of the chain hold, so a parent that
//! is narrowed later narrows its children at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use gw_core::budget::Budget;
use gw_core::key::{KeyRecord, Policy, ScopeNode};
use gw_core::principal::Principal;
use gw_core::{Error, Result, Scope, ScopeKind, limits};

/// Organisations, teams, users and projects.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<Scope, ScopeNode>,
}

impl Tree {
    /// The tree of these; of two with one name the last holds.
    pub fn new(nodes: impl IntoIterator<Item = ScopeNode>) -> Self {
        Self { nodes: nodes.into_iter().map(|node| (node.scope.clone(), node)).collect() }
    }

    /// The scope's own node and those above it, nearest first. A circle ends where it closes.
    pub fn chain<'a>(&'a self, scope: &Scope) -> Vec<&'a ScopeNode> {
        let mut chain: Vec<&ScopeNode> = Vec::new();
        let mut next = self.nodes.get(scope);
        while let Some(node) = next {
            if chain.iter().any(|seen| seen.scope == node.scope) {
                break;
            }
            chain.push(node);
            next = node.parent.as_ref().and_then(|parent| self.nodes.get(parent));
        }
        chain
    }

    /// Says whether a node may be put into the tree.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`]: a parent that is not there or of the wrong kind, or a
    /// policy that allows more than the parent's or less than a child's.
    pub fn check_node(&self, node: &ScopeNode) -> Result<()> {
        check_id(&node.scope)?;
        let may_be_under: &[ScopeKind] = match node.scope.kind {
            ScopeKind::Team => &[ScopeKind::Organisation],
            ScopeKind::User | ScopeKind::Project => &[ScopeKind::Team, ScopeKind::Organisation],
            ScopeKind::Organisation => &[],
            kind => {
                let message = format!("{kind} accounts are not defined; they are there when used");
                return Err(Error::bad_field("scope", message));
            }
        };
        if let Some(parent) = &node.parent {
            if !may_be_under.contains(&parent.kind) {
                let message = format!("a {} cannot belong to {parent}", node.scope.kind);
                return Err(Error::bad_field("parent", message));
            }
            if !self.nodes.contains_key(parent) {
                return Err(Error::bad_field("parent", format!("{parent} is not defined"))
                    .with_hint("Define it first."));
            }
            for above in self.chain(parent) {
                within(&node.policy, &above.policy, &above.scope)?;
            }
        }
        let children =
            self.nodes.values().filter(|child| child.parent.as_ref() == Some(&node.scope));
        for child in children {
            if let Some(part) = child.policy.exceeds(&node.policy) {
                let message =
                    format!("{} of {} would be allowed more than its parent", part, child.scope);
                return Err(Error::bad_field(format!("policy.{part}"), message)
                    .with_hint(format!("Narrow {} first.", child.scope)));
            }
        }
        Ok(())
    }

    /// Says whether a node may be taken out.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`] where something belongs to it.
    pub fn check_removal(&self, scope: &Scope) -> Result<()> {
        match self.nodes.values().find(|node| node.parent.as_ref() == Some(scope)) {
            Some(child) => {
                Err(Error::bad_field("scope", format!("{} belongs to {scope}", child.scope)))
            }
            None => Ok(()),
        }
    }

    /// Completes a new key with the accounts above those it names, and checks it against them.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`]: accounts that contradict each other, or a policy that allows
    /// more than theirs.
    pub fn place_key(&self, key: &mut KeyRecord) -> Result<()> {
        for scope in key.principal().scopes(None) {
            check_id(&scope)?;
        }
        for kind in [ScopeKind::User, ScopeKind::Project, ScopeKind::Team] {
            let own = match kind {
                ScopeKind::User => &key.user_id,
                ScopeKind::Project => &key.project_id,
                _ => &key.team,
            };
            let Some(own) = own.clone() else { continue };
            let above: Vec<Scope> = self
                .chain(&Scope::new(kind, own.as_str()))
                .iter()
                .skip(1)
                .map(|node| node.scope.clone())
                .collect();
            for scope in above {
                let slot = match scope.kind {
                    ScopeKind::Team => &mut key.team,
                    _ => &mut key.organisation,
                };
                match slot {
                    Some(named) if **named != *scope.id => {
                        let message = format!("{kind}:{own} belongs to {scope}, not to `{named}`");
                        return Err(Error::bad_field(scope.kind.as_str(), message));
                    }
                    _ => *slot = Some(scope.id.to_string()),
                }
            }
        }
        for node in self.above_key(key) {
            within(&key.policy, &node.policy, &node.scope)?;
        }
        Ok(())
    }

    /// The caller that a key makes, bound by its own policy and all above it.
    pub fn principal(&self, key: &KeyRecord) -> Principal {
        let mut principal = key.principal();
        let policies = self.above_key(key).into_iter().map(|node| node.policy.clone());
        principal.policies.extend(policies.map(Arc::new));
        principal.policies.retain(|policy| **policy != Policy::default());
        principal
    }

    /// Says whether a budget fits under those of the accounts above its own: a hard budget in the same
    /// unit over the same window must not be larger.
    ///
    /// # Errors
    /// [`gw_core::Kind::InvalidRequest`].
    pub fn check_budget(&self, budget: &Budget, others: &[Budget]) -> Result<()> {
        let chain = self.chain(&budget.scope);
        for above in chain.iter().skip(1) {
            let tighter = others.iter().find(|other| {
                other.scope == above.scope
                    && other.is_hard
                    && other.window == budget.window
                    && std::mem::discriminant(&other.cap) == std::mem::discriminant(&budget.cap)
                    && other.cap.number() < budget.cap.number()
            });
            if let Some(tighter) = tighter {
                let message = format!(
                    "{} would be allowed {}, more than the {} of {} above it",
                    budget.scope, budget.cap, tighter.cap, above.scope
                );
                return Err(Error::bad_field("cap", message));
            }
        }
        Ok(())
    }

    fn above_key(&self, key: &KeyRecord) -> Vec<&ScopeNode> {
        let mut above: Vec<&ScopeNode> = Vec::new();
        for scope in key.principal().scopes(None) {
            for node in self.chain(&scope) {
                if !above.iter().any(|seen| seen.scope == node.scope) {
                    above.push(node);
                }
            }
        }
        above
    }
}

fn within(child: &Policy, parent: &Policy, above: &Scope) -> Result<()> {
    match child.exceeds(parent) {
        Some(part) => Err(Error::bad_field(
            format!("policy.{part}"),
            format!("allows more than {above} does"),
        )),
        None => Ok(()),
    }
}

fn check_id(scope: &Scope) -> Result<()> {
    if scope.id.is_empty() || scope.id.len() > limits::CLIENT_ID_BYTES_MAX {
        let message = format!("an id has 1 to {} bytes", limits::CLIENT_ID_BYTES_MAX);
        return Err(Error::bad_field(scope.kind.as_str(), message));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
