//! What those who ask may have the enclave read: entries of history cost whoever has them read.

use openkey_protocol::message::{
    AccountId, Action, Error, ErrorCode, Hash32, KnownHead, Propose, Query, Read, Request,
    Response, UserHandle,
};

use crate::{
    common::{Authenticator, Person, World, ask, code, person::text},
    proof::forged,
};

/// How long a used-up budget takes to come back.
const WINDOW: u64 = 60_000;
/// More than any budget lasts for.
const MANY: usize = 5_000;

/// How often something is answered until it is refused as too much.
async fn until_refused(mut ask: impl AsyncFnMut() -> Result<Response, Error>) -> usize {
    for answered in 0..MANY {
        if let Err(refused) = ask().await {
            assert_eq!(refused.code, ErrorCode::TooMany, "{refused:?}");
            return answered;
        }
    }
    panic!("it has no end");
}

/// Pages of history, and a head of long ago, to which the account is followed back.
#[tokio::test]
async fn h4_entries_that_are_read_without_end_use_up_the_budget_of_their_account_alone() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut eve = Person::register(&enclave, 1).await;
    let old = eve.known();
    for at in 0..60 {
        world.pass(1_000);
        eve.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    let mut ada = Person::register(&enclave, 2).await;
    for (head, query) in [
        (
            eve.known(),
            Query::History {
                before: None,
                limit: 50,
            },
        ),
        (old, Query::Account),
    ] {
        eve.sign_in(&enclave).await.unwrap();
        let read = Request::Read(Read {
            token: eve.token.clone(),
            head: Some(head),
            query,
        });
        let answered = until_refused(async || ask(&enclave, &read).await).await;
        // Somebody who looks at a page or two is far from it.
        assert!(answered > 4, "{answered}");
        // What has nothing read is answered, and so are others.
        eve.sign_in(&enclave).await.unwrap();
        eve.view(&enclave).await.unwrap();
        ada.history(&enclave, None, 50).await.unwrap();
        ada.act(&enclave, text("x")).await.unwrap();
        world.pass(WINDOW);
        eve.history(&enclave, None, 50).await.unwrap();
        world.pass(WINDOW);
    }
}

/// Whoever makes up heads for an account spends what all strangers have. The owner has another budget.
#[tokio::test]
async fn h4_heads_that_are_made_up_without_end_use_up_the_budget_of_strangers_alone() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut ada = Person::register(&enclave, 1).await;
    for at in 0..10 {
        ada.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    let (known, account, owner) = (ada.known(), ada.account, ada.user_handle);
    let made_up = |version, account| {
        let mut head = known;
        (head.head.version, head.head.account) = (version, account);
        head.head.hash = Hash32([7; 32]);
        head
    };
    let (other, nobody) = (AccountId([0x66; 32]), UserHandle([0x77; 16]));
    let claim = async |handle, head: KnownHead| {
        let asked = forged(&enclave, handle, &[9; 20], Some(head)).await;
        ask(&enclave, &asked).await
    };
    // As before, until the budget is used up.
    let answered = until_refused(async || {
        let refused = claim(owner, made_up(3, account)).await.unwrap_err();
        if refused.code == ErrorCode::RolledBack {
            return ask(&enclave, &Request::Status).await;
        }
        Err(refused)
    })
    .await;
    assert!(answered > 4, "{answered}");
    // Now the refusal is one, whatever is made up, and whether or not there is such an account.
    let operations = world.store.operations();
    let told = claim(owner, made_up(3, account)).await.unwrap_err();
    assert_eq!(told.code, ErrorCode::TooMany);
    for (handle, head) in [
        (owner, made_up(0, account)),
        (owner, made_up(99, account)),
        (owner, made_up(3, other)),
        (owner, known),
        (nobody, made_up(3, account)),
    ] {
        assert_eq!(claim(handle, head).await.unwrap_err(), told);
    }
    // The account's record was looked at, and none of its history.
    assert_eq!(world.store.operations() - operations, 6 * 2);
    // The owner lacks nothing.
    ada.sign_in(&enclave).await.unwrap();
    ada.history(&enclave, None, 50).await.unwrap();
    ada.act(&enclave, text("as if nothing had been"))
        .await
        .unwrap();
    world.pass(WINDOW);
    let refused = claim(owner, made_up(3, account)).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
}

/// Whoever has a receipt waits for no stranger, and whoever has somebody else's takes nothing from its owner.
#[tokio::test]
async fn e17_a_receipt_is_answered_whatever_strangers_spend_and_spends_nothing_of_its_owner() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut ada = Person::unconfirmed(&enclave, 1).await;
    let confirm = Action::Confirm {
        receipt: ada.receipt,
    };
    let asked = ada.proposal(confirm.clone());
    let done = ada.act(&enclave, confirm).await.unwrap();
    ada.keep_token(done);
    for at in 0..10 {
        ada.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    let Request::Propose(propose) = asked.clone() else {
        panic!("{asked:?}");
    };
    let mut made_up = propose.head.unwrap();
    made_up.head.hash = Hash32([7; 32]);
    let strangers = async || {
        let claim = forged(&enclave, ada.user_handle, &[9; 20], Some(made_up)).await;
        ask(&enclave, &claim).await
    };
    until_refused(async || match strangers().await {
        Err(refused) if refused.code == ErrorCode::RolledBack => {
            ask(&enclave, &Request::Status).await
        }
        answered => answered,
    })
    .await;
    // The answer to a confirmation was lost: it is asked for again, with what was known then.
    let again = ask(&enclave, &asked).await;
    assert_eq!(code(again), Some(ErrorCode::AlreadyConfirmed));

    // Somebody else who has the receipt makes up heads for it without end.
    let made_up = Request::Propose(Propose {
        head: Some(made_up),
        ..propose
    });
    let answered = until_refused(async || match ask(&enclave, &made_up).await {
        Err(refused) if refused.code == ErrorCode::Forked => ask(&enclave, &Request::Status).await,
        answered => answered,
    })
    .await;
    assert!(answered > 4, "{answered}");
    ada.history(&enclave, None, 50).await.unwrap();
    ada.act(&enclave, text("as if nothing had been"))
        .await
        .unwrap();
}

/// A read token ends with its passkey, and from then on takes nothing from whoever removed it.
#[tokio::test]
async fn e17_the_token_of_a_removed_passkey_spends_nothing_of_its_account() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut ada = Person::register(&enclave, 1).await;
    let mut second = Authenticator::new(2);
    ada.add_passkey(&enclave, &mut second).await.unwrap();
    let mut thief = Person {
        authenticator: second.clone(),
        ..ada.clone()
    };
    thief.sign_in(&enclave).await.unwrap();
    let passkey = second.id.clone().into();
    let remove = Action::RemovePasskey { passkey };
    ada.act(&enclave, remove).await.unwrap();
    for at in 0..20 {
        world.pass(1_000);
        ada.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    let read = Request::Read(Read {
        token: thief.token.clone(),
        head: Some(thief.known()),
        query: Query::Account,
    });
    for asked in [read, thief.proposal(text("x"))] {
        until_refused(async || match ask(&enclave, &asked).await {
            Err(refused) if refused.code == ErrorCode::UnknownPasskey => {
                ask(&enclave, &Request::Status).await
            }
            answered => answered,
        })
        .await;
        ada.history(&enclave, None, 50).await.unwrap();
        ada.act(&enclave, text("as if nothing had been"))
            .await
            .unwrap();
        world.pass(WINDOW);
    }
}
