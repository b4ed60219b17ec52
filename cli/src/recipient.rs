//! Whom a secret is sealed to.

use openkey_protocol::message::{
    Hash32, Key32, MAX_ORDER_LIFETIME, OperatorRequest, POST_SHARE_INFO, SECRET_INFO, SecretOrder,
    UpgradeConsent, UpgradeStatus, UpgradeWithdrawal,
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

    /// A share for this boot, which takes it until then.
    ///
    /// # Errors
    ///
    /// [`RecipientError::Seal`].
    pub fn share(
        &self,
        opened: &OpenedShare,
        expires_at: u64,
    ) -> Result<OperatorRequest, RecipientError> {
        let bound = info(
            POST_SHARE_INFO,
            &[
                opened.root_id.as_bytes(),
                self.identity.as_bytes(),
                &expires_at.to_be_bytes(),
            ],
        );
        Ok(OperatorRequest::PostShare {
            operator: opened.place,
            share: seal(&self.boot_key, &bound, &opened.share)?,
            expires_at,
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
        expires_at: u64,
    ) -> Result<OperatorRequest, RecipientError> {
        let consent = UpgradeConsent {
            manifest: upgrade.manifest,
            root_id,
            announced_at: upgrade.announced_at,
            identity: self.identity,
            expires_at,
        };
        Ok(OperatorRequest::Consent {
            operator: place,
            consent: key.sign(&consent).map_err(|_| RecipientError::Encoding)?,
        })
    }

    /// A deployment's secret for this boot, signed by the operator at `place` (from 0). It is sealed for
    /// this very order: nobody can bring it under another name, version or operator, or later.
    ///
    /// # Errors
    ///
    /// [`RecipientError::Seal`], [`RecipientError::Encoding`].
    pub fn secret(
        &self,
        by: (&OperatorKey, u32),
        root_id: Hash32,
        name: &str,
        version: u64,
        secret: &[u8],
        expires_at: u64,
    ) -> Result<OperatorRequest, RecipientError> {
        let (key, place) = by;
        let bound = info(
            SECRET_INFO,
            &[
                root_id.as_bytes(),
                self.identity.as_bytes(),
                &place.to_be_bytes(),
                &version.to_be_bytes(),
                &expires_at.to_be_bytes(),
                name.as_bytes(),
            ],
        );
        let order = SecretOrder {
            name: name.to_owned(),
            version,
            secret: seal(&self.boot_key, &bound, secret)?,
            identity: self.identity,
            expires_at,
        };
        Ok(OperatorRequest::SetSecret {
            operator: place,
            order: key.sign(&order).map_err(|_| RecipientError::Encoding)?,
        })
    }
}

/// How long an order that is given now can take effect, in milliseconds: some minutes less than enclaves
/// allow, because clocks differ.
pub const ORDER_LIFETIME: u64 = MAX_ORDER_LIFETIME / 2;

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
    expires_at: u64,
) -> Result<OperatorRequest, RecipientError> {
    let withdrawal = UpgradeWithdrawal {
        manifest,
        root_id,
        expires_at,
    };
    Ok(OperatorRequest::Withdraw {
        operator: place,
        withdrawal: key
            .sign(&withdrawal)
            .map_err(|_| RecipientError::Encoding)?,
    })
}
