//! Whoever knows the ids of an account, and cannot answer for it: they wait in nobody's way.
//!
//! What proves who asks, before a request takes the turn of an account:
//!
//! | Request | Proof |
//! |---|---|
//! | `propose`, `read` | the read token of the account, which only a passkey of it gets |
//! | `propose` of a confirmation | the hash of the receipt, and the account is not confirmed yet |
//! | `passkey_created` | the sealed context, which only a read token of the account gets |
//! | `approve` | the assertion, by the public key in the record as it stands |
//! | `sign_up_finish` | the sealed context, which fixes a user handle that nobody else has |
//!
//! Nothing else takes a turn.

use std::sync::Arc;

use openkey_enclave::Service;
use openkey_protocol::message::{
    Action, Approve, ErrorCode, Hash32, KnownHead, Propose, Request, UserHandle,
};
use tokio::task::JoinSet;

use crate::common::{
    Authenticator, Person, TestStore, World, ask, code,
    person::{sign_in, text},
};

/// An answer to a sign-in that names an account and a passkey, by a passkey of nobody.
pub(crate) async fn forged(
    enclave: &Service<TestStore>,
    user_handle: UserHandle,
    id: &[u8],
    head: Option<KnownHead>,
) -> Request {
    let prompted = sign_in(enclave).await.unwrap();
    let mut stranger = Authenticator::new(99);
    stranger.user_handle = user_handle.0.to_vec();
    stranger.id = id.to_vec();
    Request::Approve(Approve {
        context: prompted.context.clone(),
        assertion: stranger.get(&prompted.options),
        possession: None,
        head,
        confirmed: None,
    })
}

/// A confirmation by whoever knows this hash.
fn confirmation(person: &Person, receipt: Hash32) -> Request {
    let Request::Propose(propose) = person.proposal(Action::Confirm { receipt }) else {
        panic!("no proposal");
    };
    Request::Propose(Propose {
        head: None,
        ..propose
    })
}

/// The sign-in of a person, as the page sends it.
pub(crate) async fn signing_in(enclave: &Service<TestStore>, person: &mut Person) -> Request {
    let prompted = sign_in(enclave).await.unwrap();
    let assertion = person.authenticator.get(&prompted.options);
    Request::Approve(person.approval(&prompted, assertion))
}

#[tokio::test]
async fn e17_strangers_who_know_an_accounts_ids_take_none_of_its_turns() {
    let world = World::new();
    let enclave = Arc::new(world.boot().await);
    let mut ada = Person::register(&enclave, 1).await;
    let mut waiting = Person::unconfirmed(&enclave, 2).await;
    let (handle, id) = (ada.user_handle, ada.authenticator.id.clone());
    let (other, its) = (waiting.user_handle, waiting.authenticator.id.clone());
    let floods = [
        (
            forged(&enclave, handle, &id, None).await,
            ErrorCode::AssertionRefused,
        ),
        (
            forged(&enclave, handle, &[9; 20], None).await,
            ErrorCode::UnknownPasskey,
        ),
        (
            forged(&enclave, handle, &[9; 20], Some(ada.known())).await,
            ErrorCode::UnknownPasskey,
        ),
        (
            confirmation(&ada, Hash32([7; 32])),
            ErrorCode::UnknownAccount,
        ),
        // Who knows the user handle knows it from the receipt.
        (confirmation(&ada, ada.receipt), ErrorCode::AlreadyConfirmed),
        (
            forged(&enclave, other, &its, None).await,
            ErrorCode::AssertionRefused,
        ),
        (
            confirmation(&waiting, Hash32([7; 32])),
            ErrorCode::UnknownAccount,
        ),
    ];
    for (flood, expected) in floods {
        world.store.hold(true);
        let mut asked = JoinSet::new();
        for _ in 0..50 {
            let (enclave, flood) = (Arc::clone(&enclave), flood.clone());
            asked.spawn(async move { code(ask(&enclave, &flood).await) });
        }
        tokio::task::yield_now().await;
        let mut owners = JoinSet::new();
        for request in [
            ada.proposal(text("x")),
            signing_in(&enclave, &mut ada).await,
            signing_in(&enclave, &mut waiting).await,
        ] {
            let enclave = Arc::clone(&enclave);
            owners.spawn(async move { ask(&enclave, &request).await });
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        world.store.hold(false);
        while let Some(answer) = owners.join_next().await {
            assert_eq!(code(answer.unwrap()), None, "{expected:?}");
        }
        while let Some(answer) = asked.join_next().await {
            assert_eq!(answer.unwrap(), Some(expected));
        }
        ada.look(&enclave).await.unwrap();
    }
}

/// Accounts that nobody has confirmed have few places in the memory: only their owners take them.
#[tokio::test]
async fn e17_strangers_who_know_accounts_ids_move_nothing_in_the_memory() {
    let mut world = World::new();
    world.capacity.accounts = 32;
    let enclave = world.boot().await;
    let mut others = Vec::new();
    for seed in 2..8 {
        others.push(Person::unconfirmed(&enclave, seed).await);
    }
    let mut ada = Person::unconfirmed(&enclave, 1).await;
    let before = world.store.snapshot();
    ada.sign_in(&enclave).await.unwrap();
    for other in &others {
        let (handle, id) = (other.user_handle, &other.authenticator.id);
        let asked = forged(&enclave, handle, id, None).await;
        assert_eq!(
            code(ask(&enclave, &asked).await),
            Some(ErrorCode::AssertionRefused)
        );
        let asked = confirmation(other, Hash32([7; 32]));
        assert_eq!(
            code(ask(&enclave, &asked).await),
            Some(ErrorCode::UnknownAccount)
        );
    }
    world.store.restore(before);
    assert_eq!(
        code(ada.sign_in(&enclave).await),
        Some(ErrorCode::RolledBack)
    );
}
