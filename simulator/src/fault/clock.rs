//! The host's clock, moved.

use std::sync::Arc;

use openkey_enclave::clock::WallClock;

use super::Board;

/// A wall clock that is wrong by the fault `clock-offset`.
pub struct FaultyClock<C> {
    clock: C,
    board: Arc<Board>,
}

impl<C> FaultyClock<C> {
    /// Moves `clock` by whatever the board says at the time.
    pub const fn new(clock: C, board: Arc<Board>) -> Self {
        Self { clock, board }
    }
}

impl<C: WallClock> WallClock for FaultyClock<C> {
    fn now_ms(&self) -> Option<u64> {
        let now = self.clock.now_ms()?;
        Some(now.saturating_add_signed(self.board.clock_offset_ms()))
    }
}
