//! Any reply.

use openkey_protocol::message::*;
use proptest::{
    collection::vec,
    option::of,
    prelude::*,
    strategy::{BoxedStrategy, Union},
};

use super::*;

fn creation() -> BoxedStrategy<CreationOptions> {
    make!(CreationOptions {
        challenge: bytes(),
        rp_id: text(),
        rp_name: text(),
        user_id: bytes(),
        user_name: text(),
        algorithms: vec(any::<i64>(), 0..4),
        exclude: vec(bytes(), 0..4),
        timeout_ms: any::<u32>(),
    })
}

fn key_view() -> BoxedStrategy<KeyView> {
    make!(KeyView {
        key: key(),
        address: address(),
        label: text(),
        created_at: any::<u64>(),
        archived_at: of(any::<u64>()),
    })
}

fn outcome() -> BoxedStrategy<Outcome> {
    Union::new([
        make!(Outcome::SignedIn {
            token: bytes(),
            expires_at: any::<u64>()
        }),
        make!(Outcome::Signature {
            signature: bytes(),
            digest: hash(),
            address: address()
        }),
        Just(Outcome::Changed).boxed(),
        key_view().prop_map(Outcome::KeyCreated).boxed(),
    ])
    .boxed()
}

fn account_view() -> BoxedStrategy<AccountView> {
    let passkey = make!(PasskeyView {
        id: bytes(),
        name: text(),
        public_key_sha256: hash(),
        created_at: any::<u64>(),
        used_at: of(any::<u64>()),
    });
    make!(AccountView {
        account: account(),
        name: text(),
        created_at: any::<u64>(),
        confirmed: any::<bool>(),
        passkeys: vec(passkey, 0..4),
        keys: vec(key_view(), 0..4),
        history: any::<u64>(),
        head: head(),
    })
}

fn history() -> BoxedStrategy<HistoryPage> {
    let line = make!(Line {
        label: text(),
        value: text()
    });
    let told = make!(Excerpt {
        lines: vec(line, 0..4),
        left_out: any::<u32>(),
        text: of(text())
    });
    let approved_by = make!(ApprovedBy {
        id: bytes(),
        name: text(),
        public_key_sha256: hash()
    });
    let concerned = make!(ConcernedKey {
        key: key(),
        address: address(),
        label: text()
    });
    let entry = make!(HistoryEntry {
        sequence: any::<u64>(),
        previous: hash(),
        record: hash(),
        at: any::<u64>(),
        kind: kind(),
        title: text(),
        told,
        origin: text(),
        passkey: approved_by,
        digest: hash(),
        key: of(concerned),
        signature: of(bytes()),
    });
    make!(HistoryPage {
        head: head(),
        entries: vec(entry, 0..6),
        next: of(any::<u64>())
    })
}

fn status() -> BoxedStrategy<Status> {
    let limits = make!(Limits {
        payload_bytes: any::<u32>(),
        passkeys: any::<u32>(),
        keys: any::<u32>(),
        signatures_per_minute: any::<u32>(),
        accounts: any::<u64>(),
    });
    make!(Status {
        release: text(),
        root_source: of(root::source()),
        root: root::root_status(),
        now: any::<u64>(),
        rp_id: text(),
        origins: vec(text(), 0..3),
        limits,
    })
}

fn response() -> BoxedStrategy<Response> {
    let options = make!(RequestOptions {
        challenge: bytes(),
        rp_id: text(),
        allow: vec(bytes(), 0..4),
        timeout_ms: any::<u32>(),
    });
    let started = make!(SignUpStarted {
        options: creation(),
        context: bytes(),
        expires_at: any::<u64>(),
    });
    let prompted = make!(Prompted {
        prompt: prompt().prop_map(Box::new),
        options,
        context: bytes()
    });
    let passkey = make!(NewPasskey {
        options: creation(),
        context: bytes(),
        expires_at: any::<u64>(),
    });
    Union::new([
        status().prop_map(Response::Status).boxed(),
        started.prop_map(Response::SignUpStarted).boxed(),
        make!(SignedUp {
            receipt: signed(),
            head: head()
        })
        .prop_map(Response::SignedUp)
        .boxed(),
        prompted.prop_map(Response::Prompted).boxed(),
        passkey.prop_map(Response::NewPasskey).boxed(),
        make!(Approved {
            head: head(),
            outcome: outcome()
        })
        .prop_map(Response::Approved)
        .boxed(),
        account_view().prop_map(Response::Account).boxed(),
        history().prop_map(Response::History).boxed(),
        make!(Genesis {
            transcript: signed(),
            document: bytes()
        })
        .prop_map(Response::Genesis)
        .boxed(),
        root::root_status().prop_map(Response::Root).boxed(),
    ])
    .boxed()
}

fn error() -> BoxedStrategy<Error> {
    let code = one_of(&[
        ErrorCode::Malformed,
        ErrorCode::RolledBack,
        ErrorCode::Internal,
    ]);
    make!(Error {
        code,
        message: text(),
        advice: text()
    })
}

pub(crate) fn answer() -> BoxedStrategy<Answer> {
    make!(Answer {
        request: hash(),
        nonce: bytes(),
        at: any::<u64>(),
        continued: of(head()),
        result: prop_oneof![
            4 => response().prop_map(Verdict::Ok),
            1 => error().prop_map(Verdict::Refused),
        ],
    })
}

pub(crate) fn reply() -> BoxedStrategy<Reply> {
    Union::new([
        signed().prop_map(Reply::Answer).boxed(),
        make!(Evidence { document: bytes() })
            .prop_map(|evidence| Reply::Bare(Bare::Evidence(evidence)))
            .boxed(),
        root::sealed()
            .prop_map(|sealed| Reply::Bare(Bare::HandedOver(sealed)))
            .boxed(),
        error()
            .prop_map(|error| Reply::Bare(Bare::Refused(error)))
            .boxed(),
    ])
    .boxed()
}

pub(crate) fn store_reply() -> BoxedStrategy<StoreReply> {
    let record = make!(Record {
        revision: any::<u64>(),
        blob: bytes()
    });
    Union::new([
        vec(of(record), 0..5).prop_map(StoreReply::Records).boxed(),
        Just(StoreReply::Committed).boxed(),
        Just(StoreReply::Conflict).boxed(),
        make!(StoreReply::Failed { reason: text() }),
        make!(StoreReply::Unknown { reason: text() }),
    ])
    .boxed()
}
