//! Requests to an enclave, its replies, and the statements it signs.
//!
//! A client sends the deterministic CBOR of one [`Call`] and gets the CBOR of one [`Reply`]: an
//! [`Answer`] signed for exactly this call, or one of the few unsigned things of [`Bare`]. The
//! untrusted host in between can drop messages but not change them.

mod action;
mod answer;
mod bytes;
mod error;
mod evidence;
mod grant;
mod history;
mod host;
mod ids;
mod reply;
mod request;
mod root;
mod signed;
mod statement;
mod store;
mod webauthn;

pub use action::{Action, Payload};
pub use answer::{Answer, Call, Verdict};
pub use bytes::Bytes;
pub use error::{Error, ErrorCode};
pub use evidence::{
    EVIDENCE_BINDING_VERSION, EvidenceBinding, PendingSuccessors, RollbackProtection, RootSource,
};
pub use grant::{Grant, GrantKind, GrantedAbility};
pub use history::{ApprovedBy, ConcernedKey, Excerpt, HistoryEntry, HistoryPage, MAX_ENTRY};
pub use host::{
    BootFiles, EnclaveEvent, HostReply, HostRequest, MAX_BOOT_FILE, MAX_EVENTS, MAX_PEERS,
    MAX_RELAY_WORD, RelayReply, RelayRequest,
};
pub use ids::{
    ACCOUNT_ID_LABEL, AccountId, Address, Hash32, Key32, KeyId, ParseIdError, RecordId, UserHandle,
};
pub use reply::{
    AccountView, Approved, Bare, Evidence, KeyView, Limits, NewPasskey, Outcome, PasskeyView,
    Prompted, Reply, Response, SignUpStarted, SignedUp, Status,
};
pub use request::{
    Approve, Class, KnownHead, MAX_NAME_CHARS, MAX_NONCE, MIN_NONCE, PasskeyCreated, Propose,
    Query, Read, Request, SignIn, SignUp, SignUpFinish,
};
pub use root::{
    AwsCredentials, GENESIS_INFO, Genesis, GenesisTranscript, HAND_OVER_INFO, HandOver,
    MAX_MANIFEST, MAX_OPERATOR_NAME, MAX_OPERATORS, MAX_ORDER_LIFETIME, MAX_SECRET, OperatorKeys,
    OperatorRequest, Order, PENDING_LABEL, POST_SHARE_INFO, ROOT_DESCRIPTOR_VERSION, ROOT_ID_LABEL,
    RootDescriptor, RootState, RootStatus, SECRET_INFO, SHARE_LABEL, Sealed, SecretOrder,
    SecretStatus, SourceStatus, UpgradeConsent, UpgradeStatus, UpgradeWithdrawal, WITHDRAWN_LABEL,
    WrappedRoot, pending_input, withdrawn_input,
};
pub use signed::{Signed, Statement};
pub use statement::{
    AccountHead, AccountReceipt, Line, Prompt, PromptKind, ReceiptCredential, ReceiptKey, Severity,
    Summary, Warning,
};
pub use store::{MAX_GET, Record, StoreReply, StoreRequest, Write};
pub use webauthn::{Assertion, CreationOptions, NewCredential, RequestOptions};
