//! By what time things are forgotten: what was forgotten by a wrong time does not come back when it is set right.

/// A time that goes on with the steady clock where the node's time jumps, and catches up once that has held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sure {
    /// How long it must hold, in milliseconds.
    lasts_ms: i64,
    /// What this time was, and what the steady clock said then.
    was: (i64, i64),
    /// Since when the node's time holds, by the steady clock.
    since_ms: i64,
}

impl Sure {
    /// What is known is this time, and the node's time may be any later one.
    pub(super) const fn new(lasts_ms: i64, sure_ms: i64, steady_ms: i64) -> Self {
        Self::goes_on(lasts_ms, (sure_ms, steady_ms), steady_ms)
    }

    /// One that was kept.
    pub(super) const fn goes_on(lasts_ms: i64, was: (i64, i64), since_ms: i64) -> Self {
        Self {
            lasts_ms,
            was,
            since_ms,
        }
    }

    /// Never later than the node's time.
    pub(super) fn at(&self, now_ms: i64, steady_ms: i64) -> i64 {
        let (ms, then) = self.was;
        ms.saturating_add(steady_ms.saturating_sub(then))
            .min(now_ms)
    }

    pub(super) const fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// Nothing contradicts the node's time now.
    pub(super) fn holds(&mut self, now_ms: i64, steady_ms: i64) {
        if steady_ms.saturating_sub(self.since_ms) >= self.lasts_ms {
            self.was = (now_ms, steady_ms);
        }
    }

    /// Something did until now.
    pub(super) fn again(&mut self, steady_ms: i64) {
        self.since_ms = steady_ms;
    }

    /// The node's time, which was this one, jumps.
    pub(super) fn jumps(&mut self, before_ms: i64, steady_ms: i64) {
        self.was = (self.at(before_ms, steady_ms), steady_ms);
        self.since_ms = steady_ms;
    }
}
