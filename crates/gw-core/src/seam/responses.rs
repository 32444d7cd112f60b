//! The seam to kept responses: what a client of OpenAI's responses continues by
//! `previous_response_id` or reads again.

use async_trait::async_trait;

use crate::Result;
use crate::record::StoredResponse;

/// Keeps responses, each with what the client sent for it. What an owner keeps, nobody else finds.
#[async_trait]
pub trait Responses: Send + Sync + 'static {
    /// Keeps a response, in place of one with the same owner and id. When it returns, later reads
    /// see it and it survives the death of the process.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn keep_response(&self, response: StoredResponse) -> Result<()>;

    /// A response and those before it, oldest first, at most `turns_max`: empty where it is not
    /// known. The first one names one before it where that is no longer kept, or is beyond
    /// `turns_max`.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn response_thread(
        &self,
        owner: &str,
        id: &str,
        turns_max: usize,
    ) -> Result<Vec<StoredResponse>>;

    /// The newest response that gave an output item of this id.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn response_of_item(&self, owner: &str, item_id: &str) -> Result<Option<StoredResponse>>;

    /// Removes a response; false where there was none.
    ///
    /// # Errors
    /// [`crate::Kind::StoreUnavailable`].
    async fn forget_response(&self, owner: &str, id: &str) -> Result<bool>;
}
