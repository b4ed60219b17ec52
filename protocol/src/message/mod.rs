//! Requests to an enclave, its replies, and the statements it signs.
//!
//! A client sends the deterministic CBOR of one [`Request`] and gets the CBOR of one [`Reply`].
//! Everything a person relies on travels inside a [`Signed`] statement, so that the untrusted host
//! in between can drop messages but not change them.

mod action;
mod bytes;
mod error;
mod evidence;
mod ids;
mod reply;
mod request;
mod signed;
mod statement;
mod store;
mod webauthn;

pub use action::{Action, Payload};
pub use bytes::Bytes;
pub use error::{Error, ErrorCode};
pub use evidence::{EVIDENCE_BINDING_VERSION, EvidenceBinding, RollbackProtection, RootSource};
pub use ids::{AccountId, Address, Hash32, KeyId, ParseIdError, RecordId};
pub use reply::{
    AccountView, Approved, Evidence, HistoryEntry, HistoryPage, KeyView, Limits, NewPasskey,
    Outcome, PasskeyView, Prompted, Reply, Response, SignUpStarted, SignedUp, Status,
};
pub use request::{
    Approve, Class, MAX_NAME_CHARS, MAX_NONCE, MIN_NONCE, PasskeyCreated, Propose, Query, Read,
    Request, SignIn, SignUp, SignUpFinish,
};
pub use signed::{Signed, Statement};
pub use statement::{
    AccountHead, AccountReceipt, Line, Prompt, PromptKind, ReceiptCredential, ReceiptKey, Severity,
    Summary, Warning,
};
pub use store::{MAX_GET, Record, StoreReply, StoreRequest, Write};
pub use webauthn::{Assertion, CreationOptions, NewCredential, RequestOptions};
