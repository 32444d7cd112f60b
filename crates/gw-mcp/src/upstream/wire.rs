//! The seam between a connection and what carries its messages.

use std::sync::Arc;

use async_trait::async_trait;

use crate::headers::Mirrored;
use crate::message::RpcError;
use crate::raw::Fields;
use crate::upstream::link::Link;
use crate::version::Version;

/// Why a request has no answer.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The server answered with an error.
    Rpc(RpcError),
    /// Nothing reached the server: the request may be sent again.
    NotSent(String),
    /// The server no longer knows the session, and so did nothing.
    SessionLost,
    /// The connection broke; the server may have done what was asked.
    Broken(String),
    /// HTTP refused with this status and text.
    Status(u16, String),
    /// No answer in time; the server was told to stop.
    TimedOut(u64),
}

/// What became of a message that was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It is on its way; what answers it comes by itself.
    Queued,
    /// Its exchange is over; nothing more will come of it.
    Ended,
}

/// A message on its way out.
pub(crate) struct Outgoing<'a> {
    /// The message.
    pub(crate) line: String,
    /// For a request, its number.
    pub(crate) request: Option<u64>,
    /// For a request or notification, its method and parameters, which headers mirror.
    pub(crate) method: &'a str,
    pub(crate) params: &'a Fields,
    pub(crate) mirrored: &'a [Mirrored],
    /// The revision spoken, once it is known.
    pub(crate) version: Option<Version>,
}

/// Carries messages to one server. What the server sends is handed to [`Link::incoming`].
#[async_trait]
pub(crate) trait Wire: Send + Sync + 'static {
    /// Hands a message over. Dropping the future closes its exchange where it has one.
    async fn deliver(&self, link: &Arc<Link>, out: Outgoing<'_>) -> Result<Delivered, Failure>;

    /// Called once after the handshake; done when what the server says unasked can be heard.
    async fn opened(&self, _link: &Arc<Link>) {}

    /// True where a request is withdrawn by closing its exchange alone.
    fn cancels_by_closing(&self, version: Option<Version>) -> bool;

    /// True where what comes on an exchange belongs to its request.
    fn has_exchanges(&self) -> bool;

    /// Ends the connection in good order, and with force where that takes long.
    async fn close(&self);
}
