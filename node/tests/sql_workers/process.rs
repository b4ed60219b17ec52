//! A node as a process, and owners who ask it from addresses of their own.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::resource::SpaceId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use super::tokens::{did, raw};

/// What takes longer hangs: far above what a busy machine needs.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openkey-node"));
    for (name, _) in std::env::vars() {
        if name.starts_with("OPENKEY_NODE") {
            command.env_remove(name);
        }
    }
    command
}

/// A node; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    pub(crate) fn start(dir: &Path, more: &[&str]) -> Self {
        let mut child = program()
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "off"])
            .args(["--rate", "off", "--json", "--log", "off", "--dir"])
            .arg(dir)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let url = ready["url"].as_str().unwrap();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { child, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its workers.
    pub(crate) fn workers(&self) -> Vec<u32> {
        let mut workers = children(self.pid());
        workers.sort_unstable();
        workers
    }

    /// Memory that it has for itself, in MiB.
    pub(crate) fn mebibytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap();
        let kib = line.split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() >> 10
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that a process has started and that have not ended.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap();
    let all = all.filter_map(|it| it.unwrap().file_name().to_str()?.parse().ok());
    all.filter(|child| parent(*child) == Some(pid)).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // behind the name, which may hold anything: state and parent
    let (_, rest) = stat.rsplit_once(')')?;
    let mut rest = rest.split_whitespace();
    let state = rest.next()?;
    let parent = rest.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

pub(crate) fn signal(pid: u32, signal: &str) {
    let pid = pid.to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    // it may have ended meanwhile
    let _ = sent;
}

/// Everything that a node keeps is whole.
pub(crate) fn is_whole(dir: &Path) -> bool {
    let mut check = program();
    check.args(["check", "--dir"]).arg(dir);
    check.stdout(Stdio::null()).stderr(Stdio::null());
    check.status().unwrap().success()
}

pub(crate) fn home() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let node = dir.path().join("node");
    (dir, node)
}

/// Status and text of an answer; 0: there is none.
pub(crate) async fn ask(
    node: SocketAddr,
    from: Ipv4Addr,
    path: &str,
    token: &str,
    body: &str,
) -> (u16, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(IpAddr::V4(from), 0)).unwrap();
    let Ok(mut stream) = socket.connect(node).await else {
        return (0, String::new());
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\nauthorization: {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(body.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or(("", ""));
    let status = head.split(' ').nth(1).unwrap_or("0");
    assert!(status != "503" || head.contains("retry-after: "), "{head}");
    (status.parse().unwrap(), text.to_owned())
}

/// An owner of a space, who asks from an address.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    node: SocketAddr,
    seed: u8,
    from: Ipv4Addr,
}

impl Owner {
    /// One whose space is hosted.
    pub(crate) async fn new(node: SocketAddr, seed: u8, last: u8) -> Self {
        let from = Ipv4Addr::new(127, 0, 0, last);
        let owner = Self { node, seed, from };
        let made = owner.invoke("space/s", "tinycloud.space/create", "").await;
        assert_eq!(made.0, 200, "{}", made.1);
        owner
    }

    /// The same at another node that serves the same directory.
    pub(crate) const fn at(self, node: SocketAddr) -> Self {
        Self { node, ..self }
    }

    /// The same from another address.
    pub(crate) const fn from(self, from: Ipv4Addr) -> Self {
        Self { from, ..self }
    }

    fn token(&self, resource: &str, ability: &str) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let until = i64::try_from(now.unwrap().as_secs()).unwrap() + 120;
        let space = SpaceId::new(&did(self.seed), "s").unwrap();
        let ability = Ability::parse(ability).unwrap();
        let grant = Attenuation::new().with(format!("{space}/{resource}"), ability);
        raw(self.seed, &did(self.seed), until, &[], grant)
    }

    /// Status and text of an invocation; 0: there is no answer.
    pub(crate) async fn invoke(&self, resource: &str, ability: &str, body: &str) -> (u16, String) {
        let token = self.token(resource, ability);
        let asked = tokio::time::timeout(BOUND, ask(self.node, self.from, "/invoke", &token, body));
        asked.await.expect("an answer")
    }

    async fn database(&self, name: &str, request: Value) -> (u16, String) {
        let resource = format!("sql/{name}");
        self.invoke(&resource, "tinycloud.sql/*", &request.to_string())
            .await
    }

    pub(crate) async fn query_in(&self, name: &str, sql: &str) -> (u16, String) {
        self.database(name, json!({"action": "query", "sql": sql}))
            .await
    }

    pub(crate) async fn query(&self, sql: &str) -> (u16, String) {
        self.query_in("main", sql).await
    }

    pub(crate) async fn execute(&self, sql: &str) -> (u16, String) {
        self.database("main", json!({"action": "execute", "sql": sql}))
            .await
    }

    pub(crate) async fn batch(&self, statements: &[String]) -> (u16, String) {
        let statements: Vec<_> = statements.iter().map(|sql| json!({"sql": sql})).collect();
        let batch = json!({"action": "batch", "statements": statements});
        self.database("main", batch).await
    }

    /// The first value of the first row.
    pub(crate) async fn value(&self, sql: &str) -> Value {
        let (status, text) = self.query(sql).await;
        assert_eq!(status, 200, "{sql}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()["rows"][0][0].clone()
    }
}
