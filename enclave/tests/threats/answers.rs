//! E16: what an enclave says is signed for exactly one call, or it is on a short list.

use openkey_protocol::{
    cbor,
    message::{
        Action, Approve, Bare, Bytes, Call, Class, ErrorCode, HandOver, Hash32, OperatorRequest,
        PasskeyCreated, Query, Read, Reply, Request, SignIn, SignUp, SignUpFinish, Verdict,
    },
};
use openkey_verifier::{
    answer::{self, AnswerError, Asked},
    statement::IdentityKey,
};
use sha2::{Digest, Sha256};

use crate::common::{
    Authenticator, ORIGIN, Person, World, ask, call, code,
    person::{begin, sign_in, text},
};

/// Why a reply may go without a signature of the enclave.
fn reason(bare: &Bare) -> &'static str {
    // Whoever adds a kind of unsigned reply must say here why nobody is misled by it.
    match bare {
        Bare::Evidence(_) => "The NSM signs it, over the request's nonce.",
        Bare::HandedOver(_) => {
            "Sealed to the asker's boot key, on a channel attested at both ends."
        }
        Bare::Refused(_) => "What arrived is no call, so no answer could name it.",
    }
}

#[tokio::test]
async fn e16_every_reply_is_signed_for_its_call_or_on_a_short_list() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let started = begin(&enclave).await.unwrap();
    let mut new = Authenticator::new(2);
    let second = person.begin_passkey(&enclave, "Phone").await.unwrap();
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let assertion = person.authenticator.get(&prompted.options);
    let read = |query| {
        Request::Read(Read {
            token: person.token.clone(),
            head: Some(person.known()),
            query,
        })
    };
    let requests = [
        Request::Status,
        Request::Evidence {
            nonce: vec![1; 32].into(),
        },
        Request::SignUp(SignUp {
            origin: ORIGIN.into(),
            name: "Bob".into(),
        }),
        Request::SignUpFinish(SignUpFinish {
            context: started.context.clone(),
            credential: new.create(&started.options),
        }),
        Request::SignIn(SignIn {
            origin: ORIGIN.into(),
        }),
        person.proposal(text("Hello")),
        person.proposal(Action::AddPasskey { name: "a".into() }),
        Request::PasskeyCreated(PasskeyCreated {
            context: second.context.clone(),
            credential: Authenticator::new(3).create(&second.options),
        }),
        read(Query::Account),
        read(Query::History {
            before: None,
            limit: 5,
        }),
        Request::Approve(person.approval(&prompted, assertion)),
        Request::Operator(OperatorRequest::Genesis {
            nonce: vec![1; 16].into(),
        }),
        Request::HandOver(HandOver {
            root_id: Hash32([1; 32]),
            manifest: None,
        }),
    ];
    for request in requests {
        let nonce = Bytes(vec![9; 24]);
        let sent = cbor::encode(&Call {
            nonce: nonce.clone(),
            request: request.clone(),
        })
        .unwrap();
        let reply = enclave.answer(request.class(), &sent).await;
        match cbor::decode(&reply).unwrap() {
            Reply::Bare(bare) => {
                assert!(matches!(request, Request::Evidence { .. }), "{bare:?}");
                assert!(reason(&bare).ends_with('.'));
            }
            Reply::Answer(signed) => {
                let identity = IdentityKey::from_evidence_verified_earlier(&enclave.identity());
                let at = signed.unverified().unwrap().at;
                let asked = Asked {
                    origin: Some(ORIGIN),
                    ..Asked::new(&sent, at)
                };
                let answer = answer::check(&identity.unwrap(), &signed, &asked).unwrap();
                assert_eq!(answer.request.0[..], Sha256::digest(&sent)[..]);
                assert_eq!(answer.nonce, nonce);
                assert_eq!(at, enclave.platform().now());
                if let Verdict::Ok(_) = &answer.result {
                    assert_eq!(answer.continued, request.head(), "{request:?}");
                }
            }
        }
    }
    // Refusals that people act on are answers like all others: `ask` accepts nothing else.
    let mut unconfirmed = Person::unconfirmed(&enclave, 4).await;
    unconfirmed.sign_in(&enclave).await.unwrap();
    let not_confirmed = unconfirmed.propose(&enclave, text("x")).await;
    assert_eq!(code(not_confirmed), Some(ErrorCode::NotConfirmed));
    let used = person.approve(&enclave, &prompted).await;
    assert_eq!(code(used), Some(ErrorCode::ContextUsed));
    let all = world.store.snapshot();
    world.store.restore(Default::default());
    let hidden = person.propose(&enclave, text("x")).await;
    assert_eq!(code(hidden), Some(ErrorCode::RolledBack));
    let enclave = world.boot().await;
    let begun = sign_in(&enclave).await.unwrap();
    let approval = Request::Approve(Approve {
        head: None,
        ..person.approval(&begun, person.authenticator.clone().get(&begun.options))
    });
    let unknown = ask(&enclave, &approval).await;
    assert_eq!(code(unknown), Some(ErrorCode::UnknownAccount));
    world.store.restore(all);
}

#[tokio::test]
async fn e16_what_is_no_call_is_refused_without_a_signature() {
    let world = World::new();
    let enclave = world.boot().await;
    let with_nonce = |length: usize| {
        cbor::encode(&Call {
            nonce: vec![1; length].into(),
            request: Request::Status,
        })
        .unwrap()
    };
    let bare_request = cbor::encode(&Request::Status).unwrap();
    for (body, expected) in [
        (bare_request, ErrorCode::Malformed),
        (Vec::new(), ErrorCode::Malformed),
        (with_nonce(15), ErrorCode::OutOfBounds),
        (with_nonce(65), ErrorCode::OutOfBounds),
    ] {
        let reply = enclave.answer(Class::Request, &body).await;
        let Reply::Bare(Bare::Refused(error)) = cbor::decode(&reply).unwrap() else {
            panic!("signed");
        };
        assert_eq!(error.code, expected);
    }
    for length in [16, 64] {
        let reply = enclave.answer(Class::Request, &with_nonce(length)).await;
        assert!(matches!(cbor::decode(&reply), Ok(Reply::Answer(_))));
    }
}

/// The same bytes asked twice are answered by the enclave of the moment, and an answer serves one boot.
#[tokio::test]
async fn e16_an_answer_of_another_boot_or_call_is_none() {
    let world = World::new();
    let enclave = world.boot().await;
    let sent = call(&Request::Status);
    let reply = enclave.answer(Class::Request, &sent).await;
    let Ok(Reply::Answer(signed)) = cbor::decode(&reply) else {
        panic!("no answer");
    };
    let at = signed.unverified().unwrap().at;
    let identity = |bytes: [u8; 32]| IdentityKey::from_evidence_verified_earlier(&bytes).unwrap();
    let own = identity(enclave.identity());
    let judge = |identity: &IdentityKey, sent: &[u8]| {
        answer::check(identity, &signed, &Asked::new(sent, at)).map(drop)
    };
    assert_eq!(judge(&own, &sent), Ok(()));
    let other = call(&Request::SignIn(SignIn {
        origin: ORIGIN.into(),
    }));
    assert_eq!(judge(&own, &other), Err(AnswerError::Request));
    let again = world.boot().await;
    assert!(matches!(
        judge(&identity(again.identity()), &sent),
        Err(AnswerError::Statement(_))
    ));
}
