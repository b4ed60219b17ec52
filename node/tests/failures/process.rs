//! A node that is a process of its own, and requests by the owner of the space of `did(1)`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;

use super::tokens::{Says, did};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node; killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    said: Arc<Mutex<String>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body has the length that was said.
    pub(crate) is_whole: bool,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// The program, on a free port.
pub(crate) fn program(dir: &Path) -> Command {
    on(Command::new(NODE), dir)
}

/// The program's file.
pub(crate) const NODE: &str = env!("CARGO_BIN_EXE_openkey-node");

/// The program with what each test tells it.
pub(crate) fn on(mut command: Command, dir: &Path) -> Command {
    command
        .args(["--dir", dir.to_str().unwrap(), "--json"])
        .args(["--listen", "127.0.0.1:0"])
        .env("OPENKEY_NODE_METRICS_LISTEN", "off")
        .args(["--rate", "off", "--public-rate", "off"])
        .env_remove("RUST_BACKTRACE");
    command
}

/// Exit status and standard error of a node that must not start.
pub(crate) fn refused(dir: &Path) -> String {
    let mut child = program(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let _ = child.kill();
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "", "it started");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

pub(crate) fn start(dir: &Path) -> Process {
    start_with(&mut program(dir))
}

pub(crate) fn start_with(command: &mut Command) -> Process {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = Arc::new(Mutex::new(String::new()));
    let (log, heard) = (child.stderr.take().unwrap(), Arc::clone(&said));
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let mut heard = heard.lock().unwrap();
            heard.push_str(&line);
            heard.push('\n');
        }
    });
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let ready: serde_json::Value = match serde_json::from_str(&line) {
        Ok(ready) => ready,
        Err(_) => {
            std::thread::sleep(Duration::from_millis(200));
            panic!("it did not start: {}", said.lock().unwrap());
        }
    };
    let url = ready["url"].as_str().unwrap();
    Process {
        child,
        address: url.strip_prefix("http://").unwrap().parse().unwrap(),
        said,
    }
}

/// Now, in seconds of Unix time.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The token of an invocation by the owner.
pub(crate) fn own(resource: &str, ability: &str) -> HeaderMap {
    let says = Says {
        to: did(1),
        until: now() + 100,
        resource,
        abilities: &[ability],
        ..Says::default()
    };
    says.headers()
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// Asks, and reads all that is answered; `None`: the node has gone.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<Answer> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    // who is refused early may have closed
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    let is_closed = loop {
        match stream.read(&mut piece) {
            Ok(0) => break true,
            Ok(read) => all.extend_from_slice(&piece[..read]),
            Err(error) => break error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    let took = began.elapsed();
    assert!(is_closed, "no answer to {method} {path} in {took:?}");
    let end = all.windows(4).position(|it| it == b"\r\n\r\n")?;
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let body = all[end + 4..].to_vec();
    let mut answer = Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head,
        body,
        is_whole: true,
        took,
    };
    let length = answer
        .header("content-length")
        .map(|it| it.parse().unwrap());
    answer.is_whole = length.is_none_or(|length: usize| length == answer.body.len());
    Some(answer)
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has logged something.
    pub(crate) fn hear(&self, what: &str) {
        let began = Instant::now();
        while !self.said().contains(what) {
            assert!(began.elapsed() < PATIENCE, "no {what:?} in {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(&self) {
        signal(self.pid(), "STOP");
    }

    pub(crate) fn go_on(&self) {
        signal(self.pid(), "CONT");
    }

    /// Ends it as an operator does.
    pub(crate) fn end(mut self) {
        signal(self.pid(), "TERM");
        self.child.wait().unwrap();
    }

    /// Ends it at once.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        let answer = self.try_ask(method, path, headers, body);
        answer.unwrap_or_else(|| panic!("no answer to {method} {path}: {}", self.said()))
    }

    /// The status of what the owner invoked, if there is one: the node may be killed meanwhile.
    pub(crate) fn try_invoke(&self, resource: &str, ability: &str, body: &[u8]) -> Option<u16> {
        let token = own(resource, ability);
        Some(self.try_ask("POST", "/invoke", &token, body)?.status)
    }

    pub(crate) fn try_ask(
        &self,
        method: &str,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Answer> {
        ask(self.address, method, path, headers, body)
    }

    pub(crate) fn get_at(&self, path: &str) -> Answer {
        self.ask("GET", path, &HeaderMap::new(), b"")
    }

    pub(crate) fn invoke(&self, resource: &str, ability: &str, body: &[u8]) -> Answer {
        self.ask("POST", "/invoke", &own(resource, ability), body)
    }

    pub(crate) fn host(&self) {
        let hosted = self.invoke("space/s", "tinycloud.space/create", b"");
        assert_eq!(hosted.status, 200, "{hosted:?}");
    }

    pub(crate) fn put(&self, key: &str, body: &[u8]) -> Answer {
        self.invoke(&format!("kv/{key}"), "tinycloud.kv/put", body)
    }

    pub(crate) fn get(&self, key: &str) -> Answer {
        self.invoke(&format!("kv/{key}"), "tinycloud.kv/get", b"")
    }

    pub(crate) fn delete(&self, key: &str) -> Answer {
        self.invoke(&format!("kv/{key}"), "tinycloud.kv/del", b"")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The one file of a directory whose name ends like this.
pub(crate) fn file_in(dir: &Path, suffix: &str) -> PathBuf {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut found = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(suffix));
    found.next().unwrap()
}
