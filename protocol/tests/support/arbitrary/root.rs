//! Anything about the root key, and anything between enclave and host.

use openkey_protocol::message::*;
use proptest::{
    collection::vec,
    option::of,
    prelude::*,
    strategy::{BoxedStrategy, Union},
};

use super::*;

fn key32() -> BoxedStrategy<Key32> {
    any::<[u8; 32]>().prop_map(Key32).boxed()
}

pub(crate) fn source() -> BoxedStrategy<RootSource> {
    use RootSource::*;
    one_of(&[Development, HandOver, Operators, Kms])
}

pub(crate) fn sealed() -> BoxedStrategy<Sealed> {
    make!(Sealed {
        enc: key32(),
        ciphertext: bytes()
    })
}

pub(crate) fn operator_request() -> BoxedStrategy<OperatorRequest> {
    Union::new([
        make!(OperatorRequest::Genesis { nonce: bytes() }),
        make!(OperatorRequest::PostShare {
            operator: any::<u32>(),
            share: sealed(),
            expires_at: any::<u64>()
        }),
        make!(OperatorRequest::SetSecret {
            operator: any::<u32>(),
            order: signed()
        }),
        make!(OperatorRequest::Announce { manifest: bytes() }),
        make!(OperatorRequest::Consent {
            operator: any::<u32>(),
            consent: signed()
        }),
        make!(OperatorRequest::Withdraw {
            operator: any::<u32>(),
            withdrawal: signed()
        }),
    ])
    .boxed()
}

pub(crate) fn hand_over() -> BoxedStrategy<HandOver> {
    make!(HandOver {
        root_id: hash(),
        manifest: of(bytes())
    })
}

pub(crate) fn root_status() -> BoxedStrategy<RootStatus> {
    let waiting = make!(RootState::Waiting {
        have: any::<u32>(),
        need: any::<u32>()
    });
    let state = prop_oneof![
        Just(RootState::AwaitingGenesis),
        Just(RootState::GenesisDone),
        Just(RootState::Ready),
        Just(RootState::HandedOver),
        waiting,
    ]
    .boxed();
    let tried = make!(SourceStatus {
        source: source(),
        explanation: text()
    });
    let upgrade = make!(UpgradeStatus {
        release: text(),
        epoch: any::<u32>(),
        manifest: hash(),
        announced_at: any::<u64>(),
        allowed_from: any::<u64>(),
        consents: vec(any::<u32>(), 0..3),
        consents_needed: any::<u32>(),
    });
    let secret = make!(SecretStatus {
        name: text(),
        version: any::<u64>()
    });
    make!(RootStatus {
        state,
        root_id: of(hash()),
        epoch: any::<u32>(),
        sources: vec(tried, 0..3),
        upgrades: vec(upgrade, 0..3),
        upgrades_known: any::<bool>(),
        withdrawn: vec(hash(), 0..3),
        secrets: vec(secret, 0..3),
        secrets_known: any::<bool>(),
    })
}

pub(crate) fn descriptor() -> BoxedStrategy<RootDescriptor> {
    let operator = make!(OperatorKeys {
        name: text(),
        encryption: key32(),
        signing: key32()
    });
    make!(RootDescriptor {
        version: any::<u32>(),
        commitment: hash(),
        threshold: any::<u32>(),
        operators: vec(operator, 0..4),
        shares: vec(hash(), 0..4),
        epoch: any::<u32>(),
        created_at: any::<u64>(),
    })
}

pub(crate) fn transcript() -> BoxedStrategy<GenesisTranscript> {
    let wrapped = make!(WrappedRoot {
        blob: bytes(),
        nonce: bytes(),
        sealed: bytes()
    });
    make!(GenesisTranscript {
        descriptor: bytes(),
        root_id: hash(),
        shares: vec(sealed(), 0..4),
        wrapped: of(wrapped),
        nonce: bytes(),
    })
}

pub(crate) fn order() -> BoxedStrategy<SecretOrder> {
    make!(SecretOrder {
        name: text(),
        version: any::<u64>(),
        secret: sealed(),
        identity: key32(),
        expires_at: any::<u64>(),
    })
}

pub(crate) fn consent() -> BoxedStrategy<UpgradeConsent> {
    make!(UpgradeConsent {
        manifest: hash(),
        root_id: hash(),
        announced_at: any::<u64>(),
        identity: key32(),
        expires_at: any::<u64>(),
    })
}

pub(crate) fn withdrawal() -> BoxedStrategy<UpgradeWithdrawal> {
    make!(UpgradeWithdrawal {
        manifest: hash(),
        root_id: hash(),
        expires_at: any::<u64>(),
    })
}

pub(crate) fn pending() -> BoxedStrategy<PendingSuccessors> {
    Union::new([
        Just(PendingSuccessors::Unknown).boxed(),
        hash().prop_map(PendingSuccessors::Known).boxed(),
    ])
    .boxed()
}

pub(crate) fn host_request() -> BoxedStrategy<HostRequest> {
    let class = || one_of(&[Class::Evidence, Class::SignUp, Class::Request]);
    let event = Union::new([
        Just(EnclaveEvent::Booted).boxed(),
        make!(EnclaveEvent::RootReady { source: source() }),
        make!(EnclaveEvent::Share {
            operator: any::<u32>(),
            good: any::<bool>()
        }),
        make!(EnclaveEvent::UpgradeConsented {
            operator: any::<u32>()
        }),
        make!(EnclaveEvent::UpgradeWithdrawn {
            operator: any::<u32>()
        }),
        Just(EnclaveEvent::UpgradesHidden).boxed(),
        Just(EnclaveEvent::HeadNotContinued).boxed(),
        make!(EnclaveEvent::Answered { class: class() }),
        make!(EnclaveEvent::Refused {
            class: class(),
            code: Just(ErrorCode::AwaitingRootKey)
        }),
        make!(EnclaveEvent::ClockCorrected {
            by_ms: any::<i64>()
        }),
        make!(EnclaveEvent::EventsLost {
            count: any::<u64>()
        }),
    ]);
    Union::new([
        store_request().prop_map(HostRequest::Store).boxed(),
        Just(HostRequest::BootFiles).boxed(),
        Just(HostRequest::Credentials).boxed(),
        vec(event, 0..5).prop_map(HostRequest::Events).boxed(),
    ])
    .boxed()
}

pub(crate) fn host_reply() -> BoxedStrategy<HostReply> {
    let files = make!(BootFiles {
        configuration: bytes(),
        descriptor: of(bytes()),
        wrapped: of(bytes()),
        manifest: of(bytes()),
        peers: any::<u32>(),
    });
    let credentials = (text(), text(), of(text())).prop_map(|(id, secret, token)| AwsCredentials {
        access_key_id: id,
        secret_access_key: secret,
        session_token: token,
    });
    Union::new([
        store_reply().prop_map(HostReply::Store).boxed(),
        files.prop_map(HostReply::BootFiles).boxed(),
        credentials.prop_map(HostReply::Credentials).boxed(),
        Just(HostReply::Noted).boxed(),
        make!(HostReply::Failed { reason: text() }),
    ])
    .boxed()
}

pub(crate) fn relay() -> BoxedStrategy<(RelayRequest, RelayReply)> {
    let request = Union::new([
        make!(RelayRequest::Egress {
            host: text(),
            port: any::<u16>()
        }),
        make!(RelayRequest::Peer {
            index: any::<u32>()
        }),
    ]);
    let reply = Union::new([
        Just(RelayReply::Connected).boxed(),
        make!(RelayReply::Refused { reason: text() }),
    ]);
    (request, reply).boxed()
}
