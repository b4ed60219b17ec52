use std::{net::SocketAddr, path::Path, time::Instant};

use openkey_protocol::{
    channel::PLACES,
    message::MAX_BOOT_FILE,
    relay::{Relay as _, RelayClient},
    transport::Address,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
    time::sleep,
};

use super::*;
use crate::{
    config::{Config, Limits},
    metrics::Metrics,
    services::listen,
};

const KMS: &str = "kms.eu-central-1.amazonaws.com";

fn socket(dir: &Path, name: &str) -> Address {
    Address::Unix(dir.join(name))
}

/// A relay and what its enclave asks it with.
fn relay(dir: &TempDir, change: impl FnOnce(&mut ServicesConfig)) -> RelayClient {
    let path = dir.path().join("configuration.json");
    let text = r#"{"rp_id":"x","identity_providers":["localhost","id.invalid"],
        "kms":{"region":"eu-central-1"}}"#;
    std::fs::write(&path, text).unwrap();
    let mut config = ServicesConfig::new(socket(dir.path(), "services.sock"));
    config.files.configuration = Some(path);
    change(&mut config);
    let address = socket(dir.path(), "relay.sock");
    let metrics = Arc::new(Metrics::new().unwrap());
    tokio::spawn(serve(listen(&address).unwrap(), config, metrics));
    RelayClient::new(address)
}

fn egress(host: &str, port: u16) -> RelayRequest {
    let host = host.to_owned();
    RelayRequest::Egress { host, port }
}

/// Answers every connection with what it sent, in capitals.
async fn loud() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    byte.make_ascii_uppercase();
                    stream.write_all(&byte).await.unwrap();
                }
            });
        }
    });
    address
}

async fn is_loud(stream: &mut Stream) {
    stream.write_all(b"abc").await.unwrap();
    let mut back = [0; 3];
    stream.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ABC");
}

#[tokio::test]
async fn what_the_configuration_names_is_reached_where_it_is_mapped_to() {
    let dir = tempfile::tempdir().unwrap();
    let to = loud().await;
    let relay = relay(&dir, |config| {
        config.egress_map.insert(format!("{KMS}:443"), to);
        // mapped, but allowed by nobody
        config
            .egress_map
            .insert("evil.example.org:443".to_owned(), to);
        config.egress_map.insert(format!("{KMS}:80"), to);
    });
    is_loud(&mut relay.open(&egress(KMS, 443)).await.unwrap()).await;
    for (host, port) in [("evil.example.org", 443), (KMS, 80)] {
        let refused = relay.open(&egress(host, port)).await.err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{host}");
    }
}

/// A name of the configuration that leads to this very machine: the host's neighbours stay out of
/// reach, whatever a name resolves to.
#[tokio::test]
async fn h5_a_permitted_name_does_not_lead_inside() {
    let dir = tempfile::tempdir().unwrap();
    let relay = relay(&dir, |_| {});
    let refused = open(&egress("localhost", 443), &{
        let mut config = ServicesConfig::new(socket(dir.path(), "x"));
        config.files.configuration = Some(dir.path().join("configuration.json"));
        config
    })
    .await
    .err()
    .unwrap();
    assert!(refused.contains("not public"), "{refused}");
    assert!(relay.open(&egress("localhost", 443)).await.is_err());
    assert!(relay.open(&egress("169.254.169.254", 80)).await.is_err());
}

/// An address that takes connections and no more of them: whoever connects waits for an answer.
async fn full() -> (SocketAddr, impl Sized) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let only = TcpStream::connect(address).await.unwrap();
    (address, (listener, only))
}

/// Whoever does not take the connection does not keep the enclave, and a place, waiting.
#[tokio::test(start_paused = true)]
async fn h1_a_connection_that_nobody_takes_is_given_up_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let (address, _full) = full().await;
    let path = dir.path().join("configuration.json");
    std::fs::write(&path, r#"{"identity_providers":["id.example.org"]}"#).unwrap();
    let mut config = ServicesConfig::new(socket(dir.path(), "x"));
    config.files.configuration = Some(path);
    let name = "id.example.org:443".to_owned();
    config.egress_map.insert(name, address);
    config.peers = vec![Peer::Remote(address.to_string())];
    let peer = RelayRequest::Peer { index: 0 };
    for asked in [egress("id.example.org", 443), peer] {
        let began = tokio::time::Instant::now();
        let opened = timeout(10 * CONNECT, open(&asked, &config)).await;
        let refused = opened.expect("a deadline").err().unwrap();
        assert_eq!(refused, "it did not answer in time");
        assert_eq!(began.elapsed(), CONNECT);
    }
}

/// What says who is allowed is read within bounds, as it is for enclaves.
#[tokio::test]
async fn h1_a_configuration_that_no_enclave_takes_allows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let to = loud().await;
    let mut config = ServicesConfig::new(socket(dir.path(), "x"));
    let path = dir.path().join("configuration.json");
    config.files.configuration = Some(path.clone());
    config
        .egress_map
        .insert("id.example.org:443".to_owned(), to);
    let text = r#"{"identity_providers":["id.example.org"]}"#;
    for (spaces, allowed) in [(0, true), (MAX_BOOT_FILE, false)] {
        std::fs::write(&path, format!("{text}{}", " ".repeat(spaces))).unwrap();
        let opened = open(&egress("id.example.org", 443), &config).await;
        assert_eq!(opened.is_ok(), allowed, "{:?}", opened.err());
    }
}

#[tokio::test]
async fn peers_are_reached_by_number_on_this_host_and_others() {
    let dir = tempfile::tempdir().unwrap();
    let remote = loud().await;
    let channel = socket(dir.path(), "e2-channel.sock");
    let mut local = listen(&channel).unwrap();
    let relay = relay(&dir, |config| {
        config.peers = vec![Peer::Local(channel), Peer::Remote(remote.to_string())];
    });
    let index = |index| RelayRequest::Peer { index };
    let mut opened = relay.open(&index(0)).await.unwrap();
    let mut there = local.accept().await.unwrap();
    opened.write_all(b"x").await.unwrap();
    assert_eq!(there.read_u8().await.unwrap(), b'x');
    drop(there);
    // the end of one side is the end of the other
    assert_eq!(opened.read(&mut [0]).await.unwrap(), 0);
    is_loud(&mut relay.open(&index(1)).await.unwrap()).await;
    for none in [2, u32::MAX] {
        assert!(relay.open(&index(none)).await.is_err());
    }
}

/// Connections that say nothing take places; they are given back, and more than there are is
/// refused at once instead of being queued.
#[tokio::test]
async fn h1_silent_connections_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let remote = loud().await;
    let relay = relay(&dir, |config| {
        config.peers = vec![Peer::Remote(remote.to_string())];
    });
    let address = socket(dir.path(), "relay.sock");
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS {
        silent.push(address.connect().await.unwrap());
    }
    let mut one_more = address.connect().await.unwrap();
    let began = Instant::now();
    assert!(matches!(one_more.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(began.elapsed() < WORD);
    drop(silent.pop());
    let peer = RelayRequest::Peer { index: 0 };
    let opened = async {
        loop {
            if let Ok(mut stream) = relay.open(&peer).await {
                break is_loud(&mut stream).await;
            }
        }
    };
    timeout(WORD, opened).await.unwrap();
}

/// Whoever asks for nothing gives the place back.
#[tokio::test]
async fn h1_an_enclave_that_asks_for_nothing_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let _relay = relay(&dir, |_| {});
    let mut silent = socket(dir.path(), "relay.sock").connect().await.unwrap();
    let ended = timeout(WORD * 2, silent.read(&mut [0])).await.unwrap();
    assert!(matches!(ended, Ok(0) | Err(_)));
}

/// Half-open connections would take all places. Who speaks now and then stays.
#[tokio::test(start_paused = true)]
async fn h1_a_connection_on_which_nothing_comes_is_closed() {
    let (mut one, here) = tokio::io::duplex(64);
    let (there, mut other) = tokio::io::duplex(64);
    let pump = tokio::spawn(pump::both(Box::new(here), Box::new(there)));
    for _ in 0..10 {
        sleep(Duration::from_secs(60)).await;
        one.write_u8(1).await.unwrap();
        assert_eq!(other.read_u8().await.unwrap(), 1);
    }
    let ended = timeout(Duration::from_secs(600), pump).await;
    ended.unwrap().unwrap();
    assert!(other.read_u8().await.is_err());
}

/// A peer that never takes what it is sent, and one that is cut in the middle: the others go on.
#[tokio::test]
async fn h2_a_stalled_and_a_cut_connection_hurt_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let stalled = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peers = vec![
        Peer::Remote(stalled.local_addr().unwrap().to_string()),
        Peer::Remote(loud().await.to_string()),
    ];
    let relay = relay(&dir, |config| config.peers = peers);
    let mut stuck = relay.open(&RelayRequest::Peer { index: 0 }).await.unwrap();
    let full = async { while stuck.write_all(&[0; 4096]).await.is_ok() {} };
    assert!(timeout(Duration::from_millis(200), full).await.is_err());
    let mut good = relay.open(&RelayRequest::Peer { index: 1 }).await.unwrap();
    is_loud(&mut good).await;
    drop(stalled);
    is_loud(&mut good).await;
}

#[tokio::test]
async fn a_heartbeat_is_answered_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let address = socket(dir.path(), "heartbeat.sock");
    let metrics = Arc::new(Metrics::new().unwrap());
    tokio::spawn(heartbeat::serve(listen(&address).unwrap(), metrics));
    let mut enclave = address.connect().await.unwrap();
    enclave.write_u8(0xb7).await.unwrap();
    assert_eq!(enclave.read_u8().await.unwrap(), 0xb7);
    let mut other = address.connect().await.unwrap();
    other.write_u8(0).await.unwrap();
    assert!(other.read_u8().await.is_err());
}

/// Carries a TCP listener's connections to a channel, within the limits that ship.
fn carry(tcp: TcpListener, channel: Address) {
    let origin = "http://localhost:7100".parse().unwrap();
    let listen = tcp.local_addr().unwrap();
    let config = Config::new(listen, origin, vec![], vec![], "/".into());
    let metrics = Arc::new(Metrics::new().unwrap());
    tokio::spawn(async move {
        channel::serve(tcp, channel, channel::CONNECTIONS, &config, metrics).await
    });
}

/// One address cannot take the places of the others, with connections or with attempts.
#[tokio::test]
async fn h1_connections_of_one_address_to_a_channel_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket(dir.path(), "e1-channel.sock");
    let mut enclave = listen(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    carry(tcp, path);
    let connect = async |from: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(address).await.unwrap()
    };
    let limits = Limits::default();
    // it takes sixteen addresses to take every place of clients without evidence
    assert!(10 * limits.channels_per_address <= PLACES.strangers);
    let mut open = Vec::new();
    for _ in 0..limits.channels_per_address {
        open.push((
            connect([127, 0, 0, 2]).await,
            enclave.accept().await.unwrap(),
        ));
    }
    let mut refused = connect([127, 0, 0, 2]).await;
    assert!(matches!(refused.read(&mut [0]).await, Ok(0) | Err(_)));
    // another address is carried
    let mut other = connect([127, 0, 0, 3]).await;
    let mut inside = enclave.accept().await.unwrap();
    other.write_u8(7).await.unwrap();
    assert_eq!(inside.read_u8().await.unwrap(), 7);

    // one after the other, within the bound of those at once: up to the quota of a minute
    drop(open);
    let mut carried = 0;
    for _ in 0..400 {
        let mut attempt = connect([127, 0, 0, 4]).await;
        let answered = async {
            let mut inside = enclave.accept().await.unwrap();
            inside.write_u8(1).await.unwrap();
            std::future::pending::<()>().await;
        };
        let mut byte = [0];
        carried += tokio::select! {
            read = attempt.read(&mut byte) => read.unwrap_or(0),
            () = answered => 0,
        };
    }
    assert!((300..330).contains(&carried), "{carried} of 400");
}

/// A client that has ended its own direction waits for its answers, and gets them.
#[tokio::test]
async fn a_half_closed_client_gets_its_answers() {
    let dir = tempfile::tempdir().unwrap();
    let path = socket(dir.path(), "e1-channel.sock");
    let mut enclave = listen(&path).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    carry(tcp, path);
    let mut outside = TcpStream::connect(address).await.unwrap();
    let mut inside = enclave.accept().await.unwrap();
    outside.write_all(b"question").await.unwrap();
    outside.shutdown().await.unwrap();
    let mut asked = Vec::new();
    // the end arrives, too
    inside.read_to_end(&mut asked).await.unwrap();
    assert_eq!(asked, b"question");
    sleep(Duration::from_millis(50)).await;
    inside.write_all(b"answer").await.unwrap();
    drop(inside);
    let mut answer = Vec::new();
    outside.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
}

/// A client that has ended its direction, and a server that never does, hold their places for so
/// long and no longer; so does a client that takes nothing.
#[tokio::test(start_paused = true)]
async fn h1_half_closed_and_stalled_connections_end() {
    let began = tokio::time::Instant::now();
    let (mut client, here) = tokio::io::duplex(64);
    let (there, mut server) = tokio::io::duplex(64);
    let pump = tokio::spawn(pump::both(Box::new(here), Box::new(there)));
    client.shutdown().await.unwrap();
    timeout(Duration::from_secs(600), pump)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(60));
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);

    let began = tokio::time::Instant::now();
    let (_client, here) = tokio::io::duplex(64);
    let (there, mut server) = tokio::io::duplex(64);
    let pump = tokio::spawn(pump::both(Box::new(here), Box::new(there)));
    let full = async { while server.write_all(&[0; 64]).await.is_ok() {} };
    let (ended, ()) = tokio::join!(timeout(Duration::from_secs(600), pump), full);
    ended.unwrap().unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(15));
}

#[tokio::test]
async fn a_channel_is_carried_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let channel = socket(dir.path(), "e1-channel.sock");
    let mut enclave = listen(&channel).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    carry(tcp, channel);
    let mut outside = TcpStream::connect(address).await.unwrap();
    let mut inside = enclave.accept().await.unwrap();
    let sent: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut arrived = vec![0; sent.len()];
    let (wrote, read) = tokio::join!(outside.write_all(&sent), inside.read_exact(&mut arrived));
    wrote.unwrap();
    read.unwrap();
    assert!(sent == arrived);
    // Also in pieces of one byte, whatever it is.
    for byte in 0..=u8::MAX {
        outside.write_all(&[byte]).await.unwrap();
        assert_eq!(inside.read_u8().await.unwrap(), byte);
    }
    inside.write_all(b"back").await.unwrap();
    drop(inside);
    let mut back = Vec::new();
    outside.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"back");
}
