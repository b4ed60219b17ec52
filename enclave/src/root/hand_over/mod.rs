//! The root key goes from a running enclave to another one, over an attested channel.
//!
//! Who asks proves by its evidence what it is; who gives decides by what it is itself: the same
//! image and the same configuration, or the pair that a release manifest names, signed by the
//! release keys of the *giver's own* configuration, announced to the giver, waited for, and
//! consented to by operators. Never to a lower epoch.
//!
//! Who asks needs to know little of the giver. What it gets is the root key or it is nothing: the
//! commitment is part of the measured `root_id`, and nobody can make another key that reproduces
//! it. And it gives nothing away by asking.

mod asker;
mod giver;

pub use asker::HandOverSource;
pub use giver::HandOverRefusal;
pub(crate) use giver::{give, measured};

use openkey_protocol::message::{HAND_OVER_INFO, Hash32, Key32};

/// What a hand-over is sealed for: this root key, to this boot of the receiver.
fn info(root_id: &Hash32, receiver: &Key32) -> Vec<u8> {
    crate::hybrid::info(HAND_OVER_INFO, &[&root_id.0, &receiver.0])
}
