//! The sign of life of a starting enclave. On AWS its tools wait for it; elsewhere this does.

use std::{sync::Arc, time::Duration};

use openkey_protocol::transport::Listener;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::bounded;
use crate::metrics::Metrics;

/// What comes and goes back.
const BEAT: u8 = 0xb7;
/// One byte each way.
const PATIENCE: Duration = Duration::from_secs(5);
/// Enclaves that start at once.
const CONNECTIONS: usize = 16;

/// Answers until it is dropped.
pub(crate) async fn serve(listener: Listener, metrics: Arc<Metrics>) {
    bounded(
        CONNECTIONS,
        listener,
        metrics.failing(),
        |mut stream| async move {
            let beat = async {
                if stream.read_u8().await? == BEAT {
                    stream.write_u8(BEAT).await?;
                    stream.flush().await?;
                    tracing::info!("an enclave started");
                }
                Ok::<_, std::io::Error>(())
            };
            // whoever sent nothing, or something else, is closed
            let _ = timeout(PATIENCE, beat).await;
        },
    )
    .await;
}
