//! Name resolution by the system, without the addresses that the guard refuses.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

use crate::connector::WayError;
use crate::guard;

#[derive(Clone)]
pub(crate) struct GuardedResolver {
    system: GaiResolver,
}

impl GuardedResolver {
    pub(crate) fn new() -> Self {
        Self { system: GaiResolver::new() }
    }
}

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = WayError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, WayError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), WayError>> {
        self.system.poll_ready(context).map_err(WayError::Dns)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let looking_up = self.system.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = looking_up.await.map_err(WayError::Dns)?.collect();
            let had_any = !found.is_empty();
            let allowed: Vec<SocketAddr> =
                found.into_iter().filter(|address| !guard::is_metadata(address.ip())).collect();
            match (allowed.is_empty(), had_any) {
                (true, true) => Err(WayError::Metadata),
                (true, false) => Err(WayError::Dns(std::io::ErrorKind::NotFound.into())),
                (false, _) => Ok(allowed.into_iter()),
            }
        })
    }
}
