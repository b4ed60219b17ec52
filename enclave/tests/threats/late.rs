//! Requests that a host keeps waiting: at the store, in the turn of their account, or on their way. After the
//! end of a prompt nothing is decided under it, so that a look at the account becomes final.

use std::sync::Arc;

use openkey_enclave::{
    Service,
    service::{PROMPT_LIFE, REGISTRATION_LIFE, TOKEN_LIFE, TOLERANCE},
};
use openkey_protocol::message::{
    Error, ErrorCode, Outcome, Prompted, Request, Response, SignUpFinish,
};
use tokio::task::JoinHandle;

use crate::common::{
    Authenticator, Person, TestStore, World, ask, code,
    person::{begin, sign_in, text},
    store::Says,
};

const EXPIRED: Option<ErrorCode> = Some(ErrorCode::ContextExpired);
/// By how much the clocks of a deployment's enclaves may differ.
const CLOCKS: u64 = 60_000;
/// How long after the end of a prompt a look is final, as the page says.
const FINAL_AFTER: u64 = TOLERANCE + CLOCKS;

type Asked = JoinHandle<Result<Response, Error>>;

/// Asks, and lets the request come as far as it comes while the store is held.
async fn waiting(enclave: &Arc<Service<TestStore>>, request: &Request) -> Asked {
    let (enclave, request) = (Arc::clone(enclave), request.clone());
    let asked = tokio::spawn(async move { ask(&enclave, &request).await });
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!asked.is_finished());
    asked
}

/// What the page sends for a prompt.
fn approval(person: &mut Person, prompted: &Prompted) -> Request {
    let assertion = person.authenticator.get(&prompted.options);
    Request::Approve(person.approval(prompted, assertion))
}

async fn decisions(person: &Person, enclave: &Service<TestStore>) -> u64 {
    person.view(enclave).await.unwrap().history
}

/// A signature, or a session, that waits for so long.
async fn decided_after(waits: u64, session: bool) -> (Option<ErrorCode>, u64) {
    let world = World::new();
    let enclave = Arc::new(world.boot().await);
    let mut ada = Person::register(&enclave, 1).await;
    let before = decisions(&ada, &enclave).await;
    let prompted = if session {
        sign_in(&enclave).await
    } else {
        ada.propose(&enclave, text("x")).await
    };
    let request = approval(&mut ada, &prompted.unwrap());
    world.store.hold(true);
    let asked = waiting(&enclave, &request).await;
    world.pass(waits);
    world.store.hold(false);
    let answer = code(asked.await.unwrap());
    (answer, decisions(&ada, &enclave).await - before)
}

#[tokio::test]
async fn d5_an_approval_that_waits_for_the_store_is_decided_before_its_prompt_ends_or_never() {
    for session in [false, true] {
        assert_eq!(decided_after(PROMPT_LIFE - 1, session).await, (None, 1));
        assert_eq!(decided_after(PROMPT_LIFE, session).await, (EXPIRED, 0));
    }
}

#[tokio::test]
async fn d5_an_approval_that_waits_for_its_turn_is_decided_before_its_prompt_ends_or_never() {
    let world = World::new();
    let enclave = Arc::new(world.boot().await);
    let mut ada = Person::register(&enclave, 1).await;
    let before = decisions(&ada, &enclave).await;
    let prompted = ada.propose(&enclave, text("x")).await.unwrap();
    world.store.hold(true);
    let first = waiting(&enclave, &ada.proposal(text("another"))).await;
    let asked = waiting(&enclave, &approval(&mut ada, &prompted)).await;
    world.pass(PROMPT_LIFE);
    world.store.hold(false);
    first.await.unwrap().unwrap();
    assert_eq!(code(asked.await.unwrap()), EXPIRED);
    assert_eq!(decisions(&ada, &enclave).await, before);
}

/// What an approval was used for is remembered a while after the end of its prompt, and then forgotten.
#[tokio::test]
async fn d5_an_approval_that_waits_is_not_used_twice() {
    let world = World::new();
    let enclave = Arc::new(world.boot().await);
    let mut ada = Person::register(&enclave, 1).await;
    let before = decisions(&ada, &enclave).await;
    let prompted = ada.propose(&enclave, text("once")).await.unwrap();
    let once = approval(&mut ada, &prompted);
    ask(&enclave, &once).await.unwrap();
    // Brought again at the last moment, behind a decision that forgets the first use.
    world.pass(PROMPT_LIFE - 1);
    let prompted = ada.propose(&enclave, text("another")).await.unwrap();
    let other = approval(&mut ada, &prompted);
    world.store.hold(true);
    let other = waiting(&enclave, &other).await;
    let again = waiting(&enclave, &once).await;
    world.pass(PROMPT_LIFE - 1);
    world.store.hold(false);
    other.await.unwrap().unwrap();
    assert_eq!(code(again.await.unwrap()), EXPIRED);
    assert_eq!(decisions(&ada, &enclave).await, before + 2);
}

#[tokio::test]
async fn f12_a_sign_up_that_waits_past_its_end_makes_nothing() {
    let world = World::new();
    let enclave = Arc::new(world.boot().await);
    let started = begin(&enclave).await.unwrap();
    let records = world.store.snapshot().len();
    let finish = Request::SignUpFinish(SignUpFinish {
        context: started.context,
        credential: Authenticator::new(1).create(&started.options),
    });
    world.store.hold(true);
    let asked = waiting(&enclave, &finish).await;
    world.pass(REGISTRATION_LIFE);
    world.store.hold(false);
    assert_eq!(code(asked.await.unwrap()), EXPIRED);
    assert_eq!(world.store.snapshot().len(), records);
}

/// Decided at the last moment at an enclave whose clock is a minute ahead or behind, kept back, and brought
/// after somebody looked elsewhere.
#[tokio::test]
async fn e2_what_a_look_does_not_show_so_long_after_the_prompt_never_appears() {
    for (decides_ahead, looks_ahead) in [(0, 0), (CLOCKS, 0), (0, CLOCKS)] {
        let world = World::new();
        let (one, two) = (world.ahead(decides_ahead), world.ahead(looks_ahead));
        let (decides, looks) = (one.boot().await, two.boot().await);
        let pass = |ms| [&one, &two].map(|world| world.pass(ms));
        let mut ada = Person::register(&decides, 1).await;
        let prompted = ada.propose(&decides, text("x")).await.unwrap();
        pass(PROMPT_LIFE - 1);
        world.store.keep(Some(Says::Failed));
        let refused = ada.approve(&decides, &prompted).await;
        assert_eq!(code(refused), Some(ErrorCode::OutcomeUnknown));
        world.store.keep(None);
        pass(1 + FINAL_AFTER);
        // Meanwhile it can be decided no more.
        let refused = ada.approve(&decides, &prompted).await;
        assert_eq!(code(refused), EXPIRED);
        ada.look(&looks).await.unwrap();
        world.store.reveal(&world.store.kept()[0]);
        for enclave in [&looks, &decides] {
            let refused = ada.clone().look(enclave).await;
            assert_eq!(code(refused), Some(ErrorCode::Forked));
        }
    }
}

/// One answer is brought to two copies of the store, to the second a minute later: its token reads no longer
/// than the first.
#[tokio::test]
async fn e17_a_read_token_ends_when_the_page_says_wherever_its_answer_is_brought() {
    let world = World::new();
    let enclave = world.boot().await;
    let ada = Person::register(&enclave, 1).await;
    let copy = world.fork().boot().await;
    let prompted = sign_in(&enclave).await.unwrap();
    let end = prompted.prompt.issued_at + TOKEN_LIFE;
    let mut people = [ada.clone(), ada];
    let assertion = people[0].authenticator.get(&prompted.options);
    let approval = people[0].approval(&prompted, assertion);
    for (enclave, person) in [&enclave, &copy].into_iter().zip(&mut people) {
        let done = person.send(enclave, approval.clone()).await.unwrap();
        assert!(
            matches!(done.outcome, Outcome::SignedIn { expires_at, .. } if expires_at == end),
            "{done:?} {end}"
        );
        person.keep_token(done);
        world.pass((PROMPT_LIFE - 1) / 2);
    }
    world.pass(TOKEN_LIFE - 1 - (PROMPT_LIFE - 1) / 2 * 2);
    for (enclave, person) in [&enclave, &copy].into_iter().zip(&people) {
        person.view(enclave).await.unwrap();
    }
    world.pass(1);
    for (enclave, person) in [&enclave, &copy].into_iter().zip(&people) {
        let refused = code(person.view(enclave).await);
        assert_eq!(refused, Some(ErrorCode::SignInNeeded));
    }
}
