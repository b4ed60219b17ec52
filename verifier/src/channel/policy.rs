//! What is expected of the other side.

use std::{sync::Arc, time::Duration};

use openkey_attestation::{self as attestation, Policy, UnixMillis, Verifier};
use openkey_protocol::{channel::ALPN, message::Key32};
use rustls::{CommonState, HandshakeKind, ProtocolVersion, pki_types::CertificateDer};
use sha2::{Digest, Sha256};

use super::{
    Channel, ChannelError,
    certificate::{self, Parts},
};
use crate::evidence::Bound;

/// What an enclave at the other end of a channel must be. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ChannelPolicy {
    verifier: Arc<Verifier>,
    policy: Policy,
}

impl ChannelPolicy {
    /// Expects an enclave whose document this verifier accepts under `policy`, its root id and
    /// epoch included.
    #[must_use]
    pub const fn new(verifier: Arc<Verifier>, policy: Policy) -> Self {
        Self { verifier, policy }
    }

    /// SHA-256 over everything that decides: two policies of one hash accept the same. Sessions
    /// are kept under it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Fields(Sha256::new());
        for pem in self.verifier.roots().to_pem() {
            hash.field("root", pem.as_bytes());
        }
        let policy = &self.policy;
        for set in policy.measurements().unwrap_or_default() {
            hash.field("set", b"");
            for (index, pcr) in set.iter() {
                hash.field("pcr", &[&[index][..], &pcr.0].concat());
            }
        }
        let millis = |duration: Duration| duration.as_millis().to_be_bytes();
        hash.field("age", &millis(policy.accepted_channel_age()));
        hash.field("skew", &millis(policy.accepted_skew()));
        let flags = [policy.accepts_debug(), policy.is_for_simulator()];
        hash.field("flags", &flags.map(u8::from));
        if let Some(key) = policy.bound_public_key() {
            hash.field("public-key", key);
        }
        if let Some(data) = policy.bound_user_data_sha256() {
            hash.field("user-data", data);
        }
        if let Some(root_id) = policy.pinned_root_id() {
            hash.field("root-id", root_id);
        }
        if let Some(epoch) = policy.lowest_epoch() {
            hash.field("epoch", &epoch.to_be_bytes());
        }
        hash.0.finalize().into()
    }

    /// Judges a certificate as the handshake presents it.
    pub(super) fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixMillis,
    ) -> Result<Channel, ChannelError> {
        if !others.is_empty() {
            return Err(ChannelError::Chain);
        }
        let Parts { tls_key, document } = certificate::parts(certificate)?;
        let evidence = self.verifier.channel(&document, &self.policy, now);
        let evidence = evidence.map_err(crate::evidence::EvidenceError::from)?;
        let bound = Bound::read(evidence.claims(), &self.policy)?;
        match bound.binding.tls_key {
            None => return Err(ChannelError::KeyMissing),
            Some(bound) if bound != tls_key => return Err(ChannelError::KeyMismatch),
            Some(_) => {}
        }
        self.check(evidence, bound)
    }

    fn check(&self, evidence: attestation::Channel, bound: Bound) -> Result<Channel, ChannelError> {
        let claims = evidence.claims();
        let boot_key = claims.public_key.as_deref().map(<[u8; 32]>::try_from);
        let Some(Ok(boot_key)) = boot_key else {
            return Err(ChannelError::BootKey);
        };
        let age = u64::try_from(self.policy.accepted_channel_age().as_millis());
        let aged_out = claims.timestamp.0.saturating_add(age.unwrap_or(u64::MAX));
        Ok(Channel {
            expires: UnixMillis(aged_out).min(claims.certificate_expires),
            evidence,
            boot_key: Key32(boot_key),
            bound,
            resumed: false,
        })
    }

    /// Judges an established connection, full or resumed, and says what it proves. In a resumed
    /// one the certificate is that of the session, whose secret only its two ends had.
    ///
    /// # Errors
    ///
    /// [`ChannelError`]; [`ChannelError::NoCertificate`] for a client that presented none, whom a
    /// server may serve as a stranger.
    pub fn established(
        &self,
        connection: &CommonState,
        now: UnixMillis,
    ) -> Result<Channel, ChannelError> {
        if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3)
            || connection.alpn_protocol() != Some(ALPN)
        {
            return Err(ChannelError::Protocol);
        }
        let presented = connection.peer_certificates().unwrap_or_default();
        let (certificate, others) = presented.split_first().ok_or(ChannelError::NoCertificate)?;
        let mut channel = self.judge(certificate, others, now)?;
        channel.resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        Ok(channel)
    }
}

/// A hash over named fields, none of which can be read as another.
struct Fields(Sha256);

impl Fields {
    fn field(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
    }
}
