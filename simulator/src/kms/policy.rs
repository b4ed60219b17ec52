//! Who may use the key: the part of an AWS key policy that concerns attested recipients.

use std::collections::BTreeMap;

use openkey_attestation::{Measurements, Pcr, Roots};

/// What can be done with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// `kms:GenerateDataKey`
    GenerateDataKey,
    /// `kms:Decrypt`
    Decrypt,
}

/// The key's policy: what no statement allows is refused.
#[derive(Clone, Debug)]
pub struct KeyPolicy {
    /// The roots of attestation documents. AWS has its own; a simulated CA's here.
    pub roots: Roots,
    /// What is allowed.
    pub statements: Vec<Statement>,
}

/// `Allow` with conditions, all of which must hold.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// `Action`
    pub actions: Vec<Action>,
    /// `kms:RecipientAttestation:PCR<n>`; none would allow callers without attestation, too, so that
    /// such a statement allows nothing here.
    pub pcrs: BTreeMap<u8, Pcr>,
    /// `kms:EncryptionContext:<name>`
    pub context: BTreeMap<String, String>,
}

impl Statement {
    /// Allows an image with a configuration to wrap or unwrap root keys: PCR0, PCR16 and the purpose
    /// are conditions.
    #[must_use]
    pub fn root_key(actions: &[Action], pcr0: Pcr, pcr16: Pcr) -> Self {
        Self {
            actions: actions.to_vec(),
            pcrs: BTreeMap::from([(0, pcr0), (16, pcr16)]),
            context: BTreeMap::from([("openkey:purpose".to_owned(), "root-key".to_owned())]),
        }
    }
}

/// Why no statement allows it: what the nearest one misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Miss {
    /// The encryption context.
    Context,
    /// This register.
    Pcr(u8),
    /// The action itself.
    Action,
}

impl KeyPolicy {
    /// Whether a statement allows it.
    pub(super) fn check(
        &self,
        action: Action,
        pcrs: &Measurements,
        context: &BTreeMap<String, String>,
    ) -> Result<(), Miss> {
        let misses = self
            .statements
            .iter()
            .map(|statement| statement.misses(action, pcrs, context));
        match misses.min() {
            Some(None) => Ok(()),
            Some(Some(miss)) => Err(miss),
            None => Err(Miss::Action),
        }
    }
}

impl Statement {
    fn misses(
        &self,
        action: Action,
        pcrs: &Measurements,
        context: &BTreeMap<String, String>,
    ) -> Option<Miss> {
        if !self.actions.contains(&action) || self.pcrs.is_empty() {
            return Some(Miss::Action);
        }
        let mut expected = self.pcrs.iter();
        if let Some((index, _)) = expected.find(|(index, pcr)| pcrs.get(**index) != Some(*pcr)) {
            return Some(Miss::Pcr(*index));
        }
        let mut expected = self.context.iter();
        let fits = expected.all(|(name, value)| context.get(name) == Some(value));
        (!fits).then_some(Miss::Context)
    }
}
