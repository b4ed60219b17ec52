//! What one boot knows of successors: those that the record lists, those that operators withdrew, and
//! the consents that reached this boot. Pure: the store and the clock are the caller's.

use std::collections::{BTreeMap, BTreeSet};

use openkey_protocol::message::Hash32;
use serde::{Deserialize, Serialize};

/// Most successors that wait at once. A full list refuses the next one: no later announcement pushes
/// an earlier one out of sight.
pub(super) const MAX_PENDING: usize = 16;
/// Most announcements kept at once by enclaves of one image and configuration, withdrawn ones included; with [`MAX_PENDING`] pending ones there
/// is room for 48 others until their manifests expire.
pub(super) const MAX_ANNOUNCED: usize = 64;
/// Most withdrawals by one operator of manifests that nobody announced here. They never expire,
/// because the enclave has not seen their manifests; the bound is each operator's own.
pub(super) const MAX_WITHDRAWN_EARLY: usize = 16;
/// How long an announcement is kept after its manifest has expired, in milliseconds: more than the
/// clocks of two enclaves differ, so that one of them never misses what the other has dropped.
const KEPT_AFTER: u64 = 86_400_000;

/// An announced successor, as it is kept. Never changed while its manifest is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Upgrade {
    pub(super) release: String,
    pub(super) epoch: u32,
    /// SHA-256 of the manifest's signed body.
    pub(super) manifest: Hash32,
    /// SHA-256 of the four registers of the enclave that took the announcement. For another image or
    /// configuration it is none: its delay ran where the people of that one did not look.
    pub(super) noted_by: Hash32,
    pub(super) announced_at: u64,
    /// The manifest's first moment: before it opens nothing, however long the delay.
    pub(super) not_before: u64,
    /// The manifest's last moment. Afterwards it opens nothing, announced or not.
    pub(super) not_after: u64,
}

/// A manifest that an operator withdrew, as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Withdrawal {
    /// SHA-256 of the manifest's signed body.
    pub(super) manifest: Hash32,
    /// Whose withdrawal: the place in the configuration, from 0.
    pub(super) operator: u32,
}

/// The content of the sealed record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::service) struct Successors {
    announced: Vec<Upgrade>,
    withdrawn: Vec<Withdrawal>,
}

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The record lacks something that this boot has seen in an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hidden;

/// Why the root key does not leave, though it was allowed to a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooLate {
    /// An operator withdrew the successor.
    Withdrawn,
    /// The root key went to a successor: no enclave like this one gets it any more, and no other successor.
    Superseded,
}

impl Successors {
    /// The announcement of a manifest at enclaves that measure `own`.
    pub(super) fn find(&self, manifest: &Hash32, own: &Hash32) -> Option<&Upgrade> {
        self.of(own).find(|it| it.manifest == *manifest)
    }

    /// The announcements at enclaves that measure `own`.
    fn of(&self, own: &Hash32) -> impl Iterator<Item = &Upgrade> {
        self.announced.iter().filter(move |it| it.noted_by == *own)
    }

    /// An announcement of a manifest, by whichever enclave it was taken.
    fn anywhere(&self, manifest: &Hash32) -> Option<&Upgrade> {
        self.announced.iter().find(|it| it.manifest == *manifest)
    }

    pub(super) fn is_withdrawn(&self, manifest: &Hash32) -> bool {
        self.withdrawn.iter().any(|it| it.manifest == *manifest)
    }

    /// Announcements that wait at enclaves that measure `own`: all that they took, but for expired and
    /// withdrawn ones.
    fn pending(&self, own: &Hash32, now: u64) -> impl Iterator<Item = &Upgrade> {
        self.of(own)
            .filter(move |it| now <= it.not_after && !self.is_withdrawn(&it.manifest))
    }

    /// Drops announcements whose manifests have expired, with their withdrawals. Nothing else is ever
    /// dropped.
    pub(super) fn drop_expired(&mut self, now: u64) {
        let expired = |it: &Upgrade| it.not_after.saturating_add(KEPT_AFTER) < now;
        let announced = std::mem::take(&mut self.announced);
        let (expired, kept): (Vec<_>, Vec<_>) = announced.into_iter().partition(expired);
        self.announced = kept;
        self.withdrawn
            .retain(|it| expired.iter().all(|known| known.manifest != it.manifest));
    }

    /// Adds an announcement, in order. What enclaves of another image or configuration noted takes no
    /// room from it.
    pub(super) fn announce(&mut self, upgrade: Upgrade, now: u64) -> Result<(), Full> {
        let own = &upgrade.noted_by;
        let pending = self.pending(own, now).count();
        if pending >= MAX_PENDING || self.of(own).count() >= MAX_ANNOUNCED {
            return Err(Full);
        }
        self.announced.push(upgrade);
        Ok(())
    }

    /// Adds withdrawals that are not there yet and have room. Those without room stay where they are:
    /// with the boot that they arrived at.
    pub(super) fn withdraw(&mut self, withdrawals: &[Withdrawal]) {
        for withdrawal in withdrawals {
            let there = self.is_withdrawn(&withdrawal.manifest);
            if !there && self.has_room(withdrawal, &[]) {
                self.withdrawn.push(*withdrawal);
            }
        }
    }

    /// Whether a withdrawal fits beside those here and `others`. What is announced can always be
    /// withdrawn: announcements are bounded themselves.
    fn has_room(&self, withdrawal: &Withdrawal, others: &[Withdrawal]) -> bool {
        let announced = |manifest: &Hash32| self.anywhere(manifest).is_some();
        let all = self.withdrawn.iter().chain(others);
        let early = all
            .filter(|it| it.operator == withdrawal.operator && !announced(&it.manifest))
            .count();
        early < MAX_WITHDRAWN_EARLY || announced(&withdrawal.manifest)
    }
}

/// What one boot knows. What it has seen it does not forget while it has a meaning, whatever the
/// store shows later.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The newest record that was accepted.
    saved: Successors,
    /// Withdrawals that arrived here and are not known to be in the record.
    unsaved: Vec<Withdrawal>,
    /// Who consented at this boot. Consents are in no record: they end with the boot.
    consents: BTreeMap<Hash32, BTreeSet<u32>>,
    /// The manifest of the successor that the root key went to. Here, so that it changes under one lock
    /// with what was withdrawn.
    successor: Option<Hash32>,
}

impl Known {
    /// Takes a record over, which must contain everything that was seen before and still has a
    /// meaning.
    pub(super) fn see(&mut self, record: &Successors, now: u64) -> Result<(), Hidden> {
        let expired = |it: &Upgrade| now > it.not_after;
        let announced = self.saved.announced.iter();
        let hidden = announced
            .filter(|it| !expired(it))
            .any(|it| !record.announced.contains(it));
        let restored = self.saved.withdrawn.iter().any(|it| {
            let expired = self.saved.anywhere(&it.manifest).is_some_and(expired);
            !expired && !record.is_withdrawn(&it.manifest)
        });
        if hidden || restored {
            return Err(Hidden);
        }
        self.saved = record.clone();
        self.unsaved.retain(|it| !record.is_withdrawn(&it.manifest));
        self.consents
            .retain(|manifest, _| record.anywhere(manifest).is_some());
        Ok(())
    }

    /// Withdraws a manifest, announced or not, at once and for the life of this boot. An operator who
    /// withdraws it again changes nothing.
    ///
    /// What another operator withdrew and no record has yet is noted for this operator, too: the other one
    /// may have no room in the record.
    pub(super) fn withdraw(&mut self, withdrawal: Withdrawal) -> Result<(), Full> {
        if self.saved.is_withdrawn(&withdrawal.manifest) || self.unsaved.contains(&withdrawal) {
            return Ok(());
        }
        if self.saved.has_room(&withdrawal, &self.unsaved) {
            self.unsaved.push(withdrawal);
            return Ok(());
        }
        if self.is_withdrawn(&withdrawal.manifest) {
            Ok(())
        } else {
            Err(Full)
        }
    }

    /// Lets the root key go to a successor, by the hash of its manifest, or to an enclave of the same image
    /// and configuration. After it went to a successor, every withdrawal comes too late for that one, and
    /// it goes to nobody else: keys that this configuration names and the successor's no longer does would
    /// count here for as long as somebody keeps this enclave running.
    pub(super) fn let_go(&mut self, successor: Option<&Hash32>) -> Result<(), TooLate> {
        if self.successor.is_some_and(|it| Some(&it) != successor) {
            return Err(TooLate::Superseded);
        }
        if successor.is_some_and(|manifest| self.is_withdrawn(manifest)) {
            return Err(TooLate::Withdrawn);
        }
        self.successor = successor.copied();
        Ok(())
    }

    /// Whether the root key went to a successor.
    pub(super) const fn is_superseded(&self) -> bool {
        self.successor.is_some()
    }

    /// Notes an operator's consent to an announcement that [`Self::find`] gave.
    pub(super) fn consent(&mut self, upgrade: &Upgrade, operator: u32) {
        let consents = self.consents.entry(upgrade.manifest).or_default();
        consents.insert(operator);
    }

    pub(super) fn find(&self, manifest: &Hash32, own: &Hash32) -> Option<&Upgrade> {
        self.saved.find(manifest, own)
    }

    pub(super) fn is_withdrawn(&self, manifest: &Hash32) -> bool {
        self.saved.is_withdrawn(manifest) || self.unsaved.iter().any(|it| it.manifest == *manifest)
    }

    /// Withdrawals for the next record.
    pub(super) fn unsaved(&self) -> &[Withdrawal] {
        &self.unsaved
    }

    /// The operators that consented at this boot, by their places.
    pub(super) fn consents(&self, manifest: &Hash32) -> Vec<u32> {
        let consents = self.consents.get(manifest);
        consents.into_iter().flatten().copied().collect()
    }

    /// Successors that wait, in the order of their announcement. One whose withdrawal is in memory alone
    /// is among them: it waits again after a restart.
    pub(super) fn pending(&self, own: &Hash32, now: u64) -> impl Iterator<Item = &Upgrade> {
        self.saved.pending(own, now)
    }

    /// Manifests that were withdrawn, in the record: what is in memory alone ends with this boot, and is
    /// no word to others.
    pub(super) fn withdrawn(&self) -> impl Iterator<Item = Hash32> {
        self.saved.withdrawn.iter().map(|it| it.manifest)
    }
}

#[cfg(test)]
mod tests;
