//! Tests of [`super`].

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::message::{
    AccountId, AccountReceipt, AccountView, Address, Approve, Approved, ApprovedBy, Assertion,
    Bytes, ErrorCode, Excerpt, HistoryEntry, HistoryPage, KeyId, KeyView, KnownHead, Outcome,
    PasskeyView, Payload, Prompt, PromptKind, Prompted, Propose, Read, ReceiptKey, RequestOptions,
    SignIn, Statement, Summary, UserHandle,
};

use super::*;

const ORIGIN: &str = "http://localhost:7100";
const NOW: u64 = 1_800_000_000_000;
const ACCOUNT: AccountId = AccountId([1; 32]);

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn identity() -> IdentityKey {
    IdentityKey::from_evidence_verified_earlier(signer().verifying_key().as_bytes()).unwrap()
}

fn sign<T: Statement>(statement: &T) -> Signed<T> {
    Signed::new(statement, |input| signer().sign(input).to_bytes()).unwrap()
}

fn head(version: u64) -> AccountHead {
    AccountHead {
        account: ACCOUNT,
        version,
        hash: Hash32([u8::try_from(version).unwrap(); 32]),
        entry: Hash32([0; 32]),
    }
}

fn bytes(request: Request) -> Vec<u8> {
    let nonce = Bytes(vec![7; 32]);
    cbor::encode(&Call { nonce, request }).unwrap()
}

/// What a client sends that holds a head.
fn known(head: AccountHead) -> KnownHead {
    KnownHead { head, shown_at: 1 }
}

fn read(head: Option<AccountHead>, query: Query) -> Request {
    Request::Read(Read {
        token: vec![1].into(),
        head: head.map(known),
        query,
    })
}

fn view() -> Response {
    Response::Account(AccountView {
        account: ACCOUNT,
        name: "Ada".into(),
        created_at: NOW,
        confirmed: true,
        passkeys: vec![PasskeyView {
            id: vec![1].into(),
            name: "phone".into(),
            public_key_sha256: Hash32([2; 32]),
            created_at: NOW,
            used_at: None,
        }],
        keys: vec![KeyView {
            key: KeyId(0),
            address: Address([9; 20]),
            label: "first".into(),
            created_at: NOW,
            archived_at: None,
        }],
        history: 1,
        head: head(5),
    })
}

/// What an honest enclave answers.
fn answer(call: &[u8], continued: Option<AccountHead>, result: Verdict) -> Answer {
    Answer {
        request: Hash32(Sha256::digest(call).into()),
        nonce: vec![7; 32].into(),
        at: NOW,
        continued,
        result,
    }
}

fn judge(answer: &Answer, call: &[u8]) -> Result<Answer, AnswerError> {
    judge_at(answer, call, NOW + 1_000)
}

fn judge_at(answer: &Answer, call: &[u8], now_ms: u64) -> Result<Answer, AnswerError> {
    let asked = Asked {
        origin: Some(ORIGIN),
        ..Asked::new(call, now_ms)
    };
    check(&identity(), &sign(answer), &asked)
}

#[test]
fn e16_an_answer_with_one_changed_byte_is_refused() {
    let call = bytes(read(None, Query::Account));
    let signed = sign(&answer(&call, None, Verdict::Ok(view())));
    let asked = Asked::new(&call, NOW);
    assert!(check(&identity(), &signed, &asked).is_ok());
    let refused = Err(AnswerError::Statement(StatementError::Signature));
    for at in 0..signed.body.0.len() {
        let mut changed = signed.clone();
        changed.body.0[at] ^= 1;
        assert_eq!(check(&identity(), &changed, &asked), refused, "byte {at}");
    }
    for at in 0..64 {
        let mut changed = signed.clone();
        changed.signature.0[at] ^= 1;
        assert_eq!(check(&identity(), &changed, &asked), refused, "byte {at}");
    }
    let mut short = signed;
    short.signature.0.pop();
    assert_eq!(check(&identity(), &short, &asked), refused);
}

#[test]
fn e16_an_answer_to_another_call_is_refused() {
    let call = bytes(read(None, Query::Account));
    let honest = answer(&call, None, Verdict::Ok(view()));
    assert!(judge(&honest, &call).is_ok());
    // The same question with another nonce: an answer that was recorded before.
    let again = cbor::encode(&Call {
        nonce: vec![8; 32].into(),
        request: read(None, Query::Account),
    });
    assert_eq!(judge(&honest, &again.unwrap()), Err(AnswerError::Request));
    let other = bytes(read(Some(head(5)), Query::Account));
    assert_eq!(judge(&honest, &other), Err(AnswerError::Request));
    let other_nonce = Answer {
        nonce: vec![8; 32].into(),
        ..honest.clone()
    };
    assert_eq!(judge(&other_nonce, &call), Err(AnswerError::Nonce));
    // A refusal is bound to its call like everything else.
    let refusal = answer(
        &call,
        None,
        Verdict::Refused(Error {
            code: ErrorCode::UnknownAccount,
            message: "m".into(),
            advice: "a".into(),
        }),
    );
    assert!(judge(&refusal, &call).is_ok());
    assert_eq!(judge(&refusal, &other), Err(AnswerError::Request));

    let junk = b"junk";
    let to_junk = Answer {
        request: Hash32(Sha256::digest(junk).into()),
        ..honest
    };
    assert_eq!(judge(&to_junk, junk), Err(AnswerError::Call));
}

#[test]
fn e16_an_answer_of_another_time_is_refused() {
    let call = bytes(read(None, Query::Account));
    let honest = answer(&call, None, Verdict::Ok(view()));
    let at = |now| judge_at(&honest, &call, now).map(drop);
    assert_eq!(at(NOW - MAX_SKEW_MS), Ok(()));
    assert_eq!(at(NOW - MAX_SKEW_MS - 1), Err(AnswerError::NotYetGiven));
    assert_eq!(at(NOW + MAX_AGE_MS - 1), Ok(()));
    assert_eq!(at(NOW + MAX_AGE_MS), Err(AnswerError::TooOld));
}

#[test]
fn e2_an_answer_that_does_not_name_the_head_that_was_sent_is_refused() {
    let call = bytes(read(Some(head(4)), Query::Account));
    let with = |continued| judge(&answer(&call, continued, Verdict::Ok(view())), &call);
    assert!(with(Some(head(4))).is_ok());
    for other in [None, Some(head(3)), Some(head(5))] {
        assert_eq!(with(other), Err(AnswerError::NotContinued));
    }
    let without = bytes(read(None, Query::Account));
    let unasked = answer(&without, Some(head(4)), Verdict::Ok(view()));
    assert_eq!(judge(&unasked, &without), Err(AnswerError::NotContinued));
    // And if it names it, its own head must not contradict that.
    let older = bytes(read(Some(head(6)), Query::Account));
    let behind = answer(&older, Some(head(6)), Verdict::Ok(view()));
    assert_eq!(
        judge(&behind, &older),
        Err(AnswerError::Head(HeadError::RolledBack))
    );
}

#[test]
fn e16_a_response_of_another_kind_is_refused() {
    let call = bytes(read(None, Query::Account));
    let page = Response::History(HistoryPage {
        head: head(5),
        entries: vec![],
        next: None,
    });
    let swapped = answer(&call, None, Verdict::Ok(page));
    assert_eq!(judge(&swapped, &call), Err(AnswerError::Kind));
    let evidence = bytes(Request::Evidence {
        nonce: vec![1; 32].into(),
    });
    let answered = answer(&evidence, None, Verdict::Ok(view()));
    assert_eq!(judge(&answered, &evidence), Err(AnswerError::Kind));
    let Response::Account(mut other) = view() else {
        unreachable!()
    };
    other.account = AccountId([2; 32]);
    let contradiction = answer(&call, None, Verdict::Ok(Response::Account(other)));
    assert_eq!(judge(&contradiction, &call), Err(AnswerError::View));
}

#[test]
fn a_prompt_is_held_to_the_call_and_its_challenge_to_the_options() {
    let sign_in = bytes(Request::SignIn(SignIn {
        origin: ORIGIN.into(),
    }));
    let hash = Hash32(Sha256::digest(&sign_in).into());
    let prompted = |challenge: u8, digest| {
        let prompt = Prompt {
            kind: PromptKind::SignIn,
            account: None,
            key: None,
            head: None,
            challenge: vec![5; 32].into(),
            digest,
            origin: ORIGIN.into(),
            issued_at: NOW,
            expires_at: NOW + 120_000,
            summary: Summary::default(),
        };
        let response = Response::Prompted(Prompted {
            prompt: Box::new(prompt),
            options: RequestOptions {
                challenge: vec![challenge; 32].into(),
                rp_id: "localhost".into(),
                allow: vec![],
                timeout_ms: 0,
            },
            context: vec![].into(),
        });
        judge(&answer(&sign_in, None, Verdict::Ok(response)), &sign_in).map(drop)
    };
    assert_eq!(prompted(5, hash), Ok(()));
    assert_eq!(prompted(6, hash), Err(AnswerError::Challenge));
    let other = prompted(5, Hash32([0; 32]));
    assert_eq!(other, Err(AnswerError::Prompt(PromptError::Digest)));
}

#[test]
fn e2_an_approval_never_leads_back() {
    let approve = bytes(Request::Approve(Approve {
        context: vec![].into(),
        assertion: Assertion {
            credential_id: vec![].into(),
            authenticator_data: vec![].into(),
            client_data_json: vec![].into(),
            signature: vec![].into(),
            user_handle: None,
        },
        possession: None,
        head: Some(known(head(4))),
        confirmed: None,
    }));
    let approved = |version| {
        let response = Response::Approved(Approved {
            head: head(version),
            outcome: Outcome::Changed,
        });
        let given = answer(&approve, Some(head(4)), Verdict::Ok(response));
        judge(&given, &approve).map(drop)
    };
    assert_eq!(approved(5), Ok(()));
    assert_eq!(approved(3), Err(AnswerError::Head(HeadError::RolledBack)));
}

fn entries(count: u64) -> Vec<HistoryEntry> {
    let mut previous = Hash32([0; 32]);
    let mut all = vec![];
    for sequence in 1..=count {
        let entry = HistoryEntry {
            sequence,
            previous,
            record: Hash32([4; 32]),
            at: NOW,
            kind: PromptKind::SignText,
            title: format!("decision {sequence}"),
            origin: ORIGIN.into(),
            told: Excerpt::default(),
            passkey: ApprovedBy {
                id: vec![1].into(),
                name: "Laptop".into(),
                public_key_sha256: Hash32([5; 32]),
            },
            digest: Hash32([3; 32]),
            key: None,
            signature: None,
        };
        previous = history::entry_hash(&entry).unwrap();
        all.insert(0, entry);
    }
    all
}

#[test]
fn e16_a_history_page_is_an_unbroken_chain() {
    let query = Query::History {
        before: None,
        limit: 3,
    };
    let all = entries(5);
    let newest = history::entry_hash(&all[0]).unwrap();
    let page = |entries: &[HistoryEntry], next| HistoryPage {
        head: AccountHead {
            entry: newest,
            ..head(5)
        },
        entries: entries.to_vec(),
        next,
    };
    let first = page(&all[..3], Some(3));
    assert_eq!(history::check(&first, &query, None), Ok(()));
    let later = Query::History {
        before: Some(3),
        limit: 3,
    };
    let rest = page(&all[3..], None);
    let above = Some(all[2].previous);
    assert_eq!(history::check(&rest, &later, above), Ok(()));

    // One is left out, changed, or another chain's.
    let mut gap = all[..3].to_vec();
    gap.remove(1);
    let broken = Err(HistoryError::Chain);
    assert_eq!(history::check(&page(&gap, Some(3)), &query, None), broken);
    let mut changed = all[..3].to_vec();
    changed[2].title.push('!');
    let changed = page(&changed, Some(3));
    assert_eq!(history::check(&changed, &query, None), broken);
    let other = Some(Hash32([9; 32]));
    assert_eq!(history::check(&rest, &later, other), broken);
    // The end is called the end, and nothing else is.
    assert_eq!(history::check(&page(&all[..3], None), &query, None), broken);
    let unfinished = page(&all[3..], Some(1));
    assert_eq!(history::check(&unfinished, &later, above), broken);
    assert_eq!(history::check(&page(&[], None), &later, above), broken);
    assert_eq!(history::check(&page(&[], None), &query, None), broken);
    let nothing = HistoryPage {
        head: head(1),
        entries: vec![],
        next: None,
    };
    assert_eq!(history::check(&nothing, &query, None), Ok(()));
    // The newest entry is the one that the head names.
    let hidden = page(&all[1..4], Some(2));
    assert_eq!(history::check(&hidden, &query, None), broken);
    // Not more, and not newer ones, than asked for.
    let out_of_range = Err(HistoryError::Range);
    let long = page(&all, None);
    assert_eq!(history::check(&long, &query, None), out_of_range);
    assert_eq!(history::check(&first, &later, None), out_of_range);
}

#[test]
fn statements_of_other_kinds_and_encodings_are_refused() {
    let call = bytes(Request::Status);
    let honest = answer(&call, None, Verdict::Ok(view()));
    // A signature over the same bytes as another kind of statement.
    let as_receipt =
        Signed::<AccountReceipt>::from_parts(sign(&honest).body, sign(&honest).signature);
    assert_eq!(identity().open(&as_receipt), Err(StatementError::Signature));
    // Correctly signed bytes that are no statement, or one with a byte behind it.
    let body = sign(&honest).body.0;
    // The head of the map (5 members) as two bytes instead of one: readable, and not deterministic.
    assert_eq!(body[0], 0xa5);
    let loose = [&[0xb8, 0x05], &body[1..]].concat();
    for body in [b"junk".to_vec(), [body, vec![0]].concat(), loose] {
        let signature = signer().sign(&Signed::<Answer>::input(&body)).to_bytes();
        let signed = Signed::<Answer>::from_parts(body.into(), signature.into());
        assert_eq!(identity().open(&signed), Err(StatementError::Body));
    }
    let long = vec![0; crate::statement::MAX_BODY + 1];
    let signed = Signed::<Answer>::from_parts(long.into(), [0; 64].into());
    assert_eq!(identity().open(&signed), Err(StatementError::BodyTooLong));
}

#[test]
fn weak_identity_keys_are_refused() {
    // The neutral element: any signature (R, S) with R = S·B would verify under it.
    let mut weak = [0; 32];
    weak[0] = 1;
    for bytes in [weak.as_slice(), &[0; 31], &[0; 33], &[0xff; 32]] {
        assert_eq!(
            IdentityKey::from_evidence_verified_earlier(bytes),
            Err(StatementError::IdentityKey)
        );
    }
}

#[test]
fn a_prompt_for_a_key_names_it() {
    let propose = |key| {
        Request::Propose(Propose {
            account: ACCOUNT,
            user_handle: UserHandle([1; 16]),
            token: None,
            origin: ORIGIN.into(),
            head: None,
            action: Action::Sign {
                key,
                payload: Payload::TypedData("{}".into()),
            },
        })
    };
    let call = bytes(propose(KeyId(1)));
    let prompt = Prompt {
        kind: PromptKind::SignTypedData,
        account: Some(ACCOUNT),
        key: Some(ReceiptKey {
            key: KeyId(0),
            address: Address([9; 20]),
        }),
        head: Some(head(4)),
        challenge: vec![5; 32].into(),
        digest: Hash32([1; 32]),
        origin: ORIGIN.into(),
        issued_at: NOW,
        expires_at: NOW + 120_000,
        summary: Summary::default(),
    };
    let response = Response::Prompted(Prompted {
        options: RequestOptions {
            challenge: prompt.challenge.clone(),
            rp_id: "localhost".into(),
            allow: vec![],
            timeout_ms: 0,
        },
        prompt: Box::new(prompt),
        context: vec![].into(),
    });
    let given = answer(&call, None, Verdict::Ok(response));
    assert_eq!(
        judge(&given, &call),
        Err(AnswerError::Prompt(PromptError::Key))
    );
}
