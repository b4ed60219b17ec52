//! Whom a secret is sealed to.

use openkey_protocol::message::{
    Hash32, Key32, OperatorRequest, POST_SHARE_INFO, SECRET_INFO, SecretOrder, UpgradeConsent,
    UpgradeStatus, UpgradeWithdrawal,
};
use openkey_verifier::evidence::Fresh;

use crate::{HybridError, OpenedShare, OperatorKey, info, seal};

/// One boot of one enclave, out of fresh evidence that a policy accepted, and never from anywhere
/// else: what is sealed to it opens inside that boot alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    boot_key: Key32,
    identity: Key32,
}

/// Why nothing can be given to an enclave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// The evidence names no key to seal to.
    #[error("the evidence names no boot key of 32 bytes")]
    BootKey,
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] HybridError),
    /// An order has no encoding.
    #[error("the order has no encoding")]
    Encoding,
}

impl RecipientError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::BootKey => "boot_key",
            Self::Seal(_) => "seal",
            Self::Encoding => "encoding",
        }
    }
}

impl Recipient {
    /// The boot that gave this evidence.
    ///
    /// # Errors
    ///
    /// [`RecipientError::BootKey`].
    pub fn of(evidence: &Fresh) -> Result<Self, RecipientError> {
        let boot_key = evidence.claims().public_key.as_deref();
        let boot_key = boot_key.and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            boot_key: Key32(boot_key.ok_or(RecipientError::BootKey)?),
            identity: Key32(*evidence.identity().as_bytes()),
        })
    }

    /// A share for this boot.
    ///
    /// # Errors
    ///
    /// [`RecipientError::Seal`].
    pub fn share(&self, opened: &OpenedShare) -> Result<OperatorRequest, RecipientError> {
        let bound = [opened.root_id.as_bytes(), self.identity.as_bytes()];
        let bound = info(POST_SHARE_INFO, &bound.map(<[u8; 32]>::as_slice));
        Ok(OperatorRequest::PostShare {
            operator: opened.place,
            share: seal(&self.boot_key, &bound, &opened.share)?,
        })
    }

    /// Consent to a pending successor for this boot, signed by the operator at `place` (from 0).
    /// `upgrade` is the announcement as the operator saw it.
    ///
    /// # Errors
    ///
    /// [`RecipientError::Encoding`].
    pub fn consent(
        &self,
        key: &OperatorKey,
        place: u32,
        root_id: Hash32,
        upgrade: &UpgradeStatus,
    ) -> Result<OperatorRequest, RecipientError> {
        let consent = UpgradeConsent {
            manifest: upgrade.manifest,
            root_id,
            announced_at: upgrade.announced_at,
            identity: self.identity,
        };
        Ok(OperatorRequest::Consent {
            operator: place,
            consent: key.sign(&consent).map_err(|_| RecipientError::Encoding)?,
        })
    }

    /// A deployment's secret for this boot, signed by the operator at `place` (from 0).
    ///
    /// # Errors
    ///
    /// [`RecipientError::Seal`], [`RecipientError::Encoding`].
    pub fn secret(
        &self,
        key: &OperatorKey,
        place: u32,
        name: &str,
        version: u64,
        secret: &[u8],
    ) -> Result<OperatorRequest, RecipientError> {
        let order = SecretOrder {
            name: name.to_owned(),
            version,
            secret: seal(
                &self.boot_key,
                &info(SECRET_INFO, &[self.identity.as_bytes()]),
                secret,
            )?,
            identity: self.identity,
        };
        Ok(OperatorRequest::SetSecret {
            operator: place,
            order: key.sign(&order).map_err(|_| RecipientError::Encoding)?,
        })
    }
}

/// The withdrawal of a successor, signed by the operator at `place` (from 0). It is for every enclave
/// of the deployment.
///
/// # Errors
///
/// [`RecipientError::Encoding`].
pub fn withdrawal(
    key: &OperatorKey,
    place: u32,
    root_id: Hash32,
    manifest: Hash32,
) -> Result<OperatorRequest, RecipientError> {
    let withdrawal = UpgradeWithdrawal { manifest, root_id };
    Ok(OperatorRequest::Withdraw {
        operator: place,
        withdrawal: key
            .sign(&withdrawal)
            .map_err(|_| RecipientError::Encoding)?,
    })
}
