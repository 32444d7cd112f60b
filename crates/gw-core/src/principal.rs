//! Who is calling.

use serde::{Deserialize, Serialize};

/// The caller of a request, as authentication established it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Principal {
    /// The key used, by its public id; `None` for a local caller without one.
    pub key_id: Option<String>,
    /// The user, where the key or the client names one.
    pub user_id: Option<String>,
    /// The project, where the key or the client names one.
    pub project_id: Option<String>,
    /// True where the caller may use the admin doors.
    pub is_admin: bool,
}
