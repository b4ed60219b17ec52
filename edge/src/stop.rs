//! Being asked to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ends when the process is asked to stop, by SIGTERM or SIGINT. Must be called inside a tokio runtime.
///
/// # Errors
///
/// [`io::Error`] if the signals cannot be waited for.
pub fn asked() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}
