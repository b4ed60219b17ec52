//! Passkeys that enter an account: each has itself signed a challenge that names the account.

use openkey_enclave::Service;
use openkey_protocol::message::{
    Action, Approve, Approved, Assertion, CreationOptions, Error, ErrorCode, NewCredential,
    PasskeyCreated, Prompted, Request,
};

use crate::common::{
    Authenticator, Person, TestStore, World, ask,
    authenticator::PRESENT,
    code,
    person::{begin, created, finish, prompted, sign_in, text},
};

type Lie = (&'static str, fn(&mut Authenticator));

/// The credential of somebody else's passkey, as whoever saw its id and public key pass by makes it: an
/// attestation of kind "none" proves no possession.
fn seen(passkey: &Authenticator, options: &CreationOptions) -> NewCredential {
    passkey.clone().create(options)
}

async fn send(
    enclave: &Service<TestStore>,
    owner: &mut Person,
    prompted: &Prompted,
    possession: Option<Assertion>,
) -> Result<Approved, Error> {
    let assertion = owner.authenticator.get(&prompted.options);
    let approval = Approve {
        possession,
        ..owner.approval(prompted, assertion)
    };
    owner.send(enclave, approval).await
}

/// The host carries Ada's sign-up, finishes it with a passkey of its own, and adds hers, which it saw.
/// Wherever she chooses that passkey later, she would be in an account whose keys the host can use.
#[tokio::test]
async fn e18_a_passkey_that_was_only_seen_enters_no_account() {
    let world = World::new();
    let enclave = world.boot().await;
    let started = begin(&enclave).await.unwrap();
    let mut ada = Authenticator::new(1);
    ada.create(&started.options);
    let mut host = Authenticator::new(66);
    let done = finish(&enclave, &started, &mut host).await.unwrap();
    let mut host = Person::of(host, &done);
    let confirm = Action::Confirm {
        receipt: host.receipt,
    };
    let confirmed = host.act(&enclave, confirm).await.unwrap();
    host.keep_token(confirmed);

    let begun = host.begin_passkey(&enclave, "Ada's").await.unwrap();
    let request = Request::PasskeyCreated(PasskeyCreated {
        context: begun.context.clone(),
        credential: seen(&ada, &begun.options),
    });
    let shown = prompted(ask(&enclave, &request).await.unwrap()).unwrap();
    // The same prompt without a proof, and with what the host can make or has seen.
    let other = sign_in(&enclave).await.unwrap();
    let own = host.authenticator.get(&shown.options);
    let forged = Authenticator {
        id: ada.id.clone(),
        user_handle: ada.user_handle.clone(),
        ..host.authenticator.clone()
    };
    let refused = send(&enclave, &mut host, &shown, None).await;
    assert_eq!(code(refused), Some(ErrorCode::PossessionNeeded));
    for (what, possession) in [
        ("the host's own assertion", own),
        ("her id, the host's key", forged.clone().get(&shown.options)),
        ("hers, of a sign-in", ada.get(&other.options)),
    ] {
        let refused = send(&enclave, &mut host, &shown, Some(possession)).await;
        assert_eq!(code(refused), Some(ErrorCode::PossessionRefused), "{what}");
    }
    assert_eq!(host.view(&enclave).await.unwrap().passkeys.len(), 1);
    // So her passkey opens nothing.
    let mut visitor = Person {
        authenticator: ada,
        ..host.clone()
    };
    assert_eq!(
        code(visitor.sign_in(&enclave).await),
        Some(ErrorCode::UnknownPasskey)
    );
}

#[tokio::test]
async fn e18_the_proof_of_a_new_passkey_is_held_to_every_check_of_an_assertion() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut ada = Person::register(&enclave, 1).await;
    let mut phone = Authenticator::new(2);
    phone.counter = 5;
    let begun = ada.begin_passkey(&enclave, "Phone").await.unwrap();
    let shown = created(&enclave, &begun, &mut phone).await.unwrap();
    let earlier = ada.propose(&enclave, text("x")).await.unwrap();
    phone.counter = 6;
    let lies: [Lie; 8] = [
        ("not verified", |it| it.flags = PRESENT),
        ("another origin", |it| {
            it.origin = "https://evil.example".into()
        }),
        ("another relying party", |it| {
            it.rp_id = "evil.example".into()
        }),
        ("another user handle", |it| it.user_handle = vec![9; 16]),
        ("another passkey", |it| it.id = vec![9; 20]),
        ("another key", |it| it.key = Authenticator::new(9).key),
        ("a counter that stays", |it| it.counter = 5),
        ("a registration", |it| {
            it.type_override = Some("webauthn.create")
        }),
    ];
    for (what, lie) in lies {
        let mut lying = phone.clone();
        lie(&mut lying);
        let proof = lying.get(&shown.options);
        let refused = send(&enclave, &mut ada, &shown, Some(proof)).await;
        let error = refused.unwrap_err();
        assert_eq!(
            error.code,
            ErrorCode::PossessionRefused,
            "{what}: {error:?}"
        );
        assert!(error.message.starts_with("The new passkey"), "{error:?}");
    }
    let replayed = phone.get(&earlier.options);
    let refused = send(&enclave, &mut ada, &shown, Some(replayed)).await;
    assert_eq!(code(refused), Some(ErrorCode::PossessionRefused));
    // None of that has spent the prompt. A proof does not stand in for the approval.
    let proof = phone.get(&shown.options);
    let alone = Approve {
        possession: Some(proof.clone()),
        ..ada.approval(&shown, proof.clone())
    };
    let refused = ada.send(&enclave, alone).await;
    assert_eq!(code(refused), Some(ErrorCode::UnknownPasskey));
    send(&enclave, &mut ada, &shown, Some(proof)).await.unwrap();
    // The counter of the new passkey is that of its proof.
    let mut by_phone = Person {
        authenticator: phone,
        ..ada.clone()
    };
    assert_eq!(
        code(by_phone.sign_in(&enclave).await),
        Some(ErrorCode::AssertionRefused)
    );
    by_phone.authenticator.counter = 7;
    by_phone.sign_in(&enclave).await.unwrap();
}

#[tokio::test]
async fn e18_a_proof_of_possession_is_for_a_new_passkey_only() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut ada = Person::register(&enclave, 1).await;
    let mut phone = Authenticator::new(2);
    ada.add_passkey(&enclave, &mut phone).await.unwrap();
    let rename = Action::RenamePasskey {
        passkey: phone.id.clone().into(),
        name: "Phone".to_owned(),
    };
    for action in [text("x"), rename] {
        let shown = ada.propose(&enclave, action).await.unwrap();
        let proof = phone.get(&shown.options);
        let refused = send(&enclave, &mut ada, &shown, Some(proof)).await;
        assert_eq!(code(refused), Some(ErrorCode::PossessionRefused));
        send(&enclave, &mut ada, &shown, None).await.unwrap();
    }
    let shown = sign_in(&enclave).await.unwrap();
    let proof = phone.get(&shown.options);
    let refused = send(&enclave, &mut ada, &shown, Some(proof)).await;
    assert_eq!(code(refused), Some(ErrorCode::PossessionRefused));
}

#[tokio::test]
async fn e18_the_prompt_says_which_account_a_new_passkey_joins() {
    let world = World::new();
    let enclave = world.boot().await;
    let ada = Person::register(&enclave, 1).await;
    let begun = ada.begin_passkey(&enclave, "Phone").await.unwrap();
    let shown = created(&enclave, &begun, &mut Authenticator::new(2))
        .await
        .unwrap();
    let said = |label: &str| {
        let mut lines = shown.prompt.summary.lines.iter();
        lines
            .find(|line| line.label == label)
            .unwrap()
            .value
            .clone()
    };
    assert_eq!(said("Joins account"), "Ada");
    assert_eq!(said("Account id"), hex::encode(ada.account.0));
}

/// Every way from a sign-up to an account that counts leads over an assertion of the passkey that made it.
#[tokio::test]
async fn e18_an_account_counts_once_its_own_passkey_has_signed() {
    let world = World::new();
    let enclave = world.boot().await;
    // The host finishes a sign-up with a public key that it has only seen.
    let started = begin(&enclave).await.unwrap();
    let mut ada = Authenticator::new(1);
    let done = finish(&enclave, &started, &mut ada).await.unwrap();
    let seen = Authenticator {
        user_handle: ada.user_handle.clone(),
        ..Authenticator::new(66)
    };
    let mut host = Person::of(seen, &done);
    let confirm = Action::Confirm {
        receipt: host.receipt,
    };
    let shown = host.propose(&enclave, confirm.clone()).await.unwrap();
    let by_host = host.approve(&enclave, &shown).await;
    assert_eq!(code(by_host), Some(ErrorCode::UnknownPasskey));
    host.authenticator.id.clone_from(&ada.id);
    let by_host = host.approve(&enclave, &shown).await;
    assert_eq!(code(by_host), Some(ErrorCode::AssertionRefused));
    assert_eq!(
        code(host.sign_in(&enclave).await),
        Some(ErrorCode::AssertionRefused)
    );
    // Not even its holder can add another passkey, or anything else, before it is confirmed.
    let mut ada = Person {
        authenticator: ada,
        ..host
    };
    ada.sign_in(&enclave).await.unwrap();
    for action in [
        Action::AddPasskey {
            name: "Second".to_owned(),
        },
        Action::CreateKey {
            label: "Second".to_owned(),
        },
        text("x"),
    ] {
        let refused = ask(&enclave, &ada.proposal(action)).await;
        assert_eq!(code(refused), Some(ErrorCode::NotConfirmed));
    }
    ada.act(&enclave, confirm).await.unwrap();
}
