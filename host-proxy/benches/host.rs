//! What the host costs: its own CPU time for each carried request, as the process counts it, and
//! durable commits per second for 1, 16 and 64 writers.
//!
//! The enclave here answers at once, so that all that is measured is the host's.
// a bench that meets the unexpected should stop right there
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use openkey_host_proxy::SqliteStore;
use openkey_protocol::{
    message::{Class, RecordId, Write},
    server::{self, Handler, Instant as Deadline, ServerOptions},
    store::RecordStore,
    transport::Address,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Bytes of a request, and of its reply: an approval and a signature with its head.
const BODY: usize = 1024;

/// Bytes of a record: an account with a few keys.
const RECORD: usize = 2048;

const DURATION: Duration = Duration::from_secs(3);

struct Echo;

impl Handler for Echo {
    async fn handle(&self, _: Class, body: Vec<u8>, _: Deadline) -> Vec<u8> {
        body
    }
}

/// The process, where it listens, and where its metrics are.
struct Host(Child, String, String);

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn host(dir: &Path) -> Host {
    let mut child = Command::new(env!("CARGO_BIN_EXE_openkey-host-proxy"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--origin",
            "http://localhost:7100",
            "--metrics-listen",
            "127.0.0.1:0",
        ])
        .args(["--enclave", &format!("e1=unix:{}/e1.sock", dir.display())])
        .args([
            "--services",
            &format!("unix:{}/services.sock", dir.display()),
        ])
        .args(["--dir", &format!("{}/db", dir.display())])
        .args(["--limit-request", "4294967295/s", "--log-format", "json"])
        .args(["--limit-read", "4294967295/s"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut metrics = String::new();
    let address = loop {
        let line = log.next().unwrap().unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if let Some(address) = line["metrics"].as_str() {
            address.clone_into(&mut metrics);
        }
        if let Some(address) = line["address"].as_str() {
            break address.to_owned();
        }
    };
    // the log is written, and read by somebody, as in production
    std::thread::spawn(move || log.for_each(drop));
    Host(child, address, metrics)
}

async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> usize {
    stream.write_all(request).await.unwrap();
    answer.clear();
    loop {
        assert_ne!(stream.read_buf(answer).await.unwrap(), 0);
        let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&answer[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        while answer.len() < end + 4 + length {
            stream.read_buf(answer).await.unwrap();
        }
        return end + 4;
    }
}

async fn cpu_seconds(address: &str) -> f64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost:7100\r\n\r\n";
    let mut answer = Vec::new();
    exchange(&mut stream, request, &mut answer).await;
    let text = String::from_utf8(answer).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("process_cpu_seconds_total "));
    line.unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

async fn carry(connections: usize) {
    let dir = tempfile::tempdir().unwrap();
    let listener = Address::Unix(dir.path().join("e1.sock")).listen().unwrap();
    let options = ServerOptions::default();
    tokio::spawn(server::serve(
        listener,
        Echo,
        options,
        std::future::pending(),
    ));
    let host = host(dir.path());
    let mut request = format!(
        "POST /api/v1/enclaves/e1/request HTTP/1.1\r\nHost: localhost:7100\r\n\
         Content-Type: application/cbor\r\nContent-Length: {BODY}\r\n\r\n"
    )
    .into_bytes();
    request.resize(request.len() + BODY, 7);
    let before = cpu_seconds(&host.2).await;
    let started = Instant::now();
    let clients: Vec<_> = (0..connections)
        .map(|_| {
            let (address, request) = (host.1.clone(), request.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut answer, mut count) = (Vec::new(), 0);
                while started.elapsed() < DURATION {
                    exchange(&mut stream, &request, &mut answer).await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for client in clients {
        count += client.await.unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds(&host.2).await - before;
    println!(
        "carry/{connections:<3} connections: {:>8.1} us CPU per request, {:>8.0} requests/s",
        cpu * 1e6 / f64::from(count),
        f64::from(count) / seconds
    );
}

async fn commit(writers: u32) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), Default::default()).unwrap();
    let started = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut count, mut revision) = (0_u32, None);
                let id = |n: u32| {
                    let mut id = [0; 32];
                    id[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
                    id[4..8].copy_from_slice(&writer.to_be_bytes());
                    RecordId(id)
                };
                while started.elapsed() < DURATION {
                    let write = |id, expected| Write {
                        id,
                        expected,
                        blob: vec![7; RECORD].into(),
                    };
                    // what a signature writes: the account anew, and a line of history
                    let writes = vec![write(id(0), revision), write(id(count + 1), None)];
                    store.commit(writes).await.unwrap();
                    count += 1;
                    revision = Some(u64::from(count));
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for task in tasks {
        count += task.await.unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    store.close().await;
    println!(
        "commit/{writers:<3} writers: {:>8.0} commits/s",
        f64::from(count) / seconds
    );
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for connections in [1, 16, 64] {
            carry(connections).await;
        }
        for writers in [1, 16, 64] {
            commit(writers).await;
        }
    });
}
