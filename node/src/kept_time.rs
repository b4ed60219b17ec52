//! A clock that somebody may set, and the time that a node goes by.
//!
//! What was used is forgotten when it has ended, and what has ended opens nothing: both hang on the time. So
//! the node's own time goes on with the machine's steady clock, follows the machine's other clock in small
//! steps, and a jump only when it has lasted, or when an operator says so. What it was is kept in the store.

mod sure;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use self::sure::Sure;
use crate::clock::Clock;

/// The largest step that is followed at once, and in any ten minutes, in milliseconds.
pub const STEP_MS: i64 = 60_000;
/// How long a larger one must last, in milliseconds.
pub const LASTS_MS: i64 = 10 * 60_000;
/// How long one must last until what is granted and taken back is forgotten by it, in milliseconds.
pub const LASTS_LONG_MS: i64 = 24 * 3_600_000;

/// What is kept of the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The node's time, in milliseconds of Unix time.
    pub(crate) seen_ms: i64,
    /// What the steady clock said then.
    pub(crate) steady_ms: i64,
    /// Which start of the machine that was.
    pub(crate) boot: String,
    /// How often an operator has said that the machine's clock is right.
    pub(crate) accepted: i64,
    /// Longest life of an invocation, in milliseconds.
    pub(crate) longest_ms: i64,
    /// By what time marks are forgotten, and since when the time holds by the steady clock; if it is known.
    pub(crate) soon: Option<(i64, i64)>,
    /// The same, for delegations and what revoked them.
    pub(crate) late: Option<(i64, i64)>,
}

/// The node's time.
pub struct KeptTime {
    clock: Arc<dyn Clock>,
    boot: String,
    longest_ms: AtomicI64,
    state: Mutex<State>,
}

struct State {
    /// Between the steady clock and the node's time.
    offset_ms: i64,
    /// The same when the present ten minutes began, and when that was.
    base: (i64, i64),
    /// When the node's time was slowed down last.
    slowed_ms: i64,
    /// What was told last.
    told_ms: i64,
    off: Option<Off>,
    accepted: i64,
    /// By what time marks are forgotten, and by what time delegations.
    sure: [Sure; 2],
}

/// The machine's clock contradicts the node's time.
#[derive(Clone, Copy, Debug)]
struct Off {
    since_ms: i64,
    by_ms: i64,
}

impl KeptTime {
    /// By this clock, and what was kept.
    pub(crate) fn new(clock: Arc<dyn Clock>, kept: Option<Kept>) -> Self {
        let (wall_ms, boot) = (clock.now_ms(), clock.boot());
        let steady_ms = clock.steady_ms().unwrap_or(0);
        let now_ms = match &kept {
            // it is known how long the node was away
            Some(kept) if kept.boot == boot && kept.steady_ms <= steady_ms => {
                kept.seen_ms.saturating_add(steady_ms - kept.steady_ms)
            }
            // it cannot be earlier
            Some(kept) if wall_ms < kept.seen_ms.saturating_sub(STEP_MS) => kept.seen_ms,
            _ => wall_ms,
        };
        let offset_ms = now_ms.saturating_sub(steady_ms);
        let sure = |lasts_ms: i64, of: fn(&Kept) -> Option<(i64, i64)>| match &kept {
            // there is nothing yet to forget
            None => Sure::new(lasts_ms, now_ms, steady_ms),
            Some(kept) => {
                let (sure_ms, since_ms) = of(kept).unwrap_or((kept.seen_ms, kept.steady_ms));
                if kept.boot == boot && kept.steady_ms <= steady_ms {
                    Sure::goes_on(lasts_ms, (sure_ms, kept.steady_ms), since_ms)
                } else {
                    Sure::new(lasts_ms, sure_ms, steady_ms)
                }
            }
        };
        let sure = [
            sure(LASTS_MS, |kept| kept.soon),
            sure(LASTS_LONG_MS, |kept| kept.late),
        ];
        let longest_ms = kept.as_ref().map_or(0, |kept| kept.longest_ms);
        let time = Self {
            clock,
            boot,
            longest_ms: AtomicI64::new(longest_ms),
            state: Mutex::new(State {
                offset_ms,
                base: (offset_ms, steady_ms),
                slowed_ms: steady_ms,
                told_ms: now_ms,
                off: None,
                accepted: kept.map_or(0, |kept| kept.accepted),
                sure,
            }),
        };
        // a start that contradicts what was kept is reported at once
        time.now_ms();
        time
    }

    /// By how much the machine's clock is ahead of the node's time, in milliseconds, if it is not followed.
    #[must_use]
    pub fn off_ms(&self) -> Option<i64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.off.map(|off| off.by_ms)
    }

    /// Invocations may live for so long, in milliseconds.
    pub(crate) fn allow(&self, longest_ms: i64) {
        self.longest_ms.fetch_max(longest_ms, Ordering::Relaxed);
    }

    /// By what time marks of what was used are forgotten, in milliseconds of Unix time: it does not follow a
    /// time that has not held for ten minutes. `None` where there is no steady clock: every time is believed.
    pub(crate) fn soon_ms(&self) -> Option<i64> {
        self.sure_ms(0)
    }

    /// The same, for delegations and what revoked them, after a day.
    pub(crate) fn late_ms(&self) -> Option<i64> {
        self.sure_ms(1)
    }

    fn sure_ms(&self, which: usize) -> Option<i64> {
        let steady_ms = self.clock.steady_ms()?;
        let wall_ms = self.clock.now_ms();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = state.now(wall_ms, steady_ms);
        let sure = state.sure.get(which)?;
        Some(sure.at(now_ms, steady_ms))
    }

    /// What is to be kept now; `None` where there is no steady clock. So many times an operator has said
    /// that the machine's clock is right: if that is news, it is believed.
    pub(crate) fn keep(&self, accepted: i64) -> Option<Kept> {
        let steady_ms = self.clock.steady_ms()?;
        let wall_ms = self.clock.now_ms();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if accepted != state.accepted {
            state.accepted = accepted;
            if state.off.is_some() {
                state.follow(wall_ms, steady_ms);
            }
        }
        let seen_ms = state.now(wall_ms, steady_ms);
        let [soon, late] = state.sure.each_ref();
        Some(Kept {
            seen_ms,
            steady_ms,
            boot: self.boot.clone(),
            accepted,
            longest_ms: self.longest_ms.load(Ordering::Relaxed),
            soon: Some((soon.at(seen_ms, steady_ms), soon.since_ms())),
            late: Some((late.at(seen_ms, steady_ms), late.since_ms())),
        })
    }
}

impl Clock for KeptTime {
    fn now_ms(&self) -> i64 {
        let wall_ms = self.clock.now_ms();
        match self.clock.steady_ms() {
            None => wall_ms,
            Some(steady_ms) => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.now(wall_ms, steady_ms)
            }
        }
    }

    fn steady_ms(&self) -> Option<i64> {
        self.clock.steady_ms()
    }

    fn boot(&self) -> String {
        self.boot.clone()
    }
}

impl State {
    fn now(&mut self, wall_ms: i64, steady_ms: i64) -> i64 {
        let wall_offset = wall_ms.saturating_sub(steady_ms);
        if steady_ms.saturating_sub(self.base.1) > LASTS_MS {
            self.base = (self.offset_ms, steady_ms);
        }
        let is_ahead = wall_offset > self.base.0.max(self.offset_ms - STEP_MS) + STEP_MS;
        let is_behind = wall_offset < self.offset_ms - STEP_MS;
        if is_ahead || is_behind {
            self.is_off(wall_ms, steady_ms);
        } else {
            if self.off.take().is_some() {
                tracing::info!("the machine's clock agrees with the node's time again");
                self.sure.iter_mut().for_each(|sure| sure.again(steady_ms));
            }
            self.approach(wall_offset, steady_ms);
        }
        // never back, but by what was accepted
        self.told_ms = self.told_ms.max(steady_ms.saturating_add(self.offset_ms));
        if self.off.is_none() {
            let now_ms = self.told_ms;
            let sure = self.sure.iter_mut();
            sure.for_each(|sure| sure.holds(now_ms, steady_ms));
        }
        self.told_ms
    }

    /// Forward at once, back by going slower.
    fn approach(&mut self, wall_offset: i64, steady_ms: i64) {
        let passed_ms = steady_ms.saturating_sub(self.slowed_ms).max(0);
        if wall_offset >= self.offset_ms {
            self.offset_ms = wall_offset;
            self.slowed_ms = steady_ms;
        } else if passed_ms > 10 {
            self.offset_ms = wall_offset.max(self.offset_ms - passed_ms / 2);
            self.slowed_ms = steady_ms;
        }
    }

    fn is_off(&mut self, wall_ms: i64, steady_ms: i64) {
        let by_ms = wall_ms.saturating_sub(steady_ms.saturating_add(self.offset_ms));
        match self.off {
            Some(off) if (by_ms - off.by_ms).abs() <= STEP_MS => {
                if steady_ms.saturating_sub(off.since_ms) >= LASTS_MS {
                    self.follow(wall_ms, steady_ms);
                }
            }
            _ => {
                let since_ms = steady_ms;
                self.off = Some(Off { since_ms, by_ms });
                tracing::error!(
                    seconds = by_ms / 1000,
                    "the machine's clock contradicts the node's time, which does not follow it until \
                     that has lasted ten minutes: set the clock, or run `openkey-node clock --accept`"
                );
            }
        }
    }

    fn follow(&mut self, wall_ms: i64, steady_ms: i64) {
        let before_ms = self.told_ms.max(steady_ms.saturating_add(self.offset_ms));
        let sure = self.sure.iter_mut();
        sure.for_each(|sure| sure.jumps(before_ms, steady_ms));
        self.offset_ms = wall_ms.saturating_sub(steady_ms);
        self.base = (self.offset_ms, steady_ms);
        self.told_ms = wall_ms;
        self.off = None;
        tracing::warn!("the node's time follows the machine's clock");
    }
}

#[cfg(test)]
mod tests;
