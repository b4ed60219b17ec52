//! The sign of life that AWS's tools wait for.

use std::time::Duration;

use openkey_protocol::transport::{Address, Connect as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

/// Where the host waits for it.
const PORT: u32 = 9000;
/// What is sent and comes back.
const BEAT: u8 = 0xb7;
/// Nobody has to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells the host once that the enclave is running. Nothing depends on the answer.
pub(crate) async fn beat(parent: u32) {
    let beat = async {
        let address = Address::Vsock {
            cid: parent,
            port: PORT,
        };
        let mut stream = address.connect().await?;
        stream.write_u8(BEAT).await?;
        stream.read_u8().await
    };
    let _ = timeout(PATIENCE, beat).await;
}
