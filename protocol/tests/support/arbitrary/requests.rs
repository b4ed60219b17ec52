//! Any request.

use openkey_protocol::message::*;
use proptest::{
    collection::vec,
    option::of,
    prelude::*,
    strategy::{BoxedStrategy, Union},
};

use super::*;

fn action() -> BoxedStrategy<Action> {
    let payload = prop_oneof![
        text().prop_map(Payload::Text),
        text().prop_map(Payload::Siwe),
        text().prop_map(Payload::Session),
        text().prop_map(Payload::TypedData),
    ]
    .boxed();
    Union::new([
        make!(Action::Confirm { receipt: hash() }),
        make!(Action::Sign {
            key: key(),
            payload
        }),
        make!(Action::AddPasskey { name: text() }),
        make!(Action::RenamePasskey {
            passkey: bytes(),
            name: text()
        }),
        make!(Action::RemovePasskey { passkey: bytes() }),
        make!(Action::CreateKey { label: text() }),
        make!(Action::LabelKey {
            key: key(),
            label: text()
        }),
        make!(Action::ArchiveKey { key: key() }),
        make!(Action::RestoreKey { key: key() }),
    ])
    .boxed()
}

pub(crate) fn request() -> BoxedStrategy<Request> {
    let credential = make!(NewCredential {
        id: bytes(),
        attestation_object: bytes(),
        client_data_json: bytes(),
        transports: vec(text(), 0..3),
    });
    let assertion = make!(Assertion {
        credential_id: bytes(),
        authenticator_data: bytes(),
        client_data_json: bytes(),
        signature: bytes(),
        user_handle: of(bytes()),
    });
    let query = prop_oneof![
        Just(Query::Account),
        make!(Query::History {
            before: of(any::<u64>()),
            limit: any::<u32>()
        }),
    ];
    let finish = make!(SignUpFinish {
        context: bytes(),
        credential: credential.clone()
    });
    let created = make!(PasskeyCreated {
        context: bytes(),
        credential
    });
    let propose = make!(Propose {
        account: account(),
        user_handle: user_handle(),
        token: of(bytes()),
        origin: text(),
        head: of(known()),
        action: action(),
    });
    let approve = make!(Approve {
        context: bytes(),
        assertion: assertion.clone(),
        possession: of(assertion),
        head: of(known()),
        confirmed: of(hash()),
    });
    let read = make!(Read {
        token: bytes(),
        head: of(known()),
        query
    });
    Union::new([
        Just(Request::Status).boxed(),
        make!(Request::Evidence { nonce: bytes() }),
        make!(SignUp {
            origin: text(),
            name: text()
        })
        .prop_map(Request::SignUp)
        .boxed(),
        finish.prop_map(Request::SignUpFinish).boxed(),
        make!(SignIn { origin: text() })
            .prop_map(Request::SignIn)
            .boxed(),
        propose.prop_map(Request::Propose).boxed(),
        created.prop_map(Request::PasskeyCreated).boxed(),
        approve.prop_map(Request::Approve).boxed(),
        read.prop_map(Request::Read).boxed(),
        root::operator_request().prop_map(Request::Operator).boxed(),
        root::hand_over().prop_map(Request::HandOver).boxed(),
    ])
    .boxed()
}

pub(crate) fn call() -> BoxedStrategy<Call> {
    make!(Call {
        nonce: bytes(),
        request: request()
    })
}

pub(crate) fn store_request() -> BoxedStrategy<StoreRequest> {
    let id = || any::<[u8; 32]>().prop_map(RecordId).boxed();
    let write = make!(Write {
        id: id(),
        expected: of(any::<u64>()),
        blob: bytes()
    });
    Union::new([
        make!(StoreRequest::Get {
            ids: vec(id(), 0..5)
        }),
        make!(StoreRequest::Commit {
            writes: vec(write, 0..5)
        }),
    ])
    .boxed()
}
