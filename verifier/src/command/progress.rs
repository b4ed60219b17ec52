//! A run's time: one deadline for all of it, and what it waits for, told while it waits.

use std::{
    io::{self, Write},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use clap::{Args, value_parser};

use super::output::printable;

/// Seconds that a run may take if nothing else is said. The NSM is slow and serial, and evidence
/// waits in a queue; nothing else takes seconds.
pub const DEFAULT_TIMEOUT_SECONDS: u64 = 20;
/// Most seconds that may be given.
pub const MAX_TIMEOUT_SECONDS: u64 = 3600;

/// How long somebody looks at an empty terminal before they wonder.
const EVERY: Duration = Duration::from_secs(2);

/// How long a command that asks a server waits for it.
#[derive(Clone, Copy, Debug, Args)]
pub struct TimeArgs {
    /// Seconds that the whole command may take; what has not answered by then is not judged.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = DEFAULT_TIMEOUT_SECONDS,
        value_parser = value_parser!(u64).range(1..=MAX_TIMEOUT_SECONDS)
    )]
    timeout: u64,
}

impl TimeArgs {
    /// Begins now.
    #[must_use]
    pub fn begin(&self) -> Progress {
        Progress::begin(Duration::from_secs(self.timeout))
    }
}

/// The time of one run.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    began: Instant,
    timeout: Duration,
}

impl Progress {
    /// Begins now.
    #[must_use]
    pub fn begin(timeout: Duration) -> Self {
        Self {
            began: Instant::now(),
            timeout,
        }
    }

    /// When nothing is waited for any longer.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.began + self.timeout
    }

    /// The same time once more, from now on.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::begin(self.timeout)
    }

    /// How long is waited in all.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Does `work`; while it takes long, `what` it waits for is told on stderr every two seconds.
    pub fn during<T>(&self, what: impl Fn() -> String + Send, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            let (done, ended) = mpsc::channel::<()>();
            scope.spawn(move || {
                while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    self.tell(&what());
                }
            });
            let result = work();
            drop(done);
            result
        })
    }

    fn tell(&self, what: &str) {
        let _ = writeln!(
            io::stderr().lock(),
            "waiting for {} ({} s of {} s)",
            printable(what),
            self.began.elapsed().as_secs(),
            self.timeout.as_secs()
        );
    }
}
