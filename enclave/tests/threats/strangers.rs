//! Strangers who know an account's ids, and the host's own client: nothing of the account is theirs.

use std::sync::Arc;

use openkey_protocol::{
    cbor,
    message::{
        AccountId, Action, Bare, Bytes, Class, Error, ErrorCode, Hash32, KeyId, KnownHead,
        NewCredential, PasskeyCreated, Payload, Propose, Reply, Request, Response, UserHandle,
    },
};
use tokio::task::JoinSet;

use crate::common::{
    Person, World, ask, call, code,
    person::{prompted, text},
};

const TOKEN_LIFE: u64 = 900_000;

/// Every action but the confirmation.
fn actions(passkey: &[u8]) -> Vec<Action> {
    let passkey = Bytes::from(passkey);
    let name = "renamed".to_owned();
    vec![
        text("x"),
        Action::AddPasskey { name: name.clone() },
        Action::RenamePasskey {
            passkey: passkey.clone(),
            name: name.clone(),
        },
        Action::RemovePasskey { passkey },
        Action::CreateKey {
            label: name.clone(),
        },
        Action::LabelKey {
            key: KeyId(0),
            label: name,
        },
        Action::ArchiveKey { key: KeyId(0) },
        Action::RestoreKey { key: KeyId(9) },
    ]
}

/// What a stranger asks: with the ids of the account, and with this token.
fn request(person: &Person, action: Action, token: Option<Bytes>) -> Request {
    let Request::Propose(propose) = person.proposal(action) else {
        panic!("no proposal");
    };
    Request::Propose(Propose {
        token,
        head: None,
        ..propose
    })
}

/// The same ids, of nobody.
fn nobody(person: &Person) -> Person {
    Person {
        account: AccountId([0x77; 32]),
        user_handle: UserHandle([0x77; 16]),
        ..person.clone()
    }
}

fn refused(answer: Result<Response, Error>) -> Error {
    match answer {
        Err(error) => error,
        Ok(told) => panic!("told: {told:?}"),
    }
}

#[tokio::test]
async fn e17_who_knows_an_accounts_ids_is_told_nothing_of_it() {
    let world = World::new();
    let enclave = world.boot().await;
    let ada = Person::register(&enclave, 1).await;
    let eve = Person::register(&enclave, 2).await;
    let context = ada.propose(&enclave, text("x")).await.unwrap().context;
    let tokens = [
        ("none", None),
        ("another account's", Some(eve.token.clone())),
        ("a context", Some(context)),
        ("empty", Some(Bytes::default())),
        ("noise", Some(vec![7; 200].into())),
    ];
    for (what, token) in tokens {
        for action in actions(&ada.authenticator.id) {
            let asked = request(&ada, action.clone(), token.clone());
            let error = refused(ask(&enclave, &asked).await);
            assert_eq!(error.code, ErrorCode::SignInNeeded, "{what}: {action:?}");
            assert!(error.advice.contains("Sign in"), "{error:?}");
            // The same answer, whether or not there is such an account.
            let asked = request(&nobody(&ada), action, token.clone());
            assert_eq!(refused(ask(&enclave, &asked).await), error, "{what}");
        }
    }
    // What the owner asks is answered.
    let asked = request(&ada, text("x"), Some(ada.token.clone()));
    ask(&enclave, &asked).await.unwrap();
    world.pass(TOKEN_LIFE);
    for person in [&ada, &nobody(&ada)] {
        let asked = request(person, text("x"), Some(ada.token.clone()));
        let error = refused(ask(&enclave, &asked).await);
        assert_eq!(error.code, ErrorCode::SignInNeeded);
        assert!(error.message.contains("expired"), "{error:?}");
    }
}

#[tokio::test]
async fn e17_strangers_spend_nothing_of_an_accounts_budget() {
    let world = World::new();
    let enclave = world.boot().await;
    let ada = Person::register(&enclave, 1).await;
    let eve = Person::register(&enclave, 2).await;
    let large = Action::Sign {
        key: KeyId(0),
        payload: Payload::TypedData(format!("{{\"types\":[{}]}}", "0,".repeat(30_000))),
    };
    let operations = world.store.operations();
    for token in [None, Some(eve.token.clone())] {
        for _ in 0..2_000 {
            let asked = request(&ada, large.clone(), token.clone());
            assert_eq!(
                code(ask(&enclave, &asked).await),
                Some(ErrorCode::SignInNeeded)
            );
        }
    }
    assert_eq!(world.store.operations(), operations, "the store was asked");
    // Read, and refused for what it is; not for what strangers have asked.
    let asked = request(&ada, large, Some(ada.token.clone()));
    assert_eq!(
        code(ask(&enclave, &asked).await),
        Some(ErrorCode::TypedDataRefused)
    );
}

#[tokio::test]
async fn h8_requests_about_one_account_hold_few_places() {
    let world = World::new();
    let enclave = Arc::new(world.boot().await);
    let mut ada = Person::register(&enclave, 1).await;
    let flood = ada.proposal(text("x"));
    world.store.hold(true);
    let mut asked = JoinSet::new();
    for _ in 0..480 {
        let (enclave, flood) = (Arc::clone(&enclave), flood.clone());
        asked.spawn(async move { code(ask(&enclave, &flood).await) });
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let mut busy = 0;
    while let Some(refused) = asked.try_join_next() {
        assert_eq!(refused.unwrap(), Some(ErrorCode::Busy));
        busy += 1;
    }
    // The one that is served, and four that wait.
    assert_eq!((busy, asked.len()), (475, 5));
    world.store.hold(false);
    while asked.join_next().await.is_some() {}
    ada.act(&enclave, text("as if nothing had been"))
        .await
        .unwrap();
}

#[tokio::test]
async fn h4_a_call_with_many_items_is_refused_before_anything_is_built() {
    let world = World::new();
    let enclave = world.boot().await;
    let asked = |transports: usize| {
        Request::PasskeyCreated(PasskeyCreated {
            context: vec![7; 64].into(),
            credential: NewCredential {
                id: [1; 20].into(),
                attestation_object: Bytes::default(),
                client_data_json: Bytes::default(),
                transports: vec!["internal".to_owned(); transports],
            },
        })
    };
    // The context is judged before the credential.
    let refused = code(ask(&enclave, &asked(100)).await);
    assert_eq!(refused, Some(ErrorCode::ContextInvalid));
    let reply = enclave.answer(Class::Request, &call(&asked(1000))).await;
    let Ok(Reply::Bare(Bare::Refused(error))) = cbor::decode(&reply) else {
        panic!("read");
    };
    assert_eq!(error.code, ErrorCode::Malformed);
}

/// What can be made up beside the ids of an account: its id, and a head, each right or wrong.
fn made_up(person: &Person) -> Vec<(&'static str, AccountId, Option<KnownHead>)> {
    let other = AccountId([0x66; 32]);
    let head = |change: fn(&mut KnownHead)| {
        let mut head = person.known();
        change(&mut head);
        Some(head)
    };
    vec![
        ("another id", other, None),
        (
            "another id and its head",
            other,
            head(|it| it.head.account = AccountId([0x66; 32])),
        ),
        ("the head", person.account, head(|_| ())),
        (
            "an older head",
            person.account,
            head(|it| it.head.version = 1),
        ),
        (
            "a newer head",
            person.account,
            head(|it| it.head.version = 99),
        ),
        ("no version", person.account, head(|it| it.head.version = 0)),
        (
            "another hash",
            person.account,
            head(|it| it.head.hash = Hash32([7; 32])),
        ),
        (
            "another entry",
            person.account,
            head(|it| it.head.entry = Hash32([7; 32])),
        ),
        (
            "a late look",
            person.account,
            head(|it| it.shown_at = u64::MAX),
        ),
        (
            "another account's head",
            person.account,
            head(|it| it.head.account = AccountId([0x66; 32])),
        ),
    ]
}

/// Without the receipt nothing that somebody makes up beside the ids tells of an account.
#[tokio::test]
async fn e17_a_confirmation_is_no_oracle_for_ids_and_heads() {
    let world = World::new();
    let enclave = world.boot().await;
    let confirmed = Person::register(&enclave, 2).await;
    let waiting = Person::unconfirmed(&enclave, 1).await;
    let asked = |person: &Person, account, head, receipt| {
        let action = Action::Confirm { receipt };
        let Request::Propose(propose) = person.proposal(action) else {
            panic!("no proposal");
        };
        Request::Propose(Propose {
            account,
            head,
            ..propose
        })
    };
    for person in [&confirmed, &waiting] {
        let nobody = nobody(person);
        for (what, account, head) in made_up(person) {
            // The same question about an account that does not exist, and about one that does.
            let nowhere = Person {
                user_handle: nobody.user_handle,
                ..person.clone()
            };
            let wrong = Hash32([7; 32]);
            let told = refused(ask(&enclave, &asked(&nowhere, account, head, wrong)).await);
            let theirs = refused(ask(&enclave, &asked(person, account, head, wrong)).await);
            assert_eq!(theirs, told, "{what}");
        }
        // Nor does the receipt with another id, which it does not name.
        let account = AccountId([0x66; 32]);
        let told = refused(ask(&enclave, &asked(person, account, None, person.receipt)).await);
        assert_eq!(told.code, ErrorCode::UnknownAccount);
    }
    // Whoever holds the receipt is told what is wrong with the head.
    let heads = [
        (1, None),
        (99, Some(ErrorCode::RolledBack)),
        (0, Some(ErrorCode::Malformed)),
    ];
    for (version, expected) in heads {
        let mut head = waiting.known();
        head.head.version = version;
        let asked = asked(&waiting, waiting.account, Some(head), waiting.receipt);
        assert_eq!(code(ask(&enclave, &asked).await), expected);
    }
}

/// A store that hides a new account shows its owner, who holds a head, an older state, and not none.
#[tokio::test]
async fn e2_a_hidden_account_is_not_unknown_to_whoever_confirms_it() {
    let world = World::new();
    let waiting = Person::unconfirmed(&world.boot().await, 1).await;
    world.store.restore(Default::default());
    let confirm = Action::Confirm {
        receipt: waiting.receipt,
    };
    let refused = waiting.propose(&world.boot().await, confirm).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
}

#[tokio::test]
async fn e17_a_confirmation_shows_what_its_receipt_shows() {
    let world = World::new();
    let enclave = world.boot().await;
    let waiting = Person::unconfirmed(&enclave, 1).await;
    let confirmed = Person::register(&enclave, 2).await;
    let ended = Person::unconfirmed(&enclave, 3).await;
    let confirm = |receipt| Action::Confirm { receipt };
    // Without the receipt there is no telling whether the account waits, is confirmed, or exists.
    let wrong = Hash32([7; 32]);
    let unknown = refused(ask(&enclave, &request(&nobody(&ended), confirm(wrong), None)).await);
    assert_eq!(unknown.code, ErrorCode::UnknownAccount);
    for person in [&waiting, &confirmed, &ended] {
        let asked = request(person, confirm(wrong), None);
        assert_eq!(refused(ask(&enclave, &asked).await), unknown);
    }
    // With it there is the key's address, which stands in the receipt, and no name.
    let asked = request(&waiting, confirm(waiting.receipt), None);
    let prompted = prompted(ask(&enclave, &asked).await.unwrap()).unwrap();
    assert_eq!(
        prompted.options.allow,
        [Bytes::from(waiting.authenticator.id.clone())]
    );
    let lines = prompted.prompt.summary.lines.iter();
    let labels: Vec<&str> = lines.map(|line| line.label.as_str()).collect();
    assert_eq!(labels, ["Key", "Page"]);
    assert!(!format!("{:?}", prompted.prompt.summary).contains("Ada"));
    // An account that has ended is told as such to whoever holds its receipt, and to nobody else.
    world.pass(24 * 60 * 60 * 1000);
    let asked = request(&ended, confirm(wrong), None);
    assert_eq!(refused(ask(&enclave, &asked).await), unknown);
    let asked = request(&ended, confirm(ended.receipt), None);
    let told = refused(ask(&enclave, &asked).await);
    assert_eq!(told.code, ErrorCode::UnknownAccount);
    assert!(told.message.contains("within a day"), "{told:?}");
}
