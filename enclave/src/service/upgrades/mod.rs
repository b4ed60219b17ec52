//! Successors: images that the release keys of this enclave's own configuration signed. They get the
//! root key only after a delay in which people can notice, and only if operators consent: a host that
//! holds release keys cannot wait out the delay where nobody looks.

mod allowed;
mod known;
mod refusals;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use openkey_attestation::UnixMillis;
use openkey_protocol::{
    message::{
        EnclaveEvent, Error, ErrorCode, Hash32, PendingSuccessors, Signed, UpgradeConsent,
        UpgradeStatus, UpgradeWithdrawal, pending_input, withdrawn_input,
    },
    store::RecordStore,
};

use super::{
    Enclave, internal,
    kept::{Again, Kept, Lists, Written, unconfirmed},
    orders,
    records::sha256,
};
use crate::{platform::Measured, seal::Kind};
pub use allowed::Successor;
pub(super) use known::Successors;
pub(crate) use known::TooLate;
use known::{Known, Upgrade, Withdrawal};
use refusals::{
    full, gone, in_memory, itself, left, no_room, not_announced, refused, unknown, withdrawn,
};

/// How long evidence and status wait for the store before they say that the lists are unknown.
const LISTS_PATIENCE: Duration = Duration::from_secs(2);
/// How often a withdrawal is written again after another replica was first.
const WRITES: usize = 4;

/// What evidence says of successors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownSuccessors {
    /// Those that wait.
    pub(crate) pending: PendingSuccessors,
    /// SHA-256 over the list of withdrawn manifests.
    pub(crate) withdrawn: Hash32,
}

/// What this boot knows of successors.
#[derive(Default)]
pub(crate) struct Upgrades {
    /// Held from reading the record to noting what it has: two requests must not see two versions in
    /// the wrong order.
    pub(super) turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

impl Upgrades {
    /// Whether the root key went to a successor.
    pub(super) fn is_superseded(&self) -> bool {
        self.known().is_superseded()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is complete in itself: a panic elsewhere leaves the value usable.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: RecordStore> Enclave<S> {
    /// Notes a successor; its delay begins. Announcing it again changes nothing: neither its time nor
    /// its place, and what was withdrawn stays withdrawn.
    pub(crate) async fn announce(&self, manifest: &[u8]) -> Result<(), Error> {
        let (release, successor) = self.successor(manifest)?;
        let now = self.platform.now();
        if UnixMillis(now) > release.manifest().not_after {
            return Err(refused("The release is over."));
        }
        // Whatever its epoch: what measures the same is the same program.
        let own = self.own();
        if digest(&successor.measured) == own {
            return Err(itself());
        }
        let hash = release.hash();
        let _turn = self.upgrades.turn.lock().await;
        self.check_has_root()?;
        let mut kept = self.read_successors().await?;
        if self.upgrades.known().is_withdrawn(&hash) {
            return Err(withdrawn());
        }
        if kept.content.find(&hash, &own).is_some() {
            // Perhaps by another replica, a moment ago: the answer must list it.
            self.shown.forget();
            return Ok(());
        }
        let epoch = release.manifest().epoch;
        let upgrade = Upgrade {
            release: release.manifest().release.clone(),
            epoch,
            manifest: hash,
            noted_by: own,
            announced_at: now,
            not_before: release.manifest().not_before.0,
            not_after: release.manifest().not_after.0,
        };
        kept.content.drop_expired(now);
        kept.content.announce(upgrade, now).map_err(|_| full())?;
        match self.write_successors(&mut kept, now, Again::Always).await? {
            Written::Done => {
                self.platform
                    .record(EnclaveEvent::UpgradeAnnounced { epoch });
                Ok(())
            }
            Written::Conflict => Err(unconfirmed(Again::Always)),
        }
    }

    /// Notes an operator's consent to a pending successor, for this boot.
    pub(crate) async fn consent(
        &self,
        operator: u32,
        consent: &Signed<UpgradeConsent>,
    ) -> Result<(), Error> {
        let consent = self.ordered(operator, consent)?;
        self.check_deployment(&consent.root_id)?;
        if consent.identity.0 != self.platform.identity() {
            return Err(orders::refused(
                "The consent is for another boot of the enclave.",
            ));
        }
        {
            let _turn = self.upgrades.turn.lock().await;
            self.read_successors().await?;
        }
        self.check_has_root()?;
        let mut known = self.upgrades.known();
        if known.is_withdrawn(&consent.manifest) {
            return Err(withdrawn());
        }
        let upgrade = known.find(&consent.manifest, &self.own()).cloned();
        let upgrade = upgrade.ok_or_else(not_announced)?;
        if upgrade.announced_at != consent.announced_at {
            return Err(orders::refused(
                "The consent is for another announcement of the successor.",
            ));
        }
        known.consent(&upgrade, operator);
        drop(known);
        self.shown.forget();
        self.platform
            .record(EnclaveEvent::UpgradeConsented { operator });
        Ok(())
    }

    /// Withdraws a successor by the order of one operator. Once noted, it holds in this boot, whether or
    /// not the store answers: this enclave never hands its root key to what the manifest names. An
    /// enclave whose root key went to a successor notes it like any other one and refuses all the same,
    /// because the withdrawal came too late for whoever has the root key.
    ///
    /// # Errors
    ///
    /// Nothing is noted: [`ErrorCode::OperatorRefused`], [`ErrorCode::Malformed`],
    /// [`ErrorCode::OrderExpired`] because the order does not count here, [`ErrorCode::Full`] because this
    /// operator has no room for it in this boot.
    ///
    /// [`ErrorCode::Superseded`]: the root key went to a successor before. The withdrawal is noted if there
    /// is room, and not written.
    ///
    /// Noted in this boot, perhaps not written, and not named by evidence before the record has it: every
    /// other error; and [`ErrorCode::Full`] if other
    /// enclaves filled this operator's room in the record, as its message says.
    pub(crate) async fn withdraw(
        &self,
        operator: u32,
        withdrawal: &Signed<UpgradeWithdrawal>,
    ) -> Result<(), Error> {
        let order = self.ordered(operator, withdrawal)?;
        self.check_deployment(&order.root_id)?;
        let withdrawal = Withdrawal {
            manifest: order.manifest,
            operator,
        };
        // First in memory: a host that withholds the store must not keep the withdrawal away. Under one
        // lock with the state of the root key: it has left before, or does not leave for this manifest.
        let (noted, superseded) = {
            let mut known = self.upgrades.known();
            (known.withdraw(withdrawal), known.is_superseded())
        };
        if noted.is_ok() {
            self.shown.forget();
            self.platform
                .record(EnclaveEvent::UpgradeWithdrawn { operator });
        }
        if superseded {
            return Err(gone());
        }
        noted.map_err(|_| no_room())?;
        let again = Again::Until(order.expires_at);
        let _turn = self.upgrades.turn.lock().await;
        for _ in 0..WRITES {
            let mut kept = self.read_successors().await.map_err(in_memory)?;
            if kept.content.is_withdrawn(&order.manifest) {
                return Ok(());
            }
            let now = self.platform.now();
            match self.write_successors(&mut kept, now, again).await {
                Ok(Written::Done) if kept.content.is_withdrawn(&order.manifest) => return Ok(()),
                // Other enclaves filled this operator's room in the record.
                Ok(Written::Done) => return Err(in_memory(no_room())),
                Ok(Written::Conflict) => {}
                Err(error) => return Err(in_memory(error)),
            }
        }
        Err(in_memory(unconfirmed(again)))
    }

    /// What fresh evidence says of successors. A withdrawal holds in this boot whether or not the store
    /// answers; evidence names it once it was seen in the record, because after a restart only the record
    /// knows it.
    pub(crate) async fn known_successors(&self) -> Result<KnownSuccessors, Error> {
        let lists = self.kept_in_time().await;
        let pending = if lists.upgrades_known {
            pending_input(&lists.upgrades).map_or(PendingSuccessors::Unknown, |input| {
                PendingSuccessors::Known(sha256(&input))
            })
        } else {
            PendingSuccessors::Unknown
        };
        let withdrawn = withdrawn_input(&lists.withdrawn).map_err(internal)?;
        Ok(KnownSuccessors {
            pending,
            withdrawn: sha256(&withdrawn),
        })
    }

    /// What the deployment keeps, or, if the store does not answer in time, what this boot remembers of it.
    pub(crate) async fn kept_in_time(&self) -> Lists {
        let lists = tokio::time::timeout(LISTS_PATIENCE, self.kept()).await;
        lists.unwrap_or_else(|_| {
            let (upgrades, withdrawn) = self.remembered();
            Lists {
                upgrades,
                withdrawn,
                ..Lists::default()
            }
        })
    }

    /// Pending successors and withdrawn manifests as this boot remembers the record.
    pub(super) fn remembered(&self) -> (Vec<UpgradeStatus>, Vec<Hash32>) {
        let now = self.platform.now();
        let needed = self.platform.configuration().upgrade_consent();
        let known = self.upgrades.known();
        let own = self.own();
        let pending = known.pending(&own, now).map(|it| UpgradeStatus {
            release: it.release.clone(),
            epoch: it.epoch,
            manifest: it.manifest,
            announced_at: it.announced_at,
            allowed_from: self.allowed_from(it),
            consents: known.consents(&it.manifest),
            consents_needed: needed,
        });
        (pending.collect(), known.withdrawn().collect())
    }

    /// Reads the record and notes what it has. The caller holds the turn.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::RolledBack`] if it lacks what this boot has seen: what is pending is unknown then.
    pub(super) async fn read_successors(&self) -> Result<Kept<Successors>, Error> {
        let read = self.read_kept::<Successors>(Kind::Upgrades).await;
        let kept = read.map_err(|error| match error.code {
            ErrorCode::RolledBack | ErrorCode::Forked => unknown(),
            _ => error,
        })?;
        let now = self.platform.now();
        self.upgrades.known().see(&kept.content, now).map_err(|_| {
            self.platform.record(EnclaveEvent::UpgradesHidden);
            unknown()
        })?;
        Ok(kept)
    }

    /// Writes the record with every withdrawal that arrived here. The caller holds the turn.
    async fn write_successors(
        &self,
        kept: &mut Kept<Successors>,
        now: u64,
        again: Again,
    ) -> Result<Written, Error> {
        kept.content.withdraw(self.upgrades.known().unsaved());
        let written = self.write_kept(Kind::Upgrades, kept, again).await?;
        if matches!(written, Written::Done) {
            // It contains what was seen, or it would not have been read.
            let _ = self.upgrades.known().see(&kept.content, now);
        }
        Ok(written)
    }

    /// An enclave whose root key went to a successor gives it to no other one: what is announced or
    /// consented to there would wait for nothing.
    fn check_has_root(&self) -> Result<(), Error> {
        if self.upgrades.is_superseded() {
            Err(left())
        } else {
            Ok(())
        }
    }

    /// An order of an operator of another deployment has no meaning here.
    fn check_deployment(&self, root_id: &Hash32) -> Result<(), Error> {
        if self.platform.configuration().root_id() == Some(*root_id) {
            Ok(())
        } else {
            Err(orders::refused("The order is for another root_id."))
        }
    }

    /// From when on the root key is handed to a successor: by this enclave's own configuration, and not
    /// before the manifest is valid.
    fn allowed_from(&self, known: &Upgrade) -> u64 {
        let delay = self.platform.configuration().upgrade_delay_seconds();
        known
            .announced_at
            .saturating_add(delay.saturating_mul(1000))
            .max(known.not_before)
    }

    /// What this enclave measures, in short.
    fn own(&self) -> Hash32 {
        digest(self.platform.measured())
    }
}

/// The four registers in short.
fn digest(measured: &Measured) -> Hash32 {
    let [zero, one, two] = &measured.image;
    sha256(&[zero.0, one.0, two.0, measured.configuration.0].concat())
}
