//! Scopes: on whose account a call goes. A call usually has several at once, and each may have
//! budgets and limits of its own.
//!
//! Knows names only; who belongs to whom is in [`crate::key`], what may be spent in
//! [`crate::budget`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What kind of account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// A customer or company.
    Organisation,
    /// A part of an organisation.
    Team,
    /// A person or service that owns keys.
    User,
    /// A key, by its public id.
    Key,
    /// A piece of work that several people or keys may pay for.
    Project,
    /// One conversation.
    Conversation,
    /// A free label of keys.
    Tag,
    /// The customer's own customer, as the client names it.
    EndUser,
}

impl ScopeKind {
    /// All kinds, widest first.
    pub const ALL: [Self; 8] = [
        Self::Organisation,
        Self::Team,
        Self::User,
        Self::Key,
        Self::Project,
        Self::Conversation,
        Self::Tag,
        Self::EndUser,
    ];

    /// The word in configuration, records and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Team => "team",
            Self::User => "user",
            Self::Key => "key",
            Self::Project => "project",
            Self::Conversation => "conversation",
            Self::Tag => "tag",
            Self::EndUser => "end_user",
        }
    }
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One account: a kind and the id within it. Its text is `kind:id`, such as `team:search`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// What kind.
    pub kind: ScopeKind,
    /// Which one; any text.
    pub id: Arc<str>,
}

impl Scope {
    /// The account of this kind and id.
    pub fn new(kind: ScopeKind, id: impl Into<Arc<str>>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not `kind:id` with a kind that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a scope; write kind:id, where kind is organisation, team, user, key, project, \
     conversation, tag or end_user"
)]
pub struct NotAScope(pub String);

impl FromStr for ScopeKind {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| NotAScope(text.to_owned()))
    }
}

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, id) = text.split_once(':').ok_or_else(|| NotAScope(text.to_owned()))?;
        if id.is_empty() {
            return Err(NotAScope(text.to_owned()));
        }
        let kind = kind.parse().map_err(|_| NotAScope(text.to_owned()))?;
        Ok(Self::new(kind, id))
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scope, ScopeKind};

    #[test]
    fn text_reads_back() {
        for kind in ScopeKind::ALL {
            let scope = Scope::new(kind, "a:b c");
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        for bad in ["", "team", "team:", "Team:a", "nobody:a"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
