//! The recipient's attestation document, held to what AWS holds it to.

use openkey_attestation::{
    ChainError, Document, Measurements, ModuleKind, Policy, Refusal, Roots, UnixMillis, Verifier,
};

use super::{MAX_DOCUMENT_AGE, api::Rule};

/// What a good document says.
pub(super) struct Attested {
    pub(super) pcrs: Measurements,
    /// SubjectPublicKeyInfo (DER).
    pub(super) public_key: Vec<u8>,
}

/// Verifies a document under these roots, at this time. KMS gives no nonce: it judges the age.
pub(super) fn verify(document: &[u8], roots: &Roots, now_ms: u64) -> Result<Attested, Rule> {
    let parsed = Document::parse(document).map_err(|_| Rule::Document)?;
    let simulator = ModuleKind::of(parsed.payload().module_id) == ModuleKind::Simulator;
    let policy = Policy::any_measurement()
        .simulator(simulator)
        .max_channel_age(MAX_DOCUMENT_AGE)
        .map_err(|_| Rule::Internal)?;
    let verified = Verifier::new(roots.clone()).channel(document, &policy, UnixMillis(now_ms));
    let evidence = verified.map_err(|refusal| match refusal {
        Refusal::TooOld { .. }
        | Refusal::InTheFuture { .. }
        | Refusal::Chain(ChainError::Expired(_) | ChainError::NotYetValid(_)) => {
            Rule::DocumentExpired
        }
        _ => Rule::Document,
    })?;
    let claims = evidence.claims();
    Ok(Attested {
        pcrs: claims.pcrs.clone(),
        public_key: claims.public_key.clone().ok_or(Rule::NoRecipientKey)?,
    })
}
