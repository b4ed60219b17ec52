//! A guest's vsock port behind a unix socket, as vhost-device-vsock and Firecracker offer it.
//!
//! Whoever connects writes `CONNECT PORT\n` and waits for `OK NUMBER\n`; from then on the stream is
//! the guest's. There is no other way to say "refused" than to close the stream.

use std::{io, path::Path, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

/// For the answer: the backend asks the guest's kernel, which may be busy but never waits for a
/// program.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer: `OK `, ten digits, a line feed.
const LONGEST: usize = 14;

/// Connects to `port` of the guest behind the socket file.
pub(super) async fn connect(path: &Path, port: u32) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path).await?;
    // One write: backends read the line from a non-blocking socket and take a part for the whole.
    let line = format!("CONNECT {port}\n");
    stream.write_all(line.as_bytes()).await?;
    timeout(PATIENCE, acknowledged(&mut stream))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(stream)
}

/// Reads the answer and not a byte more: the next one is the guest's.
async fn acknowledged(stream: &mut UnixStream) -> io::Result<()> {
    let mut line = Vec::with_capacity(LONGEST);
    while line.len() < LONGEST {
        let byte = stream.read_u8().await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                io::Error::from(io::ErrorKind::ConnectionRefused)
            }
            _ => error,
        })?;
        if byte == b'\n' {
            break;
        }
        line.push(byte);
    }
    let number = line.strip_prefix(b"OK ").unwrap_or_default();
    if !number.is_empty() && number.iter().all(u8::is_ascii_digit) {
        Ok(())
    } else {
        let text = "the vsock backend answered with something else than OK and a number";
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}
