//! Whether everything truly answers: host-proxy says it is ready, and the enclave gives evidence
//! that the verifier accepts under the very policy file that was written for clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use openkey_verifier::client::Host;
use tokio::task::JoinHandle;

use super::api;
use crate::dir::{Dir, Kept};
use crate::person::Site;
use crate::process::ENCLAVE_ID;

const PAUSE: Duration = Duration::from_millis(50);
const MAX_READY: usize = 64 * 1024;

/// A probe under way; dropping it calls it off.
pub(super) struct Probe {
    pub(super) task: JoinHandle<anyhow::Result<()>>,
    off: Arc<AtomicBool>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.off.store(true, Ordering::Relaxed);
    }
}

pub(super) fn spawn(dir: &Dir, kept: &Kept, patience: Duration) -> Probe {
    let off = Arc::new(AtomicBool::new(false));
    let called_off = Arc::clone(&off);
    let (dir, kept) = (dir.clone(), kept.clone());
    let task = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        loop {
            let error = match answers(&dir, &kept) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if called_off.load(Ordering::Relaxed) {
                return Ok(());
            }
            if began.elapsed() > patience {
                let logs = dir.logs();
                return Err(error).with_context(|| {
                    format!("no answer in {patience:?} (logs in {})", logs.display())
                });
            }
            std::thread::sleep(PAUSE);
        }
    });
    Probe { task, off }
}

/// Asks once.
pub(super) fn answers(dir: &Dir, kept: &Kept) -> anyhow::Result<()> {
    let host = Host::new(&format!("http://localhost:{}", kept.port))?;
    let ready = host.get("readyz", MAX_READY)?;
    if ready.status != 200 {
        return Err(anyhow!("host-proxy is not ready (status {})", ready.status));
    }
    let policy = std::fs::read(dir.policy())?;
    let enclave = format!("{}/enclaves/{ENCLAVE_ID}", api(kept));
    Site::new(&enclave, kept.origin(), &policy)?.evidence()?;
    Ok(())
}
