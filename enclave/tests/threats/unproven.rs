//! What a sign-in tells of an account before its passkey has answered: no number to whoever makes up a head, and
//! no less than before to whoever holds one.

use std::collections::HashMap;

use openkey_protocol::message::{
    AccountId, Action, Approve, Error, ErrorCode, Hash32, KnownHead, Record, RecordId, Request,
};

use crate::{
    common::{Authenticator, Person, World, ask, code, person::text},
    proof::{forged, signing_in},
};

fn refused<T>(answer: Result<T, Error>) -> Error {
    answer.err().unwrap()
}

/// Heads that a stranger makes up: of every version, of this account and of another.
fn made_up(person: &Person) -> Vec<KnownHead> {
    let mut heads = Vec::new();
    for account in [person.account, AccountId([0x66; 32])] {
        for version in (0..12).chain([u64::MAX]) {
            for shown_at in [0, u64::MAX] {
                let mut head = person.known();
                head.head.account = account;
                head.head.version = version;
                head.head.hash = Hash32([7; 32]);
                head.shown_at = shown_at;
                heads.push(head);
            }
        }
    }
    heads
}

/// An account without history has no entries to read in the place of those that are claimed.
#[tokio::test]
async fn e17_a_sign_in_to_an_account_without_history_reads_its_record_alone() {
    let world = World::new();
    let enclave = world.boot().await;
    let waiting = Person::unconfirmed(&enclave, 1).await;
    for head in made_up(&waiting) {
        let asked = forged(&enclave, waiting.user_handle, &[9; 20], Some(head)).await;
        let before = world.store.operations();
        let answer = refused(ask(&enclave, &asked).await);
        assert_eq!(answer.code, ErrorCode::RolledBack);
        assert_eq!(world.store.operations() - before, 2, "{head:?}");
    }
}

#[tokio::test]
async fn e17_a_sign_in_is_no_oracle_for_heads() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut ada = Person::register(&enclave, 1).await;
    for at in 0..5 {
        ada.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    assert_eq!(ada.head.version, 7);
    let cases = [
        (ada.authenticator.id.clone(), ErrorCode::AssertionRefused),
        (vec![9; 20], ErrorCode::RolledBack),
    ];
    for (id, expected) in cases {
        let (mut answers, mut work) = (Vec::new(), Vec::new());
        for head in made_up(&ada) {
            // Slowly: whoever is faster is refused, with whatever head.
            world.pass(2_000);
            let asked = forged(&enclave, ada.user_handle, &id, Some(head)).await;
            let before = (world.store.operations(), world.store.asked_for());
            answers.push(refused(ask(&enclave, &asked).await));
            let (operations, asked_for) = (world.store.operations(), world.store.asked_for());
            work.push((operations - before.0, asked_for - before.1));
        }
        assert_eq!(answers[0].code, expected);
        assert!(answers.iter().all(|it| *it == answers[0]), "{answers:?}");
        // Nor does the time tell, as far as it is the store's.
        assert!(work.iter().all(|it| *it == work[0]), "{work:?}");
    }
    // A right hash with a wrong version or entry is as wrong as any.
    for change in [
        (|it: &mut KnownHead| it.head.version -= 1) as fn(&mut KnownHead),
        |it| it.head.version += 1,
        |it| it.head.entry = Hash32([7; 32]),
    ] {
        let mut head = ada.known();
        change(&mut head);
        let asked = forged(&enclave, ada.user_handle, &[9; 20], Some(head)).await;
        assert_eq!(
            code(ask(&enclave, &asked).await),
            Some(ErrorCode::RolledBack)
        );
    }
    // Whoever answers for the account is told what is wrong with the head.
    let heads = [(6, ErrorCode::Forked), (99, ErrorCode::RolledBack)];
    for (version, expected) in heads {
        let Request::Approve(approve) = signing_in(&enclave, &mut ada).await else {
            panic!("no approval");
        };
        let mut head = ada.known();
        head.head.version = version;
        let asked = Request::Approve(Approve {
            head: Some(head),
            ..approve
        });
        assert_eq!(code(ask(&enclave, &asked).await), Some(expected));
    }
}

/// A person with a second passkey, and the state of the store before it was added.
struct Two {
    world: World,
    first: Person,
    second: Person,
    before: HashMap<RecordId, Record>,
}

async fn two() -> Two {
    let world = World::new();
    let enclave = world.boot().await;
    let mut first = Person::register(&enclave, 1).await;
    let before = world.store.snapshot();
    let mut new = Authenticator::new(2);
    new.user_handle = first.user_handle.0.to_vec();
    first.add_passkey(&enclave, &mut new).await.unwrap();
    let mut second = first.clone();
    second.authenticator = new;
    Two {
        world,
        first,
        second,
        before,
    }
}

#[tokio::test]
async fn e2_a_passkey_that_an_older_record_does_not_have_is_rolled_back_for_whoever_holds_a_head() {
    let mut it = two().await;
    it.world.store.restore(it.before.clone());
    let enclave = it.world.boot().await;
    let asked = signing_in(&enclave, &mut it.second).await;
    let error = refused(ask(&enclave, &asked).await);
    assert_eq!(error.code, ErrorCode::RolledBack);
    assert!(error.advice.contains("two minutes after"), "{error:?}");
    // Without a head a new device is told what the store shows.
    assert_eq!(
        code(it.second.sign_in(&enclave).await),
        Some(ErrorCode::UnknownPasskey)
    );
    // A store that hides the account makes it neither new nor removed.
    it.world.store.restore(Default::default());
    let asked = signing_in(&enclave, &mut it.second).await;
    assert_eq!(
        code(ask(&enclave, &asked).await),
        Some(ErrorCode::RolledBack)
    );
}

/// What the enclave has seen counts as well, in memory and in sealed records.
#[tokio::test]
async fn e2_what_an_enclave_has_seen_refuses_a_record_without_the_passkey() {
    for accounts in [1000, 0] {
        let mut it = two().await;
        it.world.capacity.accounts = accounts;
        let enclave = it.world.boot().await;
        it.second.sign_in(&enclave).await.unwrap();
        let buckets = it.world.store.snapshot();
        for hidden in [false, true] {
            let mut shown = buckets.clone();
            shown.retain(|id, _| !hidden || !it.before.contains_key(id));
            if !hidden {
                shown.extend(it.before.clone());
            }
            it.world.store.restore(shown);
            assert_eq!(
                code(it.second.sign_in(&enclave).await),
                Some(ErrorCode::RolledBack),
                "{accounts} {hidden}"
            );
        }
    }
}

#[tokio::test]
async fn e17_a_passkey_that_was_removed_is_told_so_and_nothing_else() {
    let mut it = two().await;
    let enclave = it.world.boot().await;
    let remove = Action::RemovePasskey {
        passkey: it.second.authenticator.id.clone().into(),
    };
    let prompted = it.second.propose(&enclave, remove).await.unwrap();
    let assertion = it.second.authenticator.get(&prompted.options);
    let removal = Request::Approve(it.second.approval(&prompted, assertion));
    ask(&enclave, &removal).await.unwrap();
    it.first.act(&enclave, text("later")).await.unwrap();
    // The head of a device that was away for a while: newer states continue it.
    let asked = signing_in(&enclave, &mut it.second).await;
    assert_eq!(
        code(ask(&enclave, &asked).await),
        Some(ErrorCode::UnknownPasskey)
    );
    // The approval that removed its own passkey has counted, and says so when it is brought again.
    assert_eq!(
        code(ask(&enclave, &removal).await),
        Some(ErrorCode::ContextUsed)
    );
}

/// A request that contradicts itself is refused before anything is read.
#[tokio::test]
async fn e17_a_head_of_another_account_than_the_prompts_is_refused_unread() {
    let world = World::new();
    let enclave = world.boot().await;
    let ada = Person::register(&enclave, 1).await;
    let prompted = ada.propose(&enclave, text("x")).await.unwrap();
    let mut head = ada.known();
    head.head.account = AccountId([0x66; 32]);
    for id in [ada.authenticator.id.clone(), vec![9; 20]] {
        let mut stranger = Authenticator::new(99);
        stranger.user_handle = ada.user_handle.0.to_vec();
        stranger.id = id;
        let assertion = stranger.get(&prompted.options);
        let asked = Request::Approve(Approve {
            head: Some(head),
            ..ada.approval(&prompted, assertion)
        });
        let before = world.store.operations();
        assert_eq!(
            code(ask(&enclave, &asked).await),
            Some(ErrorCode::Malformed)
        );
        assert_eq!(world.store.operations(), before);
    }
}
