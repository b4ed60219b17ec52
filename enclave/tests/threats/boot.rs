//! What an enclave needs before it starts, and time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use openkey_enclave::{
    BootError, Parts, Platform, RootKey, RootKeySource, SourceError, boot,
    clock::MAX_UNREAD,
    event::{EnclaveEvent, Silent},
    nsm::{NsmError, conformance},
    root::Obtaining,
    service::{PROMPT_LIFE, TOKEN_LIFE},
};
use openkey_protocol::message::{BootFiles, ErrorCode, Request, Response, RootSource};

use crate::common::{
    Manual, Person, START, TestNsm, TestStore, World, ask, code, configuration,
    nsm::Defect,
    person::{sign_in, text},
};

#[test]
fn the_tests_own_nsm_conforms() {
    assert_eq!(
        conformance::check(&TestNsm::new(&Manual::at(5_000))),
        Ok(())
    );
}

#[test]
fn conformance_notices_broken_nsms() {
    for defect in [
        Defect::NoEntropy,
        Defect::RepeatingEntropy,
        Defect::PcrLocked,
        Defect::PcrExtended,
        Defect::LockIgnored,
        Defect::LockFails,
        Defect::NoDocuments,
        Defect::Debug256,
    ] {
        let nsm = TestNsm::with(&Manual::at(5_000), defect);
        assert!(conformance::check(&nsm).is_err(), "{defect:?}");
    }
}

#[tokio::test]
async fn e4_no_boot_without_measurement_entropy_time_or_root_key() {
    let world = World::new();
    for (defect, expected) in [
        (Defect::NoEntropy, BootError::Entropy(NsmError::Internal)),
        (Defect::DeadEntropy, BootError::Entropy(NsmError::Internal)),
        (
            Defect::RepeatingEntropy,
            BootError::Entropy(NsmError::Internal),
        ),
        (Defect::PcrLocked, BootError::Measurement),
        (Defect::PcrExtended, BootError::Measurement),
        (Defect::LockFails, BootError::Measurement),
        (Defect::LockIgnored, BootError::Measurement),
        (Defect::NoDocuments, BootError::Nsm(NsmError::Internal)),
        (Defect::Debug256, BootError::NsmShape),
    ] {
        let nsm = TestNsm::with(&world.monotonic, defect);
        let refused = world.try_boot(nsm).await.err();
        assert_eq!(refused, Some(expected), "{defect:?}");
    }
    for (root, expected) in [
        (None, "There is none."),
        (Some([0; 32]), "What it gives is no proper key."),
        (Some([0xff; 32]), "What it gives is no proper key."),
    ] {
        let world = World {
            root,
            ..World::new()
        };
        let refused = world.try_boot(TestNsm::new(&world.monotonic)).await.err();
        assert_eq!(
            refused,
            Some(BootError::RootKey(SourceError::new(expected)))
        );
    }
}

#[tokio::test]
async fn e4_the_root_key_is_asked_for_only_after_the_measurement() {
    struct Counted(Arc<AtomicU64>);
    impl RootKeySource for Counted {
        fn source(&self) -> RootSource {
            RootSource::Development
        }

        fn obtain<'a>(&'a self, _: &'a Platform) -> Obtaining<'a, RootKey> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Err(SourceError::new("There is none.")) })
        }
    }
    let asked = Arc::new(AtomicU64::new(0));
    let clock = Manual::at(5_000);
    for (defect, times) in [
        (Some(Defect::LockFails), 0),
        (Some(Defect::DeadEntropy), 0),
        (None, 1),
    ] {
        let nsm = match defect {
            Some(defect) => TestNsm::with(&clock, defect),
            None => TestNsm::new(&clock),
        };
        let refused = boot(Parts {
            nsm,
            sources: vec![Box::new(Counted(asked.clone()))],
            files: BootFiles::default(),
            configuration: configuration(),
            store: TestStore::default(),
            monotonic: clock.clone(),
            wall: Manual::at(START),
            events: Arc::new(Silent),
            release: String::new(),
            epoch: 1,
            capacity: Default::default(),
        })
        .await;
        assert!(refused.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), times);
    }
}

#[tokio::test]
async fn e4_another_root_key_opens_nothing() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let mut root = crate::common::root_bytes();
    root[0] ^= 1;
    let stranger = World {
        root: Some(root),
        ..World::with_store(world.store.clone())
    };
    let enclave = stranger.boot().await;
    // Even the place where the record lies is derived from the root key.
    let refused = person.propose(&enclave, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::SignInNeeded));
    assert_eq!(
        code(person.view(&enclave).await),
        Some(ErrorCode::SignInNeeded)
    );
    let prompted = sign_in(&enclave).await.unwrap();
    let assertion = person.authenticator.get(&prompted.options);
    let approval = person.approval(&prompted, assertion);
    assert_eq!(
        code(person.send(&enclave, approval).await),
        Some(ErrorCode::RolledBack)
    );
}

#[tokio::test]
async fn e6_the_hosts_clock_ends_prompts_early_and_never_extends_them() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;

    // Back by a day: the prompt still ends after two minutes of the enclave's own counting.
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    assert_eq!(prompted.prompt.issued_at, START);
    world.wall.set(START - 86_400_000);
    world.monotonic.set(world.monotonic.get() + PROMPT_LIFE);
    let refused = person.approve(&enclave, &prompted).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextExpired));

    // Forward by a day: it ends at once, and what is issued keeps the enclave's time.
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    world.wall.set(START + 86_400_000);
    let refused = person.approve(&enclave, &prompted).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextExpired));
    let refused = person.propose(&enclave, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::SignInNeeded));
    let again = sign_in(&enclave).await.unwrap();
    assert_eq!(again.prompt.issued_at, START + PROMPT_LIFE);

    // And back again: the person goes on.
    world.wall.set(START + PROMPT_LIFE);
    assert!(person.approve(&enclave, &again).await.is_ok());
}

#[tokio::test]
async fn e6_a_restart_with_a_moved_clock_revives_nothing() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    world.pass(PROMPT_LIFE + 1);
    world.wall.set(0);
    drop(enclave);
    let enclave = world.boot().await;
    let refused = person.approve(&enclave, &prompted).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextExpired));
}

#[tokio::test]
async fn e6_time_is_read_again_every_minute_and_not_going_on_without_it() {
    let world = World::new();
    let nsm = TestNsm::new(&world.monotonic);
    let (skew, broken) = (nsm.skew.clone(), nsm.broken.clone());
    let enclave = world.try_boot(nsm).await.unwrap();
    let person = Person::register(&enclave, 1).await;

    // A reading that agrees with what was counted is no event, and neither is a little drift.
    for drift in [0, 999] {
        skew.store(drift, Ordering::SeqCst);
        world.pass(60_000);
        ask(&enclave, &Request::Status).await.unwrap();
    }
    let corrected = |event: &EnclaveEvent| matches!(event, EnclaveEvent::ClockCorrected { .. });
    assert!(!world.events.lock().unwrap().iter().any(corrected));
    skew.store(0, Ordering::SeqCst);
    world.pass(60_000);
    ask(&enclave, &Request::Status).await.unwrap();

    // The monotonic clock lost ten seconds; the NSM corrects it at the next reading.
    skew.store(10_000, Ordering::SeqCst);
    world.pass(60_000);
    let Response::Status(status) = ask(&enclave, &Request::Status).await.unwrap() else {
        panic!("no status");
    };
    assert_eq!(status.now, START + 4 * 60_000 + 10_000);
    let corrected = EnclaveEvent::ClockCorrected { by_ms: 10_000 };
    assert!(world.events.lock().unwrap().contains(&corrected));

    // The NSM dies: the enclave counts on for a while, then refuses.
    broken.store(true, Ordering::SeqCst);
    world.pass(MAX_UNREAD - 1);
    assert!(sign_in(&enclave).await.is_ok());
    world.pass(1);
    assert_eq!(code(sign_in(&enclave).await), Some(ErrorCode::Unavailable));
    let refused = person.propose(&enclave, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Unavailable));
    // It is not asked again at once, but soon.
    broken.store(false, Ordering::SeqCst);
    assert_eq!(code(sign_in(&enclave).await), Some(ErrorCode::Unavailable));
    world.pass(5_000);
    assert!(sign_in(&enclave).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn m10_a_hanging_nsm_costs_one_request_its_patience_and_the_others_nothing() {
    let world = World::new();
    let nsm = TestNsm::new(&world.monotonic);
    let hang = nsm.hang.clone();
    let enclave = world.try_boot(nsm).await.unwrap();
    let mut person = Person::register(&enclave, 1).await;
    hang.store(true, Ordering::SeqCst);
    world.pass(60_000);
    let before = tokio::time::Instant::now();
    for at in 0..10 {
        person.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    assert_eq!(before.elapsed(), std::time::Duration::from_secs(2));
    hang.store(false, Ordering::SeqCst);
}

#[tokio::test]
async fn a_read_token_lasts_a_quarter_of_an_hour() {
    let world = World::new();
    let enclave = world.boot().await;
    let person = Person::register(&enclave, 1).await;
    world.pass(TOKEN_LIFE - 1);
    assert!(person.view(&enclave).await.is_ok());
    world.pass(1);
    assert_eq!(
        code(person.view(&enclave).await),
        Some(ErrorCode::SignInNeeded)
    );
}
