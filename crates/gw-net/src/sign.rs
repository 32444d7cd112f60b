//! Requests that are signed, for clouds whose key is no header: Amazon's Signature Version 4 and the
//! tokens of Google's service accounts. The engine knows nothing of it: a provider's way out signs.

mod aws;
mod google;

use std::sync::Arc;

use async_trait::async_trait;
use gw_core::Result;
use gw_core::reservation::Reservation;
use gw_core::seam::{IncomingResponse, OutgoingRequest, Upstream};

pub use aws::AwsSigner;
pub use google::GoogleSigner;

/// Puts what proves the caller into a request.
pub trait Signer: Send + Sync + 'static {
    /// Signs the request as it will be sent; nothing of it may change after.
    ///
    /// # Errors
    /// [`gw_core::Kind::ProviderAuth`] where the credentials cannot sign.
    fn sign(&self, request: &mut OutgoingRequest) -> Result<()>;
}

/// A way out that signs every request first.
pub struct SignedUpstream {
    inner: Arc<dyn Upstream>,
    signer: Box<dyn Signer>,
}

impl SignedUpstream {
    /// Signs what goes through `inner`.
    pub fn new(inner: Arc<dyn Upstream>, signer: Box<dyn Signer>) -> Self {
        Self { inner, signer }
    }
}

#[async_trait]
impl Upstream for SignedUpstream {
    async fn send(
        &self,
        hold: &Reservation,
        mut request: OutgoingRequest,
    ) -> Result<IncomingResponse> {
        self.signer.sign(&mut request)?;
        self.inner.send(hold, request).await
    }

    async fn fetch(&self, mut request: OutgoingRequest) -> Result<IncomingResponse> {
        self.signer.sign(&mut request)?;
        self.inner.fetch(request).await
    }
}
