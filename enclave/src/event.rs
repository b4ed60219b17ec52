//! What an enclave says about itself: a closed list of events without free text, so that nothing
//! from a request or a record can leave through a log.

use openkey_protocol::message::{Class, ErrorCode};

use crate::nsm::NsmError;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The configuration is measured and the keys are ready.
    Booted,
    /// A request was answered.
    Answered {
        /// The request's class.
        class: Class,
    },
    /// A request was refused.
    Refused {
        /// The class it arrived under.
        class: Class,
        /// The rule.
        code: ErrorCode,
    },
    /// A new reading of the NSM's time differed from what had been counted.
    ClockCorrected {
        /// Positive if the NSM was ahead.
        by_ms: i64,
    },
    /// The NSM failed.
    NsmFailed(NsmError),
    /// The store does not answer.
    StoreFailed,
    /// The store answered with an older record than the enclave knows, or hid one.
    RolledBack,
    /// A record did not open under its own name.
    RecordCorrupt,
    /// The enclave's own check of a signature failed; nothing was released.
    SelfCheckFailed,
}

/// Where events go.
pub trait EventSink: Send + Sync {
    /// Takes an event. Must not block.
    fn record(&self, event: Event);
}

/// Drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn record(&self, _: Event) {}
}

impl<F: Fn(Event) + Send + Sync> EventSink for F {
    fn record(&self, event: Event) {
        self(event);
    }
}
