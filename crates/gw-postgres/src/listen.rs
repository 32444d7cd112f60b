//! Hears of changed definitions at once. Where it cannot, the keeper's look every
//! [`gw_core::limits::INSTANCE_HEARTBEAT_MS`] finds them.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio_postgres::AsyncMessage;

use crate::database::Database;
use crate::fault::Fault;

/// Never ends.
pub(crate) async fn run(database: Arc<Database>) {
    loop {
        database.wait_until_up().await;
        if let Err(fault) = listen(&database).await {
            tracing::debug!(?fault, "not listening for changes; they are looked for instead");
        }
        // However it ended, the keeper looks whether the server is there.
        database.doubt.notify_one();
        tokio::time::sleep(database.retry.max(std::time::Duration::from_millis(50))).await;
    }
}

/// Ends with the connection.
async fn listen(database: &Database) -> Result<(), Fault> {
    let address = &database.address;
    let (client, mut connection) = address.config.connect(address.tls.clone()).await?;
    let messages = futures_util::stream::poll_fn(move |context| connection.poll_message(context));
    let hear = messages.for_each(|message| {
        if matches!(message, Ok(AsyncMessage::Notification(_))) {
            database.doubt.notify_one();
        }
        std::future::ready(())
    });
    let listen = async {
        client.batch_execute("LISTEN gateway_changed").await?;
        // What changed before this.
        database.doubt.notify_one();
        std::future::pending().await
    };
    tokio::select! {
        () = hear => Ok(()),
        ended = listen => ended,
    }
}
