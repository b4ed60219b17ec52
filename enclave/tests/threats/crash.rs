//! A store that fails between any two steps: nothing acknowledged is lost, nothing half-applied.

use openkey_enclave::Service;
use openkey_protocol::{
    message::{AccountView, Action, HistoryEntry, PromptKind},
    store::RecordStore,
};

use crate::common::{
    Authenticator, Person, TestStore, World,
    person::{begin, finish, text},
    store::Failure,
};

const FAILURES: [Failure; 4] = [
    Failure::Refuses,
    Failure::LosesCommit,
    Failure::LosesAnswer,
    Failure::Conflicts,
];

/// What the client counts as done.
#[derive(Default)]
struct Acknowledged {
    signatures: Vec<Vec<u8>>,
    keys: usize,
}

#[tokio::test]
async fn h2_nothing_acknowledged_is_lost_and_nothing_half_applied() {
    // With a memory that holds the account, and with one that holds none.
    for accounts in [1000, 0] {
        fails_anywhere(accounts).await;
    }
}

async fn fails_anywhere(accounts: usize) {
    let world = || {
        let mut world = World::new();
        world.capacity.accounts = accounts;
        world
    };
    let clean = world();
    let enclave = clean.boot().await;
    let operations = run(&clean, &enclave, 0).await;
    assert!(operations > 10);
    for failure in FAILURES {
        for at in 0..operations {
            let world = world();
            let enclave = world.boot().await;
            world.store.fail(at, failure);
            run(&world, &enclave, at).await;
            assert!(world.store.has_failed(), "{failure:?} at {at}");
        }
    }
}

/// Registers, signs and makes a key; whatever fails is tried again by a restarted enclave. Returns
/// how many operations of the store that took.
async fn run(world: &World<TestStore>, enclave: &Service<TestStore>, at: u64) -> u64 {
    let mut done = Acknowledged::default();
    let restarted;
    let (mut person, enclave) = match registered(enclave).await {
        Some(person) => (person, enclave),
        None => {
            restarted = world.boot().await;
            (registered(&restarted).await.unwrap(), &restarted)
        }
    };
    for step in 0..3 {
        if attempt(&mut person, enclave, step, &mut done)
            .await
            .is_none()
        {
            // The client does not know: it looks, and asks again.
            let fresh = world.boot().await;
            person.sign_in(&fresh).await.unwrap();
            check(&person, &fresh, &done, 1, at).await;
            attempt(&mut person, &fresh, step, &mut done).await.unwrap();
        }
    }
    let operations = world.store.operations();
    let last = world.boot().await;
    person.sign_in(&last).await.unwrap();
    check(&person, &last, &done, 1, at).await;
    operations
}

/// A registration that repeats its second half while the answer is missing.
async fn registered(enclave: &Service<TestStore>) -> Option<Person> {
    let mut authenticator = Authenticator::new(1);
    let started = begin(enclave).await.ok()?;
    let mut finished = finish(enclave, &started, &mut authenticator).await;
    if finished.is_err() {
        finished = finish(enclave, &started, &mut authenticator).await;
    }
    let done = finished.ok()?;
    let mut person = Person::of(authenticator, &done);
    let confirm = Action::Confirm {
        receipt: person.receipt,
    };
    for _ in 0..2 {
        if let Ok(done) = person.act(enclave, confirm.clone()).await {
            person.keep_token(done);
            return Some(person);
        }
        // Either it was not done, or it was and nobody heard.
    }
    let known = person.sign_in(enclave).await.is_ok();
    known.then_some(person)
}

async fn attempt(
    person: &mut Person,
    enclave: &Service<TestStore>,
    step: usize,
    done: &mut Acknowledged,
) -> Option<()> {
    if step == 1 {
        let action = Action::CreateKey {
            label: "Another".to_owned(),
        };
        person.act(enclave, action).await.ok()?;
        done.keys += 1;
    } else {
        let approved = person.act(enclave, text(&step.to_string())).await.ok()?;
        let (signature, ..) = crate::common::person::signature(&approved);
        done.signatures.push(signature);
    }
    Some(())
}

/// The record and its history agree, hold everything that was acknowledged, and at most `slack`
/// that was done without the client's knowing.
async fn check<S: RecordStore>(
    person: &Person,
    enclave: &Service<S>,
    done: &Acknowledged,
    slack: usize,
    at: u64,
) {
    let view: AccountView = person.view(enclave).await.unwrap();
    let page = person.history(enclave, None, 50).await.unwrap();
    assert_eq!(view.history, page.entries.len() as u64, "at {at}");
    assert!(view.confirmed, "at {at}");
    let of = |kind| {
        page.entries
            .iter()
            .filter(move |e: &&HistoryEntry| e.kind == kind)
    };
    let made = of(PromptKind::CreateKey).count();
    assert_eq!(
        view.keys.len(),
        1 + made,
        "at {at}: keys and decisions agree"
    );
    assert!((done.keys..=done.keys + slack).contains(&made), "at {at}");
    let signed: Vec<_> = of(PromptKind::SignText)
        .map(|entry| entry.signature.clone().unwrap().0)
        .collect();
    assert!(
        done.signatures.iter().all(|s| signed.contains(s)),
        "at {at}"
    );
    assert!(signed.len() <= done.signatures.len() + slack, "at {at}");
}
