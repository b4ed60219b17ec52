//! One of each kind, with values that are easy to find again in the bytes.

#[path = "samples_root.rs"]
pub(crate) mod root;

use openkey_protocol::message::*;

fn fill<const N: usize>(first: u8) -> [u8; N] {
    core::array::from_fn(|n| first.wrapping_add(n as u8))
}

fn bytes(first: u8, length: usize) -> Bytes {
    Bytes((0..length).map(|n| first.wrapping_add(n as u8)).collect())
}

const ACCOUNT: AccountId = AccountId([0xac; 32]);
const USER_HANDLE: UserHandle = UserHandle([0xab; 16]);
const ORIGIN: &str = "https://openkey.example";
const NOW: u64 = 1_790_000_000_000;

fn head() -> AccountHead {
    AccountHead {
        account: ACCOUNT,
        version: 7,
        hash: Hash32(fill(0x60)),
        entry: Hash32(fill(0x70)),
    }
}

fn known() -> KnownHead {
    KnownHead {
        head: head(),
        shown_at: NOW - 60_000,
    }
}

fn credential() -> NewCredential {
    NewCredential {
        id: bytes(0x10, 16),
        attestation_object: bytes(0x20, 40),
        client_data_json: br#"{"type":"webauthn.create"}"#.as_slice().into(),
        transports: vec!["internal".into(), "hybrid".into()],
    }
}

fn propose(action: Action) -> Request {
    let confirms = matches!(action, Action::Confirm { .. });
    Request::Propose(Propose {
        account: ACCOUNT,
        user_handle: USER_HANDLE,
        token: (!confirms).then(|| bytes(0xb0, 24)),
        origin: ORIGIN.into(),
        head: Some(known()),
        action,
    })
}

/// Every kind of request, every action, payload and query.
pub(crate) fn requests() -> Vec<(&'static str, Request)> {
    let (key, passkey) = (KeyId(3), bytes(0x10, 16));
    let sign = |payload| propose(Action::Sign { key, payload });
    let assertion = |passkey, user_handle| Assertion {
        credential_id: bytes(passkey, 16),
        authenticator_data: bytes(0x30, 37),
        client_data_json: br#"{"type":"webauthn.get"}"#.as_slice().into(),
        signature: bytes(0x40, 70),
        user_handle,
    };
    let approve = |head, user_handle, confirmed| {
        Request::Approve(Approve {
            context: bytes(0x80, 24),
            assertion: assertion(0x10, user_handle),
            possession: None,
            head,
            confirmed,
        })
    };
    let read = |query| {
        Request::Read(Read {
            token: bytes(0x90, 24),
            head: Some(known()),
            query,
        })
    };
    vec![
        ("status", Request::Status),
        (
            "evidence",
            Request::Evidence {
                nonce: bytes(1, 32),
            },
        ),
        (
            "sign_up",
            Request::SignUp(SignUp {
                origin: ORIGIN.into(),
                name: "Zoë".into(),
            }),
        ),
        (
            "sign_up_finish",
            Request::SignUpFinish(SignUpFinish {
                context: bytes(0x80, 24),
                credential: credential(),
            }),
        ),
        (
            "sign_in",
            Request::SignIn(SignIn {
                origin: ORIGIN.into(),
            }),
        ),
        (
            "propose_confirm",
            propose(Action::Confirm {
                receipt: Hash32(fill(0x70)),
            }),
        ),
        ("propose_sign_text", sign(Payload::Text("hello\n€".into()))),
        (
            "propose_sign_siwe",
            sign(Payload::Siwe("app.example wants you to sign in".into())),
        ),
        (
            "propose_sign_session",
            sign(Payload::Session("keys.example wants you to sign in".into())),
        ),
        (
            "propose_sign_typed_data",
            sign(Payload::TypedData(r#"{"types":{}}"#.into())),
        ),
        (
            "propose_add_passkey",
            propose(Action::AddPasskey {
                name: "phone".into(),
            }),
        ),
        (
            "propose_rename_passkey",
            propose(Action::RenamePasskey {
                passkey: passkey.clone(),
                name: "laptop".into(),
            }),
        ),
        (
            "propose_remove_passkey",
            propose(Action::RemovePasskey { passkey }),
        ),
        (
            "propose_create_key",
            propose(Action::CreateKey {
                label: "savings".into(),
            }),
        ),
        (
            "propose_label_key",
            propose(Action::LabelKey {
                key,
                label: String::new(),
            }),
        ),
        (
            "propose_archive_key",
            propose(Action::ArchiveKey { key: KeyId(23) }),
        ),
        (
            "propose_restore_key",
            propose(Action::RestoreKey { key: KeyId(24) }),
        ),
        (
            "propose_without_head",
            Request::Propose(Propose {
                account: ACCOUNT,
                user_handle: USER_HANDLE,
                token: Some(bytes(0xb0, 24)),
                origin: ORIGIN.into(),
                head: None,
                action: Action::CreateKey {
                    label: "first".into(),
                },
            }),
        ),
        (
            "passkey_created",
            Request::PasskeyCreated(PasskeyCreated {
                context: bytes(0x80, 24),
                credential: credential(),
            }),
        ),
        (
            "approve",
            approve(
                Some(known()),
                Some(USER_HANDLE.0.into()),
                Some(Hash32(fill(0x50))),
            ),
        ),
        ("approve_with_nulls", approve(None, None, None)),
        (
            "approve_passkey",
            Request::Approve(Approve {
                context: bytes(0x80, 24),
                assertion: assertion(0x10, None),
                possession: Some(assertion(0x18, None)),
                head: Some(known()),
                confirmed: None,
            }),
        ),
        ("read_account", read(Query::Account)),
        (
            "read_history",
            read(Query::History {
                before: None,
                limit: 50,
            }),
        ),
        (
            "read_history_before",
            read(Query::History {
                before: Some(1000),
                limit: 20,
            }),
        ),
    ]
    .into_iter()
    .chain(root::requests())
    .collect()
}

/// What clients check signatures over.
pub(crate) fn statements() -> (AccountHead, AccountReceipt, Prompt, EvidenceBinding) {
    let key = ReceiptKey {
        key: KeyId(0),
        address: Address(fill(0xd0)),
    };
    let receipt = AccountReceipt {
        account: ACCOUNT,
        user_handle: USER_HANDLE,
        version: 1,
        issued_at: NOW,
        rp_id: "openkey.example".into(),
        nonce: bytes(1, 16),
        credentials: vec![ReceiptCredential {
            id: bytes(0x10, 16),
            public_key_sha256: Hash32(fill(0x20)),
        }],
        keys: vec![key.clone()],
    };
    let prompt = Prompt {
        kind: PromptKind::SignText,
        account: Some(ACCOUNT),
        key: Some(key),
        head: Some(head()),
        challenge: bytes(0x33, 32),
        digest: Hash32(fill(0x44)),
        origin: ORIGIN.into(),
        issued_at: NOW,
        expires_at: NOW + 120_000,
        summary: Summary {
            title: "Sign a text".into(),
            lines: vec![Line {
                label: "Who asks".into(),
                value: "openkey.example".into(),
            }],
            grants: vec![Grant {
                kind: GrantKind::Data,
                resource: "tinycloud:key:z6Mk:notes/kv/a".into(),
                owner: "Yours".into(),
                scope: "Values".into(),
                abilities: vec![GrantedAbility {
                    ability: "tinycloud.kv/get".into(),
                    words: "Read values".into(),
                    severity: Some(Severity::Attention),
                    within: Some(0),
                }],
                reaches_secrets: true,
            }],
            warnings: vec![Warning {
                severity: Severity::Notice,
                text: "Read it.".into(),
            }],
            text: Some("hello\n€".into()),
            confirm: false,
        },
    };
    let binding = EvidenceBinding {
        version: EVIDENCE_BINDING_VERSION,
        identity: bytes(0x77, 32),
        configuration: Hash32(fill(0x88)),
        root_source: Some(RootSource::Operators),
        root_id: Some(Hash32(fill(0x99))),
        release: "0.1.0".into(),
        epoch: 1,
        tls_key: Some(Hash32(fill(0xaa))),
        rollback: RollbackProtection::ClientsOnly,
        pending: Some(PendingSuccessors::Known(Hash32(fill(0xbb)))),
        withdrawn: Some(Hash32(fill(0xcc))),
    };
    (head(), receipt, prompt, binding)
}

/// A request in its envelope.
pub(crate) fn call() -> Call {
    Call {
        nonce: bytes(1, 32),
        request: Request::Status,
    }
}

fn answer(result: Verdict) -> Answer {
    Answer {
        request: Hash32(fill(0x55)),
        nonce: bytes(1, 32),
        at: NOW,
        continued: None,
        result,
    }
}

/// Replies, as they travel.
pub(crate) fn replies() -> Vec<(&'static str, Reply)> {
    let refused = Error {
        code: ErrorCode::Malformed,
        message: "The bytes are not a request of this protocol.".into(),
        advice: "Update the client.".into(),
    };
    let signed = Signed::new(&answer(Verdict::Ok(Response::Root(root::ready()))), |_| {
        fill(0xe0)
    });
    vec![
        ("answer", Reply::Answer(signed.unwrap())),
        ("refused", Reply::Bare(Bare::Refused(refused))),
        (
            "evidence",
            Reply::Bare(Bare::Evidence(Evidence {
                document: bytes(0x84, 12),
            })),
        ),
        ("handed_over", Reply::Bare(Bare::HandedOver(root::sealed()))),
    ]
}

/// Answers whose shape a client could get wrong.
pub(crate) fn answers() -> Vec<(&'static str, Answer)> {
    let (_, receipt, prompt, _) = statements();
    let ok = |response| answer(Verdict::Ok(response));
    let continued = |response| Answer {
        continued: Some(head()),
        ..ok(response)
    };
    let approved = |outcome| {
        continued(Response::Approved(Approved {
            head: head(),
            outcome,
        }))
    };
    let key = KeyView {
        key: KeyId(3),
        address: Address(fill(0xd0)),
        label: "savings".into(),
        created_at: NOW,
        archived_at: None,
    };
    vec![
        (
            "refused",
            answer(Verdict::Refused(Error {
                code: ErrorCode::RolledBack,
                message: "The store answers with an older record.".into(),
                advice: "Try again later.".into(),
            })),
        ),
        (
            "account",
            continued(Response::Account(AccountView {
                account: ACCOUNT,
                name: "Zoë".into(),
                created_at: NOW,
                confirmed: true,
                passkeys: vec![PasskeyView {
                    id: bytes(0x10, 16),
                    name: "phone".into(),
                    public_key_sha256: Hash32(fill(0x20)),
                    created_at: NOW,
                    used_at: None,
                }],
                keys: vec![key.clone()],
                history: 1,
                head: head(),
            })),
        ),
        (
            "history",
            continued(Response::History(HistoryPage {
                head: head(),
                entries: vec![HistoryEntry {
                    sequence: 1,
                    previous: Hash32([0; 32]),
                    record: Hash32(fill(0x66)),
                    at: NOW,
                    kind: PromptKind::SignText,
                    title: "Sign a text".into(),
                    told: Excerpt {
                        lines: vec![Line {
                            label: "Length".into(),
                            value: "12 characters on 1 line".into(),
                        }],
                        left_out: 2,
                        text: Some("Hello, world".into()),
                    },
                    origin: ORIGIN.into(),
                    passkey: ApprovedBy {
                        id: bytes(0x10, 16),
                        name: "Laptop".into(),
                        public_key_sha256: Hash32(fill(0x55)),
                    },
                    digest: Hash32(fill(0x44)),
                    key: Some(ConcernedKey {
                        key: KeyId(3),
                        address: Address(fill(0x20)),
                        label: "Travel".into(),
                    }),
                    signature: Some(bytes(0xb0, 65)),
                }],
                next: None,
            })),
        ),
        (
            "signed_up",
            ok(Response::SignedUp(SignedUp {
                receipt: Signed::new(&receipt, |_| fill(0xe0)).unwrap(),
                head: head(),
            })),
        ),
        (
            "prompted",
            continued(Response::Prompted(Prompted {
                prompt: Box::new(prompt),
                options: RequestOptions {
                    challenge: bytes(0x33, 32),
                    rp_id: "openkey.example".into(),
                    allow: vec![bytes(0x10, 16)],
                    timeout_ms: 120_000,
                },
                context: bytes(0x80, 24),
            })),
        ),
        (
            "new_passkey",
            continued(Response::NewPasskey(NewPasskey {
                options: CreationOptions {
                    challenge: bytes(0x33, 32),
                    rp_id: "openkey.example".into(),
                    rp_name: "OpenKey".into(),
                    user_id: ACCOUNT.0.into(),
                    user_name: "Zoë".into(),
                    algorithms: vec![-7, -8, -257],
                    exclude: vec![bytes(0x10, 16)],
                    timeout_ms: 300_000,
                },
                context: bytes(0x80, 24),
                expires_at: NOW,
            })),
        ),
        ("approved_changed", approved(Outcome::Changed)),
        ("approved_key_created", approved(Outcome::KeyCreated(key))),
        (
            "approved_signature",
            approved(Outcome::Signature {
                signature: bytes(0xb0, 65),
                digest: Hash32(fill(0x44)),
                address: Address(fill(0xd0)),
            }),
        ),
        (
            "approved_signed_in",
            approved(Outcome::SignedIn {
                token: bytes(0x90, 24),
                expires_at: NOW,
            }),
        ),
    ]
    .into_iter()
    .chain(
        root::answers()
            .into_iter()
            .map(|(name, result)| (name, answer(result))),
    )
    .collect()
}
