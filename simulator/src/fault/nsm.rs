//! An NSM that fails, dawdles, or runs in debug mode.

use std::sync::Arc;

use openkey_enclave::nsm::{Nsm, NsmError, NsmRequest, NsmResponse};

use super::{Board, Fault};
use crate::nsm::SoftNsm;

/// A simulated NSM with the faults `nsm-error`, `nsm-slow` and `nsm-debug`.
pub struct FaultyNsm {
    nsm: SoftNsm,
    board: Arc<Board>,
}

impl FaultyNsm {
    /// Puts the board between an NSM and whoever asks it.
    #[must_use]
    pub const fn new(nsm: SoftNsm, board: Arc<Board>) -> Self {
        Self { nsm, board }
    }
}

impl Nsm for FaultyNsm {
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        if let Some(delay) = self.board.delay(Fault::NsmSlow) {
            // The trait is blocking and its one caller a thread of its own, as with the device.
            std::thread::sleep(delay);
        }
        if self.board.strikes(Fault::NsmError) {
            return Err(NsmError::Internal);
        }
        self.nsm.set_debug(self.board.is_set(Fault::NsmDebug));
        self.nsm.call(request)
    }
}
