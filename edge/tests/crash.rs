//! A process that is killed while it writes loses nothing it has acknowledged.
// a test that meets the unexpected should stop right there
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use openkey_edge::sqlite::{Database, DatabaseError, Durability, Layout, Options};

/// Set for the process that is to be killed: the directory to write in.
const CHILD: &str = "OPENKEY_EDGE_TEST_DIR";

const LAYOUT: Layout = Layout {
    file_name: "rows.sqlite3",
    application_id: 0x6b69_6c6c,
    migrations: &["CREATE TABLE row (name TEXT PRIMARY KEY) STRICT"],
    mark: None,
    what: "list of rows",
};

/// Kills what a failed test leaves behind.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test of its own: what the killed processes do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let database = Database::open(Path::new(&dir), &LAYOUT, Options::default()).unwrap();
    let mut tasks = Vec::new();
    for task in 0..8 {
        let database = database.clone();
        // either kind survives the death of the process
        let durability = match task % 2 {
            0 => Durability::Synced,
            _ => Durability::Process,
        };
        tasks.push(tokio::spawn(async move {
            for n in 0.. {
                let name = format!("{}-{task}-{n}", std::process::id());
                let row = name.clone();
                let work = move |connection: &rusqlite::Connection| {
                    connection.execute("INSERT INTO row VALUES (?1)", [row])?;
                    Ok::<_, DatabaseError>(())
                };
                database.write(durability, work).await.unwrap();
                writeln!(std::io::stdout(), "row {name}").unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn h2_killed_at_any_moment_two_processes_lose_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let (said, heard) = mpsc::channel();
        let children: Vec<_> = (0..2)
            .map(|_| {
                let mut child = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "child", "--nocapture"])
                    .env(CHILD, dir.path())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let lines = BufReader::new(child.stdout.take().unwrap()).lines();
                let said = said.clone();
                std::thread::spawn(move || {
                    for line in lines {
                        let line = line.unwrap();
                        // the last line may be half of one
                        if let Some(name) = line.strip_prefix("row ") {
                            said.send(name.to_owned()).unwrap();
                        }
                    }
                });
                Running(child)
            })
            .collect();
        drop(said);
        // both write; then they die at a moment of no meaning
        let began = Instant::now();
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 2 {
            assert!(began.elapsed() < Duration::from_secs(60), "who starves?");
            let name = heard.recv_timeout(Duration::from_secs(30)).unwrap();
            seen.insert(name.split('-').next().unwrap().to_owned());
            acknowledged.push(name);
        }
        std::thread::sleep(Duration::from_millis(40 + 17 * round));
        drop(children);
        acknowledged.extend(heard);
    }
    Database::check(dir.path(), &LAYOUT).unwrap();
    let file = rusqlite::Connection::open(dir.path().join(LAYOUT.file_name)).unwrap();
    let mut select = file.prepare("SELECT 1 FROM row WHERE name = ?1").unwrap();
    for name in &acknowledged {
        assert!(select.exists([name]).unwrap(), "{name} is lost");
    }
    assert!(acknowledged.len() > 8);
}
