//! A small NSM: registers, entropy, and documents of the right shape that nobody signed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use openkey_attestation::{Payload, Pcrs, UnixMillis, sign_document};
use openkey_enclave::nsm::{
    Nsm, NsmDescription, NsmError, NsmRequest, NsmResponse, PCR_LEN, PcrDigest,
};
use sha2::{Digest, Sha256, Sha384};

use super::{Manual, START};

/// What can be wrong with an NSM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    NoEntropy,
    DeadEntropy,
    RepeatingEntropy,
    PcrLocked,
    PcrExtended,
    LockIgnored,
    LockFails,
    NoDocuments,
    Debug256,
    /// Locking registers above 16 does nothing.
    OthersStayOpen,
    /// Register 3 is not locked at the start.
    PlatformOpen,
    /// Documents hold another value of register 16.
    DocumentsLie,
}

pub struct TestNsm {
    monotonic: Arc<Manual>,
    started: u64,
    /// Milliseconds that the NSM's own time is ahead of the monotonic clock's.
    pub skew: Arc<AtomicU64>,
    pub defect: Option<Defect>,
    /// Set to make every call fail.
    pub broken: Arc<std::sync::atomic::AtomicBool>,
    /// While set, no call returns.
    pub hang: Arc<std::sync::atomic::AtomicBool>,
    state: Mutex<State>,
}

struct State {
    pcrs: [[u8; PCR_LEN]; 32],
    locked: BTreeSet<u16>,
    documents: u64,
}

impl TestNsm {
    pub fn new(monotonic: &Arc<Manual>) -> Self {
        Self {
            monotonic: monotonic.clone(),
            started: 5_000,
            skew: Arc::default(),
            defect: None,
            broken: Arc::default(),
            hang: Arc::default(),
            state: Mutex::new(State {
                pcrs: [[0; PCR_LEN]; 32],
                locked: (0..16).collect(),
                documents: 0,
            }),
        }
    }

    pub fn with(monotonic: &Arc<Manual>, defect: Defect) -> Self {
        let nsm = Self::new(monotonic);
        match defect {
            Defect::PcrLocked => {
                nsm.state.lock().unwrap().locked.insert(16);
            }
            Defect::PlatformOpen => {
                nsm.state.lock().unwrap().locked.remove(&3);
            }
            Defect::PcrExtended => nsm.state.lock().unwrap().pcrs[16] = [1; PCR_LEN],
            _ => {}
        }
        Self {
            defect: Some(defect),
            ..nsm
        }
    }

    /// The same with these bytes in the registers of the image.
    pub fn measuring(self, byte: u8) -> Self {
        self.state.lock().unwrap().pcrs[..3].fill([byte; PCR_LEN]);
        self
    }

    fn random(&self) -> Result<NsmResponse, NsmError> {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let bytes = match self.defect {
            Some(Defect::NoEntropy) => return Err(NsmError::Internal),
            Some(Defect::DeadEntropy) => vec![0; 256],
            Some(Defect::RepeatingEntropy) => (0..=255).collect(),
            _ => {
                let call = CALLS.fetch_add(1, Ordering::SeqCst);
                let block = |at: u64| Sha256::digest([call, at].map(u64::to_be_bytes).concat());
                (0..8).flat_map(block).collect()
            }
        };
        Ok(NsmResponse::Random(bytes.into()))
    }

    fn attest(
        &self,
        nonce: Option<Vec<u8>>,
        user_data: Option<Vec<u8>>,
        public_key: Option<Vec<u8>>,
    ) -> Result<NsmResponse, NsmError> {
        if self.defect == Some(Defect::NoDocuments) {
            return Err(NsmError::Internal);
        }
        let mut state = self.state.lock().unwrap();
        state.documents += 1;
        let mut pcrs = Pcrs::new();
        for index in &state.locked {
            pcrs.insert(
                u8::try_from(*index).unwrap(),
                &state.pcrs[usize::from(*index)],
            );
        }
        let lie = [9; PCR_LEN];
        if self.defect == Some(Defect::DocumentsLie) {
            pcrs = Pcrs::new();
            for index in 0..32 {
                pcrs.insert(index, &lie);
            }
        }
        let passed = self.monotonic.get() - self.started;
        let payload = Payload {
            module_id: "sim-0123456789abcdef0-enc0123456789abcdef",
            timestamp: UnixMillis(START + passed + self.skew.load(Ordering::SeqCst)),
            pcrs,
            certificate: &[1; 100],
            cabundle: vec![&[2; 100]],
            public_key: public_key.as_deref(),
            user_data: user_data.as_deref(),
            nonce: nonce.as_deref(),
        };
        let mut signature = [0; 96];
        signature[..8].copy_from_slice(&state.documents.to_be_bytes());
        let document = sign_document(&payload, |_| signature).unwrap();
        Ok(NsmResponse::Document(document))
    }
}

impl Nsm for TestNsm {
    fn call(&self, request: NsmRequest) -> Result<NsmResponse, NsmError> {
        request.check()?;
        while self.hang.load(Ordering::SeqCst) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        if self.broken.load(Ordering::SeqCst) {
            return Err(NsmError::Internal);
        }
        match request {
            NsmRequest::Describe => Ok(NsmResponse::Description(NsmDescription {
                version: (1, 0, 0),
                module_id: "sim-0123456789abcdef0-enc0123456789abcdef".to_owned(),
                max_pcrs: 32,
                locked_pcrs: self.state.lock().unwrap().locked.clone(),
                digest: match self.defect {
                    Some(Defect::Debug256) => PcrDigest::Sha256,
                    _ => PcrDigest::Sha384,
                },
            })),
            NsmRequest::Random => self.random(),
            NsmRequest::Attest {
                nonce,
                user_data,
                public_key,
            } => self.attest(nonce, user_data, public_key),
            NsmRequest::ExtendPcr { index, data } => {
                let mut state = self.state.lock().unwrap();
                if state.locked.contains(&index) {
                    return Err(NsmError::ReadOnlyIndex);
                }
                let pcr = &mut state.pcrs[usize::from(index)];
                let new: [u8; PCR_LEN] = Sha384::new()
                    .chain_update(*pcr)
                    .chain_update(data)
                    .finalize()
                    .into();
                *pcr = new;
                Ok(NsmResponse::Extended(new.to_vec()))
            }
            NsmRequest::LockPcr { index } => match self.defect {
                Some(Defect::LockFails) => Err(NsmError::InvalidOperation),
                Some(Defect::OthersStayOpen) if index > 16 => Ok(NsmResponse::Locked),
                Some(Defect::LockIgnored) => Ok(NsmResponse::Locked),
                _ if self.state.lock().unwrap().locked.insert(index) => Ok(NsmResponse::Locked),
                _ => Err(NsmError::ReadOnlyIndex),
            },
        }
    }
}
