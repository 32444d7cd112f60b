//! Who stands above whom, and what a child may have at most: what its parents have.
//!
//! Checked when something is defined; at every call all policies of the chain hold, so a parent that
//! is narrowed later narrows its children at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use gw_core::budget::{Budget, Limit};
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
    /// [`gw_core::Kind::InvalidRequest`] for an id or a kind that no account has;
    /// [`gw_core::Kind::Conflict`]: a parent that is not there or of the wrong kind, or a policy that
    /// allows more than the parent's or less than a child's.
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
                return Err(Error::conflict("parent", message));
            }
            if !self.nodes.contains_key(parent) {
                return Err(Error::conflict("parent", format!("{parent} is not defined"))
                    .with_hint("Define it first."));
            }
            for above in self.chain(parent) {
                within(&node.policy, &above.policy, &above.scope)?;
            }
        }
        let children =
            self.nodes.values().filter(|child| child.parent.as_ref() == Some(&node.scope));
        for child in children {
            if let Some(part) = child.policy.under(&node.policy).exceeds(&node.policy) {
                let message =
                    format!("{} of {} would be allowed more than its parent", part, child.scope);
                return Err(Error::conflict(format!("policy.{part}"), message)
                    .with_hint(format!("Narrow {} first.", child.scope)));
            }
        }
        Ok(())
    }

    /// Says whether a node may be taken out.
    ///
    /// # Errors
    /// [`gw_core::Kind::Conflict`] where something belongs to it.
    pub fn check_removal(&self, scope: &Scope) -> Result<()> {
        match self.nodes.values().find(|node| node.parent.as_ref() == Some(scope)) {
            Some(child) => {
                Err(Error::conflict("scope", format!("{} belongs to {scope}", child.scope))
                    .with_hint(format!("Remove {} first, or give it another parent.", child.scope)))
            }
            None => Ok(()),
        }
    }

    /// Completes a key with the accounts above those it names.
    ///
    /// # Errors
    /// [`gw_core::Kind::Conflict`] for accounts that contradict each other.
    pub fn complete(&self, key: &mut KeyRecord) -> Result<()> {
        for kind in [ScopeKind::User, ScopeKind::Project, ScopeKind::Team] {
            let own = match kind {
                ScopeKind::User => &key.user_id,
                ScopeKind::Project => &key.project_id,
                _ => &key.team,
            };
            let Some(own) = own.clone() else { continue };
            for above in self.above(&Scope::new(kind, own.as_str())) {
                let slot = match above.kind {
                    ScopeKind::Team => &mut key.team,
                    _ => &mut key.organisation,
                };
                match slot {
                    Some(named) if **named != *above.id => {
                        let message = format!("{kind}:{own} belongs to {above}, not to `{named}`");
                        return Err(Error::conflict(above.kind.as_str(), message));
                    }
                    _ => *slot = Some(above.id.to_string()),
                }
            }
        }
        Ok(())
    }

    /// Completes a new key with the accounts above those it names, and checks it against them.
    ///
    /// # Errors
    /// [`gw_core::Kind::Conflict`]: accounts that contradict each other, or a policy that allows more
    /// than theirs; [`gw_core::Kind::InvalidRequest`] for an id that none has.
    pub fn place_key(&self, key: &mut KeyRecord) -> Result<()> {
        for scope in key.principal().scopes(None) {
            check_id(&scope)?;
        }
        self.complete(key)?;
        for node in self.nodes_above_key(key) {
            within(&key.policy, &node.policy, &node.scope)?;
        }
        Ok(())
    }

    /// The accounts above one, nearest first. Those above a key are in [`Tree::above_key`].
    pub fn above(&self, scope: &Scope) -> Vec<Scope> {
        self.chain(scope).iter().skip(1).map(|node| node.scope.clone()).collect()
    }

    /// The accounts above a key: those it names, defined or not, and all above them. A tag is a label
    /// and not above anything.
    pub fn above_key(&self, key: &KeyRecord) -> Vec<Scope> {
        let is_above = |scope: &Scope| {
            matches!(
                scope.kind,
                ScopeKind::Organisation | ScopeKind::Team | ScopeKind::User | ScopeKind::Project
            )
        };
        let mut above: Vec<Scope> = Vec::new();
        for scope in key.principal().scopes(None).into_iter().filter(is_above) {
            for scope in std::iter::once(scope.clone()).chain(self.above(&scope)) {
                if !above.contains(&scope) {
                    above.push(scope);
                }
            }
        }
        above
    }

    /// The caller that a key makes, on the accounts it names and all that stand above them now, bound
    /// by its own policy and all of theirs.
    pub fn principal(&self, key: &KeyRecord) -> Principal {
        let mut completed = key.clone();
        // A contradiction is refused when it is defined; a key that has one keeps what it names.
        let key = if self.complete(&mut completed).is_ok() { &completed } else { key };
        let mut principal = key.principal();
        let policies = self.nodes_above_key(key).into_iter().map(|node| node.policy.clone());
        principal.policies.extend(policies.map(Arc::new));
        principal.policies.retain(|policy| **policy != Policy::default());
        principal
    }

    /// Says whether a budget fits under those of the accounts above its own.
    ///
    /// # Errors
    /// See [`budget_within`].
    pub fn check_budget(&self, budget: &Budget, others: &[Budget]) -> Result<()> {
        budget_within(budget, &self.above(&budget.scope), others)
    }

    fn nodes_above_key(&self, key: &KeyRecord) -> Vec<&ScopeNode> {
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

/// Says whether a budget fits under those of the accounts above: a hard one in the same unit over the
/// same window must not be smaller, and none may stop at a lower layer.
///
/// # Errors
/// [`gw_core::Kind::Conflict`], for `cap` or `max_layer`.
pub fn budget_within(budget: &Budget, above: &[Scope], others: &[Budget]) -> Result<()> {
    let over = others.iter().filter(|other| above.contains(&other.scope));
    let is_same = |other: &Budget| {
        other.is_hard
            && other.window == budget.window
            && std::mem::discriminant(&other.cap) == std::mem::discriminant(&budget.cap)
    };
    let is_wider = |other: &Budget| match (budget.max_layer, other.max_layer) {
        (Some(own), Some(theirs)) => own > theirs,
        _ => false,
    };
    let Budget { scope, cap, .. } = budget;
    for other in over {
        if is_same(other) && other.cap.number() < cap.number() {
            let message = format!(
                "{scope} would be allowed {cap}, more than the {} of {} above it",
                other.cap, other.scope
            );
            return Err(Error::conflict("cap", message).with_hint(format!(
                "Allow {} at most, or raise {} first.",
                other.cap, other.scope
            )));
        }
        if let (true, Some(theirs)) = (is_wider(other), other.max_layer) {
            let message = format!("{scope} would reach above {theirs}, where {} ends", other.scope);
            return Err(Error::conflict("max_layer", message));
        }
    }
    Ok(())
}

/// Says whether a limit fits under those of the accounts above: one of the same kind must not be
/// smaller.
///
/// # Errors
/// [`gw_core::Kind::Conflict`], for `max`.
pub fn limit_within(limit: &Limit, above: &[Scope], others: &[Limit]) -> Result<()> {
    let tighter = others.iter().find(|other| {
        above.contains(&other.scope) && other.kind == limit.kind && other.max < limit.max
    });
    let Some(other) = tighter else { return Ok(()) };
    let message = format!(
        "{} would be allowed {} {}, more than the {} of {} above it",
        limit.scope,
        limit.max,
        limit.kind.as_str(),
        other.max,
        other.scope
    );
    Err(Error::conflict("max", message)
        .with_hint(format!("Allow {} at most, or raise {} first.", other.max, other.scope)))
}

fn within(child: &Policy, parent: &Policy, above: &Scope) -> Result<()> {
    match child.under(parent).exceeds(parent) {
        Some(part) => {
            Err(Error::conflict(format!("policy.{part}"), format!("allows more than {above} does")))
        }
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
