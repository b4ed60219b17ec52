//! A Nitro Secure Module in software.
//!
//! [`SoftNsm`] implements the enclave's [`Nsm`] trait with the semantics measured on the device
//! model and the limits of real hardware. Its documents have the hardware's shape byte for byte,
//! under certificates of [`crate::ca`]; their module ids begin with `sim-`, which every default
//! policy refuses.

pub mod measure;
pub mod pcr;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::rand::SystemRandom;
use openkey_attestation::limits::MAX_NSM_RESPONSE;
use openkey_attestation::{Payload, Pcrs, UnixMillis, sign_document};
use openkey_enclave::nsm::{
    MAX_RANDOM, Nsm, NsmDescription, NsmError, NsmRequest, NsmResponse, PCRS, PcrDigest,
};

use self::measure::Measurement;
use self::pcr::{Bank, Pcr, PcrError};
use crate::ca::{self, Authority, Leaf};

/// The clock of an NSM: milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The system's clock.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(crate::time::now_ms)
}

/// The simulated NSM of one enclave, from boot to end.
pub struct SoftNsm {
    authority: Authority,
    module_id: String,
    clock: Clock,
    bank: Mutex<Bank>,
    leaf: Mutex<Option<Leaf>>,
    debug: AtomicBool,
    random: SystemRandom,
}

impl SoftNsm {
    /// Boots an NSM for a new enclave on the authority's instance. The enclave id is made as on
    /// hardware, from the time and chance, and never comes back.
    ///
    /// # Errors
    ///
    /// [`ca::Error`] if the authority cannot be read.
    pub fn boot(
        authority: Authority,
        measurement: &Measurement,
        clock: Clock,
    ) -> Result<Self, ca::Error> {
        let instance_id = authority.instance_id()?;
        let module_id = authority.module_id(clock())?;
        Ok(Self {
            authority,
            module_id,
            clock,
            bank: Mutex::new(Bank::new(measurement.platform(&instance_id))),
            leaf: Mutex::new(None),
            debug: AtomicBool::new(false),
            random: SystemRandom::new(),
        })
    }

    /// The module id: `sim-` with 17 hexadecimal digits, `-enc` with 16.
    #[must_use]
    pub fn module_id(&self) -> &str {
        &self.module_id
    }

    /// A document over these values, and when its leaf certificate ends.
    fn attest(
        &self,
        nonce: Option<&[u8]>,
        user_data: Option<&[u8]>,
        public_key: Option<&[u8]>,
    ) -> Result<Vec<u8>, NsmError> {
        let now = (self.clock)();
        let values = self.documented();
        let mut pcrs = Pcrs::new();
        for (index, value) in &values {
            pcrs.insert(*index, value);
        }
        let mut slot = lock(&self.leaf);
        let leaf = match slot.take().filter(|leaf| leaf.serves(now)) {
            Some(leaf) => leaf,
            None => self.authority.leaf(&self.module_id, now).map_err(|error| {
                tracing::error!(%error, "the simulated NSM has no certificate");
                NsmError::Internal
            })?,
        };
        let leaf = slot.insert(leaf);
        let payload = Payload {
            module_id: &self.module_id,
            timestamp: UnixMillis(now),
            pcrs,
            certificate: &leaf.certificate,
            cabundle: leaf.bundle.iter().map(Vec::as_slice).collect(),
            public_key,
            user_data,
            nonce,
        };
        // An all-zero signature would verify nowhere; it stands only if signing itself failed,
        // which is answered as an error below.
        let mut signed = false;
        let document = sign_document(&payload, |input| {
            let signature = leaf.key.sign(&self.random, input).ok();
            let bytes = signature.and_then(|signature| signature.as_ref().try_into().ok());
            signed = bytes.is_some();
            bytes.unwrap_or([0; 96])
        })
        .map_err(|_| NsmError::InvalidArgument)?;
        if !signed {
            return Err(NsmError::Internal);
        }
        if document.len() > MAX_NSM_RESPONSE {
            return Err(NsmError::InputTooLarge);
        }
        Ok(document)
    }

    /// The locked registers, as a document shows them.
    fn documented(&self) -> Vec<(u8, Pcr)> {
        let debug = self.debug.load(Ordering::Relaxed);
        lock(&self.bank)
            .locked()
            .map(|(index, value)| {
                if debug && index <= 2 {
                    (index, [0; 48])
                } else {
                    (index, value)
                }
            })
            .collect()
    }

    /// Debug mode: PCR0, 1 and 2 read as zeros, everything else stays, the signature is perfect.
    pub fn set_debug(&self, debug: bool) {
        self.debug.store(debug, Ordering::Relaxed);
    }
}

impl Nsm for SoftNsm {
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        request.check()?;
        match request {
            NsmRequest::Describe => {
                let bank = lock(&self.bank);
                let locked = bank.locked().map(|(index, _)| u16::from(index));
                Ok(NsmResponse::Description(NsmDescription {
                    version: (1, 0, 0),
                    module_id: self.module_id.clone(),
                    max_pcrs: PCRS,
                    locked_pcrs: locked.collect::<BTreeSet<u16>>(),
                    digest: PcrDigest::Sha384,
                }))
            }
            NsmRequest::Random => {
                let mut bytes = vec![0; MAX_RANDOM];
                getrandom::fill(&mut bytes).map_err(|_| NsmError::Internal)?;
                Ok(NsmResponse::Random(bytes.into()))
            }
            NsmRequest::Attest {
                nonce,
                user_data,
                public_key,
            } => self
                .attest(
                    nonce.as_deref(),
                    user_data.as_deref(),
                    public_key.as_deref(),
                )
                .map(NsmResponse::Document),
            NsmRequest::ExtendPcr { index, data } => lock(&self.bank)
                .extend(index, &data)
                .map(|value| NsmResponse::Extended(value.to_vec()))
                .map_err(refused),
            NsmRequest::LockPcr { index } => lock(&self.bank)
                .lock(index)
                .map(|()| NsmResponse::Locked)
                .map_err(refused),
        }
    }
}

const fn refused(error: PcrError) -> NsmError {
    match error {
        PcrError::InvalidIndex => NsmError::InvalidIndex,
        PcrError::ReadOnlyIndex => NsmError::ReadOnlyIndex,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is complete in itself: a panic elsewhere leaves the value usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
