//! Random bytes: from the NSM, never from the operating system.

use std::sync::{Mutex, PoisonError};

use chacha20::ChaCha20Rng;
use hkdf::Hkdf;
use rand_core::{Rng, SeedableRng};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    nsm::{NsmError, NsmHandle, NsmRequest, NsmResponse},
    root::Secret,
    traces::without_traces,
};

/// Bytes of one secret and of the generator's seed.
const SECRET: usize = 32;

/// The enclave's source of random bytes.
pub(crate) struct Entropy {
    nsm: NsmHandle,
    /// For what need not be secret but must never repeat (nonces, context ids), and as the second
    /// ingredient of each secret.
    pool: Mutex<ChaCha20Rng>,
}

impl Entropy {
    /// Seeds the pool.
    ///
    /// # Errors
    ///
    /// [`NsmError`] if the NSM gives no usable entropy; there is no other source.
    pub(crate) async fn start(nsm: NsmHandle) -> Result<Self, NsmError> {
        let one = fresh(&nsm).await?;
        let two = fresh(&nsm).await?;
        // A source that repeats itself is broken: better no enclave than one with guessable keys.
        if one == two {
            return Err(NsmError::Internal);
        }
        Ok(Self {
            pool: Mutex::new(ChaCha20Rng::from_seed(**mix(&[
                one.as_slice(),
                two.as_slice(),
            ]))),
            nsm,
        })
    }

    /// Adds fresh entropy to the pool.
    ///
    /// # Errors
    ///
    /// [`NsmError`]; the pool stays as it was.
    pub(crate) async fn reseed(&self) -> Result<(), NsmError> {
        let new = fresh(&self.nsm).await?;
        let old = self.pooled();
        let seed = mix(&[old.as_slice(), new.as_slice()]);
        *self.pool.lock().unwrap_or_else(PoisonError::into_inner) = ChaCha20Rng::from_seed(**seed);
        Ok(())
    }

    /// Unique unpredictable bytes that need not be secret: nonces, ids.
    pub(crate) fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }

    fn pooled(&self) -> Secret<SECRET> {
        let mut bytes = Box::new(Zeroizing::new([0; SECRET]));
        self.fill(bytes.as_mut_slice());
        bytes
    }

    /// A generator of its own for one operation that needs many secret bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::secret`].
    pub(crate) async fn rng(&self) -> Result<ChaCha20Rng, NsmError> {
        Ok(ChaCha20Rng::from_seed(**self.secret().await?))
    }

    /// A new secret: fresh bytes of the NSM mixed with the pool, so that neither a copy left in a
    /// driver's buffer nor the pool alone gives it away.
    ///
    /// # Errors
    ///
    /// [`NsmError`] if the NSM gives no entropy now.
    pub(crate) async fn secret(&self) -> Result<Secret<SECRET>, NsmError> {
        let new = fresh(&self.nsm).await?;
        let pooled = self.pooled();
        Ok(mix(&[new.as_slice(), pooled.as_slice()]))
    }
}

/// At least [`SECRET`] bytes of the NSM.
async fn fresh(nsm: &NsmHandle) -> Result<Secret<SECRET>, NsmError> {
    let NsmResponse::Random(bytes) = nsm.call(NsmRequest::Random).await? else {
        return Err(NsmError::UnexpectedResponse);
    };
    let chunk = bytes
        .as_slice()
        .get(..SECRET)
        .ok_or(NsmError::UnexpectedResponse)?;
    let first = chunk.first().copied().unwrap_or_default();
    if chunk.iter().all(|byte| *byte == first) {
        return Err(NsmError::Internal);
    }
    let mut out = Box::new(Zeroizing::new([0; SECRET]));
    out.copy_from_slice(chunk);
    Ok(out)
}

/// What HKDF leaves on the stack is wiped: its output may be a root key.
fn mix(parts: &[&[u8]]) -> Secret<SECRET> {
    without_traces(|| mixed(parts))
}

fn mixed(parts: &[&[u8]]) -> Secret<SECRET> {
    let ikm = Zeroizing::new(parts.concat());
    let mut out = Box::new(Zeroizing::new([0; SECRET]));
    let hkdf = Hkdf::<Sha256>::new(Some(b"openkey/entropy/v1"), &ikm);
    // One block of output is always within HKDF's bound.
    if hkdf.expand(b"", out.as_mut_slice()).is_err() {
        unreachable!("32 bytes are one block");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;
    use crate::nsm::Nsm;

    struct Counting(AtomicU8);
    impl Nsm for Counting {
        fn call(&self, _: NsmRequest) -> Result<NsmResponse, NsmError> {
            let at = self.0.fetch_add(1, Ordering::SeqCst);
            let mut bytes = vec![at; 256];
            bytes[0] = !at;
            Ok(NsmResponse::Random(bytes.into()))
        }
    }

    struct Fixed(Vec<u8>);
    impl Nsm for Fixed {
        fn call(&self, _: NsmRequest) -> Result<NsmResponse, NsmError> {
            Ok(NsmResponse::Random(self.0.clone().into()))
        }
    }

    #[tokio::test]
    async fn secrets_and_nonces_differ_and_are_reseeded() {
        let nsm = NsmHandle::start(Counting(AtomicU8::new(0))).unwrap();
        let entropy = Entropy::start(nsm).await.unwrap();
        let one = entropy.secret().await.unwrap();
        let two = entropy.secret().await.unwrap();
        assert_ne!(one, two);
        let three: [u8; 24] = entropy.array();
        entropy.reseed().await.unwrap();
        assert_ne!(three, entropy.array::<24>());
    }

    /// Each answer differs from the one before, and none is random.
    struct Stuck(AtomicU8);
    impl Nsm for Stuck {
        fn call(&self, _: NsmRequest) -> Result<NsmResponse, NsmError> {
            let byte = self.0.fetch_add(1, Ordering::SeqCst);
            Ok(NsmResponse::Random(vec![byte; 256].into()))
        }
    }

    #[tokio::test]
    async fn e4_dead_entropy_is_refused() {
        let nsm = NsmHandle::start(Stuck(AtomicU8::new(0))).unwrap();
        assert_eq!(Entropy::start(nsm).await.err(), Some(NsmError::Internal));
        for bytes in [vec![], vec![1, 2, 3], vec![0; 256], vec![7; 256]] {
            let nsm = NsmHandle::start(Fixed(bytes)).unwrap();
            assert!(Entropy::start(nsm).await.is_err());
        }
        let mut repeating = vec![3; 256];
        repeating[0] = 4;
        let nsm = NsmHandle::start(Fixed(repeating)).unwrap();
        assert_eq!(Entropy::start(nsm).await.err(), Some(NsmError::Internal));
    }
}
