//! Checked things as JSON: one form for the command and the browser module. Bytes are lower-case
//! hex, times are milliseconds since 1970, addresses carry their EIP-55 checksum.

use std::collections::BTreeMap;

use openkey_attestation::Claims;
use openkey_protocol::message::{
    AccountHead, Answer, Error, EvidenceBinding, KeyView as AccountKey, Outcome, PendingSuccessors,
    Prompt, PromptKind, ReceiptKey, Response, RollbackProtection, RootSource, Summary,
    UpgradeStatus, Verdict,
};
use serde::Serialize;

use crate::{
    receipt::{CheckedReceipt, checksummed},
    successors::{self, Successors},
};

/// A verified document.
#[derive(Debug, Serialize)]
pub struct EvidenceView {
    /// The NSM's name for the enclave.
    pub module_id: String,
    /// The region in the leaf certificate's name.
    pub region: String,
    /// When the NSM signed.
    pub timestamp_ms: u64,
    /// PCR values by index.
    pub measurements: BTreeMap<u8, String>,
    /// A simulator made it.
    pub simulator: bool,
    /// The enclave runs in debug mode.
    pub debug: bool,
    /// The nonce in the document.
    pub nonce: Option<String>,
    /// The public key in the document.
    pub public_key: Option<String>,
    /// The user data in the document.
    pub user_data: Option<String>,
    /// The user data, read; `null` if they are no binding of this protocol.
    pub binding: Option<BindingView>,
    /// The last instant at which the certificate chain is valid.
    pub certificate_expires_ms: u64,
    /// SHA-256 of the root certificate.
    pub root_sha256: String,
}

/// What a document binds.
#[derive(Debug, Serialize)]
pub struct BindingView {
    /// The identity key.
    pub identity: String,
    /// SHA-256 of the measured run-time configuration.
    pub configuration: String,
    /// Where the root key came from; `null` while it is awaited.
    pub root_source: Option<RootSource>,
    /// Commitment to the root key and the operators; `null` while no genesis made one.
    pub root_id: Option<String>,
    /// The program's release.
    pub release: String,
    /// The program's release epoch.
    pub epoch: u32,
    /// In evidence for a channel: SHA-256 of the TLS key's SubjectPublicKeyInfo.
    pub tls_key: Option<String>,
    /// What keeps the store from returning older records.
    pub rollback: RollbackProtection,
    /// Successors that wait for the root key: `none`, `unknown` (the store hides the list from the
    /// enclave), or the hash of the list; `null` in evidence that does not speak of them.
    pub pending: Option<String>,
    /// The hash of the list of withdrawn manifests; `null` in evidence that does not speak of them.
    pub withdrawn: Option<String>,
}

/// A successor that waits for the root key.
#[derive(Debug, Serialize)]
pub struct SuccessorView {
    /// Its release.
    pub release: String,
    /// Its epoch.
    pub epoch: u32,
    /// SHA-256 of the manifest's signed body.
    pub manifest_sha256: String,
    /// By the enclave's clock.
    pub announced_at_ms: u64,
    /// When its delay ends, by the enclave's clock.
    pub allowed_from_ms: u64,
    /// The operators that consented at this enclave: places in the configuration, from 0.
    pub consents: Vec<u32>,
    /// How many must.
    pub consents_needed: u32,
}

impl From<&UpgradeStatus> for SuccessorView {
    fn from(upgrade: &UpgradeStatus) -> Self {
        Self {
            release: upgrade.release.clone(),
            epoch: upgrade.epoch,
            manifest_sha256: upgrade.manifest.to_string(),
            announced_at_ms: upgrade.announced_at,
            allowed_from_ms: upgrade.allowed_from,
            consents: upgrade.consents.clone(),
            consents_needed: upgrade.consents_needed,
        }
    }
}

impl EvidenceView {
    /// The view of a verified document and its binding, if it has one.
    #[must_use]
    pub fn new(claims: &Claims, binding: Option<&EvidenceBinding>) -> Self {
        let hex = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(hex::encode);
        Self {
            module_id: claims.module_id.clone(),
            region: claims.region.clone(),
            timestamp_ms: claims.timestamp.0,
            measurements: claims
                .pcrs
                .iter()
                .map(|(index, pcr)| (index, pcr.to_string()))
                .collect(),
            simulator: claims.simulator,
            debug: claims.debug,
            nonce: hex(&claims.nonce),
            public_key: hex(&claims.public_key),
            user_data: hex(&claims.user_data),
            binding: binding.map(BindingView::new),
            certificate_expires_ms: claims.certificate_expires.0,
            root_sha256: hex::encode(claims.root_sha256),
        }
    }
}

impl BindingView {
    fn new(binding: &EvidenceBinding) -> Self {
        Self {
            identity: hex::encode(&binding.identity),
            configuration: binding.configuration.to_string(),
            root_source: binding.root_source,
            root_id: binding.root_id.map(|id| id.to_string()),
            release: binding.release.clone(),
            epoch: binding.epoch,
            tls_key: binding.tls_key.map(|key| key.to_string()),
            rollback: binding.rollback,
            pending: pending(binding),
            withdrawn: binding.withdrawn.map(|hash| hash.to_string()),
        }
    }
}

fn pending(binding: &EvidenceBinding) -> Option<String> {
    match (successors::without_list(binding), binding.pending) {
        (Some(Successors::Unknown), _) => Some("unknown".to_owned()),
        (Some(Successors::Listed(_)), _) => Some("none".to_owned()),
        (None, Some(PendingSuccessors::Known(hash))) => Some(hash.to_string()),
        _ => None,
    }
}

/// A checked answer. What else it says is in its signed body, which has one reading.
#[derive(Debug, Serialize)]
pub struct AnswerView {
    /// By the enclave's clock.
    pub at: u64,
    /// The enclave's refusal, if it is one; all below is `null` then.
    pub refused: Option<Error>,
    /// The prompt in it.
    pub prompt: Option<PromptView>,
    /// Where the account stands.
    pub head: Option<HeadView>,
    /// The keys that an account view or a new key's outcome names; empty for everything else.
    pub keys: Vec<KeyView>,
    /// In a page of history: SHA-256 of the entry that the next page must begin with.
    pub above: Option<String>,
}

impl From<Answer> for AnswerView {
    fn from(answer: Answer) -> Self {
        let mut view = Self {
            at: answer.at,
            refused: None,
            prompt: None,
            head: None,
            keys: Vec::new(),
            above: None,
        };
        match answer.result {
            Verdict::Refused(error) => view.refused = Some(error),
            Verdict::Ok(Response::Prompted(prompted)) => {
                view.prompt = Some(PromptView::from(*prompted.prompt));
            }
            Verdict::Ok(Response::SignedUp(made)) => view.head = Some(made.head.into()),
            Verdict::Ok(Response::Approved(approved)) => {
                view.head = Some(approved.head.into());
                if let Outcome::KeyCreated(key) = &approved.outcome {
                    view.keys.push(KeyView::of(key));
                }
            }
            Verdict::Ok(Response::Account(account)) => {
                view.head = Some(account.head.into());
                view.keys = account.keys.iter().map(KeyView::of).collect();
            }
            Verdict::Ok(Response::History(page)) => {
                view.head = Some(page.head.into());
                let last = page.entries.last();
                view.above = last.map(|entry| entry.previous.to_string());
            }
            Verdict::Ok(
                Response::Status(_)
                | Response::SignUpStarted(_)
                | Response::NewPasskey(_)
                | Response::Genesis(_)
                | Response::Root(_),
            ) => {}
        }
        view
    }
}

/// A checked prompt.
#[derive(Debug, Serialize)]
pub struct PromptView {
    /// What kind of action.
    pub kind: PromptKind,
    /// Whose account.
    pub account: Option<String>,
    /// The key that would sign.
    pub key: Option<KeyView>,
    /// The account's head when the prompt was made; `null` for a sign-in.
    pub head: Option<HeadView>,
    /// The WebAuthn challenge.
    pub challenge: String,
    /// What an approval covers.
    pub digest: String,
    /// The page's origin.
    pub origin: String,
    /// By the enclave's clock.
    pub issued_at: u64,
    /// By the enclave's clock.
    pub expires_at: u64,
    /// The same in plain words.
    pub summary: Summary,
}

/// A key.
#[derive(Debug, Serialize)]
pub struct KeyView {
    /// Its index.
    pub key: u32,
    /// Its address, EIP-55.
    pub address: String,
}

impl KeyView {
    fn of(key: &AccountKey) -> Self {
        Self {
            key: key.key.0,
            address: checksummed(&key.address),
        }
    }

    fn new(key: &ReceiptKey) -> Self {
        Self {
            key: key.key.0,
            address: checksummed(&key.address),
        }
    }
}

impl From<Prompt> for PromptView {
    fn from(prompt: Prompt) -> Self {
        Self {
            kind: prompt.kind,
            account: prompt.account.map(|account| account.to_string()),
            key: prompt.key.as_ref().map(KeyView::new),
            head: prompt.head.map(HeadView::from),
            challenge: hex::encode(&prompt.challenge),
            digest: prompt.digest.to_string(),
            origin: prompt.origin,
            issued_at: prompt.issued_at,
            expires_at: prompt.expires_at,
            summary: prompt.summary,
        }
    }
}

/// A checked receipt.
#[derive(Debug, Serialize)]
pub struct ReceiptView {
    /// The account.
    pub account: String,
    /// The user handle of its passkeys.
    pub user_handle: String,
    /// Its version.
    pub version: u64,
    /// By the enclave's clock.
    pub issued_at: u64,
    /// The relying-party id.
    pub rp_id: String,
    /// The client's nonce.
    pub nonce: String,
    /// Every passkey.
    pub credentials: Vec<CredentialView>,
    /// Every key.
    pub keys: Vec<KeyView>,
    /// SHA-256 of the signed body.
    pub hash: String,
}

/// A passkey of a receipt.
#[derive(Debug, Serialize)]
pub struct CredentialView {
    /// The credential id.
    pub id: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub public_key_sha256: String,
}

impl From<&CheckedReceipt> for ReceiptView {
    fn from(checked: &CheckedReceipt) -> Self {
        let receipt = &checked.receipt;
        Self {
            account: receipt.account.to_string(),
            user_handle: receipt.user_handle.to_string(),
            version: receipt.version,
            issued_at: receipt.issued_at,
            rp_id: receipt.rp_id.clone(),
            nonce: hex::encode(&receipt.nonce),
            credentials: receipt
                .credentials
                .iter()
                .map(|credential| CredentialView {
                    id: hex::encode(&credential.id),
                    public_key_sha256: credential.public_key_sha256.to_string(),
                })
                .collect(),
            keys: receipt.keys.iter().map(KeyView::new).collect(),
            hash: checked.hash.to_string(),
        }
    }
}

/// A checked account head.
#[derive(Debug, Serialize)]
pub struct HeadView {
    /// The account.
    pub account: String,
    /// Its version.
    pub version: u64,
    /// SHA-256 of its sealed record.
    pub hash: String,
    /// SHA-256 of its newest history entry.
    pub entry: String,
}

impl From<AccountHead> for HeadView {
    fn from(head: AccountHead) -> Self {
        Self {
            account: head.account.to_string(),
            version: head.version,
            hash: head.hash.to_string(),
            entry: head.entry.to_string(),
        }
    }
}
