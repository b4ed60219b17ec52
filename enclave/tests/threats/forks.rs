//! A host with two copies of the store and two enclaves over them: each enclave sees its own copy,
//! and the host moves rows between them as it likes.

use openkey_enclave::Service;
use openkey_protocol::message::{
    AccountReceipt, Action, Address, Error, ErrorCode, KeyId, NewPasskey, Outcome, Prompted,
    Request, SignedUp,
};

use crate::common::{
    Authenticator, Person, TestStore, World, ask, code,
    person::{begin, created, finish, sign_in, text},
};

fn receipt(done: &SignedUp) -> AccountReceipt {
    done.receipt.unverified().unwrap()
}

/// What a finished sign-up gives away: account and address.
fn parts(done: &SignedUp) -> (openkey_protocol::message::AccountId, Address) {
    let receipt = receipt(done);
    (receipt.account, receipt.keys[0].address)
}

fn create_key() -> Action {
    Action::CreateKey {
        label: "Travel".to_owned(),
    }
}

fn made(outcome: &Outcome) -> (KeyId, Address) {
    match outcome {
        Outcome::KeyCreated(view) => (view.key, view.address),
        other => panic!("{other:?}"),
    }
}

/// Lets the same approval, to the byte, go to another enclave than the person's.
async fn approve_at(
    person: &Person,
    enclave: &Service<TestStore>,
    prompted: &Prompted,
) -> Result<Outcome, Error> {
    let mut copy = person.clone();
    copy.approve(enclave, prompted)
        .await
        .map(|done| done.outcome)
}

#[tokio::test]
async fn f12_one_sign_up_finished_twice_shares_nothing() {
    let world = World::new();
    let e1 = world.boot().await;
    let started = begin(&e1).await.unwrap();
    let (mut hers, mut hosts) = (Authenticator::new(1), Authenticator::new(2));
    let empty = world.fork();
    let done = finish(&e1, &started, &mut hers).await.unwrap();

    // At a second replica over a store without her rows, and at the same one after a restart.
    for store in [&empty, &world] {
        store.store.restore(Default::default());
        let other = store.boot().await;
        for authenticator in [&mut hosts, &mut hers] {
            let refused = finish(&other, &started, authenticator).await;
            assert_eq!(code(refused), Some(ErrorCode::BeginAgain));
        }
        assert!(store.store.snapshot().is_empty());
    }
    // At the boot that began it, with her rows there and without.
    let refused = finish(&e1, &started, &mut hosts).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));

    // The other way round: the host is first at e1, she gets nothing that it could have.
    let world = World::new();
    let e1 = world.boot().await;
    let started = begin(&e1).await.unwrap();
    let stolen = finish(&e1, &started, &mut hosts).await.unwrap();
    let refused = finish(&e1, &started, &mut hers).await.err().unwrap();
    assert_eq!(refused.code, ErrorCode::ContextUsed);
    assert!(refused.message.contains("another passkey"), "{refused:?}");
    assert_ne!(parts(&stolen).0, parts(&done).0);
    assert_ne!(parts(&stolen).1, parts(&done).1);
}

#[tokio::test]
async fn f12_the_account_follows_the_public_key_and_not_the_credential_id() {
    let world = World::new();
    let e1 = world.boot().await;
    let started = begin(&e1).await.unwrap();
    let mut hers = Authenticator::new(1);
    let done = finish(&e1, &started, &mut hers).await.unwrap();
    // The same id, another key: another account, and her place is taken.
    let mut same_id = Authenticator {
        id: hers.id.clone(),
        ..Authenticator::new(2)
    };
    let refused = finish(&e1, &started, &mut same_id).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextUsed));
    // The same key, another id: her account, but not the receipt that she confirmed.
    let mut same_key = Authenticator {
        id: vec![9; 20],
        ..hers.clone()
    };
    let refused = finish(&e1, &started, &mut same_key).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextUsed));
    // The very same: the same answer.
    let again = finish(&e1, &started, &mut hers).await.unwrap();
    assert_eq!(again.receipt.body, done.receipt.body);
}

#[tokio::test]
async fn e18_a_context_that_failed_to_be_stored_makes_the_same_account_again() {
    use crate::common::store::Failure;
    let world = World::new();
    let e1 = world.boot().await;
    let started = begin(&e1).await.unwrap();
    let mut hers = Authenticator::new(1);
    // The place is read, then the commit fails.
    world.store.fail(1, Failure::Refuses);
    let failed = finish(&e1, &started, &mut hers).await;
    assert_eq!(code(failed), Some(ErrorCode::OutcomeUnknown));
    // Nobody else can take it over meanwhile, and she is not locked out.
    let refused = finish(&e1, &started, &mut Authenticator::new(2)).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextUsed));
    assert!(finish(&e1, &started, &mut hers).await.is_ok());
}

#[tokio::test]
async fn e18_one_approval_at_two_enclaves_makes_the_same_key() {
    let world = World::new();
    let e1 = world.boot().await;
    let person = Person::register(&e1, 1).await;
    let prompted = person.propose(&e1, create_key()).await.unwrap();
    let copy = world.fork();
    let e2 = copy.boot().await;
    let one = approve_at(&person, &e1, &prompted).await.unwrap();
    let two = approve_at(&person, &e2, &prompted).await.unwrap();
    assert_eq!(made(&one), made(&two));
    // At each of them once.
    for enclave in [&e1, &e2] {
        let mut again = person.clone();
        again.sign_in(enclave).await.unwrap();
        let refused = approve_at(&again, enclave, &prompted).await;
        assert_eq!(code(refused), Some(ErrorCode::ContextUsed));
    }
}

#[tokio::test]
async fn e18_another_passkey_or_another_record_makes_another_key_or_none() {
    let world = World::new();
    let e1 = world.boot().await;
    let mut person = Person::register(&e1, 1).await;
    let mut second = Authenticator::new(2);
    person.add_passkey(&e1, &mut second).await.unwrap();
    let copy = world.fork();
    let e2 = copy.boot().await;
    let with_second = Person {
        authenticator: second.clone(),
        ..person.clone()
    };

    // The same prompt answered by one passkey here and by the other there.
    let prompted = person.propose(&e1, create_key()).await.unwrap();
    let one = approve_at(&person, &e1, &prompted).await.unwrap();
    let two = approve_at(&with_second, &e2, &prompted).await.unwrap();
    assert_ne!(made(&one).1, made(&two).1);
}

#[tokio::test]
async fn e18_a_removed_passkey_does_not_answer_on_a_fork_of_the_same_version() {
    let world = World::new();
    let e1 = world.boot().await;
    let mut person = Person::register(&e1, 1).await;
    let mut second = Authenticator::new(2);
    person.add_passkey(&e1, &mut second).await.unwrap();
    // The host keeps the state in which the second passkey still stands.
    let fork = world.fork();
    let remove = Action::RemovePasskey {
        passkey: second.id.clone().into(),
    };
    person.act(&e1, remove).await.unwrap();
    let ticket = person.propose(&e1, create_key()).await.unwrap();
    let shown = ticket.prompt.head.unwrap();

    // There it brings the account to the same version with the removed passkey, which then answers
    // the owner's own ticket.
    let e2 = fork.boot().await;
    let mut thief = Person {
        authenticator: second,
        ..person.clone()
    };
    thief.sign_in(&e2).await.unwrap();
    assert_eq!(thief.head.version, shown.version);
    assert_ne!(thief.head.hash, shown.hash);
    let refused = approve_at(&thief, &e2, &ticket).await;
    assert_eq!(code(refused), Some(ErrorCode::AccountChanged));
    // Where it is answered, the key is another one than hers.
    let hers = approve_at(&person, &e1, &ticket).await.unwrap();
    let own = thief.propose(&e2, create_key()).await.unwrap();
    let theirs = approve_at(&thief, &e2, &own).await.unwrap();
    assert_ne!(made(&hers).1, made(&theirs).1);
}

#[tokio::test]
async fn e18_what_is_signed_names_the_address_and_not_the_index() {
    let world = World::new();
    let e1 = world.boot().await;
    let mut person = Person::register(&e1, 1).await;
    let fork = world.fork();
    let e2 = fork.boot().await;
    let mut elsewhere = person.clone();
    let here = person.act(&e1, create_key()).await.unwrap().outcome;
    let there = elsewhere.act(&e2, create_key()).await.unwrap().outcome;
    assert_eq!(made(&here).0, made(&there).0);
    assert_ne!(made(&here).1, made(&there).1);
    let sign = Action::Sign {
        key: made(&here).0,
        payload: openkey_protocol::message::Payload::Text("x".to_owned()),
    };
    let label = Action::LabelKey {
        key: made(&here).0,
        label: "Mine".to_owned(),
    };
    for action in [sign, label] {
        let prompted = person.propose(&e1, action).await.unwrap();
        let refused = approve_at(&elsewhere, &e2, &prompted).await;
        assert_eq!(code(refused), Some(ErrorCode::AccountChanged));
        assert!(approve_at(&person, &e1, &prompted).await.is_ok());
        person.sign_in(&e1).await.unwrap();
    }
}

/// Every change of authority, prompted at one enclave and approved at both, in either order.
#[tokio::test]
async fn e18_a_change_of_authority_is_for_one_record() {
    let world = World::new();
    let e1 = world.boot().await;
    let mut person = Person::register(&e1, 1).await;
    let mut second = Authenticator::new(2);
    person.add_passkey(&e1, &mut second).await.unwrap();
    person.act(&e1, create_key()).await.unwrap();
    let actions = [
        create_key(),
        Action::RemovePasskey {
            passkey: second.id.clone().into(),
        },
        Action::ArchiveKey { key: KeyId(1) },
    ];
    let before = world.store.snapshot();
    for action in actions {
        world.store.restore(before.clone());
        let e1 = world.boot().await;
        let prompted = person.propose(&e1, action).await.unwrap();
        // The same version, but another record.
        let fork = world.fork();
        let e2 = fork.boot().await;
        let mut elsewhere = person.clone();
        let _ = elsewhere.act(&e2, text("one version on")).await.unwrap();
        let mut here = person.clone();
        let _ = here.act(&e1, text("another one")).await.unwrap();
        for (who, enclave) in [(&elsewhere, &e2), (&here, &e1)] {
            let refused = approve_at(who, enclave, &prompted).await;
            assert_eq!(code(refused), Some(ErrorCode::AccountChanged));
        }
    }
}

#[tokio::test]
async fn e18_a_new_passkey_is_for_the_record_it_was_begun_for() {
    let world = World::new();
    let e1 = world.boot().await;
    let person = Person::register(&e1, 1).await;
    let begun: NewPasskey = person.begin_passkey(&e1, "Second").await.unwrap();
    let fork = world.fork();
    let e2 = fork.boot().await;
    let mut elsewhere = person.clone();
    elsewhere.act(&e2, text("one version on")).await.unwrap();
    let mut hosts = Authenticator::new(7);
    let refused = created(&e2, &begun, &mut hosts).await;
    assert_eq!(code(refused), Some(ErrorCode::AccountChanged));
    // Over the same record each answer is a prompt of its own, for its own credential: an approval
    // of the one adds nothing of the other.
    let fork = world.fork();
    let e3 = fork.boot().await;
    let theirs = created(&e3, &begun, &mut hosts).await.unwrap();
    let mut own = Authenticator::new(2);
    let hers = created(&e1, &begun, &mut own).await.unwrap();
    assert_ne!(theirs.prompt.digest, hers.prompt.digest);
    let mut here = person.clone();
    here.approve_passkey(&e1, &hers, &mut own).await.unwrap();
    let signed_in = sign_in(&e1).await.unwrap();
    let mut with_new = Person {
        authenticator: own,
        ..here.clone()
    };
    assert!(with_new.approve(&e1, &signed_in).await.is_ok());
    let passkeys = here.view(&e1).await.unwrap().passkeys;
    let ids: Vec<_> = passkeys.iter().map(|passkey| passkey.id.clone()).collect();
    assert_eq!(
        ids,
        [
            here.authenticator.id.into(),
            with_new.authenticator.id.into()
        ]
    );
}

#[tokio::test]
async fn e2_a_longer_fork_is_refused_by_enclave_and_head() {
    let world = World::new();
    let e1 = world.boot().await;
    let mut person = Person::register(&e1, 1).await;
    let mut second = Authenticator::new(2);
    person.add_passkey(&e1, &mut second).await.unwrap();
    let fork = world.fork();
    let remove = Action::RemovePasskey {
        passkey: second.id.clone().into(),
    };
    person.act(&e1, remove).await.unwrap();

    // On the fork the removed passkey signs until its history is the longer one.
    let e2 = fork.boot().await;
    let mut thief = Person {
        authenticator: second,
        ..person.clone()
    };
    thief.sign_in(&e2).await.unwrap();
    for at in 0..6 {
        thief.act(&e2, text(&at.to_string())).await.unwrap();
    }
    assert!(thief.head.version > person.head.version);

    // The running enclave knows the other history, with or without a head from the client.
    world.store.restore(fork.store.snapshot());
    let refused = person.propose(&e1, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Forked));
    let begun = sign_in(&e1).await.unwrap();
    let refused = approve_at(&thief, &e1, &begun).await;
    assert_eq!(code(refused), Some(ErrorCode::Forked));
    assert_eq!(
        code(person.clone().sign_in(&e1).await),
        Some(ErrorCode::Forked)
    );

    // A restarted one does not, but her client does.
    let e3 = world.boot().await;
    let refused = person.propose(&e3, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Forked));
    assert_eq!(
        code(ask(&e3, &person.proposal(create_key())).await),
        Some(ErrorCode::Forked)
    );
}

#[tokio::test]
async fn e2_a_longer_history_of_the_same_chain_is_continued() {
    let world = World::new();
    let e1 = world.boot().await;
    let mut person = Person::register(&e1, 1).await;
    let old = person.clone();
    // Another replica over the same store.
    let e2 = world.boot().await;
    for at in 0..40 {
        person.act(&e2, text(&at.to_string())).await.unwrap();
    }
    // The first one follows, and takes a head of any earlier version. Two reads: the account, and at
    // once all entries on the way.
    let before = world.store.operations();
    assert!(old.propose(&e1, text("x")).await.is_ok());
    assert_eq!(world.store.operations() - before, 3);
    // It hides one entry on the way.
    let mut hidden = world.store.snapshot();
    let e3 = world.boot().await;
    let entries: Vec<_> = hidden.keys().copied().collect();
    let mut refused = 0;
    for id in entries {
        let kept = hidden.remove(&id).unwrap();
        world.store.restore(hidden.clone());
        match old.propose(&e3, text("x")).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error.code, ErrorCode::RolledBack);
                refused += 1;
            }
        }
        hidden.insert(id, kept);
        world.store.restore(hidden.clone());
    }
    // The account itself, and the entries on the way to version 2.
    assert!((3..=18).contains(&refused), "{refused}");
}

#[tokio::test]
async fn e2_an_entry_of_the_head_is_compared_too() {
    let world = World::new();
    let e1 = world.boot().await;
    let mut person = Person::register(&e1, 1).await;
    let mut forged = person.clone();
    forged.head.entry.0[0] ^= 1;
    let refused = forged.propose(&e1, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Forked));
    person.act(&e1, text("x")).await.unwrap();
    let refused = forged.propose(&e1, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Forked));
    let mut none = person.clone();
    none.head.version = 0;
    let refused = none.propose(&e1, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Malformed));
}

#[tokio::test]
async fn e18_a_read_token_reads_one_account() {
    let world = World::new();
    let e1 = world.boot().await;
    let person = Person::register(&e1, 1).await;
    let other = Person::register(&e1, 2).await;
    // Her token with a head of somebody else's.
    let confused = Person {
        head: other.head,
        ..person.clone()
    };
    assert_eq!(code(confused.view(&e1).await), Some(ErrorCode::Malformed));
    // Another person's place named in a proposal.
    let Request::Propose(mut propose) = person.proposal(text("x")) else {
        panic!("no proposal");
    };
    propose.user_handle = other.user_handle;
    let refused = ask(&e1, &Request::Propose(propose.clone())).await;
    assert_eq!(code(refused), Some(ErrorCode::SignInNeeded));
    // With a token for that place, or none at all before a sign-in.
    propose.token = Some(other.token.clone());
    let refused = ask(&e1, &Request::Propose(propose.clone())).await;
    assert_eq!(code(refused), Some(ErrorCode::SignInNeeded));
    propose.action = Action::Confirm {
        receipt: person.receipt,
    };
    // As if there were no account: with her head, one that is hidden.
    let refused = ask(&e1, &Request::Propose(propose.clone())).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
    propose.head = None;
    let refused = ask(&e1, &Request::Propose(propose)).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownAccount));
}
