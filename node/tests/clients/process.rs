//! A node that is a process, and what is asked of it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::tokens::{did, raw, within};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node; killed when dropped.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, and what was answered beside its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        Self {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|it| it.parse().ok())
                .unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// An invocation by the owner of everything, `did(1)`.
pub(crate) fn own(resource: &str, ability: &str) -> String {
    let resource = within(resource);
    let grant = Attenuation::new().with(resource, Ability::parse(ability).unwrap());
    raw(1, &did(1), now() + 200, &[], grant)
}

/// A request's head, with a body to come; `more` are headers, each with its line's end.
pub(crate) fn head(line: &str, token: &str, length: usize, more: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: {token}\r\n\
         content-length: {length}\r\n{more}\r\n"
    )
}

impl Process {
    /// A node with these flags that hosts the space of `did(1)`.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        let node = Self::start_empty(flags).await;
        let created = node
            .invoke(&own("space/s", "tinycloud.space/create"), "")
            .await;
        assert_eq!(created.status, 200, "{created:?}");
        node
    }

    /// A node with these flags that hosts nothing.
    pub(crate) async fn start_empty(flags: &[&str]) -> Self {
        let flags: Vec<&str> = flags
            .iter()
            .chain(&["--metrics-listen", "off"])
            .copied()
            .collect();
        Self::start_with(&flags).await
    }

    /// A node with these flags, one of which says where metrics are, that hosts nothing.
    pub(crate) async fn start_with(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_openkey-node"))
            .args([
                "--dir",
                dir.path().to_str().unwrap(),
                "--json",
                "--log",
                "error",
            ])
            .args(["--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = ready["url"].as_str().unwrap();
        Self {
            address: url.strip_prefix("http://").unwrap().parse().unwrap(),
            child,
            _dir: dir,
        }
    }

    /// What of a line of `/proc/PID/status` is a number of KiB, in bytes.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.unwrap().parse::<u64>().unwrap() * 1024
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// From another address of this machine, `127.0.0.n`.
    pub(crate) async fn connect_from(&self, n: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, n], 0).into()).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    /// The answer to these bytes, until the node closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Answer {
        answer(self.connect().await, bytes).await
    }

    pub(crate) async fn invoke(&self, token: &str, body: &str) -> Answer {
        let head = head("POST /invoke", token, body.len(), "");
        self.raw(format!("{head}{body}").as_bytes()).await
    }
}

/// Sends this, and reads until the node closes.
pub(crate) async fn answer(mut stream: TcpStream, bytes: &[u8]) -> Answer {
    let mut answer = Vec::new();
    let asking = async {
        // who is refused early may be cut off while it sends
        let (mut from, mut to) = stream.split();
        let _ = tokio::join!(to.write_all(bytes), from.read_to_end(&mut answer));
    };
    timeout(PATIENCE, asking).await.expect("an answer comes");
    Answer::of(&answer)
}
