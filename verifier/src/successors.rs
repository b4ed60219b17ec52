//! Successors that wait for the root key, and manifests that were withdrawn: the lists that a host
//! shows, held to fresh evidence.
//!
//! Fresh evidence carries the hash of each list, and the lists come in a signed status: a host can
//! withhold them and cannot show other ones.

use openkey_protocol::message::{
    EvidenceBinding, Hash32, PendingSuccessors, RootState, UpgradeStatus, pending_input,
    withdrawn_input,
};
use sha2::{Digest, Sha256};

/// What is known of pending successors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Successors {
    /// The evidence does not speak of them: the enclave has no root key, or the evidence is not fresh.
    NotStated,
    /// The store hides the list from the enclave, which hands nothing over meanwhile.
    Unknown,
    /// All of them; none if it is empty.
    Listed(Vec<UpgradeStatus>),
}

/// Which manifests a boot knows as withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// The evidence does not speak of them: the enclave has no root key, or the evidence is not fresh.
    NotStated,
    /// All of them; none if it is empty.
    Listed(Vec<Hash32>),
    /// The root key went to a successor. A withdrawal that this boot lists may have come after that, and
    /// takes nothing back: no list of this boot confirms one.
    HandedOver,
}

impl Withdrawn {
    /// Whether a manifest is among them, at a boot whose root key has not left.
    #[must_use]
    pub fn names(&self, manifest: &Hash32) -> bool {
        matches!(self, Self::Listed(list) if list.contains(manifest))
    }
}

/// The list is another one than the evidence names: it changed between the two answers, or somebody
/// hides a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the host shows another list of pending successors, or of withdrawn manifests, than the one that the enclave's evidence \
     names; ask again, and treat it as an attack if it stays"
)]
pub struct SuccessorsDiffer;

impl SuccessorsDiffer {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        "successors_differ"
    }
}

/// The hash by which evidence names a list.
#[must_use]
pub fn hash(list: &[UpgradeStatus]) -> Option<Hash32> {
    let input = pending_input(list).ok()?;
    Some(Hash32(Sha256::digest(input).into()))
}

/// What evidence says without a list: `None` if some successors wait, and only the list says which.
#[must_use]
pub fn without_list(binding: &EvidenceBinding) -> Option<Successors> {
    match binding.pending {
        None => Some(Successors::NotStated),
        Some(PendingSuccessors::Unknown) => Some(Successors::Unknown),
        Some(PendingSuccessors::Known(named)) if Some(named) == hash(&[]) => {
            Some(Successors::Listed(Vec::new()))
        }
        Some(PendingSuccessors::Known(_)) => None,
    }
}

/// Holds the list of a status to fresh evidence.
///
/// # Errors
///
/// [`SuccessorsDiffer`].
pub fn check(
    binding: &EvidenceBinding,
    shown: &[UpgradeStatus],
) -> Result<Successors, SuccessorsDiffer> {
    if let Some(known) = without_list(binding) {
        return Ok(known);
    }
    match binding.pending {
        Some(PendingSuccessors::Known(named)) => check_list(&named, shown),
        _ => Err(SuccessorsDiffer),
    }
}

/// Holds a list to the hash in fresh evidence.
///
/// # Errors
///
/// [`SuccessorsDiffer`].
pub fn check_list(named: &Hash32, shown: &[UpgradeStatus]) -> Result<Successors, SuccessorsDiffer> {
    if hash(shown) == Some(*named) {
        Ok(Successors::Listed(shown.to_vec()))
    } else {
        Err(SuccessorsDiffer)
    }
}

/// The hash by which evidence names a list of withdrawn manifests.
#[must_use]
pub fn withdrawn_hash(list: &[Hash32]) -> Option<Hash32> {
    let input = withdrawn_input(list).ok()?;
    Some(Hash32(Sha256::digest(input).into()))
}

/// What evidence says of withdrawn manifests without a list: `None` if there are some, and only the list
/// says which.
#[must_use]
pub fn without_withdrawn(binding: &EvidenceBinding) -> Option<Withdrawn> {
    match binding.withdrawn {
        None => Some(Withdrawn::NotStated),
        named if named == withdrawn_hash(&[]) => Some(Withdrawn::Listed(Vec::new())),
        Some(_) => None,
    }
}

/// Holds the withdrawn manifests of a status to fresh evidence. `state` is where the same status, signed
/// by the boot of the evidence, says that the root key stands.
///
/// # Errors
///
/// [`SuccessorsDiffer`].
pub fn check_withdrawn(
    binding: &EvidenceBinding,
    state: RootState,
    shown: &[Hash32],
) -> Result<Withdrawn, SuccessorsDiffer> {
    match binding.withdrawn {
        _ if state == RootState::HandedOver => Ok(Withdrawn::HandedOver),
        None => Ok(Withdrawn::NotStated),
        Some(named) if withdrawn_hash(shown) == Some(named) => {
            Ok(Withdrawn::Listed(shown.to_vec()))
        }
        Some(_) => Err(SuccessorsDiffer),
    }
}

#[cfg(test)]
mod tests {
    use openkey_protocol::message::{EVIDENCE_BINDING_VERSION, RollbackProtection};

    use super::*;

    fn binding(pending: Option<PendingSuccessors>) -> EvidenceBinding {
        EvidenceBinding {
            version: EVIDENCE_BINDING_VERSION,
            identity: vec![1; 32].into(),
            configuration: Hash32([2; 32]),
            root_source: None,
            root_id: None,
            release: "1".to_owned(),
            epoch: 1,
            tls_key: None,
            rollback: RollbackProtection::ClientsOnly,
            pending,
            withdrawn: None,
        }
    }

    fn upgrade() -> UpgradeStatus {
        UpgradeStatus {
            release: "2".to_owned(),
            epoch: 2,
            manifest: Hash32([3; 32]),
            announced_at: 4,
            allowed_from: 5,
            consents: vec![0],
            consents_needed: 1,
        }
    }

    #[test]
    fn e8_a_host_cannot_show_another_list_than_the_enclave_vouches_for() {
        let known = |list: &[UpgradeStatus]| Some(PendingSuccessors::Known(hash(list).unwrap()));
        let one = binding(known(&[upgrade()]));
        assert_eq!(without_list(&one), None);
        assert_eq!(
            check(&one, &[upgrade()]),
            Ok(Successors::Listed(vec![upgrade()]))
        );
        let mut other = upgrade();
        other.announced_at += 1;
        for shown in [vec![], vec![other], vec![upgrade(), upgrade()]] {
            assert_eq!(check(&one, &shown), Err(SuccessorsDiffer));
        }
        // None is what the evidence says, whatever the host shows.
        let none = binding(known(&[]));
        assert_eq!(check(&none, &[upgrade()]), Ok(Successors::Listed(vec![])));
    }

    #[test]
    fn e8_a_host_cannot_show_a_withdrawal_that_the_enclave_does_not_vouch_for() {
        let (one, other) = (Hash32([3; 32]), Hash32([4; 32]));
        let mut binding = binding(None);
        assert_eq!(
            check_withdrawn(&binding, RootState::Ready, &[one]),
            Ok(Withdrawn::NotStated),
            "nothing vouches for it"
        );
        binding.withdrawn = withdrawn_hash(&[one]);
        let known = check_withdrawn(&binding, RootState::Ready, &[one]).unwrap();
        assert!(known.names(&one) && !known.names(&other));
        for shown in [vec![], vec![other], vec![one, other], vec![one, one]] {
            assert_eq!(
                check_withdrawn(&binding, RootState::Ready, &shown),
                Err(SuccessorsDiffer)
            );
        }
        // The two lists are hashed under two labels.
        assert_ne!(withdrawn_hash(&[]), hash(&[]));
    }

    #[test]
    fn e8_a_boot_that_handed_over_confirms_no_withdrawal() {
        let one = Hash32([3; 32]);
        let mut binding = binding(None);
        binding.withdrawn = withdrawn_hash(&[one]);
        let known = check_withdrawn(&binding, RootState::HandedOver, &[one]);
        assert_eq!(known, Ok(Withdrawn::HandedOver));
        assert!(!known.unwrap().names(&one));
    }

    #[test]
    fn e8_hidden_is_unknown_and_never_none() {
        let hidden = binding(Some(PendingSuccessors::Unknown));
        assert_eq!(check(&hidden, &[]), Ok(Successors::Unknown));
        assert_eq!(check(&binding(None), &[]), Ok(Successors::NotStated));
    }
}
