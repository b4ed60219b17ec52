//! Whether everything truly answers: host-proxy says it is ready, every enclave has its root key and
//! gives evidence that the verifier accepts under the very policy file that was written for clients. Where
//! nobody plays the operators: whether every enclave can be asked and given shares.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use openkey_protocol::message::RootState;
use openkey_verifier::client::Host;
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::Ready;
use crate::dir::Dir;
use crate::person::Site;

const PAUSE: Duration = Duration::from_millis(50);
const MAX_READY: usize = 64 * 1024;

/// A question to everything under this policy file; the error says what is missing.
pub(super) type Ask = fn(&Path, &mut Ready) -> anyhow::Result<()>;

/// A probe under way; dropping it calls it off.
pub(super) struct Probe {
    pub(super) task: JoinHandle<anyhow::Result<Ready>>,
    off: Arc<AtomicBool>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.off.store(true, Ordering::Relaxed);
    }
}

/// Asks again and again until `ask` finds nothing missing.
pub(super) fn spawn(dir: &Dir, mut ready: Ready, patience: Duration, ask: Ask) -> Probe {
    let off = Arc::new(AtomicBool::new(false));
    let called_off = Arc::clone(&off);
    let (policy, logs): (PathBuf, PathBuf) = (dir.policy(), dir.logs());
    let task = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        loop {
            let error = match ask(&policy, &mut ready) {
                Ok(()) => return Ok(ready),
                Err(error) => error,
            };
            if called_off.load(Ordering::Relaxed) {
                bail!("called off");
            }
            if began.elapsed() > patience {
                return Err(error).with_context(|| {
                    format!("no answer in {patience:?} (logs in {})", logs.display())
                });
            }
            std::thread::sleep(PAUSE);
        }
    });
    Probe { task, off }
}

/// How host-proxy ends its reason for an enclave that handed its root key over.
const HANDED_OVER: &str = "the root key went to a successor";

/// What host-proxy says of itself.
#[derive(Deserialize)]
struct HostReady {
    reasons: Vec<String>,
}

impl HostReady {
    /// A reason that concerns what is to be ready now. In an upgrade host-proxy knows one enclave
    /// more than runs, whose place is taken later, and one that handed over and is replaced next.
    fn awaited(&self, ready: &Ready) -> Option<&str> {
        let runs = |id: &str| ready.enclaves.iter().any(|enclave| enclave.id == id);
        let concerns = |reason: &&String| {
            if reason.ends_with(HANDED_OVER) {
                return false;
            }
            let words = reason.strip_prefix("enclave ");
            words
                .and_then(|words| words.split(' ').next())
                .is_none_or(runs)
        };
        self.reasons.iter().find(concerns).map(String::as_str)
    }
}

/// Asks once whether everything serves.
pub(super) fn serves(policy: &Path, ready: &mut Ready) -> anyhow::Result<()> {
    for host in &ready.hosts {
        let name = &host.name;
        let answer = Host::new(&host.url)?.get("readyz", MAX_READY)?;
        let word: HostReady = serde_json::from_slice(&answer.body)
            .map_err(|_| anyhow!("{name} is not ready (status {})", answer.status))?;
        if let Some(reason) = word.awaited(ready) {
            bail!("{name} is not ready: {reason}");
        }
    }
    node(ready)?;
    let policy = std::fs::read(policy)?;
    let mut serving = 0;
    for enclave in &mut ready.enclaves {
        let site = Site::new(&enclave.api, &ready.page, &policy)?;
        let status = site.glance()?;
        enclave.root_source = status.root_source;
        match status.root.state {
            RootState::Ready => serving += 1,
            // A predecessor, until its own place is taken by the successor.
            RootState::HandedOver => {}
            _ => bail!(
                "{} waits for its root key: {}",
                enclave.id,
                sources(&status.root)
            ),
        }
        site.evidence()?;
    }
    if serving == 0 {
        bail!("every enclave handed its root key over");
    }
    Ok(())
}

/// Asks once whether every enclave answers, whatever it waits for.
pub(super) fn answers(policy: &Path, ready: &mut Ready) -> anyhow::Result<()> {
    node(ready)?;
    let policy = std::fs::read(policy)?;
    for enclave in &ready.enclaves {
        Site::new(&enclave.api, &ready.page, &policy)?.glance()?;
    }
    Ok(())
}

fn node(ready: &Ready) -> anyhow::Result<()> {
    let Some(node) = &ready.node else {
        return Ok(());
    };
    let answer = Host::new(node)?.get("healthz", MAX_READY);
    let status = answer.context("the node")?.status;
    if status != 200 {
        bail!("the node is not ready (status {status})");
    }
    Ok(())
}

/// Why an enclave still waits, in its own words.
fn sources(root: &openkey_protocol::message::RootStatus) -> String {
    let sources = root.sources.iter();
    let sources: Vec<&str> = sources.map(|it| it.explanation.as_str()).collect();
    sources.join("; ")
}
