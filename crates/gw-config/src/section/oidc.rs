//! `[server.oidc]`: tokens of an identity provider in place of keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Tokens of an identity provider (OpenID Connect), accepted where keys are. Off unless `issuer` is
/// set.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Oidc {
    /// What the `iss` of a token must be, to the letter.
    #[schemars(extend("x-example" = "https://login.example/realm"))]
    pub issuer: Option<String>,
    /// What the `aud` of a token must hold one of.
    #[schemars(extend("x-example" = ["ai-mcp-gateway"]))]
    pub audience: Vec<String>,
    /// The address of this gateway's `/mcp` as clients know it. MCP clients are told it, and tokens may
    /// hold it in `aud`.
    #[schemars(extend("x-example" = "https://gateway.example/mcp"))]
    pub resource: Option<String>,
    /// Where the provider's keys are read: at the start, and when a token names an unknown one, at
    /// most once a minute.
    #[schemars(extend("x-example" = "https://login.example/realm/certs"))]
    pub jwks_url: Option<String>,
    /// The provider's keys themselves, as JSON; `{file:PATH}` reads them from a file.
    #[schemars(extend("x-example" = "{env:OIDC_JWKS}"))]
    pub jwks: Option<Secret>,
    /// A secret shared with whoever makes the tokens (HS256, HS384, HS512).
    #[schemars(extend("x-example" = "{env:OIDC_SECRET}"))]
    pub hmac_secret: Option<Secret>,
    /// Which claims say what of a caller.
    pub claims: Claims,
}

/// Which claims say what of a caller: a name, or names with dots between them for what lies deeper.
/// An empty one says nothing.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Claims {
    /// The user.
    pub user: String,
    /// The team.
    pub team: String,
    /// The organisation.
    pub organisation: String,
    /// The project.
    pub project: String,
    /// Labels: a list of texts, or one text with blanks between them.
    pub tags: String,
    /// The claim that makes an admin, by being true or by holding `admin_value`.
    pub admin: String,
    /// What that claim must hold, as its text or in its list.
    pub admin_value: String,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            user: "sub".to_owned(),
            team: String::new(),
            organisation: String::new(),
            project: String::new(),
            tags: String::new(),
            admin: String::new(),
            admin_value: String::new(),
        }
    }
}
