//! The last words to a peer whose connection ends before it has asked.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
    time::timeout,
};

/// Peers that are waited for at once. Further ones are told what fits, and left.
const AT_ONCE: usize = 64;
/// How long one is waited for.
const WITHIN: Duration = Duration::from_secs(2);
/// Bytes that are read of what it still has to say: a connection that ends with unread bytes is reset, and
/// its peer loses what it was told.
const UNHEARD: u64 = 512 * 1024;

/// Tells peers why their connections end, a bounded number at once.
#[derive(Clone, Debug)]
pub(crate) struct Farewell {
    text: Arc<[u8]>,
    places: Arc<Semaphore>,
}

/// An answer as it is written on a connection that has asked nothing yet.
pub(crate) fn answer(status: &str, retry_after: Option<u32>, text: &str) -> Vec<u8> {
    let retry =
        retry_after.map_or_else(String::new, |seconds| format!("retry-after: {seconds}\r\n"));
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\n{retry}access-control-allow-origin: *\r\ncontent-type: text/plain; charset=utf-8\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{text}"
    )
    .into_bytes()
}

impl Farewell {
    pub(crate) fn new(text: Vec<u8>) -> Self {
        Self {
            text: text.into(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Says it, and waits a moment until the peer has read it.
    pub(crate) async fn say(&self, stream: TcpStream) {
        let Ok(_place) = self.places.try_acquire() else {
            let _ = stream.try_write(&self.text);
            return;
        };
        // whoever does not listen need not be told
        let _ = timeout(WITHIN, told(stream, &self.text)).await;
    }
}

async fn told(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &[u8]) -> io::Result<()> {
    stream.write_all(text).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(UNHEARD), &mut tokio::io::sink()).await?;
    Ok(())
}
