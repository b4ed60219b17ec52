//! A software NSM that signs.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use openkey_attestation::{Payload, Pcrs, UnixMillis, sign_document};
use openkey_enclave::{
    clock::{Monotonic, WallClock},
    nsm::{Nsm, NsmDescription, NsmError, NsmRequest, NsmResponse, PcrDigest},
};
use sha2::{Digest, Sha256, Sha384};

use crate::enclaves::{Enclave, NOW};

/// What time it is, everywhere: moved by hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Time(Arc<AtomicU64>, Arc<AtomicBool>, Arc<Gate>);

/// Where one request for random bytes waits until a test lets it go.
#[derive(Debug, Default)]
struct Gate(Mutex<Holding>, Condvar);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Holding {
    #[default]
    Nothing,
    TheNext,
    One,
}

impl Time {
    pub(crate) fn pass(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    /// From now on every NSM fails.
    pub(crate) fn without_nsm(&self) {
        self.1.store(true, Ordering::SeqCst);
    }

    /// The next request for random bytes, at whatever NSM, waits for [`Self::let_go`].
    pub(crate) fn hold_random(&self) {
        *self.2.0.lock().unwrap() = Holding::TheNext;
    }

    /// Whether a request waits.
    pub(crate) fn holds(&self) -> bool {
        *self.2.0.lock().unwrap() == Holding::One
    }

    pub(crate) fn let_go(&self) {
        *self.2.0.lock().unwrap() = Holding::Nothing;
        self.2.1.notify_all();
    }

    fn wait_if_held(&self) {
        let mut holding = self.2.0.lock().unwrap();
        if *holding == Holding::TheNext {
            *holding = Holding::One;
            while *holding == Holding::One {
                holding = self.2.1.wait(holding).unwrap();
            }
        }
    }

    pub(crate) fn now(&self) -> UnixMillis {
        UnixMillis(NOW.0 + self.0.load(Ordering::SeqCst))
    }
}

impl Monotonic for Time {
    fn elapsed_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl WallClock for Time {
    fn now_ms(&self) -> Option<u64> {
        Some(self.now().0)
    }
}

/// One enclave's NSM.
pub(crate) struct SigningNsm {
    enclave: Enclave,
    time: Time,
    state: Mutex<([[u8; 48]; 32], BTreeSet<u16>)>,
}

impl SigningNsm {
    /// Registers 0, 1 and 2 hold `image`.
    pub(crate) fn new(enclave: &Enclave, time: &Time, image: u8) -> Self {
        let mut pcrs = [[0; 48]; 32];
        pcrs[..3].fill([image; 48]);
        Self {
            enclave: enclave.clone(),
            time: time.clone(),
            state: Mutex::new((pcrs, (0..16).collect())),
        }
    }

    /// The same with another value in one register.
    pub(crate) fn with(self, index: u8, byte: u8) -> Self {
        self.state.lock().unwrap().0[usize::from(index)] = [byte; 48];
        self
    }

    pub(crate) fn attest(
        &self,
        nonce: Option<Vec<u8>>,
        user_data: Option<Vec<u8>>,
        public_key: Option<Vec<u8>>,
    ) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        let mut pcrs = Pcrs::new();
        for index in &state.1 {
            pcrs.insert(u8::try_from(*index).unwrap(), &state.0[usize::from(*index)]);
        }
        let payload = Payload {
            module_id: &self.enclave.module_id,
            timestamp: self.time.now(),
            pcrs,
            certificate: &self.enclave.leaf,
            cabundle: self.enclave.bundle.iter().map(Vec::as_slice).collect(),
            public_key: public_key.as_deref(),
            user_data: user_data.as_deref(),
            nonce: nonce.as_deref(),
        };
        sign_document(&payload, |message| self.enclave.sign(message)).unwrap()
    }
}

impl Nsm for SigningNsm {
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        if self.time.1.load(Ordering::SeqCst) {
            return Err(NsmError::Unreachable);
        }
        Ok(match request {
            NsmRequest::Describe => NsmResponse::Description(NsmDescription {
                version: (1, 0, 0),
                module_id: self.enclave.module_id.clone(),
                max_pcrs: 32,
                locked_pcrs: self.state.lock().unwrap().1.clone(),
                digest: PcrDigest::Sha384,
            }),
            NsmRequest::Random => {
                self.time.wait_if_held();
                let call = CALLS.fetch_add(1, Ordering::SeqCst);
                let block = |at: u64| Sha256::digest([call, at].map(u64::to_be_bytes).concat());
                NsmResponse::Random((0..8).flat_map(block).collect::<Vec<u8>>().into())
            }
            NsmRequest::Attest {
                nonce,
                user_data,
                public_key,
            } => NsmResponse::Document(self.attest(nonce, user_data, public_key)),
            NsmRequest::ExtendPcr { index, data } => {
                let mut state = self.state.lock().unwrap();
                let pcr = &mut state.0[usize::from(index)];
                let new = Sha384::new().chain_update(*pcr).chain_update(data);
                *pcr = new.finalize().into();
                NsmResponse::Extended(pcr.to_vec())
            }
            NsmRequest::LockPcr { index } => {
                self.state.lock().unwrap().1.insert(index);
                NsmResponse::Locked
            }
        })
    }
}
