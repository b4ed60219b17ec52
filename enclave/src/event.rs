//! What an enclave says about itself: a closed list of events without free text, so that nothing
//! from a request or a record can leave through a log.

pub use openkey_protocol::message::EnclaveEvent;

/// Where events go.
pub trait EventSink: Send + Sync {
    /// Takes an event. Must not block.
    fn record(&self, event: EnclaveEvent);
}

/// Drops every event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl EventSink for Silent {
    fn record(&self, _: EnclaveEvent) {}
}

impl<F: Fn(EnclaveEvent) + Send + Sync> EventSink for F {
    fn record(&self, event: EnclaveEvent) {
        self(event);
    }
}
