//! A process that is killed in the middle of a body.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use super::http::{Length, MIB, Sending, garbage, on_disk, own, until};
use super::tokens::{self, Fixed, Says};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h7_what_a_kill_leaves_is_gone_minutes_after_the_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_openkey-node"))
        .args(["--dir", dir.path().to_str().unwrap(), "--json"])
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", "off"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = process.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = ready["url"].as_str().unwrap();
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(since.as_secs()).unwrap();
    let says = |resource, ability| Says {
        until: now + 100,
        resource,
        abilities: ability,
        ..own()
    };
    let create = says("space/s", &["tinycloud.space/create"]).headers();
    let created = Sending::begin(address, "/invoke", &create, Length::Known(0)).await;
    assert_eq!(created.all(b"").await, 200);
    let put = says("kv/a", &["tinycloud.kv/put"]).headers();
    let mut sending = Sending::begin(address, "/invoke", &put, Length::Known(8 * MIB)).await;
    sending.send(&vec![0; 4 * MIB]).await;
    until("it arrives", || on_disk(dir.path()) > 3 << 20).await;
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(garbage(dir.path()), 1);

    let clock = Fixed::at(now);
    let node = tokens::node(dir.path(), &clock);
    // as long as it could be alive for another process it stays
    clock.set(now + 300);
    node.tidy().await.unwrap();
    assert_eq!(garbage(dir.path()), 1);
    clock.set(now + 15 * 60);
    node.tidy().await.unwrap();
    assert_eq!((on_disk(dir.path()), garbage(dir.path())), (0, 0));
}
