//! Holding documents to roots and policies.

use sha2::{Digest, Sha256};

use crate::cache::{ChainCache, Name};
use crate::chain::Chain;
use crate::document::{Document, ModuleKind, Pcrs, region_of};
use crate::error::Refusal;
use crate::evidence::{Archival, Channel, Claims, Fresh};
use crate::measurement::{Measurements, Pcr};
use crate::policy::Policy;
use crate::request::Nonce;
use crate::roots::Roots;
use crate::time::UnixMillis;

/// Verifies documents under a set of roots.
///
/// It reads no clock and no files and keeps no state, unless it is given a cache of chains; the
/// answers are the same with one.
#[derive(Debug)]
pub struct Verifier {
    roots: Roots,
    cache: Option<ChainCache>,
}

impl Verifier {
    /// A verifier that verifies every chain anew.
    pub fn new(roots: Roots) -> Self {
        Self { roots, cache: None }
    }

    /// Remembers verified chains in this cache.
    pub fn with_cache(mut self, cache: ChainCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// The pinned roots.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Verifies a document that was asked for with this nonce, at this time.
    ///
    /// The time stamp must lie between `now` less the policy's maximum age and `now` plus its
    /// skew, bounds included. The certificates must be valid at `now`, or at the time stamp if
    /// that is later: a leaf may be a tenth of a second old, and a clock that is slow within the
    /// allowed skew must not make it invalid.
    ///
    /// # Errors
    ///
    /// The first broken rule, in the order that the crate's page gives.
    pub fn fresh(
        &self,
        document: &[u8],
        policy: &Policy,
        nonce: &Nonce,
        now: UnixMillis,
    ) -> Result<Fresh, Refusal> {
        let document = Document::parse(document)?;
        check_kind(&document, policy)?;
        check_age(
            document.payload().timestamp,
            policy,
            policy.accepted_age(),
            now,
        )?;
        check_nonce(document.payload().nonce, nonce)?;
        let at = now.max(document.payload().timestamp);
        self.claims(&document, policy, at).map(Fresh::new)
    }

    /// Verifies a document that was made for the key of a channel, at this time: without a nonce,
    /// and at most [`Policy::accepted_channel_age`] old. Skew and certificates are judged as by
    /// [`Verifier::fresh`].
    ///
    /// Whoever calls this compares the key that the document binds with the connection's; the
    /// document alone is public and can be shown by anybody.
    ///
    /// # Errors
    ///
    /// The first broken rule, in the order that the crate's page gives.
    pub fn channel(
        &self,
        document: &[u8],
        policy: &Policy,
        now: UnixMillis,
    ) -> Result<Channel, Refusal> {
        let document = Document::parse(document)?;
        check_kind(&document, policy)?;
        let timestamp = document.payload().timestamp;
        check_age(timestamp, policy, policy.accepted_channel_age(), now)?;
        // An answer to somebody's question is not offered as a channel's evidence.
        if document.payload().nonce.is_some() {
            return Err(Refusal::NoncePresent);
        }
        let at = now.max(timestamp);
        self.claims(&document, policy, at).map(Channel::new)
    }

    /// Verifies a stored document as of its own time. The policy's age and skew have no meaning
    /// here; a nonce, when given, is the one that the document must carry.
    ///
    /// # Errors
    ///
    /// The first broken rule, in the order that the crate's page gives.
    pub fn archival(
        &self,
        document: &[u8],
        policy: &Policy,
        nonce: Option<&Nonce>,
    ) -> Result<Archival, Refusal> {
        let document = Document::parse(document)?;
        check_kind(&document, policy)?;
        if let Some(nonce) = nonce {
            check_nonce(document.payload().nonce, nonce)?;
        }
        let at = document.payload().timestamp;
        self.claims(&document, policy, at).map(Archival::new)
    }

    fn claims(
        &self,
        document: &Document<'_>,
        policy: &Policy,
        at: UnixMillis,
    ) -> Result<Claims, Refusal> {
        let payload = document.payload();
        let chain = self.authenticate(document, at.seconds())?;
        let region = region_of(&chain.name, payload.module_id).ok_or(Refusal::LeafName)?;
        check_measurements(&payload.pcrs, policy)?;
        check_binding(document, policy)?;
        let pcrs = payload.pcrs.iter().map(|(i, pcr)| (i, Pcr(*pcr)));
        Ok(Claims {
            module_id: payload.module_id.to_owned(),
            region: region.to_owned(),
            timestamp: payload.timestamp,
            // The parser saw that there is one, and none twice.
            pcrs: Measurements::new(pcrs).map_err(|_| MALFORMED_PCRS)?,
            public_key: payload.public_key.map(<[u8]>::to_vec),
            user_data: payload.user_data.map(<[u8]>::to_vec),
            nonce: payload.nonce.map(<[u8]>::to_vec),
            debug: payload.pcrs.are_debug(),
            simulator: ModuleKind::of(payload.module_id) == ModuleKind::Simulator,
            certificate_expires: UnixMillis::from_seconds(chain.not_after),
            root_sha256: chain.root_sha256,
        })
    }

    /// Verifies chain and signature.
    fn authenticate(&self, document: &Document<'_>, at: u64) -> Result<Chain, Refusal> {
        let payload = document.payload();
        let verify = || Chain::verify(payload.certificate, &payload.cabundle, &self.roots, at);
        let Some(cache) = &self.cache else {
            let chain = verify()?;
            check_signature(&chain, document)?;
            return Ok(chain);
        };
        let name = Name::of(payload.certificate, &payload.cabundle);
        let known = cache.get(&name, at);
        let is_new = known.is_none();
        let chain = match known {
            Some(chain) => chain,
            None => verify()?,
        };
        check_signature(&chain, document)?;
        if is_new {
            cache.put(name, chain.clone(), at);
        }
        Ok(chain)
    }
}

/// What a payload without PCRs would be refused with, had it parsed.
const MALFORMED_PCRS: Refusal = Refusal::Malformed(crate::document::Malformed::Length(
    crate::document::Field::Pcrs,
));

fn check_kind(document: &Document<'_>, policy: &Policy) -> Result<(), Refusal> {
    match (
        ModuleKind::of(document.payload().module_id),
        policy.is_for_simulator(),
    ) {
        (ModuleKind::Simulator, false) => Err(Refusal::Simulator),
        (ModuleKind::Hardware, true) => Err(Refusal::NotSimulator),
        _ => Ok(()),
    }
}

fn check_age(
    timestamp: UnixMillis,
    policy: &Policy,
    max_age: core::time::Duration,
    now: UnixMillis,
) -> Result<(), Refusal> {
    let millis =
        |duration: core::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let ahead_ms = timestamp.0.saturating_sub(now.0);
    let max_skew_ms = millis(policy.accepted_skew());
    if ahead_ms > max_skew_ms {
        return Err(Refusal::InTheFuture {
            ahead_ms,
            max_skew_ms,
        });
    }
    let age_ms = now.0.saturating_sub(timestamp.0);
    let max_age_ms = millis(max_age);
    if age_ms > max_age_ms {
        return Err(Refusal::TooOld { age_ms, max_age_ms });
    }
    Ok(())
}

fn check_nonce(found: Option<&[u8]>, expected: &Nonce) -> Result<(), Refusal> {
    match found {
        None => Err(Refusal::NonceMissing),
        Some([]) => Err(Refusal::NonceEmpty),
        Some(found) if found == expected.as_bytes() => Ok(()),
        Some(_) => Err(Refusal::NonceMismatch),
    }
}

fn check_signature(chain: &Chain, document: &Document<'_>) -> Result<(), Refusal> {
    if crate::p384::verify(&chain.key, &document.to_be_signed(), document.signature()) {
        Ok(())
    } else {
        Err(Refusal::Signature)
    }
}

fn check_measurements(pcrs: &Pcrs<'_>, policy: &Policy) -> Result<(), Refusal> {
    // Before the sets: zeros in one of them do not allow debug mode.
    if pcrs.are_debug() && !policy.accepts_debug() {
        return Err(Refusal::DebugMode);
    }
    let Some(sets) = policy.measurements() else {
        return Ok(());
    };
    let differ = |set: &Measurements| -> Vec<u8> {
        set.iter()
            .filter(|(index, pcr)| pcrs.get(*index) != Some(&pcr.0))
            .map(|(index, _)| index)
            .collect()
    };
    let nearest = sets.iter().map(differ).min_by_key(Vec::len);
    match nearest {
        Some(differ) if differ.is_empty() => Ok(()),
        nearest => Err(Refusal::Measurements {
            sets: sets.len(),
            differ: nearest.unwrap_or_default(),
        }),
    }
}

fn check_binding(document: &Document<'_>, policy: &Policy) -> Result<(), Refusal> {
    let payload = document.payload();
    if let Some(bound) = policy.bound_public_key() {
        let found = payload.public_key.ok_or(Refusal::PublicKeyMissing)?;
        if found != bound {
            return Err(Refusal::PublicKeyMismatch);
        }
    }
    if let Some(bound) = policy.bound_user_data_sha256() {
        let found = payload.user_data.ok_or(Refusal::UserDataMissing)?;
        if Sha256::digest(found)[..] != bound[..] {
            return Err(Refusal::UserDataMismatch);
        }
    }
    Ok(())
}
