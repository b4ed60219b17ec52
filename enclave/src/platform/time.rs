//! Keeping the clock and the entropy pool fresh.

use std::time::Duration;

use openkey_protocol::message::{EnclaveEvent, Error, ErrorCode};

use super::Platform;
use crate::{
    clock::{MAX_READING_AGE, MAX_UNREAD},
    errors::{refuse, refuse_because},
    nsm::NsmError,
};

/// From this age on one request takes a new reading while the others go on with the old one.
const READ_AHEAD: u64 = MAX_READING_AGE / 2;

/// How long a request waits for a reading. The NSM answers in milliseconds or not at all.
const PATIENCE: Duration = Duration::from_secs(2);
/// By how many milliseconds a reading may differ from what was counted without anybody being told:
/// clocks drift, and the NSM takes some time to answer. A second is far less than what anything
/// here is measured in.
const UNTOLD: u64 = 1_000;
/// How long after a failed reading nobody tries again, in milliseconds: otherwise every request would
/// wait for a broken NSM in turn.
const PAUSE: u64 = 5_000;

impl Platform {
    /// Sees to it that the time in use was read from the NSM within the last minute. While the NSM
    /// does not answer the enclave counts on for [`MAX_UNREAD`], then it refuses.
    pub(crate) async fn keep_time(&self) -> Result<(), Error> {
        if self.clock.reading_age() < READ_AHEAD {
            return Ok(());
        }
        // The lock's content is when a reading failed last.
        let mut failed_at = if self.clock.reading_age() < MAX_READING_AGE {
            match self.reading.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(()),
            }
        } else {
            self.reading.lock().await
        };
        if self.clock.reading_age() < READ_AHEAD {
            return Ok(());
        }
        let asked_at = self.clock.elapsed_ms();
        let paused = failed_at.is_some_and(|at| asked_at.saturating_sub(at) < PAUSE);
        if !paused {
            let answer = tokio::time::timeout(PATIENCE, self.nsm.time()).await;
            match answer.unwrap_or(Err(NsmError::Unreachable)) {
                Ok(time) => {
                    *failed_at = None;
                    let by_ms = self.clock.set(asked_at, time);
                    if by_ms.unsigned_abs() >= UNTOLD {
                        self.events.record(EnclaveEvent::ClockCorrected { by_ms });
                    }
                    self.reseed().await;
                    return Ok(());
                }
                Err(error) => {
                    *failed_at = Some(asked_at);
                    self.nsm_failed(error);
                }
            }
        }
        if self.clock.reading_age() >= MAX_UNREAD {
            return Err(refuse(ErrorCode::Unavailable));
        }
        Ok(())
    }

    /// The pool goes on from its last seed, which is still unpredictable, if the NSM gives none.
    async fn reseed(&self) {
        let answer = tokio::time::timeout(PATIENCE, self.entropy.reseed()).await;
        if let Err(error) = answer.unwrap_or(Err(NsmError::Unreachable)) {
            self.nsm_failed(error);
        }
    }

    /// Notes a failure of the NSM and gives the refusal for it.
    pub(crate) fn nsm_failed(&self, error: NsmError) -> Error {
        self.events.record(EnclaveEvent::NsmFailed);
        match error {
            NsmError::Busy => refuse_because(
                ErrorCode::Busy,
                "Too many requests wait for the security module already: this one did not reach it.",
            ),
            _ => refuse(ErrorCode::Unavailable),
        }
    }
}
