//! The operators at work: an enclave that waits for its root key gets a quorum of shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openkey_protocol::message::RootState;

use super::supervisor::enclave_api;
use crate::dir::{Dir, Kept};
use crate::operators::Staff;
use crate::person::Site;

const PAUSE: Duration = Duration::from_millis(50);
/// How long the operators wait for a running enclave to hand its key over before they come
/// themselves.
const HAND_OVER: Duration = Duration::from_secs(20);
/// How long they try.
const PATIENCE: Duration = Duration::from_secs(120);

/// Operators who look after one enclave since its last start; dropping it calls them off.
pub(super) struct Providing(Arc<AtomicBool>);

impl Drop for Providing {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Providing {
    pub(super) fn start(dir: &Dir, kept: &Kept, number: u8) -> Self {
        let off = Arc::new(AtomicBool::new(false));
        let called_off = Arc::clone(&off);
        let (dir, kept) = (dir.clone(), kept.clone());
        tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let mut said = None;
            while !called_off.load(Ordering::Relaxed) && began.elapsed() < PATIENCE {
                match provide(&dir, &kept, number, began) {
                    Ok(true) => return,
                    Ok(false) => said = None,
                    Err(error) => said = Some(error),
                }
                std::thread::sleep(PAUSE);
            }
            if let Some(error) = said.filter(|_| !called_off.load(Ordering::Relaxed)) {
                eprintln!("the operators could not provide enclave e{number}: {error:#}");
            }
        });
        Self(off)
    }
}

/// Looks once, and posts what is missing. Whether the enclave has its root key.
fn provide(dir: &Dir, kept: &Kept, number: u8, began: Instant) -> anyhow::Result<bool> {
    let policy = std::fs::read(dir.policy())?;
    let site = |number| Site::new(&enclave_api(kept, number), kept.origin(), &policy);
    let state = |number| -> anyhow::Result<RootState> { Ok(site(number)?.glance()?.root.state) };
    match state(number)? {
        RootState::Ready => return Ok(true),
        RootState::Waiting { .. } => {}
        _ => return Ok(false),
    }
    let others = (1..=super::MAX_REPLICAS).filter(|other| *other != number);
    let somebody_has_it = others
        .into_iter()
        .any(|other| matches!(state(other), Ok(RootState::Ready)));
    // The first one gets shares; the others have somebody to ask then.
    if (somebody_has_it || number > 1) && began.elapsed() < HAND_OVER {
        return Ok(false);
    }
    let staff = Staff::open(&dir.operators())?;
    let site = site(number)?;
    for operator in 0..staff.threshold() {
        if state(number)? == RootState::Ready {
            break;
        }
        staff.post_share(&site, &dir.genesis(), operator)?;
    }
    Ok(false)
}
