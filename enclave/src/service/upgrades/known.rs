//! What one boot knows of successors: those that the record lists, those that operators withdrew, and
//! the consents that reached this boot. Pure: the store and the clock are the caller's.

use std::collections::{BTreeMap, BTreeSet};

use openkey_protocol::message::Hash32;
use serde::{Deserialize, Serialize};

/// Most successors that wait at once. A full list refuses the next one: no later announcement pushes
/// an earlier one out of sight.
pub(super) const MAX_PENDING: usize = 16;
/// Most announcements kept at once, withdrawn ones included; with [`MAX_PENDING`] pending ones there
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
    /// SHA-256 of the four registers that the manifest names.
    pub(super) measured: Hash32,
    pub(super) announced_at: u64,
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

/// What the enclave itself is: a manifest that names this is no successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) measured: Hash32,
    pub(super) epoch: u32,
}

impl Successors {
    pub(super) fn find(&self, manifest: &Hash32) -> Option<&Upgrade> {
        self.announced.iter().find(|it| it.manifest == *manifest)
    }

    pub(super) fn is_withdrawn(&self, manifest: &Hash32) -> bool {
        self.withdrawn.iter().any(|it| it.manifest == *manifest)
    }

    /// Announcements that can still have an effect at an enclave that is `own`.
    fn pending(&self, own: Own, now: u64) -> impl Iterator<Item = &Upgrade> {
        self.announced.iter().filter(move |it| {
            let itself = it.measured == own.measured && it.epoch == own.epoch;
            now <= it.not_after
                && it.epoch >= own.epoch
                && !itself
                && !self.is_withdrawn(&it.manifest)
        })
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

    /// Adds an announcement, in order.
    pub(super) fn announce(&mut self, upgrade: Upgrade, own: Own, now: u64) -> Result<(), Full> {
        let pending = self.pending(own, now).count();
        if pending >= MAX_PENDING || self.announced.len() >= MAX_ANNOUNCED {
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
        let announced = |manifest: &Hash32| self.find(manifest).is_some();
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
            let expired = self.saved.find(&it.manifest).is_some_and(expired);
            !expired && !record.is_withdrawn(&it.manifest)
        });
        if hidden || restored {
            return Err(Hidden);
        }
        self.saved = record.clone();
        self.unsaved.retain(|it| !record.is_withdrawn(&it.manifest));
        self.consents
            .retain(|manifest, _| record.find(manifest).is_some());
        Ok(())
    }

    /// Withdraws a manifest, announced or not, at once and for the life of this boot. Withdrawing it
    /// again changes nothing.
    pub(super) fn withdraw(&mut self, withdrawal: Withdrawal) -> Result<(), Full> {
        if self.is_withdrawn(&withdrawal.manifest) {
            return Ok(());
        }
        if !self.saved.has_room(&withdrawal, &self.unsaved) {
            return Err(Full);
        }
        self.unsaved.push(withdrawal);
        Ok(())
    }

    /// Notes an operator's consent to an announcement that [`Self::find`] gave.
    pub(super) fn consent(&mut self, upgrade: &Upgrade, operator: u32) {
        let consents = self.consents.entry(upgrade.manifest).or_default();
        consents.insert(operator);
    }

    pub(super) fn find(&self, manifest: &Hash32) -> Option<&Upgrade> {
        self.saved.find(manifest)
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

    /// Successors that wait, in the order of their announcement.
    pub(super) fn pending(&self, own: Own, now: u64) -> impl Iterator<Item = &Upgrade> {
        let unsaved = |it: &&Upgrade| self.unsaved.iter().all(|un| un.manifest != it.manifest);
        self.saved.pending(own, now).filter(unsaved)
    }

    /// Manifests that were withdrawn.
    pub(super) fn withdrawn(&self) -> impl Iterator<Item = Hash32> {
        let all = self.saved.withdrawn.iter().chain(&self.unsaved);
        all.map(|it| it.manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000_000_000;
    const OWN: Own = Own {
        measured: Hash32([9; 32]),
        epoch: 2,
    };

    fn upgrade(number: u8) -> Upgrade {
        Upgrade {
            release: "2.0.0".to_owned(),
            epoch: 2,
            manifest: Hash32([number; 32]),
            measured: Hash32([number; 32]),
            announced_at: NOW,
            not_after: NOW + 1_000,
        }
    }

    fn withdrawal(number: u8, operator: u32) -> Withdrawal {
        Withdrawal {
            manifest: Hash32([number; 32]),
            operator,
        }
    }

    fn record(numbers: impl IntoIterator<Item = u8>) -> Successors {
        Successors {
            announced: numbers.into_iter().map(upgrade).collect(),
            withdrawn: Vec::new(),
        }
    }

    #[test]
    fn e8_a_full_list_refuses_the_next_and_drops_none() {
        let mut list = record([]);
        let bound = u8::try_from(MAX_PENDING).unwrap();
        for number in 20..20 + bound {
            assert_eq!(list.announce(upgrade(number), OWN, NOW), Ok(()));
        }
        let full = list.clone();
        assert_eq!(list.announce(upgrade(99), OWN, NOW), Err(Full));
        assert_eq!(list, full);
        // A withdrawn one makes room, and stays known.
        list.withdraw(&[withdrawal(20, 0)]);
        assert_eq!(list.announce(upgrade(99), OWN, NOW), Ok(()));
        assert!(list.find(&Hash32([20; 32])).is_some());
        // Up to the bound of all.
        for number in 100..200 {
            list.withdraw(&[withdrawal(number - 1, 0)]);
            if list.announce(upgrade(number), OWN, NOW) == Err(Full) {
                break;
            }
        }
        assert_eq!(list.announced.len(), MAX_ANNOUNCED);
        assert!(list.find(&Hash32([20; 32])).is_some());
    }

    #[test]
    fn e8_only_expired_manifests_are_dropped() {
        let mut list = record([20, 21]);
        list.announced[1].not_after = NOW * 2;
        list.withdraw(&[withdrawal(20, 0), withdrawal(21, 0), withdrawal(22, 0)]);
        let before = list.clone();
        list.drop_expired(NOW + 1_000 + KEPT_AFTER);
        assert_eq!(list, before);
        list.drop_expired(NOW + 1_001 + KEPT_AFTER);
        assert_eq!(list.announced, before.announced[1..]);
        assert_eq!(list.withdrawn, before.withdrawn[1..]);
    }

    #[test]
    fn e8_a_record_without_what_was_seen_is_hidden() {
        let mut known = Known::default();
        known.see(&record([20, 21]), NOW).unwrap();
        assert_eq!(known.see(&record([20]), NOW), Err(Hidden));
        assert_eq!(known.see(&record([]), NOW), Err(Hidden));
        let mut changed = record([20, 21]);
        changed.announced[0].announced_at = 0;
        assert_eq!(known.see(&changed, NOW), Err(Hidden));
        known.see(&record([22, 21, 20]), NOW).unwrap();
        // A withdrawal does not disappear either.
        let mut withdrawn = record([20, 21, 22]);
        withdrawn.withdraw(&[withdrawal(20, 0), withdrawal(50, 0)]);
        known.see(&withdrawn, NOW).unwrap();
        assert_eq!(known.see(&record([20, 21, 22]), NOW), Err(Hidden));
        assert!(known.is_withdrawn(&Hash32([20; 32])));
        // After the manifests have expired only the one that was never announced has a meaning.
        assert_eq!(known.see(&record([]), NOW + 1_001), Err(Hidden));
        let mut rest = record([]);
        rest.withdraw(&[withdrawal(50, 0)]);
        known.see(&rest, NOW + 1_001).unwrap();
    }

    #[test]
    fn e8_a_withdrawal_holds_before_any_record_has_it() {
        let mut known = Known::default();
        known.see(&record([20]), NOW).unwrap();
        known.consent(&upgrade(20), 1);
        known.withdraw(withdrawal(20, 0)).unwrap();
        assert!(known.is_withdrawn(&Hash32([20; 32])));
        assert_eq!(known.pending(OWN, NOW).count(), 0);
        // Records without it are accepted, since it may not have been written, and change nothing.
        known.see(&record([20]), NOW).unwrap();
        assert!(known.is_withdrawn(&Hash32([20; 32])));
        assert_eq!(known.unsaved(), [withdrawal(20, 0)]);
        let mut saved = record([20]);
        saved.withdraw(known.unsaved());
        known.see(&saved, NOW).unwrap();
        assert!(known.unsaved().is_empty());
        assert!(known.is_withdrawn(&Hash32([20; 32])));
    }

    #[test]
    fn m6_early_withdrawals_are_bounded_for_each_operator() {
        let mut known = Known::default();
        known.see(&record([200]), NOW).unwrap();
        let bound = u8::try_from(MAX_WITHDRAWN_EARLY).unwrap();
        for number in 0..bound {
            known.withdraw(withdrawal(number, 0)).unwrap();
        }
        assert_eq!(known.withdraw(withdrawal(bound, 0)), Err(Full));
        known.withdraw(withdrawal(0, 0)).unwrap();
        // Another operator has room of their own, and what is announced can always be withdrawn.
        known.withdraw(withdrawal(bound, 1)).unwrap();
        known.withdraw(withdrawal(200, 0)).unwrap();
        assert_eq!(known.withdrawn().count(), usize::from(bound) + 2);
    }

    #[test]
    fn m6_withdrawals_at_many_boots_do_not_outgrow_the_record() {
        let bound = u8::try_from(MAX_WITHDRAWN_EARLY).unwrap();
        let mut list = record([200]);
        let first: Vec<_> = (0..bound).map(|number| withdrawal(number, 0)).collect();
        list.withdraw(&first);
        // Another boot that the store showed nothing took as many, of other manifests.
        let mut known = Known::default();
        for number in 100..100 + bound {
            known.withdraw(withdrawal(number, 0)).unwrap();
        }
        known.see(&list, NOW).unwrap();
        known.withdraw(withdrawal(200, 0)).unwrap();
        list.withdraw(known.unsaved());
        assert_eq!(list.withdrawn.len(), usize::from(bound) + 1);
        assert!(list.is_withdrawn(&Hash32([200; 32])));
        // The first ones are all there, and that boot forgets none of its own.
        assert_eq!(list.withdrawn[..first.len()], first);
        known.see(&list, NOW).unwrap();
        assert_eq!(known.unsaved().len(), usize::from(bound));
        assert!(known.is_withdrawn(&Hash32([100; 32])));
    }

    #[test]
    fn what_the_enclave_is_itself_does_not_wait() {
        let mut known = Known::default();
        let mut list = record([9, 20, 21, 22]);
        list.announced[1].epoch = 1;
        list.announced[2].not_after = NOW - 1;
        known.see(&list, NOW).unwrap();
        let waiting: Vec<_> = known.pending(OWN, NOW).map(|it| it.manifest).collect();
        assert_eq!(waiting, [Hash32([22; 32])]);
    }
}
