//! Attested TLS (feature `channel`): the other side of a connection is an enclave, and which one.
//!
//! Each side that has evidence presents a self-signed certificate with one extension
//! ([`openkey_protocol::channel`]): an attestation document, made without a nonce, whose binding
//! names the certificate's key. TLS 1.3 proves who holds the key, the document proves where it
//! lives. Nothing else in the certificate counts: not its names, not its dates, not its signature.
//!
//! [`Channel`] is what a connection proves. It is made only from an established connection
//! ([`ChannelPolicy::established`], which [`Connector`] calls), resumed or not: a resumed
//! connection runs no certificate verifier, so the evidence that it was begun with is judged
//! again, under the policy of now and at the time of now.

mod certificate;
mod connect;
mod error;
mod evidence;
mod expiring;
mod policy;
mod sessions;
mod verifiers;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use connect::{Attested, Connector, connect};
pub use error::ChannelError;
pub use evidence::Channel;
pub use expiring::Expiring;
pub use policy::ChannelPolicy;
pub use sessions::Sessions;
pub use verifiers::{ClientVerifier, ServerVerifier};

use openkey_attestation::UnixMillis;

/// The time at which evidence is judged.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMillis;
}

impl<F: Fn() -> UnixMillis + Send + Sync + 'static> Clock for F {
    fn now(&self) -> UnixMillis {
        self()
    }
}

/// The system's clock, for native clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        // A clock before 1970 makes every document one from the future.
        let millis = since.map_or(0, |since| since.as_millis());
        UnixMillis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// The channel's cryptography: aws-lc, the key exchanges of today with the one that also resists
/// quantum computers first, cipher suites of TLS 1.3 alone. Passed explicitly, so that no other
/// crate's default comes into play.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::{cipher_suite, kx_group};
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
}

/// A clock in the shape that rustls wants.
pub(crate) struct Time(pub(crate) Arc<dyn Clock>);

impl core::fmt::Debug for Time {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Time(..)")
    }
}

impl rustls::time_provider::TimeProvider for Time {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let since = core::time::Duration::from_millis(self.0.now().0);
        Some(rustls::pki_types::UnixTime::since_unix_epoch(since))
    }
}

/// A clock for a rustls configuration (ticket ages).
#[must_use]
pub fn time_provider(clock: Arc<dyn Clock>) -> Arc<dyn rustls::time_provider::TimeProvider> {
    Arc::new(Time(clock))
}
