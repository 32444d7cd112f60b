//! One way to govern for every command: in the store itself, or through a running gateway.

use std::sync::Arc;

use crate::store::Store;
use gw_core::seam::{Clock, Governance};
use gw_core::{Error, Kind, Result};
use gw_server::admin::{
    AccountBody, AccountView, Body, BudgetBody, BudgetView, KeyBody, KeyDetail, KeyView, LimitBody,
    LimitView, NewKeyView, OwnKey, Page, PageQuery, RotateBody, accounts, budgets, keys, limits,
};
use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::remote::Remote;

/// Entries asked for at a time.
const PAGE: usize = 1_000;

/// Who keeps keys and budgets.
pub(crate) enum Desk {
    /// The store, which a gateway may have open at the same time.
    Store(Box<Here>),
    /// A running gateway.
    Gateway(Box<Remote>),
}

/// The store in this process.
pub(crate) struct Here {
    pub(crate) office: Arc<dyn Governance>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Here {
    fn now_ms(&self) -> i64 {
        self.clock.unix_ms()
    }
}

impl Desk {
    pub(crate) async fn create_key(&self, body: KeyBody) -> Result<NewKeyView> {
        match self {
            Self::Store(here) => {
                let mut made = keys::create(&*here.office, body, here.now_ms()).await?;
                forget_counts(&mut made.detail.budgets, &mut made.detail.limits);
                Ok(made)
            }
            Self::Gateway(remote) => send(remote, Method::POST, "keys", &body).await,
        }
    }

    pub(crate) async fn rotate_key(&self, id: &str, body: &RotateBody) -> Result<NewKeyView> {
        match self {
            Self::Store(here) => {
                let mut made = keys::rotate(&*here.office, id, body, here.now_ms()).await?;
                forget_counts(&mut made.detail.budgets, &mut made.detail.limits);
                Ok(made)
            }
            Self::Gateway(remote) => {
                send(remote, Method::POST, &format!("keys/{}/rotate", segment(id)), body).await
            }
        }
    }

    pub(crate) async fn revoke_key(&self, id: &str) -> Result<KeyView> {
        match self {
            Self::Store(here) => keys::revoke(&*here.office, id, here.now_ms()).await,
            Self::Gateway(remote) => {
                let path = format!("/admin/v1/keys/{}/revoke", segment(id));
                read(remote.admin(Method::POST, &path, None).await?)
            }
        }
    }

    pub(crate) async fn key(&self, id: &str) -> Result<KeyDetail> {
        match self {
            Self::Store(here) => {
                let mut detail = keys::show(&*here.office, id, here.now_ms()).await?;
                forget_counts(&mut detail.budgets, &mut detail.limits);
                Ok(detail)
            }
            Self::Gateway(remote) => {
                let path = format!("/admin/v1/keys/{}", segment(id));
                read(remote.admin(Method::GET, &path, None).await?)
            }
        }
    }

    pub(crate) async fn keys(&self) -> Result<Vec<KeyView>> {
        match self {
            Self::Store(here) => {
                let page = async |query| keys::list(&*here.office, &query, here.now_ms()).await;
                every(None, page).await
            }
            Self::Gateway(remote) => {
                every(None, async |query| list(remote, "keys", query).await).await
            }
        }
    }

    pub(crate) async fn set_account(&self, body: AccountBody) -> Result<AccountView> {
        match self {
            Self::Store(here) => accounts::set(&*here.office, body).await,
            Self::Gateway(remote) => send(remote, Method::PUT, "accounts", &body).await,
        }
    }

    pub(crate) async fn accounts(&self) -> Result<Vec<AccountView>> {
        match self {
            Self::Store(here) => {
                every(None, async |query| accounts::list(&*here.office, &query).await).await
            }
            Self::Gateway(remote) => {
                every(None, async |query| list(remote, "accounts", query).await).await
            }
        }
    }

    pub(crate) async fn remove_account(&self, scope: &str) -> Result<()> {
        match self {
            Self::Store(here) => accounts::remove(&*here.office, scope).await,
            Self::Gateway(remote) => remove(remote, "accounts", scope).await,
        }
    }

    pub(crate) async fn set_budgets(&self, body: BudgetBody) -> Result<Vec<BudgetView>> {
        match self {
            Self::Store(here) => {
                let mut set = budgets::set(&*here.office, body).await?.data;
                forget_counts(&mut set, &mut []);
                Ok(set)
            }
            Self::Gateway(remote) => {
                let page: Page<BudgetView> = send(remote, Method::PUT, "budgets", &body).await?;
                Ok(page.data)
            }
        }
    }

    pub(crate) async fn budgets(&self, scope: Option<&str>) -> Result<Vec<BudgetView>> {
        match self {
            Self::Store(here) => {
                let page = async |query| budgets::list(&*here.office, &query).await;
                let mut all = every(scope, page).await?;
                forget_counts(&mut all, &mut []);
                Ok(all)
            }
            Self::Gateway(remote) => {
                every(scope, async |query| list(remote, "budgets", query).await).await
            }
        }
    }

    pub(crate) async fn remove_budget(&self, id: &str) -> Result<()> {
        match self {
            Self::Store(here) => budgets::remove(&*here.office, id).await,
            Self::Gateway(remote) => remove(remote, "budgets", id).await,
        }
    }

    pub(crate) async fn set_limits(&self, body: LimitBody) -> Result<Vec<LimitView>> {
        match self {
            Self::Store(here) => {
                let mut set = limits::set(&*here.office, body).await?.data;
                forget_counts(&mut [], &mut set);
                Ok(set)
            }
            Self::Gateway(remote) => {
                let page: Page<LimitView> = send(remote, Method::PUT, "limits", &body).await?;
                Ok(page.data)
            }
        }
    }

    pub(crate) async fn limits(&self, scope: Option<&str>) -> Result<Vec<LimitView>> {
        match self {
            Self::Store(here) => {
                let page = async |query| limits::list(&*here.office, &query).await;
                let mut all = every(scope, page).await?;
                forget_counts(&mut [], &mut all);
                Ok(all)
            }
            Self::Gateway(remote) => {
                every(scope, async |query| list(remote, "limits", query).await).await
            }
        }
    }

    pub(crate) async fn remove_limit(&self, id: &str) -> Result<()> {
        match self {
            Self::Store(here) => limits::remove(&*here.office, id).await,
            Self::Gateway(remote) => remove(remote, "limits", id).await,
        }
    }

    /// What the key that this command was given may do; only a running gateway is asked with one.
    pub(crate) async fn own_key(&self) -> Result<OwnKey> {
        match self {
            Self::Store(_) => Err(Error::bad_field("KEY", "name the key to show")
                .with_hint("Leave it out only with --url and --api-key, to see that key itself.")),
            Self::Gateway(remote) => read(remote.admin(Method::GET, "/v1/key", None).await?),
        }
    }

    /// Waits until what was changed is written.
    pub(crate) async fn close(&self) -> Result<()> {
        match self {
            Self::Store(here) => here.store.health.flush().await,
            Self::Gateway(_) => Ok(()),
        }
    }
}

/// What calls that run hold is known to the gateway that runs them, not to the store.
fn forget_counts(budgets: &mut [BudgetView], limits: &mut [LimitView]) {
    for budget in budgets {
        budget.reserved = None;
    }
    for limit in limits {
        limit.remaining = None;
        limit.reset_ms = None;
    }
}

async fn every<T>(
    scope: Option<&str>,
    page: impl AsyncFn(PageQuery) -> Result<Page<T>>,
) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let scope = scope.map(str::to_owned);
        let next = page(PageQuery { limit: Some(PAGE), after: after.take(), scope }).await?;
        all.extend(next.data);
        match next.next {
            Some(id) if next.has_more => after = Some(id),
            _ => return Ok(all),
        }
    }
}

async fn list<T: DeserializeOwned>(
    remote: &Remote,
    what: &str,
    query: PageQuery,
) -> Result<Page<T>> {
    let mut path = format!("/admin/v1/{what}?limit={PAGE}");
    for (name, value) in [("after", &query.after), ("scope", &query.scope)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", segment(value)));
        }
    }
    read(remote.admin(Method::GET, &path, None).await?)
}

async fn send<B: Body + Serialize, T: DeserializeOwned>(
    remote: &Remote,
    method: Method,
    path: &str,
    body: &B,
) -> Result<T> {
    let body = serde_json::to_vec(body)
        .map_err(|error| Error::internal("a request cannot be written").with_source(error))?;
    read(remote.admin(method, &format!("/admin/v1/{path}"), Some(body.into())).await?)
}

async fn remove(remote: &Remote, what: &str, id: &str) -> Result<()> {
    let path = format!("/admin/v1/{what}/{}", segment(id));
    remote.admin(Method::DELETE, &path, None).await.map(drop)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|error| {
        Error::new(Kind::ProviderMalformed, "the gateway's answer is not what was expected")
            .with_hint("Use the same version of this program on both sides.")
            .with_source(error)
    })
}

/// Text as one piece of a path or query.
pub(crate) fn segment(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::segment;

    #[test]
    fn any_text_is_one_piece_of_a_path() {
        assert_eq!(segment("key_Ab-1"), "key_Ab-1");
        assert_eq!(segment("team:a/b c?ü"), "team:a%2Fb%20c%3F%C3%BC");
    }
}
