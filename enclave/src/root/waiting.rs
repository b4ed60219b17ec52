//! Waiting for the root key: what there is to wait for, what came of it so far, and what is accepted.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openkey_protocol::message::{
    Bytes, EnclaveEvent, Error, ErrorCode, Genesis, POST_SHARE_INFO, RootSource, RootState, Sealed,
    SourceStatus,
};
use subtle::ConstantTimeEq;

use super::{
    Descriptor, DescriptorError, RootKey, RootKeySource, SourceError,
    descriptor::share_commitment,
    genesis,
    shares::{self, Share},
};
use crate::{
    boot::BootError,
    errors::{refuse, refuse_because},
    expiry, hybrid,
    platform::Platform,
};

/// How long one source may take. Hand-over and AWS KMS are a few connections each.
const SOURCE_PATIENCE: Duration = Duration::from_secs(60);

/// What an enclave without a root key waits for.
pub(crate) struct Waiting {
    sources: Vec<Box<dyn RootKeySource>>,
    awaited: Awaited,
    /// What came of each source that was asked.
    explanations: Mutex<BTreeMap<u8, String>>,
    /// Good shares by the operator's place: at most one for each.
    shares: Mutex<BTreeMap<u32, Share>>,
    /// The genesis of this boot, with its nonce.
    genesis: tokio::sync::Mutex<Option<(Bytes, Genesis)>>,
    genesis_done: std::sync::atomic::AtomicBool,
}

/// Which root key is awaited.
enum Awaited {
    /// The simulator's.
    Development,
    /// None: there is to be a genesis.
    Genesis,
    /// The one that this descriptor commits to, or nothing while the host hides the descriptor.
    Root(Box<Result<Descriptor, DescriptorError>>),
}

/// What became of a share that was taken.
pub(crate) enum Taken {
    /// More are needed.
    More,
    /// This is the root key.
    Complete(RootKey),
}

impl Waiting {
    /// Decides what there is to wait for.
    ///
    /// # Errors
    ///
    /// [`BootError`] if there is nothing that could ever bring a root key.
    pub(crate) fn new(
        platform: &Platform,
        sources: Vec<Box<dyn RootKeySource>>,
    ) -> Result<Self, BootError> {
        let configuration = platform.configuration();
        let development = sources
            .iter()
            .any(|source| source.source() == RootSource::Development);
        let awaited = match (configuration.operators(), configuration.root_id()) {
            (None, None) if development => Awaited::Development,
            (None, _) => return Err(BootError::NoSource),
            _ if development => return Err(BootError::DevelopmentSource),
            (Some(_), None) => Awaited::Genesis,
            (Some(_), Some(_)) => Awaited::Root(Box::new(Descriptor::of(platform))),
        };
        Ok(Self {
            sources,
            awaited,
            explanations: Mutex::default(),
            shares: Mutex::default(),
            genesis: tokio::sync::Mutex::default(),
            genesis_done: false.into(),
        })
    }

    /// The development source, with which nothing is waited for.
    pub(crate) fn development(&self) -> Option<&dyn RootKeySource> {
        match self.awaited {
            Awaited::Development => self.given(RootSource::Development),
            _ => None,
        }
    }

    /// Whether there is a root key that sources can be asked for.
    pub(crate) const fn can_ask(&self) -> bool {
        match &self.awaited {
            Awaited::Root(descriptor) => descriptor.is_ok(),
            _ => false,
        }
    }

    /// The sources that the configuration names and the program brought, in the configured order.
    pub(crate) fn configured<'a>(
        &'a self,
        platform: &'a Platform,
    ) -> impl Iterator<Item = &'a dyn RootKeySource> {
        let named = platform.configuration().root_sources().iter();
        named.filter_map(|source| self.given(*source))
    }

    fn given(&self, source: RootSource) -> Option<&dyn RootKeySource> {
        let found = self.sources.iter().find(|given| given.source() == source);
        found.map(|given| &**given)
    }

    /// Asks one source and holds its answer to what is known of the root key.
    pub(crate) async fn ask(
        &self,
        source: &dyn RootKeySource,
        platform: &Platform,
    ) -> Result<RootKey, SourceError> {
        let answer = tokio::time::timeout(SOURCE_PATIENCE, source.obtain(platform)).await;
        let answer = answer.unwrap_or_else(|_| Err(SourceError::new("It did not answer in time.")));
        let checked = answer.and_then(|key| self.check(key));
        if let Err(error) = &checked {
            let source = source.source();
            platform.record(EnclaveEvent::RootSourceFailed { source });
            lock(&self.explanations).insert(source as u8, error.explanation().to_owned());
        }
        checked
    }

    /// Whether a key is the one that is awaited.
    fn check(&self, key: RootKey) -> Result<RootKey, SourceError> {
        if key.is_trivial() {
            return Err(SourceError::new("What it gives is no proper key."));
        }
        let good = match &self.awaited {
            Awaited::Development => true,
            Awaited::Genesis => false,
            Awaited::Root(descriptor) => {
                matches!(&**descriptor, Ok(descriptor) if descriptor.commits_to(&key))
            }
        };
        if good {
            Ok(key)
        } else {
            Err(SourceError::new(
                "What it gives is not the root key of the configured root_id.",
            ))
        }
    }

    /// Takes one operator's share, sealed to this boot's key. A share that was taken before counts
    /// once.
    pub(crate) fn post(
        &self,
        platform: &Platform,
        operator: u32,
        sealed: &Sealed,
        expires_at: u64,
    ) -> Result<Taken, Error> {
        expiry::check(platform, expires_at)?;
        let descriptor = match &self.awaited {
            Awaited::Root(descriptor) => descriptor
                .as_ref()
                .as_ref()
                .map_err(|error| refused(capitalised(&error.to_string())))?,
            _ => return Err(refused("This enclave awaits no shares.".to_owned())),
        };
        let named = platform.configuration().root_sources();
        if !named.contains(&RootSource::Operators) {
            let message = "The configuration takes no root key from operators.";
            return Err(refused(message.to_owned()));
        }
        let keys = descriptor
            .operator(operator)
            .ok_or_else(|| refused("There is no such operator.".to_owned()))?;
        let taken = self.open(platform, descriptor, operator, sealed, expires_at);
        let good = taken.is_ok();
        platform.record(EnclaveEvent::Share { operator, good });
        let share =
            taken.map_err(|why| refused(format!("Share of operator {}: {why}", keys.name)))?;

        let mut shares = lock(&self.shares);
        shares.insert(operator, share);
        if shares.len() < usize::try_from(descriptor.content().threshold).unwrap_or(usize::MAX) {
            return Ok(Taken::More);
        }
        let indexed: Option<Vec<(u8, &Share)>> = shares
            .iter()
            .map(|(place, share)| Some((index(*place)?, share)))
            .collect();
        let key = indexed.and_then(|shares| shares::combine(&shares));
        shares.clear();
        drop(shares);
        let key = key.ok_or_else(|| refuse(ErrorCode::Internal))?;
        // Excluded by the share commitments, unless the genesis itself was wrong.
        let key = self.check(key).map_err(|error| {
            refused(format!(
                "The shares fit the descriptor, not the commitment: {error}"
            ))
        })?;
        Ok(Taken::Complete(key))
    }

    /// Opens a share and holds it to its commitment.
    fn open(
        &self,
        platform: &Platform,
        descriptor: &Descriptor,
        operator: u32,
        sealed: &Sealed,
        expires_at: u64,
    ) -> Result<Share, &'static str> {
        let (id, identity) = (descriptor.id(), platform.identity());
        let info = hybrid::info(
            POST_SHARE_INFO,
            &[&id.0, &identity, &expires_at.to_be_bytes()],
        );
        let opened = platform
            .boot_key
            .open(&info, sealed)
            .map_err(|_| "it was not sealed for this boot, root id and expiry.")?;
        let share: &[u8; shares::SHARE] = opened
            .as_slice()
            .try_into()
            .map_err(|_| "it has not the length of a share.")?;
        let place = usize::try_from(operator).ok();
        let committed = place.and_then(|place| descriptor.content().shares.get(place));
        let good = index(operator)
            .zip(committed)
            .is_some_and(|(index, committed)| {
                bool::from(share_commitment(index, share).0.ct_eq(&committed.0))
            });
        if good {
            Ok(shares::share(share))
        } else {
            Err("it is not the one that was made at the genesis.")
        }
    }

    /// Wipes the shares: the root key is there.
    pub(crate) fn forget_shares(&self) {
        lock(&self.shares).clear();
    }

    /// Holds the genesis, once; the same nonce gives the same answer again, for callers that missed
    /// it.
    pub(crate) async fn genesis(
        &self,
        platform: &Platform,
        nonce: Bytes,
    ) -> Result<Genesis, Error> {
        let (Awaited::Genesis, Some(operators)) =
            (&self.awaited, platform.configuration().operators())
        else {
            let message = "This deployment has a root key: no other is made.";
            return Err(refused(message.to_owned()));
        };
        let mut done = self.genesis.lock().await;
        if let Some((known, genesis)) = &*done {
            return if *known == nonce {
                Ok(genesis.clone())
            } else {
                Err(refused(
                    "The genesis of this boot has taken place.".to_owned(),
                ))
            };
        }
        let genesis = genesis::hold(self, platform, operators, nonce.clone()).await?;
        self.genesis_done
            .store(true, std::sync::atomic::Ordering::SeqCst);
        *done = Some((nonce, genesis.clone()));
        Ok(genesis)
    }

    /// What came of each source, in the configured order.
    ///
    /// `taken`: where the root key came from, once it is there.
    pub(crate) fn statuses(
        &self,
        platform: &Platform,
        taken: Option<RootSource>,
    ) -> Vec<SourceStatus> {
        let explanations = lock(&self.explanations).clone();
        let explain = |source: &RootSource| SourceStatus {
            source: *source,
            explanation: match taken {
                Some(taken) if taken == *source => "The root key came from here.".to_owned(),
                Some(_) if *source == RootSource::Operators => "Not needed.".to_owned(),
                _ => self.explain(*source, &explanations),
            },
        };
        match &self.awaited {
            Awaited::Development => Vec::new(),
            _ => {
                let named = platform.configuration().root_sources().iter();
                named.map(explain).collect()
            }
        }
    }

    fn explain(&self, source: RootSource, explanations: &BTreeMap<u8, String>) -> String {
        let descriptor = match &self.awaited {
            Awaited::Root(descriptor) => match &**descriptor {
                Ok(descriptor) => descriptor,
                Err(error) => return format!("{}.", capitalised(&error.to_string())),
            },
            _ => return "There is no root key yet.".to_owned(),
        };
        if source == RootSource::Operators {
            let need = descriptor.content().threshold;
            return format!("{} of {need} shares.", self.have());
        }
        match explanations.get(&(source as u8)) {
            Some(explanation) => explanation.clone(),
            None if self.given(source).is_none() => "This program has no such source.".to_owned(),
            None => "Not asked yet.".to_owned(),
        }
    }

    fn have(&self) -> u32 {
        u32::try_from(lock(&self.shares).len()).unwrap_or(u32::MAX)
    }

    /// Where the root key stands while it is not there.
    pub(crate) fn state(&self, platform: &Platform) -> RootState {
        let operators = platform.configuration().operators();
        match &self.awaited {
            Awaited::Genesis if self.genesis_done.load(std::sync::atomic::Ordering::SeqCst) => {
                RootState::GenesisDone
            }
            Awaited::Genesis => RootState::AwaitingGenesis,
            _ => RootState::Waiting {
                have: self.have(),
                need: operators.map_or(0, crate::configuration::Operators::threshold),
            },
        }
    }

    /// The refusal of everything that needs the root key.
    pub(crate) fn awaiting(&self, platform: &Platform) -> Error {
        let message = match self.state(platform) {
            RootState::AwaitingGenesis => "waiting for root key: no genesis yet".to_owned(),
            RootState::GenesisDone => {
                "waiting for root key: boot again with the root_id of the genesis".to_owned()
            }
            RootState::Waiting { have, need } => {
                format!("waiting for root key: {have} of {need} shares")
            }
            RootState::Ready | RootState::HandedOver => "waiting for root key".to_owned(),
        };
        refuse_because(ErrorCode::AwaitingRootKey, message)
    }
}

fn refused(message: String) -> Error {
    refuse_because(ErrorCode::OperatorRefused, message)
}

/// A share's index in the sharing: the operator's place, from 1.
fn index(place: u32) -> Option<u8> {
    u8::try_from(place).ok()?.checked_add(1)
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No write leaves a map half-done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
