//! The running enclave: requests in, replies out.

use std::sync::Arc;

use crate::{
    boot::Capacity, clock::Clock, configuration::Configuration, entropy::Entropy, event::EventSink,
    identity::Identity, nsm::NsmHandle, root::Root,
};

/// A booted enclave.
pub struct Enclave<S> {
    pub(crate) nsm: NsmHandle,
    pub(crate) entropy: Entropy,
    pub(crate) clock: Clock,
    pub(crate) identity: Identity,
    pub(crate) root: Root,
    pub(crate) configuration: Configuration,
    pub(crate) store: S,
    pub(crate) events: Arc<dyn EventSink>,
    pub(crate) release: String,
    pub(crate) capacity: Capacity,
}
