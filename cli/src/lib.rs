//! What operators of a deployment and maintainers of a release do, without a terminal: keys, the
//! checks of a genesis, shares, backups.
//!
//! * [`OperatorKey`]: one seed, from which an operator's X25519 and Ed25519 keys are derived;
//! * [`Ceremony`]: a genesis, every promise of it checked;
//! * [`Approval`]: an operator's signed word on the configuration of a root key;
//! * [`Consents`]: which boots an operator consented to;
//! * [`Backup`]: what a deployment needs to boot again, in one file;
//! * [`Recipient`]: the boot of an enclave that a share or a secret is sealed to;
//! * [`seal`]: HPKE to an operator or a boot key;
//! * [`ReleaseKey`]: a maintainer's key.
//!
//! The command `openkey` adds files, flags and HTTP. Nothing here is trusted by an enclave: what
//! an operator's program must get right is *to whom* it gives a share, and that is checked before.

#![cfg_attr(
    test,
    // A test that cannot go on should stop where it is.
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod approval;
mod backup;
mod ceremony;
mod consents;
mod hybrid;
mod key;
mod key_file;
mod recipient;
mod release_key;

pub use approval::{
    Approval, ApprovalError, ApprovedKeys, ConfigurationApproval, MAX_APPROVAL_FILE,
};
pub use backup::{Backup, BackupError, MAX_BACKUP_FILE};
pub use ceremony::{Ceremony, CeremonyError, GenesisFile, MAX_GENESIS_FILE, OpenedShare, root_id};
pub use consents::{Consents, ConsentsError, Given, MAX_CONSENTS_FILE};
pub use hybrid::{HybridError, info, seal};
pub use key::{KeyError, OPERATOR_LABEL, OperatorKey, PublicEntry};
pub use key_file::MAX_KEY_FILE;
pub use recipient::{ORDER_LIFETIME, Recipient, RecipientError, withdrawal};
pub use release_key::ReleaseKey;
