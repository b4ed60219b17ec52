//! Strangers who fill what an enclave remembers, and what it remembers beyond its memory.

use std::collections::HashMap;

use openkey_enclave::{Service, service::TOLERANCE};
use openkey_protocol::message::{
    Action, ErrorCode, Hash32, Propose, Record, RecordId, Request, Response,
};

use crate::common::{
    Authenticator, Person, TestStore, World, ask, code,
    person::{begin, created, text},
    store::Failure,
};

type Snapshot = HashMap<RecordId, Record>;

/// How many accounts the memory of these enclaves holds.
const PLACES: usize = 2;
const PEOPLE: u8 = 20;

fn small() -> World {
    let mut world = World::new();
    world.capacity.accounts = PLACES;
    world.capacity.buckets = 3;
    world.capacity.sign_ups_per_minute = 10_000;
    world
}

async fn people(enclave: &Service<TestStore>) -> Vec<Person> {
    let mut people = Vec::new();
    for seed in 1..=PEOPLE {
        people.push(Person::register(enclave, seed).await);
    }
    people
}

/// What a device asks that holds no head: only the enclave's memory can refuse it.
async fn headless(
    enclave: &Service<TestStore>,
    person: &Person,
) -> Result<Response, openkey_protocol::message::Error> {
    let Request::Propose(propose) = person.proposal(text("headless")) else {
        panic!("no proposal");
    };
    let request = Request::Propose(Propose {
        head: None,
        ..propose
    });
    ask(enclave, &request).await
}

/// What somebody asks who knows the ids of an account, and nothing else of it.
async fn knocks(enclave: &Service<TestStore>, person: &Person) -> Option<ErrorCode> {
    let action = Action::Confirm {
        receipt: Hash32([7; 32]),
    };
    let Request::Propose(propose) = person.proposal(action) else {
        panic!("no proposal");
    };
    let request = Request::Propose(Propose {
        head: None,
        ..propose
    });
    code(ask(enclave, &request).await)
}

/// The snapshot with some of its records as they were in an older one, under the present revisions.
fn older(now: &Snapshot, then: &Snapshot, which: impl Fn(&RecordId) -> bool) -> Snapshot {
    let mut mixed = now.clone();
    for (id, record) in &mut mixed {
        if let Some(old) = then.get(id).filter(|_| which(id)) {
            record.blob = old.blob.clone();
        }
    }
    mixed
}

/// The records that one request rewrote.
fn rewritten(before: &Snapshot, after: &Snapshot) -> Vec<RecordId> {
    let other = |(id, record): (&RecordId, &Record)| {
        let changed = after.get(id).is_some_and(|now| now.blob != record.blob);
        changed.then_some(*id)
    };
    before.iter().filter_map(other).collect()
}

#[tokio::test]
async fn e17_strangers_take_nobodys_place() {
    let world = small();
    let enclave = world.boot().await;
    let mut strangers = Vec::new();
    for seed in 100..120 {
        strangers.push(Person::unconfirmed(&enclave, seed).await);
    }
    let mut ada = Person::register(&enclave, 1).await;
    let enclave = world.boot().await;
    for stranger in &strangers {
        let refused = knocks(&enclave, stranger).await;
        assert_eq!(refused, Some(ErrorCode::UnknownAccount));
    }
    let before = world.store.snapshot();
    ada.act(&enclave, text("an old account")).await.unwrap();
    // The account again and an entry of its history: there was a place in memory, and no bucket.
    let after = world.store.snapshot();
    assert_eq!(rewritten(&before, &after).len(), 1);
    assert_eq!(after.len() - before.len(), 1);
    Person::register(&enclave, 2).await;
    // A stranger who knows the ids of everybody makes the enclave forget nothing that Ada was shown.
    let before = world.store.snapshot();
    ada.act(&enclave, text("once more")).await.unwrap();
    let after = world.store.snapshot();
    for stranger in &strangers {
        let _ = knocks(&enclave, stranger).await;
    }
    world.store.restore(older(&after, &before, |_| true));
    assert_eq!(
        code(headless(&enclave, &ada).await),
        Some(ErrorCode::RolledBack)
    );
    world.store.restore(after);
    ada.act(&enclave, text("still hers")).await.unwrap();
}

#[tokio::test]
async fn e17_more_people_than_places_are_served_and_none_is_rolled_back() {
    let world = small();
    let enclave = world.boot().await;
    let mut people = people(&enclave).await;
    for person in &mut people {
        let before = world.store.snapshot();
        person.act(&enclave, text("x")).await.unwrap();
        let after = world.store.snapshot();
        let changed = rewritten(&before, &after);
        assert!((1..=2).contains(&changed.len()), "{}", changed.len());
        // Any of the records it rewrote, account or bucket, and both.
        let mut attacks: Vec<Snapshot> = vec![older(&after, &before, |_| true)];
        for one in &changed {
            attacks.push(older(&after, &before, |id| id == one));
            let mut hidden = after.clone();
            hidden.remove(one);
            attacks.push(hidden);
        }
        for attack in attacks {
            headless(&enclave, person).await.unwrap();
            // What only passes through memory is forgotten first.
            crowd(&enclave).await;
            world.store.restore(attack);
            assert_eq!(
                code(headless(&enclave, person).await),
                Some(ErrorCode::RolledBack)
            );
            world.store.restore(after.clone());
        }
        person.act(&enclave, text("y")).await.unwrap();
    }
    // All of them again, after a restart, with what their clients hold and without.
    let enclave = world.boot().await;
    for person in &mut people {
        headless(&enclave, person).await.unwrap();
        person.view(&enclave).await.unwrap();
        person.act(&enclave, text("z")).await.unwrap();
    }
}

/// Sign-ups that nobody confirms: they take every place that strangers can take.
async fn crowd(enclave: &Service<TestStore>) {
    for seed in 200..202 {
        Person::unconfirmed(enclave, seed).await;
    }
}

#[tokio::test]
async fn e17_what_a_read_token_showed_is_not_forgotten() {
    let world = small();
    let enclave = world.boot().await;
    let mut people = people(&enclave).await;
    let replica = world.boot().await;
    for person in &people {
        person.view(&replica).await.unwrap();
    }
    let last = people.last_mut().unwrap();
    let before = world.store.snapshot();
    // Changed at one replica, read at the other: that alone makes the other one remember it.
    last.act(&enclave, text("x")).await.unwrap();
    let changed = rewritten(&before, &world.store.snapshot());
    last.view(&replica).await.unwrap();
    crowd(&replica).await;
    let after = world.store.snapshot();
    let old = older(&after, &before, |id| changed.contains(id));
    world.store.restore(old);
    assert_eq!(
        code(headless(&replica, last).await),
        Some(ErrorCode::RolledBack)
    );
    world.store.restore(after);
    last.act(&replica, text("y")).await.unwrap();
}

/// What the owner asks for at one replica, which alone makes it remember what it showed.
#[derive(Clone, Copy, Debug)]
enum Asks {
    Prompt,
    Passkey,
}

#[tokio::test]
async fn e17_what_a_proposal_of_its_owner_showed_is_not_forgotten() {
    for asks in [Asks::Prompt, Asks::Passkey] {
        let world = small();
        let enclave = world.boot().await;
        let mut people = people(&enclave).await;
        let replica = world.boot().await;
        for person in &people {
            person.view(&replica).await.unwrap();
        }
        let last = people.last_mut().unwrap();
        let before = world.store.snapshot();
        last.act(&enclave, text("x")).await.unwrap();
        let changed = rewritten(&before, &world.store.snapshot());
        match asks {
            Asks::Prompt => drop(last.propose(&replica, text("y")).await.unwrap()),
            Asks::Passkey => {
                // Begun at the other one: the replica sees the new passkey alone.
                let begun = last.begin_passkey(&enclave, "Second").await.unwrap();
                let mut new = Authenticator::new(99);
                created(&replica, &begun, &mut new).await.unwrap();
            }
        }
        crowd(&replica).await;
        let after = world.store.snapshot();
        let old = older(&after, &before, |id| changed.contains(id));
        world.store.restore(old);
        let refused = code(headless(&replica, last).await);
        assert_eq!(refused, Some(ErrorCode::RolledBack), "{asks:?}");
        world.store.restore(after);
        last.act(&replica, text("z")).await.unwrap();
    }
}

/// The store wrote a bucket and did not say so. Somebody looks at an account of it that is in memory, so that
/// the bucket is not read for it.
#[tokio::test]
async fn h2_a_bucket_whose_write_was_not_confirmed_locks_nobody_out() {
    for fails in [false, true] {
        let mut world = small();
        (world.capacity.accounts, world.capacity.buckets) = (0, 1);
        let enclave = world.boot().await;
        let mut ada = Person::register(&enclave, 1).await;
        let mut bob = Person::register(&enclave, 2).await;
        let prompted = ada.propose(&enclave, text("x")).await.unwrap();
        world.store.lose_answer_and_read();
        let refused = ada.approve(&enclave, &prompted).await;
        assert_eq!(code(refused), Some(ErrorCode::OutcomeUnknown));
        world.pass(TOLERANCE);
        if fails {
            // The account is read, and its bucket is not: such a look shows nothing.
            world.store.fail(1, Failure::Refuses);
            let refused = ada.look(&enclave).await;
            assert_eq!(code(refused), Some(ErrorCode::Unavailable));
            assert!(world.store.has_failed());
        }
        ada.look(&enclave).await.unwrap();
        for person in [&mut ada, &mut bob] {
            person.look(&enclave).await.unwrap();
            person.act(&enclave, text("y")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn e17_an_unconfirmed_account_ends_after_a_day() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let world = World::new();
    let enclave = world.boot().await;
    let mut late = Person::unconfirmed(&enclave, 1).await;
    let mut confirmed = Person::register(&enclave, 2).await;
    let confirm = Action::Confirm {
        receipt: late.receipt,
    };
    world.pass(DAY - 60_000);
    let prompted = late.propose(&enclave, confirm.clone()).await.unwrap();
    // The host's clock ends nothing of an account: what the enclave signs would not be so.
    world.wall.set(world.wall.get() + DAY);
    late.propose(&enclave, confirm.clone()).await.unwrap();
    world.wall.set(world.wall.get() - DAY);
    world.pass(60_000);
    let refused = late.approve(&enclave, &prompted).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownAccount));
    let refused = late.propose(&enclave, confirm).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownAccount));
    let refused = late.sign_in(&enclave).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownAccount));
    // An account that was confirmed has no end, and a new one can begin.
    confirmed.sign_in(&enclave).await.unwrap();
    confirmed.act(&enclave, text("x")).await.unwrap();
    begin(&enclave).await.unwrap();
}
