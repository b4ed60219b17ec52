//! When enclaves have what they wait for, where nobody plays the operators.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openkey_protocol::message::{RootState, Status};

use super::ready::source_name;
use super::supervisor::enclave_api;
use crate::dir::{Dir, Kept};
use crate::person::Site;
use crate::process::enclave_id;

/// Between two looks: each is one of the requests that host-proxy allows an address.
const PAUSE: Duration = Duration::from_secs(1);

/// A look at every enclave, again and again; dropping it ends it.
pub(super) struct Awaited(Arc<AtomicBool>);

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Awaited {
    /// Says on standard error when one of these many enclaves has its root key, or has held its genesis.
    pub(super) fn start(dir: &Dir, kept: &Kept, enclaves: u8) -> Self {
        let off = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&off);
        let (dir, kept) = (dir.clone(), kept.clone());
        tokio::task::spawn_blocking(move || {
            let mut said = BTreeMap::new();
            while !ended.load(Ordering::Relaxed) {
                for number in 1..=enclaves {
                    // An enclave that does not answer has nothing to say.
                    let Some(status) = glance(&dir, &kept, number) else {
                        continue;
                    };
                    let news = news(&enclave_id(number), &status);
                    if said.insert(number, news.clone()) != Some(news.clone())
                        && let Some(news) = news
                    {
                        eprintln!("{news}");
                    }
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self(off)
    }
}

fn glance(dir: &Dir, kept: &Kept, number: u8) -> Option<Status> {
    let policy = std::fs::read(dir.policy()).ok()?;
    let site = Site::new(&enclave_api(kept, number), kept.origin(), &policy).ok()?;
    site.glance().ok()
}

/// What is said of an enclave in this state, once.
fn news(enclave: &str, status: &Status) -> Option<String> {
    match status.root.state {
        RootState::Ready => {
            let source = status.root_source.map(source_name);
            let from = source.map_or_else(String::new, |it| format!(" (from {it})"));
            Some(format!(
                "enclave {enclave} has its root key{from}: it serves from now on"
            ))
        }
        RootState::GenesisDone => Some(format!(
            "enclave {enclave} has held its genesis: stop this simulation with Ctrl-C and start it again, so that it \
             boots with the configuration that the genesis wrote"
        )),
        RootState::Waiting { have, need } if have > 0 => {
            Some(format!("enclave {enclave} has {have} of {need} shares"))
        }
        RootState::Waiting { .. } | RootState::AwaitingGenesis | RootState::HandedOver => None,
    }
}
