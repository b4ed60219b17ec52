//! H1: strangers on an enclave's channel, and an enclave that needs the root key meanwhile.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use openkey_attestation::{PolicyFile, UnixMillis, Verifier};
use openkey_protocol::channel::PLACES;
use openkey_protocol::client::{Client, ClientOptions};
use openkey_protocol::message::{
    Call, Class, Reply, Request, Response, RootSource, RootState, Verdict,
};
use openkey_protocol::transport::{Connect, Stream};
use openkey_protocol::{cbor, message::Status};
use openkey_simulator::dir::RootKind;
use openkey_simulator::simulation::Simulation;
use openkey_tests::provisioned;
use openkey_verifier::channel::{Attested, ChannelPolicy, Connector};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

use crate::source;

/// Addresses that strangers come from.
const ADDRESSES: u8 = 20;

/// Two enclaves; the first one's channel is reached at the address, the second gets the root key
/// from the first alone.
fn two() -> (Simulation, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let channel = free.local_addr().unwrap();
    drop(free);
    let simulation = provisioned(RootKind::Operators, |it| {
        it.replicas(2)
            .no_operators()
            .rate_limits()
            .argument(&format!("--channel-listen={channel}"))
    });
    let policy = std::fs::read(simulation.policy()).unwrap();
    simulation.status(1).unwrap();
    for operator in [0, 1] {
        simulation.post_share(1, operator, &policy).unwrap();
    }
    ready(&simulation, 1);
    ready(&simulation, 2);
    (simulation, channel)
}

fn ready(simulation: &Simulation, number: u8) -> Status {
    let is_ready = |status: &Status| status.root.state == RootState::Ready;
    simulation.wait_for_status(number, is_ready).unwrap()
}

/// The second enclave starts again and gets the root key, which only the first can give it.
fn restarts(simulation: &Simulation) {
    let killed = simulation.kill("enclave-2").unwrap();
    while simulation.pid("enclave-2").is_ok_and(|pid| pid == killed) {
        thread::sleep(Duration::from_millis(10));
    }
    ready(simulation, 2);
    assert_eq!(source(simulation, 2), Some(RootSource::HandOver));
}

async fn connect(channel: SocketAddr, from: u8) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 7, from), 0)))?;
    socket.connect(channel).await
}

/// A stranger's way to the channel: where it is, and the address that the stranger comes from.
struct Outside(SocketAddr, u8);

impl Connect for Outside {
    async fn connect(&self) -> std::io::Result<Stream> {
        Ok(Box::new(connect(self.0, self.1).await?))
    }
}

/// A stranger with attested TLS.
fn stranger(simulation: &Simulation, channel: SocketAddr, from: u8) -> Client {
    let file = PolicyFile::parse(&std::fs::read(simulation.policy()).unwrap()).unwrap();
    let policy = ChannelPolicy::new(Arc::new(Verifier::new(file.roots)), file.policy);
    let clock = Arc::new(|| {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap();
        UnixMillis(u64::try_from(now.as_millis()).unwrap())
    });
    let attested = Attested {
        transport: Outside(channel, from),
        connector: Connector::new(policy, clock).unwrap(),
        peer: "e1".to_owned(),
    };
    let options = ClientOptions {
        connections: 1,
        connect_timeout: Duration::from_secs(20),
        ..ClientOptions::default()
    };
    Client::new(attested, options)
}

/// Whether a stranger is answered.
async fn answered(client: &Client, patience: Duration) -> bool {
    let body = cbor::encode(&Call {
        nonce: [7; 32].into(),
        request: Request::Status,
    })
    .unwrap();
    let reply = client.call(Class::Request, body, patience).await;
    let Ok(reply) = reply.inspect_err(|error| eprintln!("a stranger: {error}")) else {
        return false;
    };
    let Reply::Answer(signed) = cbor::decode(&reply).unwrap() else {
        return false;
    };
    matches!(
        signed.unverified().unwrap().result,
        Verdict::Ok(Response::Status(_))
    )
}

/// Sixteen from each of twenty addresses at once, each renewed as soon as it is closed.
#[test]
fn h1_silent_connections_keep_no_enclave_from_the_root_key() {
    let (simulation, channel) = two();
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicUsize::new(0));
    let runtime = Runtime::new().unwrap();
    for from in 1..=ADDRESSES {
        for _ in 0..16 {
            let (stop, made) = (Arc::clone(&stop), Arc::clone(&made));
            runtime.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(silent) = connect(channel, from).await {
                        made.fetch_add(1, Ordering::Relaxed);
                        // ends when the connection is closed, without a byte
                        let _ = silent.readable().await;
                    }
                    // four machines share the cores of this one: there are five times as many as there are
                    // places for handshakes in any case
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            });
        }
    }
    while made.load(Ordering::Relaxed) < 16 * usize::from(ADDRESSES) {
        thread::sleep(Duration::from_millis(50));
    }
    restarts(&simulation);
    let mut served = 0;
    for from in 101..=110 {
        let client = stranger(&simulation, channel, from);
        // On a machine that is busy with other things a handshake may take longer than the places turn over:
        // as any client, this one tries again.
        let is_served = || runtime.block_on(answered(&client, Duration::from_secs(20)));
        served += u32::from((0..4).any(|_| is_served()));
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!(served, 10, "of 10 strangers");
}

/// Strangers who have done the handshake hold every place that strangers have.
#[test]
fn h1_strangers_in_every_place_keep_no_enclave_from_the_root_key() {
    let (simulation, channel) = two();
    let runtime = Runtime::new().unwrap();
    let patience = Duration::from_secs(30);
    let clients: Vec<Client> = (0..PLACES.strangers)
        .map(|place| {
            let from = 1 + u8::try_from(place % usize::from(ADDRESSES)).unwrap();
            stranger(&simulation, channel, from)
        })
        .collect();
    for (place, client) in clients.iter().enumerate() {
        let open = runtime.block_on(answered(client, patience));
        assert!(open, "place {place} of {}", PLACES.strangers);
    }
    // they ask now and then, so that their channels stay
    let stop = Arc::new(AtomicBool::new(false));
    for client in clients {
        let stop = Arc::clone(&stop);
        runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(PLACES.idle / 3).await;
                answered(&client, patience).await;
            }
        });
    }
    let late = stranger(&simulation, channel, 120);
    let one_more = runtime.block_on(answered(&late, Duration::from_secs(2)));
    assert!(!one_more, "a stranger found a place though all are taken");
    restarts(&simulation);
    stop.store(true, Ordering::Relaxed);
}

/// One address gets so many connections, however it goes about it.
#[test]
fn h1_one_address_cannot_take_the_channel() {
    let (_simulation, channel) = two();
    let mut open = Vec::new();
    for _ in 0..200 {
        open.push(std::net::TcpStream::connect(channel).unwrap());
    }
    thread::sleep(Duration::from_millis(500));
    let mut still = 0;
    for stream in &mut open {
        stream.set_nonblocking(true).unwrap();
        let read = stream.read(&mut [0]);
        still += u32::from(read.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    }
    assert!((1..=32).contains(&still), "{still} of 200 are open");
}
