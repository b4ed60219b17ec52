//! Tests of [`super`].

use openkey_protocol::{
    cbor,
    message::{
        AccountHead, AccountId, Address, Bytes, KeyId, KnownHead, NewCredential, PasskeyCreated,
        ReceiptKey, SignIn, Summary, UserHandle,
    },
};
use sha2::Sha256;

use super::*;

const ORIGIN: &str = "http://localhost:7100";
const NOW: u64 = 1_800_000_000_000;
const ACCOUNT: AccountId = AccountId([1; 32]);
const HEAD: AccountHead = AccountHead {
    account: ACCOUNT,
    version: 4,
    hash: Hash32([4; 32]),
    entry: Hash32([5; 32]),
};

fn propose(action: Action) -> Request {
    Request::Propose(Propose {
        account: ACCOUNT,
        user_handle: UserHandle([1; 16]),
        token: None,
        origin: ORIGIN.into(),
        head: None,
        action,
    })
}

fn text(text: &str) -> Request {
    propose(Action::Sign {
        key: KeyId(0),
        payload: Payload::Text(text.into()),
    })
}

/// Stands for the hash of the call, which is computed by the caller.
fn hash_of(request: &Request) -> Hash32 {
    Hash32(Sha256::digest(cbor::encode(request).unwrap()).into())
}

/// The prompt that an honest enclave gives.
fn answer(request: &Request, kind: PromptKind) -> Prompt {
    let hash = hash_of(request);
    let digest = match request {
        Request::Propose(Propose {
            action: Action::Sign { payload, .. },
            ..
        }) => match payload {
            Payload::Text(text) | Payload::Siwe(text) | Payload::Session(text) => eip191(text),
            Payload::TypedData(_) => Hash32([0x77; 32]),
        },
        _ => hash,
    };
    Prompt {
        kind,
        account: (kind != PromptKind::SignIn).then_some(ACCOUNT),
        key: matches!(
            kind,
            PromptKind::SignText | PromptKind::SignSiwe | PromptKind::SignTypedData
        )
        .then_some(ReceiptKey {
            key: KeyId(0),
            address: Address([9; 20]),
        }),
        head: (kind != PromptKind::SignIn).then_some(HEAD),
        challenge: vec![5; 32].into(),
        digest,
        origin: ORIGIN.into(),
        issued_at: NOW,
        expires_at: NOW + 120_000,
        summary: Summary::default(),
    }
}

fn judge_at(prompt: &Prompt, request: &Request, now_ms: u64) -> Result<(), PromptError> {
    let asked = Asked {
        origin: Some(ORIGIN),
        ..Asked::new(&[], now_ms)
    };
    check(prompt, request, hash_of(request), &asked)
}

fn judge(prompt: &Prompt, request: &Request) -> Result<(), PromptError> {
    judge_at(prompt, request, NOW + 1_000)
}

#[test]
fn honest_prompts_are_accepted() {
    let passkey = Bytes::from([2; 20]);
    let sign = |payload| Action::Sign {
        key: KeyId(0),
        payload,
    };
    let name = String::from("x");
    let actions = [
        (
            Action::Confirm {
                receipt: Hash32([1; 32]),
            },
            PromptKind::Confirm,
        ),
        (sign(Payload::Text("hi".into())), PromptKind::SignText),
        (sign(Payload::Siwe("hi".into())), PromptKind::SignSiwe),
        (sign(Payload::Session("hi".into())), PromptKind::SignSiwe),
        (
            sign(Payload::TypedData("{}".into())),
            PromptKind::SignTypedData,
        ),
        (
            Action::RenamePasskey {
                passkey: passkey.clone(),
                name: name.clone(),
            },
            PromptKind::RenamePasskey,
        ),
        (Action::RemovePasskey { passkey }, PromptKind::RemovePasskey),
        (
            Action::CreateKey {
                label: name.clone(),
            },
            PromptKind::CreateKey,
        ),
        (
            Action::LabelKey {
                key: KeyId(0),
                label: name,
            },
            PromptKind::LabelKey,
        ),
        (Action::ArchiveKey { key: KeyId(0) }, PromptKind::ArchiveKey),
        (Action::RestoreKey { key: KeyId(0) }, PromptKind::RestoreKey),
    ];
    for (action, kind) in actions {
        let request = propose(action);
        let prompt = answer(&request, kind);
        assert_eq!(judge(&prompt, &request), Ok(()), "{kind:?}");
        // The same request is never answered by a prompt of another kind.
        let mut other = prompt;
        other.kind = match kind {
            PromptKind::SignText => PromptKind::SignSiwe,
            _ => PromptKind::SignText,
        };
        assert_eq!(judge(&other, &request), Err(PromptError::Action));
    }

    let sign_in = Request::SignIn(SignIn {
        origin: ORIGIN.into(),
    });
    assert!(judge(&answer(&sign_in, PromptKind::SignIn), &sign_in).is_ok());
    let created = Request::PasskeyCreated(PasskeyCreated {
        context: vec![1].into(),
        credential: NewCredential {
            id: vec![2].into(),
            attestation_object: vec![3].into(),
            client_data_json: vec![4].into(),
            transports: vec![],
        },
    });
    assert!(judge(&answer(&created, PromptKind::AddPasskey), &created).is_ok());
}

#[test]
fn e5_a_prompt_over_other_bytes_than_asked_is_refused() {
    let asked = text("I like cats");
    // Even if the enclave mixed two requests up.
    let swapped = text("I sell my house");
    assert_eq!(
        judge(&answer(&swapped, PromptKind::SignText), &asked),
        Err(PromptError::Digest)
    );
    // Right request, but another digest would be approved.
    let mut prompt = answer(&asked, PromptKind::SignText);
    prompt.digest = eip191("I sell my house");
    assert_eq!(judge(&prompt, &asked), Err(PromptError::Digest));
    let rename = propose(Action::CreateKey { label: "x".into() });
    let mut prompt = answer(&rename, PromptKind::CreateKey);
    prompt.digest = Hash32([0; 32]);
    assert_eq!(judge(&prompt, &rename), Err(PromptError::Digest));
    // Another key, another account, an account named where the authenticator should say it.
    let mut prompt = answer(&asked, PromptKind::SignText);
    prompt.key = prompt.key.map(|key| ReceiptKey {
        key: KeyId(1),
        ..key
    });
    assert_eq!(judge(&prompt, &asked), Err(PromptError::Key));
    prompt.key = None;
    assert_eq!(judge(&prompt, &asked), Err(PromptError::Key));
    let mut prompt = answer(&asked, PromptKind::SignText);
    prompt.account = Some(AccountId([2; 32]));
    assert_eq!(judge(&prompt, &asked), Err(PromptError::Action));
    let sign_in = Request::SignIn(SignIn {
        origin: ORIGIN.into(),
    });
    let mut prompt = answer(&sign_in, PromptKind::SignIn);
    prompt.account = Some(ACCOUNT);
    assert_eq!(judge(&prompt, &sign_in), Err(PromptError::Action));
}

#[test]
fn another_origin_or_kind_of_request_is_refused() {
    let request = text("hi");
    let prompt = answer(&request, PromptKind::SignText);
    let nobody = Asked::new(&[], NOW);
    assert_eq!(
        check(&prompt, &request, hash_of(&request), &nobody),
        Err(PromptError::Origin)
    );
    let mut other = prompt;
    other.origin = "https://evil.example".into();
    assert_eq!(judge(&other, &request), Err(PromptError::Origin));

    // What the caller says it asked, and what its request says, must agree.
    let Request::Propose(mut propose_other) = text("hi") else {
        unreachable!()
    };
    propose_other.origin = "https://evil.example".into();
    let request = Request::Propose(propose_other);
    let prompt = answer(&request, PromptKind::SignText);
    assert_eq!(judge(&prompt, &request), Err(PromptError::Origin));

    for request in [
        Request::Status,
        propose(Action::AddPasskey { name: "x".into() }),
    ] {
        let prompt = answer(&request, PromptKind::AddPasskey);
        assert_eq!(judge(&prompt, &request), Err(PromptError::NotAsked));
    }
}

#[test]
fn a_prompt_behind_the_head_that_was_sent_is_refused() {
    let judge_with = |head: AccountHead| {
        let Request::Propose(mut propose) = text("hi") else {
            unreachable!()
        };
        propose.head = Some(KnownHead { head, shown_at: 1 });
        let request = Request::Propose(propose);
        judge(&answer(&request, PromptKind::SignText), &request).err()
    };
    assert_eq!(judge_with(HEAD), None);
    let at = |version| AccountHead { version, ..HEAD };
    assert_eq!(judge_with(at(3)), None);
    assert_eq!(judge_with(at(5)), Some(PromptError::RolledBack));
    let other = Hash32([9; 32]);
    for other in [
        AccountHead {
            hash: other,
            ..HEAD
        },
        AccountHead {
            entry: other,
            ..HEAD
        },
    ] {
        assert_eq!(judge_with(other), Some(PromptError::Forked));
    }
}

#[test]
fn a_prompt_names_the_record_it_was_made_for() {
    let request = text("hi");
    let mut prompt = answer(&request, PromptKind::SignText);
    prompt.head = None;
    assert_eq!(judge(&prompt, &request), Err(PromptError::Action));
    prompt.head = Some(AccountHead {
        account: AccountId([9; 32]),
        ..HEAD
    });
    assert_eq!(judge(&prompt, &request), Err(PromptError::Action));
}

#[test]
fn times_are_judged_with_a_bounded_skew_on_both_sides() {
    let request = text("hi");
    let mut prompt = answer(&request, PromptKind::SignText);
    let at = |prompt: &Prompt, now| judge_at(prompt, &request, now);
    let end = prompt.expires_at + MAX_SKEW_MS;
    assert!(at(&prompt, NOW - MAX_SKEW_MS).is_ok());
    assert_eq!(
        at(&prompt, NOW - MAX_SKEW_MS - 1),
        Err(PromptError::NotYetIssued)
    );
    assert!(at(&prompt, end - 1).is_ok());
    assert_eq!(at(&prompt, end), Err(PromptError::Expired));
    prompt.expires_at = prompt.issued_at;
    assert_eq!(at(&prompt, NOW), Err(PromptError::Expired));
}
