//! Exports of databases under way: each is a copy on the disk until somebody has read it. So that nobody has
//! all of them for days, an owner and an address have few, and who reads one slowly loses it.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use openkey_capability::did::Did;
use openkey_edge::client::ClientKey;
use openkey_edge::shares::Shares;
use tokio::time::Instant;

use crate::store::StoreError;

/// Exports under way of one owner, and of one address.
const OF_OWNER: usize = 4;
const OF_ADDRESS: usize = 4;
/// How fast one is read at the least, in bytes of a second, after the first while.
const PACE: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose exports are under way.
#[derive(Debug)]
pub(crate) struct Exports(Mutex<Taken>);

#[derive(Debug)]
struct Taken {
    owners: HashMap<Did, usize>,
    addresses: Shares,
}

/// A place for an export, until it was read.
#[derive(Debug)]
pub(crate) struct Place {
    of: Arc<Exports>,
    owner: Did,
    address: ClientKey,
}

impl Exports {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Taken {
            owners: HashMap::new(),
            addresses: Shares::new(OF_ADDRESS),
        }))
    }

    /// A place for one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exports`]: the owner, or the address, has as many as it may.
    pub(crate) fn begin(
        self: &Arc<Self>,
        owner: &Did,
        address: ClientKey,
    ) -> Result<Place, StoreError> {
        let mut taken = self.taken();
        let of_owner = taken.owners.get(owner).copied().unwrap_or_default();
        if of_owner >= OF_OWNER || !taken.addresses.take(address, 1) {
            return Err(StoreError::Exports);
        }
        taken.owners.insert(owner.clone(), of_owner + 1);
        Ok(Place {
            of: Arc::clone(self),
            owner: owner.clone(),
            address,
        })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.taken();
        taken.addresses.give(self.address, 1);
        if let Some(count) = taken.owners.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                taken.owners.remove(&self.owner);
            }
        }
    }
}

/// The pieces of an export, as long as they are taken fast enough. With the last one, or with who reads, ends
/// what is held for it.
pub(crate) fn at_pace<H: Send + 'static>(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    held: H,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let began = Instant::now();
    let state = Some((pieces, held, 0_u64));
    stream::unfold(state, move |state| async move {
        let (mut pieces, held, given) = state?;
        let until = began + PATIENCE + Duration::from_secs(given / PACE);
        if Instant::now() > until {
            return Some((Err(io::ErrorKind::TimedOut.into()), None));
        }
        match pieces.next().await? {
            Ok(piece) => {
                let given = given.saturating_add(piece.len() as u64);
                Some((Ok(piece), Some((pieces, held, given))))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h10_an_owner_and_an_address_have_few_exports() {
        let exports = Arc::new(Exports::new());
        let owner = |n: u8| Did::pkh(std::num::NonZeroU64::MIN, &[n; 20]);
        let address = |n: u8| ClientKey::of([192, 0, 2, n].into());
        let mut held: Vec<_> = (0..4)
            .map(|n| exports.begin(&owner(1), address(n)).unwrap())
            .collect();
        assert!(exports.begin(&owner(1), address(9)).is_err());
        let others = (2..6).map(|n| exports.begin(&owner(n), address(9)).unwrap());
        let others: Vec<_> = others.collect();
        assert!(exports.begin(&owner(7), address(9)).is_err());
        // what was refused took nothing
        held.pop();
        held.push(exports.begin(&owner(1), address(0)).unwrap());
        drop((held, others));
        let taken = exports.taken();
        assert!(taken.owners.is_empty() && taken.addresses.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn h10_who_reads_an_export_slowly_loses_it() {
        for (seconds, ends_well) in [(1, true), (4, false)] {
            let held = Arc::new(());
            let pieces = stream::iter(0..100).map(|_| Ok(Bytes::from(vec![0; 2 * 64 * 1024])));
            let mut pieces = Box::pin(at_pace(pieces, Arc::clone(&held)));
            let (mut given, mut failed) = (0, false);
            while let Some(piece) = pieces.next().await {
                match piece {
                    Ok(_) => given += 1,
                    Err(_) => failed = true,
                }
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
            assert_eq!((given == 100, failed), (ends_well, !ends_well), "{given}");
            assert_eq!(Arc::strong_count(&held), 1);
        }
    }
}
