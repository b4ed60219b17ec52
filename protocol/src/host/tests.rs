use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::*;
use crate::{
    client::{Client, ClientOptions},
    message::{Bytes, HostReply, HostRequest, MAX_BOOT_FILE, MAX_EVENTS, StoreRequest},
    server::{ServerOptions, serve},
    store::{conformance, memory::MemoryStore},
    transport::Address,
};

#[derive(Clone, Default)]
struct Host {
    files: BootFiles,
    seen: Arc<Mutex<Vec<EnclaveEvent>>>,
}

impl HostServices for Host {
    async fn boot_files(&self) -> Result<BootFiles, String> {
        Ok(self.files.clone())
    }

    async fn credentials(&self) -> Result<AwsCredentials, String> {
        Err("none here".to_owned())
    }

    fn events(&self, events: Vec<EnclaveEvent>) {
        self.seen.lock().unwrap().extend(events);
    }
}

/// A client of this host, and what keeps the host running.
fn client(host: Host) -> (HostClient, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let address = Address::Unix(directory.path().join("services.sock"));
    let handler = HostHandler::new(MemoryStore::default(), host);
    let listener = address.listen().unwrap();
    let options = ServerOptions::default();
    tokio::spawn(serve(listener, handler, options, std::future::pending()));
    let client = Client::new(address, ClientOptions::default());
    (HostClient::new(client, Duration::from_secs(5)), directory)
}

#[tokio::test]
async fn the_store_conforms_over_the_wire() {
    let (client, _directory) = client(Host::default());
    conformance::run(&client).await;
}

#[tokio::test]
async fn files_credentials_and_events_cross() {
    let host = Host {
        files: BootFiles {
            configuration: (*b"{}").into(),
            descriptor: Some((*b"d").into()),
            peers: 2,
            ..BootFiles::default()
        },
        ..Host::default()
    };
    let seen = Arc::clone(&host.seen);
    let files = host.files.clone();
    let (client, _directory) = client(host);
    assert_eq!(client.boot_files().await, Ok(files));
    assert_eq!(
        client.credentials().await,
        Err(HostError::Refused {
            reason: "none here".to_owned()
        })
    );
    let events = vec![EnclaveEvent::Booted, EnclaveEvent::EventsLost { count: 3 }];
    client.events(events.clone()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), events);
}

/// A host that hands over more than an enclave has room for.
#[tokio::test]
async fn h1_boot_files_peers_and_events_are_bounded() {
    let long = Bytes(vec![0; MAX_BOOT_FILE + 1]);
    let too_much: [fn(&mut BootFiles, Bytes); 5] = [
        |files, long| files.configuration = long,
        |files, long| files.descriptor = Some(long),
        |files, long| files.wrapped = Some(long),
        |files, long| files.manifest = Some(long),
        |files, _| files.peers = crate::message::MAX_PEERS + 1,
    ];
    for change in too_much {
        let mut host = Host::default();
        change(&mut host.files, long.clone());
        let (client, _directory) = client(host);
        let refused = client.boot_files().await;
        assert!(matches!(refused, Err(HostError::Answer(_))), "{refused:?}");
    }
    let (client, _directory) = client(Host::default());
    let many = vec![EnclaveEvent::Booted; MAX_EVENTS + 1];
    assert_eq!(client.events(many).await, Err(HostError::TooMuch));
}

/// What an old or hostile enclave sends is answered, never acted on.
#[tokio::test]
async fn what_is_no_request_fails() {
    let host = Host::default();
    let seen = Arc::clone(&host.seen);
    let handler = HostHandler::new(MemoryStore::default(), host);
    let many = HostRequest::Events(vec![EnclaveEvent::Booted; MAX_EVENTS + 1]);
    let bare = StoreRequest::Get { ids: Vec::new() };
    for body in [
        b"\x00".to_vec(),
        crate::cbor::encode(&many).unwrap(),
        crate::cbor::encode(&bare).unwrap(),
    ] {
        let reply = crate::cbor::decode(&handler.answer(&body).await).unwrap();
        assert!(matches!(reply, HostReply::Failed { .. }), "{reply:?}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// Every event, with every kind of content it may have.
fn events() -> Vec<EnclaveEvent> {
    use crate::message::{Class, ErrorCode, RootSource};
    let source = RootSource::Operators;
    let class = Class::Request;
    vec![
        EnclaveEvent::Booted,
        EnclaveEvent::RootReady { source },
        EnclaveEvent::RootSourceFailed { source },
        EnclaveEvent::Genesis,
        EnclaveEvent::Share {
            operator: 1,
            good: false,
        },
        EnclaveEvent::HandedOver { given: true },
        EnclaveEvent::UpgradeAnnounced { epoch: 2 },
        EnclaveEvent::SecretSet,
        EnclaveEvent::Answered { class },
        EnclaveEvent::Refused {
            class,
            code: ErrorCode::AccountChanged,
        },
        EnclaveEvent::ClockCorrected { by_ms: -1 },
        EnclaveEvent::NsmFailed,
        EnclaveEvent::StoreFailed,
        EnclaveEvent::RolledBack,
        EnclaveEvent::Forked,
        EnclaveEvent::HeadNotContinued,
        EnclaveEvent::RecordCorrupt,
        EnclaveEvent::SelfCheckFailed,
        EnclaveEvent::EventsLost { count: 1 },
    ]
}

/// Whether a value holds numbers, truths and names of the protocol only.
fn is_closed(value: &ciborium::Value) -> bool {
    let name = |text: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || matches!(b, b'_' | b'-');
        !text.is_empty() && text.len() <= 24 && text.bytes().all(plain)
    };
    match value {
        ciborium::Value::Integer(_) | ciborium::Value::Bool(_) => true,
        ciborium::Value::Text(text) => name(text),
        ciborium::Value::Map(pairs) => pairs.iter().all(|(k, v)| is_closed(k) && is_closed(v)),
        _ => false,
    }
}

/// Nothing of a request or a record fits into an event: no bytes, no text of anybody's choice.
#[test]
fn m9_events_are_closed() {
    for event in events() {
        let bytes = crate::cbor::encode(&event).unwrap();
        let value = ciborium::from_reader(bytes.as_slice()).unwrap();
        assert!(is_closed(&value), "{event:?}");
    }
    let free = [
        r#"{"booted":"text"}"#,
        r#"{"refused":{"class":"request","code":"free text"}}"#,
        r#"{"root_ready":{"source":"operators","note":"x"}}"#,
        r#"{"message":"x"}"#,
        r#""text""#,
    ];
    for text in free {
        assert!(
            serde_json::from_str::<EnclaveEvent>(text).is_err(),
            "{text}"
        );
    }
}
