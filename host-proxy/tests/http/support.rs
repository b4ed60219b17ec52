//! A host-proxy in this process, a stand-in for an enclave behind it, and a client that writes
//! bytes.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use openkey_host_proxy::{
    Config, EnclaveConfig, HostProxy, Parts, ServicesConfig, SqliteStore,
    config::{Limits, MetricsListen, Quota},
};
use openkey_protocol::{
    cbor,
    message::{
        self, Answer as Signable, Class, Hash32, Reply, Response, RootState, RootStatus, Signed,
        Status, Verdict,
    },
    server::{self, Handler, Instant, ServerOptions},
    store::RecordStore,
    transport::Address,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::{Notify, oneshot},
    task::JoinHandle,
};

pub(crate) const ORIGIN: &str = "https://keys.example.org";
pub(crate) const HOST: &str = "keys.example.org";

/// Answers each request with its class and its bytes, once it may.
#[derive(Default)]
pub(crate) struct Enclave {
    pub(crate) seen: Mutex<Vec<(Class, Vec<u8>)>>,
    /// Requests that arrived, also those that wait.
    pub(crate) arrived: AtomicUsize,
    /// Requests of a class in here wait for `go`.
    pub(crate) held: Mutex<Vec<Class>>,
    pub(crate) go: Notify,
    /// Answers have this many bytes more.
    pub(crate) padding: AtomicUsize,
    /// What it answers instead.
    pub(crate) reply: Mutex<Option<Vec<u8>>>,
    /// How many shares it waits for.
    pub(crate) awaited: AtomicUsize,
}

impl Enclave {
    fn status(&self) -> Vec<u8> {
        let need = u32::try_from(self.awaited.load(Ordering::SeqCst)).unwrap();
        let state = match need {
            0 => RootState::Ready,
            need => RootState::Waiting { have: 1, need },
        };
        let status = Status {
            release: "0".to_owned(),
            root_source: None,
            root: RootStatus {
                state,
                root_id: None,
                epoch: 1,
                sources: Vec::new(),
                upgrades: Vec::new(),
                upgrades_known: false,
                withdrawn: Vec::new(),
                secrets: Vec::new(),
                secrets_known: false,
            },
            now: 0,
            rp_id: HOST.to_owned(),
            origins: vec![ORIGIN.to_owned()],
            limits: message::Limits {
                payload_bytes: 0,
                passkeys: 0,
                keys: 0,
                signatures_per_minute: 0,
                accounts: 0,
            },
        };
        answer(Verdict::Ok(Response::Status(status)))
    }

    pub(crate) fn hold(&self, class: Class) {
        self.held.lock().unwrap().push(class);
    }

    pub(crate) fn release(&self) {
        self.held.lock().unwrap().clear();
        self.go.notify_waiters();
    }

    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        let seen = self.seen.lock().unwrap();
        let bodies = seen.iter().map(|(_, body)| body.clone());
        bodies.filter(|body| body != STATUS).collect()
    }
}

/// The host's own call for a status.
pub(crate) const STATUS: &[u8] = b"\xa2\x65nonce\x50openkey-host/own\x67request\x66status";

/// A reply as an enclave gives it, with a signature that nobody here checks.
pub(crate) fn answer(result: Verdict) -> Vec<u8> {
    let answer = Signable {
        request: Hash32([1; 32]),
        nonce: vec![2; 32].into(),
        at: 1_790_000_000_000,
        continued: None,
        result,
    };
    cbor::encode(&Reply::Answer(Signed::new(&answer, |_| [3; 64]).unwrap())).unwrap()
}

struct Shared(Arc<Enclave>);

impl Handler for Shared {
    async fn handle(&self, class: Class, body: Vec<u8>, _: Instant) -> Vec<u8> {
        if body == STATUS {
            return self.0.status();
        }
        self.0.arrived.fetch_add(1, Ordering::SeqCst);
        let go = self.0.go.notified();
        let held = self.0.held.lock().unwrap().contains(&class);
        if held {
            go.await;
        }
        self.0.seen.lock().unwrap().push((class, body.clone()));
        if let Some(reply) = self.0.reply.lock().unwrap().clone() {
            return reply;
        }
        let mut answer = format!("{class:?}:").into_bytes();
        answer.extend(body);
        answer.resize(answer.len() + self.0.padding.load(Ordering::SeqCst), 0);
        answer
    }
}

/// Everything a test needs; stops when dropped.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    metrics: SocketAddr,
    pub(crate) enclave: Arc<Enclave>,
    pub(crate) dir: TempDir,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: JoinHandle<()>,
    pub(crate) enclave_task: JoinHandle<()>,
}

pub(crate) fn limits() -> Limits {
    Limits::default().without_rates()
}

pub(crate) fn quota(text: &str) -> Quota {
    text.parse().unwrap()
}

pub(crate) fn config(dir: &TempDir) -> Config {
    let address = |name: &str| Address::Unix(dir.path().join(name));
    let enclave = EnclaveConfig {
        id: "e1".to_owned(),
        member: "m1".to_owned(),
        address: address("e1.sock"),
        channel: Some(address("e1-channel.sock")),
    };
    let listen = "127.0.0.1:0".parse().unwrap();
    let origin = ORIGIN.parse().unwrap();
    let services = vec![ServicesConfig {
        relay: Some(address("run/relay.sock")),
        ..ServicesConfig::new(address("run/services.sock"))
    }];
    let mut config = Config::new(
        listen,
        origin,
        vec![enclave],
        services,
        dir.path().join("db"),
    );
    config.limits = limits();
    config.metrics = MetricsListen::At("127.0.0.1:0".parse().unwrap());
    config
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::with_parts(change, Parts::default()).await
    }

    pub(crate) async fn with_parts<S: RecordStore>(
        change: impl FnOnce(&mut Config),
        parts: Parts<S>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let enclave = Arc::new(Enclave::default());
        let listener = Address::Unix(dir.path().join("e1.sock")).listen().unwrap();
        let options = ServerOptions::default();
        let handler = Shared(Arc::clone(&enclave));
        let enclave_task = tokio::spawn(server::serve(
            listener,
            handler,
            options,
            std::future::pending(),
        ));
        let mut config = config(&dir);
        change(&mut config);
        let proxy = HostProxy::start(config, parts).await.unwrap();
        let address = proxy.address();
        let metrics = proxy.metrics_address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(proxy.serve(async {
            let _ = stopped.await;
        }));
        Self {
            address,
            metrics,
            enclave,
            dir,
            stop: Some(stop),
            served,
            enclave_task,
        }
    }

    pub(crate) async fn connect(&self) -> Wire {
        self.connect_from("127.0.0.1").await
    }

    /// From another address of this machine.
    pub(crate) async fn connect_from(&self, address: &str) -> Wire {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind(format!("{address}:0").parse().unwrap())
            .unwrap();
        Wire::new(socket.connect(self.address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut wire = self.connect().await;
        wire.send(request).await;
        wire.answer().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(get(path, "")).await
    }

    pub(crate) async fn post(&self, class: &str, body: &[u8]) -> Answer {
        self.ask(post(class, body, "")).await
    }

    /// What the metrics listener answers.
    pub(crate) async fn get_metrics(&self) -> Answer {
        let stream = tokio::net::TcpStream::connect(self.metrics).await.unwrap();
        let mut wire = Wire::new(stream);
        wire.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            .await;
        wire.answer().await.unwrap()
    }

    pub(crate) async fn metrics(&self) -> String {
        String::from_utf8(self.get_metrics().await.body).unwrap()
    }

    /// Waits until the metrics say so.
    pub(crate) async fn counts(&self, line: &str) {
        let waiting = async { while !self.metrics().await.contains(line) {} };
        within_patience(waiting).await;
    }

    /// Stops it and waits until it has.
    pub(crate) async fn end(mut self) -> TempDir {
        drop(self.stop.take());
        self.served.await.unwrap();
        self.enclave_task.abort();
        self.dir
    }
}

pub(crate) fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{headers}\r\n").into_bytes()
}

pub(crate) fn post(class: &str, body: &[u8], headers: &str) -> Vec<u8> {
    let mut request = format!(
        "POST /api/v1/enclaves/e1/{class} HTTP/1.1\r\nHost: {HOST}\r\n\
         Content-Type: application/cbor\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// One connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut same = self.headers.iter().filter(|(n, _)| n == name);
        let value = same.next().map(|(_, value)| value.as_str());
        assert!(same.next().is_none(), "{name} twice");
        value
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The rule a failure of the host names.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        assert_eq!(json["request_id"], self.header("x-request-id").unwrap());
        for member in ["message", "advice"] {
            assert!(!json[member].as_str().unwrap().is_empty());
        }
        json["code"].as_str().unwrap().to_owned()
    }
}

/// No test waits longer for something that must come.
const PATIENCE: Duration = Duration::from_secs(30);

impl Wire {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Writes; whether the peer still listens shows in its answer.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    async fn more(&mut self) -> io::Result<usize> {
        let read = self.stream.read_buf(&mut self.read);
        within_patience(read).await
    }

    /// The next response; `None` when the connection ends before one.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|w| w == b"\r\n\r\n") {
                break end + 4;
            }
            if self.more().await.unwrap_or(0) == 0 {
                assert_eq!(self.read, b"", "half a response");
                return None;
            }
        };
        let text = String::from_utf8(self.read.drain(..head).collect()).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let status = status.parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer {
            status,
            headers,
            body: Vec::new(),
        };
        let length = match answer.header("content-length") {
            _ if matches!(status, 100 | 304) => 0,
            Some(length) => length.parse().unwrap(),
            None => 0,
        };
        while self.read.len() < length {
            assert_ne!(self.more().await.unwrap(), 0, "half a body");
        }
        answer.body = self.read.drain(..length).collect();
        Some(answer)
    }

    /// Every response until the server closes.
    pub(crate) async fn answers(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.answer().await {
            answers.push(answer);
        }
        answers
    }
}

/// The store of a directory that nobody serves any more.
pub(crate) fn reopen(dir: &TempDir) -> SqliteStore {
    SqliteStore::open(&dir.path().join("db"), Default::default()).unwrap()
}

/// Waits for something that must come.
pub(crate) async fn within_patience<T>(waiting: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("what must come does not")
}

/// Waits for something that happens elsewhere.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    let waiting = async {
        while !happened() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within_patience(waiting).await;
}
