//! Any bytes as the certificate of a channel's other side: the fuzz target's body, also run on its
//! corpus by the tests.

use std::sync::{Arc, LazyLock};

use openkey_verifier::{
    attestation::{Policy, Roots, UnixMillis, Verifier},
    channel::{ChannelPolicy, ClientVerifier},
};
use rustls::{
    pki_types::{CertificateDer, UnixTime},
    server::danger::ClientCertVerifier,
};

/// In the life of the certificates of the real document in the corpus.
const NOW: UnixMillis = UnixMillis(1_736_180_000_000);

static VERIFIER: LazyLock<ClientVerifier> = LazyLock::new(|| {
    let verifier = Arc::new(Verifier::new(Roots::aws()));
    let policy = ChannelPolicy::new(verifier, Policy::any_measurement());
    ClientVerifier::new(policy, Arc::new(|| NOW))
});

/// Why it is refused. It always is: no document under the AWS root names a key that is known here.
pub(crate) fn run(input: &[u8]) -> String {
    let certificate = CertificateDer::from(input);
    let judged = VERIFIER.verify_client_cert(&certificate, &[], UnixTime::now());
    judged.map(|_| ()).unwrap_err().to_string()
}
