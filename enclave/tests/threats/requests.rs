//! Requests that are none, come by the wrong way, or come too often.

use openkey_protocol::{
    cbor,
    message::{
        Action, Bare, Class, ErrorCode, KeyId, Payload, Propose, Reply, Request, SignIn, SignUp,
    },
};

use crate::common::{
    Authenticator, ORIGIN, Person, World, ask, ask_as, call, code, evidence,
    person::{begin, finish, text},
};

#[tokio::test]
async fn d3_each_request_comes_by_its_own_class() {
    let world = World::new();
    let enclave = world.boot().await;
    let requests = [
        (Request::Status, Class::Request),
        (
            Request::SignUp(SignUp {
                origin: ORIGIN.into(),
                name: "Ada".into(),
            }),
            Class::SignUp,
        ),
        (
            Request::SignIn(SignIn {
                origin: ORIGIN.into(),
            }),
            Class::Request,
        ),
    ];
    for (request, own) in requests {
        for class in [Class::Evidence, Class::SignUp, Class::Request] {
            let refused = code(ask_as(&enclave, class, &request).await);
            let expected = (class != own).then_some(ErrorCode::WrongClass);
            assert_eq!(refused, expected);
        }
    }
    assert!(evidence(&enclave, [1; 16]).await.is_ok());
    let asked = Request::Evidence {
        nonce: [1; 16].into(),
    };
    for class in [Class::SignUp, Class::Request] {
        let refused = code(ask_as(&enclave, class, &asked).await);
        assert_eq!(refused, Some(ErrorCode::WrongClass));
    }
}

#[tokio::test]
async fn m5_bytes_that_are_no_request_are_answered_and_change_nothing() {
    let world = World::new();
    let enclave = world.boot().await;
    let good = call(&Request::Status);
    for body in [
        &b""[..],
        b"\xff",
        b"{}",
        &[good.as_slice(), b"\0"].concat(),
        &[0xa1; 4096],
    ] {
        let reply = enclave.answer(Class::Request, body).await;
        let Reply::Bare(Bare::Refused(error)) = cbor::decode(&reply).unwrap() else {
            panic!("accepted");
        };
        assert_eq!(error.code, ErrorCode::Malformed);
    }
    // Neither does a request that was cut or bent anywhere: an answer each time, never a panic.
    let whole = call(&Request::SignIn(SignIn {
        origin: ORIGIN.into(),
    }));
    for at in 0..whole.len() {
        let mut bent = whole.clone();
        bent[at] ^= 0x80;
        for body in [&whole[..at], &bent] {
            let reply = enclave.answer(Class::Request, body).await;
            assert!(cbor::decode::<Reply>(&reply).is_ok(), "at byte {at}");
        }
    }
    assert!(world.store.snapshot().is_empty());
}

#[tokio::test]
async fn strange_origins_nonces_and_names_are_refused() {
    let world = World::new();
    let enclave = world.boot().await;
    let person = Person::register(&enclave, 1).await;
    let sign_up = |origin: &str, name: &str| {
        Request::SignUp(SignUp {
            origin: origin.into(),
            name: name.into(),
        })
    };
    for (request, expected) in [
        (
            sign_up("https://evil.example", "Ada"),
            ErrorCode::WrongOrigin,
        ),
        (
            sign_up("http://localhost:7100/", "Ada"),
            ErrorCode::WrongOrigin,
        ),
        (sign_up(ORIGIN, ""), ErrorCode::OutOfBounds),
        (sign_up(ORIGIN, &"x".repeat(65)), ErrorCode::OutOfBounds),
        (sign_up(ORIGIN, "A\u{202e}da"), ErrorCode::TextRefused),
    ] {
        assert_eq!(code(ask(&enclave, &request).await), Some(expected));
    }
    for length in [15, 65] {
        let refused = evidence(&enclave, vec![1; length]).await;
        assert_eq!(code(refused), Some(ErrorCode::OutOfBounds));
    }
    let Request::Propose(propose) = person.proposal(text("x")) else {
        panic!("no proposal");
    };
    let elsewhere = Request::Propose(Propose {
        origin: "https://evil.example".into(),
        ..propose
    });
    assert_eq!(
        code(ask(&enclave, &elsewhere).await),
        Some(ErrorCode::WrongOrigin)
    );
    let nothing = Action::CreateKey { label: " ".into() };
    assert_eq!(
        code(person.propose(&enclave, nothing).await),
        Some(ErrorCode::OutOfBounds)
    );
    for limit in [0, 51] {
        let refused = person.history(&enclave, None, limit).await;
        assert_eq!(code(refused), Some(ErrorCode::OutOfBounds));
    }
}

/// What is begun takes no place in the store. Only what is finished is counted.
#[tokio::test]
async fn e17_sign_ups_that_nobody_finishes_keep_nobody_out() {
    let mut world = World::new();
    world.capacity.sign_ups_per_minute = 3;
    let enclave = world.boot().await;
    for _ in 0..50 {
        begin(&enclave).await.unwrap();
    }
    let mut started = Vec::new();
    for seed in 1..=5 {
        started.push((begin(&enclave).await.unwrap(), Authenticator::new(seed)));
    }
    for (at, (started, authenticator)) in started.iter_mut().enumerate() {
        let records = world.store.snapshot().len();
        // As often as it is repeated, it is one.
        for _ in 0..3 {
            let finished = code(finish(&enclave, started, authenticator).await);
            let expected = (at >= 3).then_some(ErrorCode::TooMany);
            assert_eq!(finished, expected, "{at}");
        }
        let more = world.store.snapshot().len() - records;
        assert_eq!(more, usize::from(at < 3));
    }
    // Nobody makes a passkey that could not be used.
    assert_eq!(code(begin(&enclave).await), Some(ErrorCode::TooMany));
    world.pass(60_000);
    let (started, authenticator) = &mut started[4];
    finish(&enclave, started, authenticator).await.unwrap();
}

#[tokio::test]
async fn history_is_read_page_by_page_to_its_beginning() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    for at in 0..11 {
        person.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = person.history(&enclave, before, 5).await.unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.sequence));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=12).rev().collect::<Vec<_>>());
    let beyond = person.history(&enclave, Some(u64::MAX), 5).await.unwrap();
    assert_eq!(beyond.entries[0].sequence, 12);
    for before in [Some(0), Some(1)] {
        let page = person.history(&enclave, before, 5).await.unwrap();
        assert!(page.entries.is_empty());
    }
}

/// A document of typed data that takes long to read: as many types as a document may have, in a
/// ring, so that every one reaches every other.
fn ring() -> Action {
    const TYPES: usize = 505;
    let name = |at: usize| format!("T{:0>39}", at % TYPES);
    let types = (0..TYPES).map(|at| {
        let next = name(at + 1);
        format!(r#","{}":[{{"name":"n","type":"{next}"}}]"#, name(at))
    });
    let json = format!(
        r#"{{"types":{{"EIP712Domain":[{{"name":"name","type":"string"}}]{}}},"primaryType":"{}","domain":{{"name":"x"}},"message":{{"n":null}}}}"#,
        types.collect::<String>(),
        name(0)
    );
    Action::Sign {
        key: KeyId(0),
        payload: Payload::TypedData(json),
    }
}

/// Whoever holds a read token may propose as much as they like. What that costs is bounded for
/// the account, whatever the size of what is proposed, and keeps nobody else from signing.
#[tokio::test]
async fn h4_the_cpu_that_one_accounts_typed_data_takes_is_bounded() {
    let world = World::new();
    let enclave = world.boot().await;
    let (ada, ben) = (
        Person::register(&enclave, 1).await,
        Person::register(&enclave, 2).await,
    );
    let began = std::time::Instant::now();
    let mut read = 0;
    let refused = loop {
        match ada.propose(&enclave, ring()).await {
            Ok(_) => read += 1,
            Err(error) => break error,
        }
        assert!(read < 500, "nothing bounds it");
    };
    let each = began.elapsed() / (read + 1);
    println!("{read} documents were read, each in {each:?}");
    assert_eq!(refused.code, ErrorCode::TooMany);
    assert!(refused.message.contains("too much time"), "{refused:?}");
    assert!(read > 0);
    // small ones are not read either, and other people's are
    assert_eq!(
        code(ada.propose(&enclave, text("x")).await),
        Some(ErrorCode::TooMany)
    );
    ben.propose(&enclave, ring()).await.unwrap();
    assert_eq!(
        code(ada.propose(&enclave, ring()).await),
        Some(ErrorCode::TooMany)
    );
    world.pass(600_000);
    ada.propose(&enclave, ring()).await.unwrap();
}
