//! A node that listens, and requests whose bodies a test sends piece by piece.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::HeaderMap;
use openkey_node::config::Config;
use openkey_node::node::Node;
use openkey_node::server::{Server, Serving};
use openkey_node::sql::WorkerProgram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

use super::tokens::{self, Fixed, NOW, Says, did, space};

pub(crate) const MIB: usize = 1 << 20;
/// Most bytes that are sent at once.
const PIECE: usize = 64 * 1024;

/// A node that listens.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<Fixed>,
    /// Another one on the same directory, which a test asks directly.
    pub(crate) beside: Node,
    dir: tempfile::TempDir,
    /// Dropped, the node stops.
    _stop: oneshot::Sender<()>,
}

/// A node that hosts the space of `did(1)`.
pub(crate) async fn start(change: impl FnOnce(&mut Config)) -> Running {
    let node = start_empty(change).await;
    let says = Says {
        resource: "space/s",
        abilities: &["tinycloud.space/create"],
        ..own()
    };
    let headers = says.headers();
    assert_eq!(
        node.ask("/invoke", &headers, Length::Known(0), 0).await,
        200
    );
    node
}

/// A node that hosts nothing.
pub(crate) async fn start_empty(change: impl FnOnce(&mut Config)) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let clock = Fixed::at(NOW);
    let mut config = Config {
        sql_program: WorkerProgram::new(env!("CARGO_BIN_EXE_openkey-node")),
        ..Config::new(dir.path().to_owned())
    };
    change(&mut config);
    let serving = Serving::new("127.0.0.1:0".parse().unwrap());
    let server = Server::start(config, serving, Arc::<Fixed>::clone(&clock)).unwrap();
    let (stop, stopped) = oneshot::channel();
    let address = server.address();
    tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    Running {
        address,
        beside: tokens::node(dir.path(), &clock),
        clock,
        dir,
        _stop: stop,
    }
}

/// An invocation by the owner.
pub(crate) fn own<'a>() -> Says<'a> {
    Says {
        to: did(1),
        until: NOW + 60,
        resource: "kv/a",
        abilities: &["tinycloud.kv/put"],
        ..Says::default()
    }
}

/// How long a body says that it is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Known(usize),
    Chunked,
}

impl Running {
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sends so many zeros, and answers the status.
    pub(crate) async fn ask(
        &self,
        path: &str,
        headers: &HeaderMap,
        length: Length,
        bytes: usize,
    ) -> u16 {
        let sending = Sending::begin(self.address, path, headers, length).await;
        sending.all(&vec![0; bytes]).await
    }

    /// Puts so many zeros, and answers the status.
    pub(crate) async fn put(&self, says: &Says<'_>, bytes: usize) -> u16 {
        let length = Length::Known(bytes);
        self.ask("/invoke", &says.headers(), length, bytes).await
    }

    /// Bytes of all blobs.
    pub(crate) fn on_disk(&self) -> u64 {
        on_disk(self.dir())
    }

    /// Blobs that are part of no value, as the store knows them.
    pub(crate) fn garbage(&self) -> u64 {
        garbage(self.dir())
    }

    /// The size of a value.
    pub(crate) async fn value(&self, key: &str) -> Option<u64> {
        let value = self.beside.store.value(&space(), key).await.unwrap();
        Some(value?.size)
    }

    /// Most bytes of all blobs while something happens.
    pub(crate) async fn peak<T>(&self, work: impl Future<Output = T>) -> (T, u64) {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                let mut peak = 0;
                while !done.load(Ordering::Relaxed) {
                    peak = peak.max(self.on_disk());
                    std::thread::sleep(Duration::from_millis(2));
                }
                peak.max(self.on_disk())
            });
            // also when the work panics
            let end = End(&done);
            let result =
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work));
            drop(end);
            (result, watching.join().unwrap())
        })
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(crate) fn on_disk(dir: &Path) -> u64 {
    let mut bytes = 0;
    let mut dirs = vec![dir.join("blobs")];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = std::fs::read_dir(dir) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(it) if it.is_dir() => dirs.push(entry.path()),
                Ok(it) => bytes += it.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

pub(crate) fn garbage(dir: &Path) -> u64 {
    let store = rusqlite::Connection::open(dir.join("node.sqlite3")).unwrap();
    let count = "SELECT count(*) FROM garbage";
    let count: i64 = store.query_row(count, (), |row| row.get(0)).unwrap();
    u64::try_from(count).unwrap()
}

/// Waits until something is so, for some seconds.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}");
}

/// Lets the node come as far as it does without more of a body.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// A request whose body is on its way.
pub(crate) struct Sending {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    length: Length,
}

impl Sending {
    pub(crate) async fn begin(
        address: SocketAddr,
        path: &str,
        headers: &HeaderMap,
        length: Length,
    ) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (from, mut to) = stream.into_split();
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        head += &match length {
            Length::Known(bytes) => format!("content-length: {bytes}\r\n\r\n"),
            Length::Chunked => "transfer-encoding: chunked\r\n\r\n".to_owned(),
        };
        to.write_all(head.as_bytes()).await.unwrap();
        Self { from, to, length }
    }

    /// Sends a part of the body. False: the node has closed.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        send(&mut self.to, self.length, bytes).await
    }

    /// Sends the rest, and answers the status; 0: the node closed without one.
    pub(crate) async fn all(self, bytes: &[u8]) -> u16 {
        let Self {
            mut from,
            mut to,
            length,
        } = self;
        let sending = async {
            let is_open = send(&mut to, length, bytes).await;
            if is_open && matches!(length, Length::Chunked) {
                let _ = to.write_all(b"0\r\n\r\n").await;
            }
        };
        // an answer may come before the body has ended
        let ((), status) = tokio::join!(sending, status(&mut from));
        status
    }

    /// The status of an answer that does not wait for the rest of the body.
    pub(crate) async fn answer(mut self) -> u16 {
        let answered = tokio::time::timeout(Duration::from_secs(5), status(&mut self.from));
        answered.await.expect("answered before the body is there")
    }
}

async fn send(to: &mut OwnedWriteHalf, length: Length, bytes: &[u8]) -> bool {
    for piece in bytes.chunks(PIECE) {
        let sent = match length {
            Length::Known(_) => to.write_all(piece).await,
            Length::Chunked => {
                let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                chunk.extend_from_slice(piece);
                chunk.extend_from_slice(b"\r\n");
                to.write_all(&chunk).await
            }
        };
        if sent.is_err() {
            return false;
        }
    }
    true
}

async fn status(from: &mut OwnedReadHalf) -> u16 {
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    // until the line with the status is there
    while !answer.contains(&b'\n') {
        match from.read(&mut piece).await {
            Ok(0) | Err(_) => return 0,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).unwrap().parse().unwrap()
}
