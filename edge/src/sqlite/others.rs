//! Other processes that write the same file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::DatabaseError;
use crate::lock::writer_of;
use crate::turnstile::{Turn, Turnstile};

/// How other processes that write the same file let us write: an operator must learn which one does not.
pub(super) struct Others {
    path: PathBuf,
    what: &'static str,
    /// Since when nothing could be written because of them, and when that was said.
    held: Option<(Instant, Instant)>,
    /// Who it is, if the turnstile has said so.
    by: Option<String>,
}

impl Others {
    /// How often it is said.
    const SAID: Duration = Duration::from_secs(10);

    pub(super) const fn new(path: PathBuf, what: &'static str) -> Self {
        Self {
            path,
            what,
            held: None,
            by: None,
        }
    }

    pub(super) fn enter<'a>(
        &mut self,
        turnstile: &'a mut Turnstile,
        until: Instant,
    ) -> Result<Turn<'a>, DatabaseError> {
        let wait = until.saturating_duration_since(Instant::now());
        let turn = turnstile.enter(wait);
        turn.map_err(|error| {
            if error.kind() != std::io::ErrorKind::TimedOut {
                return DatabaseError::Failed {
                    reason: format!("no turn to write: {error}"),
                };
            }
            self.by = Some(error.to_string());
            self.told(Err(&DatabaseError::Locked));
            DatabaseError::Locked
        })
    }

    /// What came of trying to write.
    pub(super) fn told(&mut self, outcome: Result<&(), &DatabaseError>) {
        let now = Instant::now();
        if outcome != Err(&DatabaseError::Locked) {
            if let Some((since, _)) = self.held.take() {
                let took = since.elapsed();
                tracing::info!(?took, "the {} can be written again", self.what);
            }
            return;
        }
        let by = self.by.take();
        let since = match self.held {
            Some((_, said)) if now.duration_since(said) < Self::SAID => return,
            Some((since, _)) => since,
            None => now,
        };
        self.held = Some((since, now));
        let by = by.unwrap_or_else(|| {
            let index = with_suffix(&self.path, "-shm");
            let writer = writer_of(&[&index, &self.path]);
            format!("{writer} holds a lock of SQLite and makes no progress")
        });
        tracing::error!(
            "the {} cannot be written: {by}; let it go on, or end it",
            self.what
        );
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
