//! One key epoch: a key, the evidence over it, and the certificate that carries both.

use std::sync::Arc;

use openkey_protocol::{
    cbor,
    channel::{self, ALPN, EVIDENCE_OID},
    message::{Hash32, RootSource},
};
use openkey_verifier::channel::{ClientVerifier, provider, time_provider};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, PublicKeyData};
use rustls::{
    ServerConfig,
    client::ResolvesClientCert,
    server::ServerSessionMemoryCache,
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use sha2::{Digest, Sha256};

use super::{
    CHAIN_MARGIN, EnclaveChannelError, KEY_EPOCH, LEAST_EPOCH, MAX_KEY_EPOCH, OwnRoot, clock,
    key::TlsKey,
};
use crate::platform::Platform;

/// Sessions that clients may resume within a key epoch: a client more or less costs a handshake,
/// and with evidence in them they are some kilobytes each.
const SESSIONS: usize = 256;
/// For the certificate's subject, which means nothing.
const NAME: &str = "openkey channel";

/// One key epoch.
pub(crate) struct KeyEpoch {
    certified: Arc<CertifiedKey>,
    server: Arc<ServerConfig>,
    peers: OwnRoot,
    /// What the evidence says of the root key.
    root_source: Option<RootSource>,
    /// Milliseconds since 1970: from then on another key is made.
    due: u64,
    /// Milliseconds since 1970: from then on the key is not used.
    ends: u64,
}

impl KeyEpoch {
    /// Makes a key and asks the NSM for evidence over it. `root` is the own root as an earlier
    /// epoch saw it.
    ///
    /// # Errors
    ///
    /// [`EnclaveChannelError`]; nothing of the attempt is kept.
    pub(crate) async fn make(
        platform: &Platform,
        root: Option<OwnRoot>,
    ) -> Result<(Self, OwnRoot), EnclaveChannelError> {
        let key = TlsKey::new(&platform.entropy.secret().await?);
        let tls_key = Hash32(Sha256::digest(key.subject_public_key_info()).into());
        let binding = platform.binding(Some(tls_key));
        let user_data = cbor::encode(&binding).map_err(|_| EnclaveChannelError::Certificate)?;
        let public_key = platform.boot_key().to_vec();
        let document = platform.attest(None, public_key, user_data).await?;
        let root = match root {
            Some(root) => root,
            None => OwnRoot::of(&document)?,
        };
        let own = root.verify_own(&document)?;
        let claims = own.claims();
        let (made, chain_ends) = (claims.timestamp.0, claims.certificate_expires.0);
        let due = made.saturating_add(KEY_EPOCH);
        let due = due.min(chain_ends.saturating_sub(CHAIN_MARGIN));
        let certified = Arc::new(certified(&key, &document)?);
        let epoch = Self {
            server: server(platform, &root, &certified)?,
            certified,
            peers: root.clone(),
            root_source: binding.root_source,
            due: due.max(made.saturating_add(LEAST_EPOCH)),
            ends: made.saturating_add(MAX_KEY_EPOCH).min(chain_ends),
        };
        Ok((epoch, root))
    }

    /// Whether another key should take over.
    pub(crate) fn is_due(&self, now: u64, root_source: Option<RootSource>) -> bool {
        // Evidence that speaks of an awaited root key is stale once the key is there.
        now >= self.due || now >= self.ends || self.root_source != root_source
    }

    /// Whether its evidence is too old to be shown.
    pub(crate) const fn has_ended(&self, now: u64) -> bool {
        now >= self.ends
    }

    /// When its connections end at the latest. Milliseconds since 1970.
    pub(crate) const fn ends(&self) -> u64 {
        self.ends
    }

    /// TLS for connections that others make.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// The certificate for connections to others.
    pub(crate) fn client(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }

    /// Who else is talked to.
    pub(crate) const fn peers(&self) -> &OwnRoot {
        &self.peers
    }
}

fn certified(key: &TlsKey, document: &[u8]) -> Result<CertifiedKey, EnclaveChannelError> {
    let value = channel::encode(document).map_err(|_| EnclaveChannelError::OwnEvidence)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    // A serial number of this key's; its dates (rcgen's: very long) mean nothing, the evidence's do.
    let serial = Sha256::digest(key.der_bytes());
    params.serial_number = Some(serial.get(..16).unwrap_or_default().to_vec().into());
    // Not critical: TLS libraries refuse critical extensions that they do not know.
    params.custom_extensions = vec![CustomExtension::from_oid_content(EVIDENCE_OID, value)];
    let certificate = params
        .self_signed(key)
        .map_err(|_| EnclaveChannelError::Certificate)?;
    Ok(CertifiedKey::new(
        vec![certificate.der().clone()],
        Arc::new(key.clone()),
    ))
}

fn server(
    platform: &Platform,
    root: &OwnRoot,
    certified: &Arc<CertifiedKey>,
) -> Result<Arc<ServerConfig>, EnclaveChannelError> {
    let clock = clock(platform);
    let verifier = ClientVerifier::new(root.policy(), Arc::clone(&clock));
    let mut config = ServerConfig::builder_with_details(provider(), time_provider(clock))
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| EnclaveChannelError::Certificate)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(certified))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // No data before the handshake's end: it could be replayed.
    config.max_early_data_size = 0;
    // In memory, of this epoch, and of no other: no ticket outlives the key it was given under.
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}
