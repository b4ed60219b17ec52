//! Authenticators that lie, and relays that swap them.

use openkey_protocol::message::{
    Action, Approve, ErrorCode, PasskeyCreated, Request, SignUpFinish,
};
use sha2::{Digest, Sha256};

use crate::common::{
    Authenticator, Person, World, ask,
    authenticator::{PRESENT, VERIFIED},
    call, code,
    person::{begin, created, finish, prompted, text, verified},
};

type Lie = (&'static str, fn(&mut Authenticator));

/// What no ceremony accepts.
const LIES: [Lie; 8] = [
    ("no user verification", |a| a.flags = PRESENT),
    ("no user presence", |a| a.flags = VERIFIED),
    ("another relying party", |a| a.rp_id = "evil.example".into()),
    ("another origin", |a| {
        a.origin = "https://evil.example".into()
    }),
    ("another port", |a| {
        a.origin = "http://localhost:7101".into()
    }),
    ("cross-origin", |a| {
        a.extra_client_data = r#","crossOrigin":true"#.into()
    }),
    ("framed", |a| {
        a.extra_client_data = r#","crossOrigin":false,"topOrigin":"https://evil.example""#.into()
    }),
    ("doubled member", |a| {
        a.extra_client_data = r#","origin":"http://localhost:7100""#.into()
    }),
];

#[tokio::test]
async fn s2_assertions_that_do_not_hold_are_refused() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let more: [Lie; 3] = [
        ("a registration", |a| {
            a.type_override = Some("webauthn.create")
        }),
        ("foreign user handle", |a| a.user_handle = vec![7; 16]),
        ("another key", |a| {
            let id = a.id.clone();
            *a = Authenticator {
                id,
                user_handle: a.user_handle.clone(),
                ..Authenticator::new(9)
            };
        }),
    ];
    for (what, lie) in LIES.into_iter().chain(more) {
        let mut liar = person.authenticator.clone();
        lie(&mut liar);
        let approval = person.approval(&prompted, liar.get(&prompted.options));
        let refused = person.send(&enclave, approval).await;
        assert_eq!(code(refused), Some(ErrorCode::AssertionRefused), "{what}");
    }
    let too_long = |f: fn(&mut openkey_protocol::message::Assertion)| {
        let mut answer = person.authenticator.clone().get(&prompted.options);
        f(&mut answer);
        person.approval(&prompted, answer)
    };
    for approval in [
        too_long(|answer| answer.signature.0.resize(4096, 0)),
        too_long(|answer| answer.authenticator_data.0.resize(8192, 0)),
    ] {
        let refused = person.send(&enclave, approval).await;
        assert_eq!(code(refused), Some(ErrorCode::OutOfBounds));
    }
    // After all that the honest answer still works.
    assert!(person.approve(&enclave, &prompted).await.is_ok());
}

#[tokio::test]
async fn s2_a_replayed_challenge_and_a_regressed_counter_are_refused() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    person.authenticator.counter = 5;
    let one = person.propose(&enclave, text("one")).await.unwrap();
    let recorded = person.authenticator.get(&one.options);
    let approval = person.approval(&one, recorded.clone());
    person.send(&enclave, approval).await.unwrap();

    let two = person.propose(&enclave, text("two")).await.unwrap();
    let approval = person.approval(&two, recorded);
    let refused = person.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::AssertionRefused));
    for counter in [5, 4, 0] {
        person.authenticator.counter = counter;
        let refused = person.approve(&enclave, &two).await;
        assert_eq!(code(refused), Some(ErrorCode::AssertionRefused));
    }
    person.authenticator.counter = 6;
    assert!(person.approve(&enclave, &two).await.is_ok());
}

#[tokio::test]
async fn s2_registrations_that_do_not_hold_are_refused() {
    let world = World::new();
    let enclave = world.boot().await;
    let more: [Lie; 3] = [
        ("an assertion", |a| a.type_override = Some("webauthn.get")),
        ("an algorithm that was not offered", |a| a.algorithm = -8),
        ("a point beside the curve", |a| a.off_curve = true),
    ];
    for (what, lie) in LIES.into_iter().chain(more) {
        let started = begin(&enclave).await.unwrap();
        let mut liar = Authenticator::new(1);
        lie(&mut liar);
        let refused = finish(&enclave, &started, &mut liar).await;
        assert_eq!(code(refused), Some(ErrorCode::CredentialRefused), "{what}");
    }
    // A credential that says another id than its attestation.
    let started = begin(&enclave).await.unwrap();
    let mut credential = Authenticator::new(1).create(&started.options);
    credential.id.0[0] ^= 1;
    let request = Request::SignUpFinish(SignUpFinish {
        context: started.context,
        credential,
    });
    let refused = ask(&enclave, &request).await;
    assert_eq!(code(refused), Some(ErrorCode::CredentialRefused));
    // A credential made for another registration.
    let other = begin(&enclave).await.unwrap();
    let started = begin(&enclave).await.unwrap();
    let request = Request::SignUpFinish(SignUpFinish {
        context: started.context,
        credential: Authenticator::new(1).create(&other.options),
    });
    let refused = ask(&enclave, &request).await;
    assert_eq!(code(refused), Some(ErrorCode::CredentialRefused));
}

#[tokio::test]
async fn f12_a_passkey_swapped_at_registration_shows_in_the_receipt_and_signs_nothing() {
    let world = World::new();
    let enclave = world.boot().await;
    let started = begin(&enclave).await.unwrap();
    let mut own = Authenticator::new(1);
    own.create(&started.options);
    // The relay answers with a credential of its own.
    let mut relay = Authenticator::new(66);
    let done = finish(&enclave, &started, &mut relay).await.unwrap();
    let receipt = verified(&enclave, &done.receipt);
    // What the client compares: its authenticator's key is not the one in the receipt.
    assert_ne!(
        receipt.credentials[0].public_key_sha256.0,
        own.spki_sha256()
    );
    assert_eq!(
        receipt.credentials[0].public_key_sha256.0,
        relay.spki_sha256()
    );

    // So the person never confirms, and the account is a stranger's empty one.
    let mut theirs = Person::of(relay, &done);
    theirs.sign_in(&enclave).await.unwrap();
    let refused = theirs.act(&enclave, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::NotConfirmed));
    let wrong = Action::Confirm {
        receipt: openkey_protocol::message::Hash32([0; 32]),
    };
    let refused = theirs.act(&enclave, wrong).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
    let mut mine = Person {
        authenticator: own,
        ..theirs.clone()
    };
    let confirm = Action::Confirm {
        receipt: mine.receipt,
    };
    let refused = mine.act(&enclave, confirm).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownPasskey));
}

#[tokio::test]
async fn f12_a_passkey_swapped_while_adding_needs_an_approval_that_names_it() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let begun = person.begin_passkey(&enclave, "Phone").await.unwrap();
    let mut own = Authenticator::new(2);
    let request = Request::PasskeyCreated(PasskeyCreated {
        context: begun.context.clone(),
        credential: own.create(&begun.options),
    });
    let sent: [u8; 32] = Sha256::digest(call(&request)).into();

    // The relay sends its own credential instead.
    let mut relay = Authenticator::new(66);
    let swapped = created(&enclave, &begun, &mut relay).await.unwrap();
    // The client sees that the prompt is of another request than the one it sent.
    assert_ne!(swapped.prompt.digest.0, sent);

    // The relay cannot approve it by the new passkey.
    let proof = relay.get(&swapped.options);
    let approval = Approve {
        head: None,
        possession: Some(proof.clone()),
        ..person.approval(&swapped, proof)
    };
    let refused = ask(&enclave, &Request::Approve(approval)).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownPasskey));
    // Nor by the person's approval of their own one.
    let honest = prompted(ask(&enclave, &request).await.unwrap()).unwrap();
    assert_eq!(honest.prompt.digest.0, sent);
    let answer = person.authenticator.get(&honest.options);
    let crossed = Approve {
        possession: Some(relay.get(&swapped.options)),
        ..person.approval(&swapped, answer.clone())
    };
    let refused = person.send(&enclave, crossed).await;
    assert_eq!(code(refused), Some(ErrorCode::AssertionRefused));
    let approval = Approve {
        possession: Some(own.get(&honest.options)),
        ..person.approval(&honest, answer)
    };
    person.send(&enclave, approval).await.unwrap();
    let view = person.view(&enclave).await.unwrap();
    assert_eq!(view.passkeys[1].public_key_sha256.0, own.spki_sha256());
}

#[tokio::test]
async fn a_repeated_finish_gives_the_same_receipt_at_any_boot() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut authenticator = Authenticator::new(1);
    let started = begin(&enclave).await.unwrap();
    let one = finish(&enclave, &started, &mut authenticator)
        .await
        .unwrap();
    world.pass(1_000);
    let two = finish(&enclave, &started, &mut authenticator)
        .await
        .unwrap();
    assert_eq!(one.receipt.body, two.receipt.body);
    assert_eq!(one.head, two.head);
    // At another boot the same body is signed by another identity.
    let enclave = world.boot().await;
    let three = finish(&enclave, &started, &mut authenticator)
        .await
        .unwrap();
    assert_eq!(
        verified(&enclave, &three.receipt),
        one.receipt.unverified().unwrap()
    );
    // Another credential under the same context is no repetition.
    let refused = finish(&enclave, &started, &mut Authenticator::new(2)).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextUsed));

    let mut person = Person::of(authenticator.clone(), &one);
    let confirm = Action::Confirm {
        receipt: person.receipt,
    };
    person.act(&enclave, confirm).await.unwrap();
    let four = finish(&enclave, &started, &mut authenticator)
        .await
        .unwrap();
    assert_eq!(four.receipt.body, one.receipt.body);
    assert_eq!(four.head, person.head);
}
