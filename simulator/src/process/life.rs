//! How long a process lives.
//!
//! Its standard input is a pipe that the supervisor holds open and never writes to. The end of the
//! pipe means "stop", and comes by itself if the supervisor is killed: nobody is left behind.

use std::io::Read;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How long an enclave outlives a signal that the terminal sent to everybody: host-proxy has the
/// same signal and lets its requests end, for which it needs the enclave. The supervisor closes the
/// pipe as soon as that is done.
const LINGER: Duration = Duration::from_millis(1200);

/// Ends when the process is to stop: with the pipe, or `linger` after SIGINT or SIGTERM.
pub(super) fn stop(linger: bool) -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // A closed terminal is the supervisor's business.
    let mut hangup = signal(SignalKind::hangup())?;
    let end = end_of_input()?;
    Ok(async move {
        let signalled = async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if linger {
                tokio::time::sleep(LINGER).await;
            }
        };
        let hung_up = async {
            while hangup.recv().await.is_some() {}
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = end => {}
            () = signalled => {}
            () = hung_up => {}
        }
        tracing::info!("stopping");
    })
}

/// Ends with standard input.
pub(crate) fn end_of_input() -> std::io::Result<impl Future<Output = ()> + Send> {
    let (ended, end) = oneshot::channel::<()>();
    // A thread of its own: a read that never ends would keep the runtime from ending.
    std::thread::Builder::new()
        .name("pipe".to_owned())
        .spawn(move || {
            let mut stdin = std::io::stdin().lock();
            let mut ignored = [0; 64];
            while matches!(stdin.read(&mut ignored), Ok(read) if read > 0) {}
            drop(ended);
        })?;
    Ok(async move {
        // Nothing is ever sent: the drop is the sign.
        let _ = end.await;
    })
}
