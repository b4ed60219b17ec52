//! One of each kind of what is said about the root key.

use openkey_protocol::{cbor, message::*};

use super::{NOW, bytes, fill};

pub(super) fn sealed() -> Sealed {
    Sealed {
        enc: Key32(fill(0x11)),
        ciphertext: bytes(0x21, 48),
    }
}

fn signed<T: Statement>(statement: &T) -> Signed<T> {
    Signed::new(statement, |_| fill(0xe0)).unwrap()
}

fn status(state: RootState) -> RootStatus {
    RootStatus {
        state,
        root_id: Some(Hash32(fill(0x31))),
        epoch: 1,
        sources: vec![SourceStatus {
            source: RootSource::Operators,
            explanation: "1 of 2 shares.".into(),
        }],
        upgrades: vec![UpgradeStatus {
            release: "0.2.0".into(),
            epoch: 2,
            manifest: Hash32(fill(0x41)),
            announced_at: NOW,
            allowed_from: NOW + 86_400_000,
            consents: vec![0],
            consents_needed: 1,
        }],
        upgrades_known: true,
        withdrawn: vec![Hash32(fill(0x42))],
        secrets: vec![SecretStatus {
            name: "client-secret".into(),
            version: 3,
        }],
        secrets_known: true,
    }
}

/// What is hashed into the root id.
pub(crate) fn descriptor() -> RootDescriptor {
    let operator = |name: &str, first| OperatorKeys {
        name: name.into(),
        encryption: Key32(fill(first)),
        signing: Key32(fill(first + 0x20)),
    };
    RootDescriptor {
        version: ROOT_DESCRIPTOR_VERSION,
        commitment: Hash32(fill(0x51)),
        threshold: 2,
        operators: vec![operator("alice", 0x10), operator("bob", 0x50)],
        shares: vec![Hash32(fill(0x61)), Hash32(fill(0x71))],
        epoch: 1,
        created_at: NOW,
    }
}

/// What a genesis publishes.
pub(crate) fn transcript() -> GenesisTranscript {
    GenesisTranscript {
        descriptor: cbor::encode(&descriptor()).unwrap().into(),
        root_id: Hash32(fill(0x31)),
        shares: vec![sealed(), sealed()],
        wrapped: Some(WrappedRoot {
            blob: bytes(0x81, 20),
            nonce: bytes(0x91, 24),
            sealed: bytes(0xa1, 48),
        }),
        nonce: bytes(1, 16),
    }
}

/// What an operator signs.
pub(crate) fn order() -> SecretOrder {
    SecretOrder {
        name: "client-secret".into(),
        version: 3,
        secret: sealed(),
        identity: Key32(fill(0x77)),
        expires_at: NOW + 300_000,
    }
}

/// What an operator signs to let a successor have the root key.
pub(crate) fn consent() -> UpgradeConsent {
    UpgradeConsent {
        manifest: Hash32(fill(0x41)),
        root_id: Hash32(fill(0x31)),
        announced_at: NOW,
        identity: Key32(fill(0x77)),
        expires_at: NOW + 300_000,
    }
}

/// What an operator signs to keep it from a successor.
pub(crate) fn withdrawal() -> UpgradeWithdrawal {
    UpgradeWithdrawal {
        manifest: Hash32(fill(0x42)),
        root_id: Hash32(fill(0x31)),
        expires_at: NOW + 300_000,
    }
}

pub(super) fn requests() -> Vec<(&'static str, Request)> {
    let operator = Request::Operator;
    vec![
        (
            "genesis",
            operator(OperatorRequest::Genesis {
                nonce: bytes(1, 16),
            }),
        ),
        (
            "post_share",
            operator(OperatorRequest::PostShare {
                operator: 1,
                share: sealed(),
                expires_at: NOW + 300_000,
            }),
        ),
        (
            "set_secret",
            operator(OperatorRequest::SetSecret {
                operator: 0,
                order: signed(&order()),
            }),
        ),
        (
            "announce",
            operator(OperatorRequest::Announce {
                manifest: br#"{"manifest":{}}"#.as_slice().into(),
            }),
        ),
        (
            "consent",
            operator(OperatorRequest::Consent {
                operator: 0,
                consent: signed(&consent()),
            }),
        ),
        (
            "withdraw",
            operator(OperatorRequest::Withdraw {
                operator: 2,
                withdrawal: signed(&withdrawal()),
            }),
        ),
        (
            "hand_over",
            Request::HandOver(HandOver {
                root_id: Hash32(fill(0x31)),
                manifest: None,
            }),
        ),
        (
            "hand_over_to_successor",
            Request::HandOver(HandOver {
                root_id: Hash32(fill(0x31)),
                manifest: Some(br#"{"manifest":{}}"#.as_slice().into()),
            }),
        ),
    ]
}

pub(super) fn ready() -> RootStatus {
    status(RootState::Ready)
}

pub(super) fn answers() -> Vec<(&'static str, Verdict)> {
    let root = |state| Verdict::Ok(Response::Root(status(state)));
    let waiting = RootState::Waiting { have: 1, need: 2 };
    vec![
        (
            "awaiting_root_key",
            Verdict::Refused(Error {
                code: ErrorCode::AwaitingRootKey,
                message: "waiting for root key: 1 of 2 shares".into(),
                advice: "Wait until the operators have provisioned the enclave.".into(),
            }),
        ),
        (
            "status_waiting",
            Verdict::Ok(Response::Status(Status {
                release: "0.1.0".into(),
                root_source: None,
                root: status(waiting),
                now: NOW,
                rp_id: "openkey.example".into(),
                origins: vec![super::ORIGIN.into()],
                limits: Limits {
                    payload_bytes: 65_536,
                    passkeys: 16,
                    keys: 64,
                    signatures_per_minute: 60,
                    accounts: 1_048_576,
                },
            })),
        ),
        (
            "genesis",
            Verdict::Ok(Response::Genesis(Genesis {
                transcript: signed(&transcript()),
                document: bytes(0x84, 12),
            })),
        ),
        ("root_awaiting_genesis", root(RootState::AwaitingGenesis)),
        ("root_genesis_done", root(RootState::GenesisDone)),
        ("root_ready", root(RootState::Ready)),
        ("root_handed_over", root(RootState::HandedOver)),
    ]
}
