//! Only what was shown and approved, once.

use openkey_protocol::message::{
    Action, Approve, Bytes, ErrorCode, Hash32, KeyId, Outcome, Payload, Query, Read, Request,
};

use crate::common::{
    Authenticator, OTHER_ORIGIN, Person, World, ask, code,
    person::{created, sign_in, signature, text},
};

#[tokio::test]
async fn a1_only_the_approved_digest_is_signed() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let one = person.propose(&enclave, text("pay 1")).await.unwrap();
    let two = person.propose(&enclave, text("pay 1000")).await.unwrap();
    let shown = one.prompt.clone();

    // The answer to one prompt under the context of the other.
    let answer = person.authenticator.get(&one.options);
    let crossed = person.approval(&two, answer.clone());
    let refused = person.send(&enclave, crossed).await;
    assert_eq!(code(refused), Some(ErrorCode::AssertionRefused));

    // The context itself cannot be edited.
    for at in [0, 20, one.context.0.len() / 2, one.context.0.len() - 1] {
        let mut edited = one.clone();
        edited.context.0[at] ^= 1;
        let approval = person.approval(&edited, answer.clone());
        let refused = person.send(&enclave, approval).await;
        assert_eq!(code(refused), Some(ErrorCode::ContextInvalid));
    }

    let approval = person.approval(&one, answer);
    let approved = person.send(&enclave, approval).await.unwrap();
    assert_eq!(signature(&approved).1, shown.digest);
}

#[tokio::test]
async fn a1_a_dangerous_prompt_needs_its_digest_repeated() {
    let permit = r#"{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],"Permit":[{"name":"owner","type":"address"},{"name":"spender","type":"address"},{"name":"value","type":"uint256"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}]},"primaryType":"Permit","domain":{"name":"Coin","version":"1","chainId":1,"verifyingContract":"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"},"message":{"owner":"OWNER","spender":"0x00000000000000000000000000000000000000ff","value":"1000000","nonce":"0","deadline":"1890000000"}}"#;
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let owner = format!("0x{}", person.address);
    let action = Action::Sign {
        key: KeyId(0),
        payload: Payload::TypedData(permit.replace("OWNER", &owner)),
    };
    let prompted = person.propose(&enclave, action).await.unwrap();
    let shown = prompted.prompt.clone();
    assert!(shown.summary.confirm);
    let answer = person.authenticator.get(&prompted.options);
    for confirmed in [None, Some(Hash32([0; 32]))] {
        let approval = Approve {
            confirmed,
            ..person.approval(&prompted, answer.clone())
        };
        let refused = person.send(&enclave, approval).await;
        assert_eq!(code(refused), Some(ErrorCode::ConfirmationNeeded));
    }
    let approval = Approve {
        confirmed: Some(shown.digest),
        ..person.approval(&prompted, answer)
    };
    let approved = person.send(&enclave, approval).await.unwrap();
    assert_eq!(signature(&approved).1, shown.digest);

    // A digest that nobody asked to confirm is a confusion.
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let approval = Approve {
        confirmed: Some(shown.digest),
        ..person.approval(
            &prompted,
            person.authenticator.clone().get(&prompted.options),
        )
    };
    let refused = person.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::ConfirmationNeeded));
}

/// What a person pastes into the page was given to them by some site, and nobody knows which: not even one
/// that names the page itself is the page's own.
#[tokio::test]
async fn c5_a_pasted_sign_in_needs_its_digest_repeated() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let sign_in = |domain: &str| Action::Sign {
        key: KeyId(0),
        payload: Payload::Siwe(format!(
            "{domain} wants you to sign in with your Ethereum account:\n{}\n\n\nURI: \
             http://{domain}/\nVersion: 1\nChain ID: 1\nNonce: 32891756\nIssued At: \
             2026-01-01T00:00:00Z\nExpiration Time: 2099-01-01T00:00:00Z",
            openkey_capability::address::eip55(person.address.as_bytes())
        )),
    };
    for action in ["localhost:7100", "bank.example", "localhost:7101"].map(sign_in) {
        let prompted = person.propose(&enclave, action).await.unwrap();
        let shown = prompted.prompt.clone();
        assert!(shown.summary.confirm);
        let said = &shown.summary.warnings[0].text;
        assert!(
            said.starts_with("OpenKey cannot see which site asks."),
            "{said}"
        );
        let answer = person.authenticator.get(&prompted.options);
        let approval = person.approval(&prompted, answer.clone());
        let refused = person.send(&enclave, approval).await;
        assert_eq!(code(refused), Some(ErrorCode::ConfirmationNeeded));
        let approval = Approve {
            confirmed: Some(shown.digest),
            ..person.approval(&prompted, answer)
        };
        let approved = person.send(&enclave, approval).await.unwrap();
        assert_eq!(signature(&approved).1, shown.digest);
    }
}

#[tokio::test]
async fn d5_a_failed_answer_does_not_spend_the_context_and_a_good_one_does() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let good = person.authenticator.get(&prompted.options);
    let mut bad = good.clone();
    *bad.signature.0.last_mut().unwrap() ^= 1;
    let mut stranger = Authenticator::new(9);
    for answer in [bad, stranger.get(&prompted.options)] {
        let approval = person.approval(&prompted, answer);
        assert!(person.send(&enclave, approval).await.is_err());
    }
    let approval = person.approval(&prompted, good);
    assert!(person.send(&enclave, approval.clone()).await.is_ok());
    let again = Approve {
        head: Some(person.known()),
        ..approval
    };
    let refused = person.send(&enclave, again).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextUsed));
}

#[tokio::test]
async fn d5_of_many_answers_at_once_exactly_one_counts() {
    let world = World::new();
    // Two replicas over one store.
    let enclaves = [world.boot().await, world.boot().await];
    let mut person = Person::register(&enclaves[0], 1).await;
    let prompted = person.propose(&enclaves[0], text("x")).await.unwrap();
    let answer = person.authenticator.get(&prompted.options);
    let request = Request::Approve(Approve {
        head: None,
        ..person.approval(&prompted, answer)
    });
    let (a, b, c, d, e, f) = tokio::join!(
        ask(&enclaves[0], &request),
        ask(&enclaves[1], &request),
        ask(&enclaves[0], &request),
        ask(&enclaves[1], &request),
        ask(&enclaves[0], &request),
        ask(&enclaves[1], &request),
    );
    let answers = [a, b, c, d, e, f];
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in answers.into_iter().filter(Result::is_err) {
        assert_eq!(code(refused), Some(ErrorCode::ContextUsed));
    }
    person.head = person_head(&enclaves[0], &person).await;
    let page = person.history(&enclaves[0], None, 50).await.unwrap();
    assert_eq!(page.entries.len(), 2, "the confirmation and one signature");
}

async fn person_head<S: openkey_protocol::store::RecordStore>(
    enclave: &openkey_enclave::Service<S>,
    person: &Person,
) -> openkey_protocol::message::AccountHead {
    let view = person.view(enclave).await.unwrap();
    view.head
}

#[tokio::test]
async fn s4_a_challenge_of_one_replica_is_answered_at_another_once_and_after_a_restart() {
    let world = World::new();
    let a = world.boot().await;
    let mut person = Person::register(&a, 1).await;
    let prompted = person.propose(&a, text("x")).await.unwrap();
    drop(a);
    let b = world.boot().await;
    let answer = person.authenticator.get(&prompted.options);
    let approval = person.approval(&prompted, answer);
    assert!(person.send(&b, approval.clone()).await.is_ok());
    let c = world.boot().await;
    let refused = person.send(&c, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextUsed));
}

#[tokio::test]
async fn d13_a_challenge_belongs_to_one_account_and_one_page() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut ada = Person::register(&enclave, 1).await;
    let mut eve = Person::register(&enclave, 2).await;
    let prompted = ada.propose(&enclave, text("x")).await.unwrap();

    // Another person answers Ada's challenge.
    let answer = eve.authenticator.get(&prompted.options);
    let approval = ada.approval(&prompted, answer);
    let refused = ada.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownPasskey));

    // Ada answers on another page, even one that is configured.
    let mut elsewhere = ada.authenticator.clone();
    elsewhere.origin = OTHER_ORIGIN.to_owned();
    let approval = ada.approval(&prompted, elsewhere.get(&prompted.options));
    let refused = ada.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::AssertionRefused));

    // The challenge of a sign-in is no approval of anything else.
    let begun = sign_in(&enclave).await.unwrap();
    let approval = ada.approval(&prompted, ada.authenticator.clone().get(&begun.options));
    let refused = ada.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::AssertionRefused));

    // A sign-in gives a token for the account that the passkey names, and only with its passkey.
    let mut answer = eve.authenticator.get(&begun.options);
    answer.user_handle = Some(ada.user_handle.0.into());
    let approval = Approve {
        head: None,
        ..eve.approval(&begun, answer)
    };
    let refused = eve.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownPasskey));
    let mut answer = eve.authenticator.get(&begun.options);
    answer.user_handle = None;
    let approval = Approve {
        head: None,
        ..eve.approval(&begun, answer)
    };
    let refused = eve.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::AssertionRefused));
}

#[tokio::test]
async fn d9_a_change_of_authority_holds_for_the_version_it_was_shown_for() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let create = |label: &str| Action::CreateKey {
        label: label.to_owned(),
    };
    let one = person.propose(&enclave, create("One")).await.unwrap();
    let two = person.propose(&enclave, create("Two")).await.unwrap();
    let sign = person.propose(&enclave, text("x")).await.unwrap();
    let begun = person.begin_passkey(&enclave, "Second").await.unwrap();
    assert!(person.approve(&enclave, &one).await.is_ok());
    let refused = person.approve(&enclave, &two).await;
    assert_eq!(code(refused), Some(ErrorCode::AccountChanged));
    let refused = created(&enclave, &begun, &mut Authenticator::new(2)).await;
    assert_eq!(code(refused), Some(ErrorCode::AccountChanged));
    // A signature is not bound to the version, but to its key and its passkey.
    assert!(person.approve(&enclave, &sign).await.is_ok());
}

#[tokio::test]
async fn d6_the_account_of_the_moment_decides() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let mut second = Authenticator::new(2);
    person.add_passkey(&enclave, &mut second).await.unwrap();

    // The key is archived while a prompt is open.
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let archive = Action::ArchiveKey { key: KeyId(0) };
    person.act(&enclave, archive).await.unwrap();
    let refused = person.approve(&enclave, &prompted).await;
    assert_eq!(code(refused), Some(ErrorCode::KeyArchived));
    let restore = Action::RestoreKey { key: KeyId(0) };
    person.act(&enclave, restore).await.unwrap();

    // The passkey is removed while a prompt is open.
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let late = second.get(&prompted.options);
    let remove = Action::RemovePasskey {
        passkey: second.id.clone().into(),
    };
    person.act(&enclave, remove).await.unwrap();
    let approval = person.approval(&prompted, late);
    let refused = person.send(&enclave, approval).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownPasskey));
}

#[tokio::test]
async fn d3_a_token_reads_and_is_no_context_and_ends_with_its_passkey() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let prompted = person.propose(&enclave, text("x")).await.unwrap();
    let answer = person.authenticator.get(&prompted.options);

    let mut as_context = person.approval(&prompted, answer);
    as_context.context = person.token.clone();
    let refused = person.send(&enclave, as_context).await;
    assert_eq!(code(refused), Some(ErrorCode::ContextInvalid));
    let as_token = Request::Read(Read {
        token: prompted.context.clone(),
        head: None,
        query: Query::Account,
    });
    assert_eq!(
        code(ask(&enclave, &as_token).await),
        Some(ErrorCode::SignInNeeded)
    );

    let mut second = Authenticator::new(2);
    person.add_passkey(&enclave, &mut second).await.unwrap();
    let mut by_second = Person {
        authenticator: second.clone(),
        ..person.clone()
    };
    by_second.sign_in(&enclave).await.unwrap();
    person.head = by_second.head;
    let remove = Action::RemovePasskey {
        passkey: second.id.clone().into(),
    };
    let done = person.act(&enclave, remove).await.unwrap();
    assert_eq!(done.outcome, Outcome::Changed);
    by_second.head = person.head;
    assert_eq!(
        code(by_second.view(&enclave).await),
        Some(ErrorCode::UnknownPasskey)
    );
    assert_eq!(
        code(by_second.propose(&enclave, text("x")).await),
        Some(ErrorCode::UnknownPasskey)
    );
    assert!(person.view(&enclave).await.is_ok());
}

#[tokio::test]
async fn s7_one_of_two_passkeys_may_go_and_the_last_stays() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let remove = |id: &[u8]| Action::RemovePasskey {
        passkey: Bytes::from(id),
    };
    let own = person.authenticator.id.clone();
    let refused = person.propose(&enclave, remove(&own)).await;
    assert_eq!(code(refused), Some(ErrorCode::LastPasskey));

    let mut second = Authenticator::new(2);
    person.add_passkey(&enclave, &mut second).await.unwrap();
    // Both removals are open at once; whichever comes second would leave nobody.
    let first_goes = person.propose(&enclave, remove(&own)).await.unwrap();
    let second_goes = person.propose(&enclave, remove(&second.id)).await.unwrap();
    person.approve(&enclave, &first_goes).await.unwrap();
    let mut by_second = Person {
        authenticator: second,
        ..person.clone()
    };
    let refused = by_second.approve(&enclave, &second_goes).await;
    assert_eq!(code(refused), Some(ErrorCode::AccountChanged));
    by_second.sign_in(&enclave).await.unwrap();
    let id = by_second.authenticator.id.clone();
    let refused = by_second.propose(&enclave, remove(&id)).await;
    assert_eq!(code(refused), Some(ErrorCode::LastPasskey));
    assert!(by_second.act(&enclave, text("still here")).await.is_ok());
    let refused = person.act(&enclave, text("gone")).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownPasskey));
}

#[tokio::test]
async fn e10_signatures_are_limited_by_the_minute() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    for at in 0..60 {
        person.act(&enclave, text(&at.to_string())).await.unwrap();
    }
    let refused = person.act(&enclave, text("one more")).await;
    assert_eq!(code(refused), Some(ErrorCode::TooMany));
    world.pass(60_000);
    assert!(person.act(&enclave, text("a minute later")).await.is_ok());
}
