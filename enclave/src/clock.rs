//! Time that the host cannot move: the NSM's timestamp, advanced by a clock that only counts.
//!
//! The NSM signs the time into each attestation document. The enclave reads it at boot and at least
//! once a minute, and in between adds what CLOCK_BOOTTIME counted. The wall clock (kvm-clock on
//! hardware) is a cross-check: where something expires, the later of the two counts, so that a host
//! that moves the wall clock can end things early but never keep them alive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};

/// How old a reading of the NSM may be, in milliseconds, before the next request waits for a new
/// one: "at least every minute".
pub const MAX_READING_AGE: u64 = 60_000;
/// How long the enclave goes on by counting alone while the NSM does not answer, in milliseconds.
/// CLOCK_BOOTTIME drifts by far less than a second in that time.
pub const MAX_UNREAD: u64 = 300_000;

/// A clock that only counts, in milliseconds from anywhere, suspended time included.
pub trait Monotonic: Send + Sync {
    /// How far it has counted.
    fn elapsed_ms(&self) -> u64;
}

/// A clock that says what time it is, for the cross-check.
pub trait WallClock: Send + Sync {
    /// Milliseconds since 1970; `None` if there is no such clock.
    fn now_ms(&self) -> Option<u64>;
}

/// CLOCK_BOOTTIME of the enclave's kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootTime;

impl Monotonic for BootTime {
    fn elapsed_ms(&self) -> u64 {
        milliseconds(ClockId::Boottime).unwrap_or(0)
    }
}

/// CLOCK_REALTIME of the enclave's kernel: kvm-clock on hardware.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealTime;

impl WallClock for RealTime {
    fn now_ms(&self) -> Option<u64> {
        milliseconds(ClockId::Realtime)
    }
}

fn milliseconds(clock: ClockId) -> Option<u64> {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let nanos = u64::try_from(time.tv_nsec).ok()?;
    Some(
        seconds
            .saturating_mul(1000)
            .saturating_add(nanos / 1_000_000),
    )
}

/// The enclave's clock.
pub struct Clock {
    monotonic: Arc<dyn Monotonic>,
    wall: Arc<dyn WallClock>,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
struct State {
    /// What the NSM said last.
    base_ms: u64,
    /// What the monotonic clock showed *before* the NSM was asked: the base is never younger.
    base_elapsed: u64,
    /// The latest time ever given out.
    floor: u64,
}

impl core::fmt::Debug for Clock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

impl Clock {
    /// A clock that starts at what the NSM said (`nsm_ms`) when it was asked at `asked_at` of the
    /// monotonic clock.
    #[must_use]
    pub fn new(
        monotonic: Arc<dyn Monotonic>,
        wall: Arc<dyn WallClock>,
        asked_at: u64,
        nsm_ms: u64,
    ) -> Self {
        Self {
            monotonic,
            wall,
            state: Mutex::new(State {
                base_ms: nsm_ms,
                base_elapsed: asked_at,
                floor: nsm_ms,
            }),
        }
    }

    /// Takes a new reading of the NSM. Returns by how many milliseconds it differs from what had
    /// been counted (positive: the NSM is ahead).
    pub fn set(&self, asked_at: u64, nsm_ms: u64) -> i64 {
        let mut state = self.lock();
        let counted = counted(&state, asked_at);
        state.base_ms = nsm_ms;
        state.base_elapsed = asked_at;
        i64::try_from(i128::from(nsm_ms) - i128::from(counted)).unwrap_or(i64::MAX)
    }

    /// What the monotonic clock shows.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        self.monotonic.elapsed_ms()
    }

    /// How old the last reading of the NSM is, in milliseconds.
    #[must_use]
    pub fn reading_age(&self) -> u64 {
        let elapsed = self.monotonic.elapsed_ms();
        elapsed.saturating_sub(self.lock().base_elapsed)
    }

    /// The time: what enclave statements carry. Never goes backwards.
    #[must_use]
    pub fn now(&self) -> u64 {
        let elapsed = self.monotonic.elapsed_ms();
        let mut state = self.lock();
        state.floor = state.floor.max(counted(&state, elapsed));
        state.floor
    }

    /// The time at which expiry is judged: the later of [`Self::now`] and the wall clock. Moving the
    /// wall clock forward ends things early, moving it back changes nothing.
    #[must_use]
    pub fn expiry_now(&self) -> u64 {
        let now = self.now();
        self.wall.now_ms().map_or(now, |wall| wall.max(now))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every write of the state is complete in itself: a panic elsewhere leaves it usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn counted(state: &State, elapsed: u64) -> u64 {
    state
        .base_ms
        .saturating_add(elapsed.saturating_sub(state.base_elapsed))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Manual(AtomicU64);

    impl Monotonic for Manual {
        fn elapsed_ms(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    impl WallClock for Manual {
        fn now_ms(&self) -> Option<u64> {
            Some(self.0.load(Ordering::SeqCst))
        }
    }

    fn clock() -> (Arc<Manual>, Arc<Manual>, Clock) {
        let counter = Arc::new(Manual(AtomicU64::new(50)));
        let wall = Arc::new(Manual(AtomicU64::new(1_000_000)));
        let clock = Clock::new(counter.clone(), wall.clone(), 50, 1_000_000);
        (counter, wall, clock)
    }

    #[test]
    fn counts_on_from_the_reading() {
        let (counter, _, clock) = clock();
        counter.0.store(1_050, Ordering::SeqCst);
        assert_eq!(clock.now(), 1_001_000);
        assert_eq!(clock.reading_age(), 1_000);
    }

    #[test]
    fn never_goes_backwards() {
        let (counter, _, clock) = clock();
        counter.0.store(10_050, Ordering::SeqCst);
        assert_eq!(clock.now(), 1_010_000);
        // The NSM says it is earlier, the counter is set back: time stands still.
        assert_eq!(clock.set(10_050, 1_004_000), -6_000);
        assert_eq!(clock.now(), 1_010_000);
        counter.0.store(0, Ordering::SeqCst);
        assert_eq!(clock.now(), 1_010_000);
        counter.0.store(20_050, Ordering::SeqCst);
        assert_eq!(clock.now(), 1_014_000);
    }

    #[test]
    fn e6_the_wall_clock_can_end_things_early_and_never_extend_them() {
        let (counter, wall, clock) = clock();
        counter.0.store(5_050, Ordering::SeqCst);
        wall.0.store(0, Ordering::SeqCst);
        assert_eq!(clock.expiry_now(), 1_005_000, "moved back: no effect");
        wall.0.store(9_000_000, Ordering::SeqCst);
        assert_eq!(clock.expiry_now(), 9_000_000, "moved forward: ends early");
        assert_eq!(
            clock.now(),
            1_005_000,
            "what is issued keeps the NSM's time"
        );
    }

    #[test]
    fn the_kernel_clocks_answer() {
        assert!(RealTime.now_ms().unwrap() > 1_700_000_000_000);
        assert!(BootTime.elapsed_ms() > 0);
    }
}
