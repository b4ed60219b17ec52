//! Keeping the clock and the entropy pool fresh.

use openkey_protocol::message::{Error, ErrorCode};

use super::Enclave;
use crate::{
    clock::{MAX_READING_AGE, MAX_UNREAD},
    errors::refuse,
    event::Event,
    nsm::NsmError,
};

/// From this age on one request takes a new reading while the others go on with the old one.
const READ_AHEAD: u64 = MAX_READING_AGE / 2;

impl<S> Enclave<S> {
    /// Sees to it that the time in use was read from the NSM within the last minute. While the NSM
    /// does not answer the enclave counts on for [`MAX_UNREAD`], then it refuses.
    pub(super) async fn keep_time(&self) -> Result<(), Error> {
        if self.clock.reading_age() < READ_AHEAD {
            return Ok(());
        }
        let _one_reader = if self.clock.reading_age() < MAX_READING_AGE {
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
        match self.nsm.time().await {
            Ok(time) => {
                let by_ms = self.clock.set(asked_at, time);
                self.events.record(Event::ClockCorrected { by_ms });
            }
            Err(error) => {
                self.nsm_failed(error);
                if self.clock.reading_age() >= MAX_UNREAD {
                    return Err(refuse(ErrorCode::Unavailable));
                }
                return Ok(());
            }
        }
        if let Err(error) = self.entropy.reseed().await {
            // The pool goes on from its last seed, which is still unpredictable.
            self.nsm_failed(error);
        }
        Ok(())
    }

    /// Notes a failure of the NSM and gives the refusal for it.
    pub(super) fn nsm_failed(&self, error: NsmError) -> Error {
        self.events.record(Event::NsmFailed(error));
        refuse(match error {
            NsmError::Busy => ErrorCode::TooMany,
            _ => ErrorCode::Unavailable,
        })
    }
}
