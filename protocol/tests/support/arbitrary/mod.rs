//! Any message.

/// `make!(Type { field: strategy, … })`; a variable named like its field may stand alone.
macro_rules! make {
    ($($path:ident)::+ { $($field:ident $(: $strategy:expr)?),+ $(,)? }) => {
        ($(make!(@ $field $(, $strategy)?)),+ ,)
            .prop_map(|($($field),+ ,)| $($path)::+ { $($field),+ })
            .boxed()
    };
    (@ $field:ident, $strategy:expr) => { $strategy };
    (@ $field:ident) => { $field };
}

mod replies;
mod requests;
mod root;

use openkey_protocol::message::*;
use proptest::{collection::vec, option::of, prelude::*, strategy::BoxedStrategy};

pub(crate) use replies::{answer, reply, store_reply};
pub(crate) use requests::{call, request, store_request};
pub(crate) use root::{
    consent, descriptor, host_reply, host_request, order, relay, transcript, withdrawal,
};

fn text() -> BoxedStrategy<String> {
    ".{0,40}".boxed()
}

fn bytes() -> BoxedStrategy<Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes).boxed()
}

fn hash() -> BoxedStrategy<Hash32> {
    any::<[u8; 32]>().prop_map(Hash32).boxed()
}

fn account() -> BoxedStrategy<AccountId> {
    any::<[u8; 32]>().prop_map(AccountId).boxed()
}

pub(crate) fn user_handle() -> BoxedStrategy<UserHandle> {
    any::<[u8; 16]>().prop_map(UserHandle).boxed()
}

fn address() -> BoxedStrategy<Address> {
    any::<[u8; 20]>().prop_map(Address).boxed()
}

fn key() -> BoxedStrategy<KeyId> {
    any::<u32>().prop_map(KeyId).boxed()
}

fn one_of<T: Clone + std::fmt::Debug + 'static>(all: &[T]) -> BoxedStrategy<T> {
    prop::sample::select(all.to_vec()).boxed()
}

fn signed<T: Statement + std::fmt::Debug + 'static>() -> BoxedStrategy<Signed<T>> {
    (bytes(), bytes())
        .prop_map(|(body, signature)| Signed::from_parts(body, signature))
        .boxed()
}

pub(crate) fn head() -> BoxedStrategy<AccountHead> {
    make!(AccountHead {
        account: account(),
        version: any::<u64>(),
        hash: hash(),
        entry: hash()
    })
}

pub(crate) fn known() -> BoxedStrategy<KnownHead> {
    make!(KnownHead {
        head: head(),
        shown_at: any::<u64>()
    })
}

fn receipt_key() -> BoxedStrategy<ReceiptKey> {
    make!(ReceiptKey {
        key: key(),
        address: address()
    })
}

pub(crate) fn receipt() -> BoxedStrategy<AccountReceipt> {
    let credential = make!(ReceiptCredential {
        id: bytes(),
        public_key_sha256: hash()
    });
    make!(AccountReceipt {
        account: account(),
        user_handle: user_handle(),
        version: any::<u64>(),
        issued_at: any::<u64>(),
        rp_id: text(),
        nonce: bytes(),
        credentials: vec(credential, 0..4),
        keys: vec(receipt_key(), 0..4),
    })
}

fn kind() -> BoxedStrategy<PromptKind> {
    use PromptKind::*;
    one_of(&[
        SignIn,
        Confirm,
        SignText,
        SignSiwe,
        SignTypedData,
        AddPasskey,
        RenamePasskey,
        RemovePasskey,
        CreateKey,
        LabelKey,
        ArchiveKey,
        RestoreKey,
    ])
}

fn severity() -> BoxedStrategy<Severity> {
    one_of(&[Severity::Notice, Severity::Attention, Severity::Danger])
}

fn grant() -> BoxedStrategy<Grant> {
    make!(Grant {
        kind: one_of(&[
            GrantKind::Data,
            GrantKind::Network,
            GrantKind::Token,
            GrantKind::Hosting,
            GrantKind::Unknown,
        ]),
        resource: text(),
        owner: text(),
        scope: text(),
        abilities: vec(
            make!(GrantedAbility {
                ability: text(),
                words: text(),
                severity: of(severity()),
                within: of(any::<u32>()),
            }),
            0..3
        ),
        reaches_secrets: any::<bool>(),
    })
}

fn summary() -> BoxedStrategy<Summary> {
    let severity = severity();
    make!(Summary {
        title: text(),
        lines: vec(
            make!(Line {
                label: text(),
                value: text()
            }),
            0..5
        ),
        grants: vec(grant(), 0..3),
        warnings: vec(
            make!(Warning {
                severity,
                text: text()
            }),
            0..3
        ),
        text: of(text()),
        confirm: any::<bool>(),
    })
}

pub(crate) fn prompt() -> BoxedStrategy<Prompt> {
    make!(Prompt {
        kind: kind(),
        account: of(account()),
        key: of(receipt_key()),
        head: of(head()),
        challenge: bytes(),
        digest: hash(),
        origin: text(),
        issued_at: any::<u64>(),
        expires_at: any::<u64>(),
        summary: summary(),
    })
}

pub(crate) fn binding() -> BoxedStrategy<EvidenceBinding> {
    make!(EvidenceBinding {
        version: any::<u32>(),
        identity: bytes(),
        configuration: hash(),
        root_source: of(root::source()),
        root_id: of(hash()),
        release: text(),
        epoch: any::<u32>(),
        tls_key: of(hash()),
        rollback: Just(RollbackProtection::ClientsOnly),
        pending: of(root::pending()),
        withdrawn: of(hash()),
    })
}
