//! A store that keeps a commit back, says that it failed, and reveals it when nobody expects it any more.

use openkey_enclave::{
    Service,
    service::{PROMPT_LIFE, TOLERANCE},
};
use openkey_protocol::message::{
    AccountView, Action, Bytes, EnclaveEvent, Error, ErrorCode, KeyId, Propose, Request, Response,
    Write,
};

use crate::common::{
    Authenticator, Person, START, TestStore, World, ask, code,
    person::{begin, finish, sign_in, text},
    store::{Failure, SAYINGS, Says},
};

/// A month: longer than anybody waits.
const LATER: u64 = 30 * 24 * 60 * 60 * 1000;

#[derive(Clone, Copy, Debug)]
enum Change {
    Sign,
    AddPasskey,
    RemovePasskey,
    CreateKey,
}

const CHANGES: [Change; 4] = [
    Change::Sign,
    Change::AddPasskey,
    Change::RemovePasskey,
    Change::CreateKey,
];

impl Change {
    /// Approves the change. The store keeps it back and says something.
    async fn keep_back(
        self,
        world: &World,
        enclave: &Service<TestStore>,
        person: &mut Person,
        says: Says,
    ) -> Vec<Write> {
        let mut new = Authenticator::new(77);
        let answer = match self {
            Self::Sign => {
                let prompted = person.propose(enclave, text("kept back")).await.unwrap();
                world.store.keep(Some(says));
                person.approve(enclave, &prompted).await
            }
            Self::AddPasskey => {
                world.store.keep(Some(says));
                person.add_passkey(enclave, &mut new).await
            }
            Self::RemovePasskey => {
                let view = person.view(enclave).await.unwrap();
                let passkey = view.passkeys[1].id.clone();
                world.store.keep(Some(says));
                person.act(enclave, Action::RemovePasskey { passkey }).await
            }
            Self::CreateKey => {
                world.store.keep(Some(says));
                let label = "Another".to_owned();
                person.act(enclave, Action::CreateKey { label }).await
            }
        };
        world.store.keep(None);
        let error = answer.unwrap_err();
        assert_eq!(error.code, ErrorCode::OutcomeUnknown, "{self:?} {says:?}");
        says_unknown(&error);
        world.store.kept().swap_remove(0)
    }
}

/// Words that are true whatever the store does next.
fn says_unknown(error: &Error) {
    assert!(error.message.contains("may have happened"), "{error:?}");
    assert!(!error.advice.contains("Nothing was done"), "{error:?}");
    assert!(error.advice.contains("in five minutes, three"), "{error:?}");
    assert!(
        error.advice.contains("a signature that no history"),
        "{error:?}"
    );
    // The prompt began before the answer, and a look is final so long after its end.
    const { assert!(TOLERANCE + 60_000 == 3 * 60_000) }
    const { assert!(PROMPT_LIFE + TOLERANCE + 60_000 == 5 * 60_000) }
}

/// A person with two passkeys.
async fn ada(enclave: &Service<TestStore>) -> Person {
    let mut ada = Person::register(enclave, 1).await;
    let mut second = Authenticator::new(2);
    ada.add_passkey(enclave, &mut second).await.unwrap();
    ada
}

/// What a device asks that holds no head.
async fn headless(enclave: &Service<TestStore>, person: &Person) -> Result<Response, Error> {
    let Request::Propose(propose) = person.proposal(text("headless")) else {
        panic!("no proposal");
    };
    let request = Request::Propose(Propose {
        head: None,
        ..propose
    });
    ask(enclave, &request).await
}

fn seen(view: &AccountView) -> (Vec<Bytes>, usize, u64) {
    let passkeys = view.passkeys.iter().map(|it| it.id.clone()).collect();
    (passkeys, view.keys.len(), view.history)
}

fn forks(world: &World) -> usize {
    let events = world.events.lock().unwrap();
    let forked = |event: &&EnclaveEvent| matches!(event, EnclaveEvent::Forked);
    events.iter().filter(forked).count()
}

/// Signs in with what the client knows of the account, as the page does.
async fn sign_in_with_head(enclave: &Service<TestStore>, person: &mut Person) -> Result<(), Error> {
    let prompted = sign_in(enclave).await?;
    let done = person.approve(enclave, &prompted).await?;
    person.keep_token(done);
    Ok(())
}

async fn kept_back(change: Change, says: Says) -> (World, Service<TestStore>, Person, Vec<Write>) {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = ada(&enclave).await;
    let kept = change.keep_back(&world, &enclave, &mut person, says).await;
    (world, enclave, person, kept)
}

#[tokio::test]
async fn e2_what_was_kept_back_cannot_be_revealed_once_its_owner_looked() {
    for change in CHANGES {
        for says in SAYINGS {
            let (world, enclave, mut person, kept) = kept_back(change, says).await;
            world.pass(TOLERANCE);
            let shown = seen(&person.look(&enclave).await.unwrap());
            let honest = world.store.snapshot();
            world.pass(LATER);
            world.store.reveal(&kept);
            // Neither to whoever holds a head, nor to whoever holds none.
            let what = format!("{change:?} {says:?}");
            let refused = sign_in_with_head(&enclave, &mut person.clone()).await;
            assert_eq!(code(refused), Some(ErrorCode::Forked), "{what}");
            assert_eq!(forks(&world), 1, "operators hear of it");
            let refused = person.clone().sign_in(&enclave).await;
            assert_eq!(code(refused), Some(ErrorCode::Forked), "{what}");
            // What was shown goes on.
            world.store.restore(honest);
            person.sign_in(&enclave).await.unwrap();
            let now = seen(&person.look(&enclave).await.unwrap());
            assert_eq!((now.0, now.1, now.2), (shown.0, shown.1, shown.2 + 1));
        }
    }
}

#[tokio::test]
async fn e2_a_prompt_is_a_look_as_well() {
    let (world, enclave, person, kept) = kept_back(Change::AddPasskey, Says::Failed).await;
    world.pass(TOLERANCE);
    headless(&enclave, &person).await.unwrap();
    world.store.reveal(&kept);
    assert_eq!(
        code(headless(&enclave, &person).await),
        Some(ErrorCode::Forked)
    );
}

#[tokio::test]
async fn e2_after_a_restart_the_clients_head_knows_when_it_was_shown() {
    for change in CHANGES {
        let (world, enclave, mut person, kept) = kept_back(change, Says::Failed).await;
        world.pass(TOLERANCE);
        person.look(&enclave).await.unwrap();
        drop(enclave);
        world.pass(LATER);
        world.store.reveal(&kept);
        let enclave = world.boot().await;
        let refused = sign_in_with_head(&enclave, &mut person.clone()).await;
        assert_eq!(code(refused), Some(ErrorCode::Forked), "{change:?}");
        // The word of a client is no reason to alarm anybody else.
        assert_eq!(forks(&world), 0);
        // Only a device that knows nothing takes what it is shown.
        person.sign_in(&enclave).await.unwrap();
    }
}

#[tokio::test]
async fn e2_what_is_revealed_soon_or_unseen_is_accepted() {
    for change in CHANGES {
        for says in SAYINGS {
            // Somebody looked, too early to tell.
            let (world, enclave, mut person, kept) = kept_back(change, says).await;
            world.pass(TOLERANCE - 1);
            let shown = seen(&person.look(&enclave).await.unwrap());
            world.store.reveal(&kept);
            let now = seen(&person.look(&enclave).await.unwrap());
            assert_eq!(now.2, shown.2 + 1, "{change:?} {says:?}");
            world.pass(LATER);
            sign_in_with_head(&enclave, &mut person).await.unwrap();
            // Nobody looked.
            let (world, enclave, mut person, kept) = kept_back(change, says).await;
            world.pass(LATER);
            world.store.reveal(&kept);
            sign_in_with_head(&enclave, &mut person).await.unwrap();
            assert_eq!(forks(&world), 0);
        }
    }
}

/// A deployment whose enclaves have no memory: what they know of accounts is in one bucket.
fn forgetful() -> World {
    let mut world = World::new();
    world.capacity.accounts = 0;
    world.capacity.buckets = 1;
    world
}

#[tokio::test]
async fn e2_a_bucket_knows_when_its_accounts_were_shown() {
    // Full of others, with two places for those who pass.
    let mut world = forgetful();
    world.capacity.accounts = 32;
    let enclave = world.boot().await;
    for seed in 100..132 {
        Person::register(&enclave, seed).await;
    }
    let mut person = ada(&enclave).await;
    let mut bob = Person::register(&enclave, 5).await;
    let kept = Change::AddPasskey
        .keep_back(&world, &enclave, &mut person, Says::Unknown)
        .await;
    world.pass(TOLERANCE);
    person.look(&enclave).await.unwrap();
    // The read wrote nothing; the next write of the bucket has its time.
    bob.act(&enclave, text("x")).await.unwrap();
    crowd(&enclave).await;
    let honest = world.store.snapshot();
    world.store.reveal(&kept[..2]);
    let refused = headless(&enclave, &person).await;
    assert_eq!(code(refused), Some(ErrorCode::Forked));
    // With the bucket that was kept back, which has it as seen.
    world.store.reveal(&kept[2..]);
    let refused = headless(&enclave, &person).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
    world.store.restore(honest);
    headless(&enclave, &person).await.unwrap();
}

/// Sign-ups that nobody confirms: they take every place of those who pass.
async fn crowd(enclave: &Service<TestStore>) {
    for seed in 200..202 {
        Person::unconfirmed(enclave, seed).await;
    }
}

#[tokio::test]
async fn e2_a_bucket_that_was_kept_back_cannot_be_revealed_either() {
    for says in SAYINGS {
        for early in [0, 1] {
            let world = forgetful();
            let enclave = world.boot().await;
            let mut person = ada(&enclave).await;
            let kept = Change::AddPasskey
                .keep_back(&world, &enclave, &mut person, says)
                .await;
            world.pass(TOLERANCE - early);
            person.look(&enclave).await.unwrap();
            Person::unconfirmed(&enclave, 200).await;
            world.store.reveal(&kept);
            let answer = code(headless(&enclave, &person).await);
            let expected = (early == 0).then_some(ErrorCode::RolledBack);
            assert_eq!(answer, expected, "{says:?}");
        }
    }
}

#[tokio::test]
async fn e2_a_client_that_lies_about_the_time_hurts_only_itself() {
    let world = World::new();
    let enclave = world.boot().await;
    let honest = ada(&enclave).await;
    let mut other = honest.clone();
    world.pass(1_000);
    other.act(&enclave, text("x")).await.unwrap();
    for shown_at in [u64::MAX, START + LATER] {
        let mut liar = honest.clone();
        liar.shown_at = shown_at;
        let refused = liar.look(&enclave).await;
        assert_eq!(code(refused), Some(ErrorCode::Forked));
        // With the newest head there is nothing to refuse, and nothing to remember.
        let mut liar = other.clone();
        liar.shown_at = shown_at;
        liar.look(&enclave).await.unwrap();
    }
    assert_eq!(forks(&world), 0);
    // Everybody else goes on, at this enclave and at the next.
    for enclave in [&enclave, &world.boot().await] {
        honest.clone().look(enclave).await.unwrap();
        other.act(enclave, text("y")).await.unwrap();
        honest.clone().look(enclave).await.unwrap();
    }
}

#[tokio::test]
async fn e2_two_devices_at_two_enclaves_never_lock_each_other_out() {
    let slow = World::new();
    let fast = slow.ahead(TOLERANCE - 1);
    let enclaves = [slow.boot().await, fast.boot().await];
    let first = ada(&enclaves[0]).await;
    let mut devices = [first.clone(), first];
    // Every order of looks and changes by two devices at two enclaves, some hundred steps of it.
    let mut state = 1_u32;
    for step in 0..300 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let bits = state >> 24;
        let device = &mut devices[usize::try_from(bits & 1).unwrap()];
        let enclave = &enclaves[usize::try_from(bits >> 1 & 1).unwrap()];
        if bits >> 2 & 1 == 0 {
            device.look(enclave).await.unwrap();
        } else {
            // Signatures are limited by the minute.
            let label = format!("label {step}");
            let prompted = device.propose(
                enclave,
                Action::LabelKey {
                    key: KeyId(0),
                    label,
                },
            );
            let prompted = prompted.await.unwrap();
            device.approve(enclave, &prompted).await.unwrap();
        }
        for world in [&slow, &fast] {
            world.pass(u64::from(bits >> 3) * 20);
        }
        if step % 100 == 99 {
            for device in &mut devices {
                device.sign_in(&enclaves[0]).await.unwrap();
            }
        }
    }
    assert_eq!(forks(&slow), 0);
    let history = devices[0].history(&enclaves[0], None, 50).await.unwrap();
    let times: Vec<u64> = history.entries.iter().map(|it| it.at).collect();
    assert!(
        times.is_sorted_by(|newer, older| newer >= older),
        "{times:?}"
    );
}

#[tokio::test]
async fn e2_a_decision_at_a_slower_clock_is_dated_as_what_it_continues() {
    let slow = World::new();
    let fast = slow.ahead(60_000);
    let (behind, before) = (slow.boot().await, fast.boot().await);
    let mut person = ada(&before).await;
    person.act(&behind, text("x")).await.unwrap();
    let page = person.history(&behind, None, 2).await.unwrap();
    assert_eq!(page.entries[0].at, page.entries[1].at);
    assert_eq!(page.entries[0].at, START + 60_000);
}

#[tokio::test]
async fn d5_a_refusal_says_what_may_still_be_done_with_the_approval() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = ada(&enclave).await;
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let all = world.store.snapshot();
    world.store.restore(Default::default());
    let refused = person.approve(&enclave, &prompted).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RolledBack);
    assert!(refused.advice.contains("can still be used"), "{refused:?}");
    // As the words say.
    world.store.restore(all);
    person.approve(&enclave, &prompted).await.unwrap();
    // An approval that was judged is not one of these.
    let refused = person.approve(&enclave, &prompted).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::ContextUsed);
    assert!(!refused.advice.contains("can still be used"));
}

#[tokio::test]
async fn d5_after_a_commit_was_kept_no_refusal_says_that_nothing_was_done() {
    // The store says that somebody else was first, and then nothing any more.
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = ada(&enclave).await;
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    // Two reads, one of them in the turn of the account, and the commit.
    world.store.fail(2, Failure::Conflicts);
    world.store.fail_after(3);
    let refused = person.approve(&enclave, &prompted).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::OutcomeUnknown);
    says_unknown(&refused);
}

#[tokio::test]
async fn e2_a_sign_up_that_was_kept_back_makes_the_same_account_again() {
    for says in SAYINGS {
        let world = World::new();
        let enclave = world.boot().await;
        let started = begin(&enclave).await.unwrap();
        let mut hers = Authenticator::new(1);
        world.store.keep(Some(says));
        let error = finish(&enclave, &started, &mut hers).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::OutcomeUnknown, "{says:?}");
        assert!(error.advice.contains("same passkey"), "{error:?}");
        world.store.keep(None);
        finish(&enclave, &started, &mut hers).await.unwrap();
    }
}
