//! What stops a simulation.

use std::pin::{Pin, pin};

use tokio::signal::unix::{SignalKind, signal};

use crate::process::life;

/// Said at once when told to stop.
pub(super) const STOPPING: &str = "stopping";

/// What stops a simulation.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Signals {
    pub(super) fn listen(until_eof: bool) -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            end: if until_eof {
                Box::pin(life::end_of_input()?)
            } else {
                Box::pin(std::future::pending())
            },
        })
    }

    /// What a job gives; `None` if told to stop meanwhile, which is said at once. The job is waited for
    /// all the same, so that nothing happens after it.
    pub(super) async fn unless<T>(&mut self, job: impl Future<Output = T>) -> Option<T> {
        let mut job = pin!(job);
        tokio::select! {
            () = self.any() => {
                eprintln!("{STOPPING}");
                job.await;
                None
            }
            done = &mut job => Some(done),
        }
    }

    pub(super) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
            () = &mut self.end => {}
        }
    }
}
