//! H9: what a wrong clock makes a node forget.

use std::path::Path;
use std::sync::Arc;

use axum::http::HeaderMap;
use openkey_capability::cid::Cid;
use openkey_edge::sqlite::Options;
use openkey_node::store::Store as _;
use openkey_node::store::sqlite::SqliteStore;

use super::clock::{Machine, Running, own, start};
use super::tokens::{NOW, Says, did, headers};

const YEARS: i64 = 10 * 366 * 24 * 3600;
const DAY: i64 = 24 * 3600;

/// Says that the machine's clock is right.
fn accept(dir: &Path, machine: &Arc<Machine>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let clock = Arc::<Machine>::clone(machine);
        let store = SqliteStore::open(dir, clock, Options::default()).unwrap();
        store.accept_clock().await.unwrap();
        store.close().await;
    });
}

fn rows(dir: &Path, table: &str) -> i64 {
    let store = rusqlite::Connection::open(dir.join("node.sqlite3")).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    store.query_row(&count, (), |row| row.get(0)).unwrap()
}

/// A value is put, by somebody who was let.
fn put_by(from: u8, proof: Cid, until: i64) -> HeaderMap {
    let says = Says {
        from,
        to: did(from),
        until,
        proofs: &[proof],
        ..own()
    };
    says.headers()
}

/// Posts two delegations of a month, and takes one back.
fn granted(node: &Running) -> ([String; 2], [Cid; 2]) {
    let tokens = [2, 3].map(|to| {
        let says = Says {
            to: did(to),
            until: NOW + 30 * DAY,
            ..Says::default()
        };
        says.text()
    });
    for token in &tokens {
        assert_eq!(node.post("/delegate", &headers(token), b""), 200);
    }
    let cids = tokens.each_ref().map(|it| Cid::of(it.as_bytes()));
    let path = format!("delegation/{}", cids[1]);
    let revoking = Says {
        to: did(1),
        until: NOW + 60,
        resource: &path,
        abilities: &["tinycloud.delegation/revoke"],
        ..Says::default()
    };
    assert_eq!(node.post("/revoke", &revoking.headers(), b""), 200);
    (tokens, cids)
}

#[test]
fn h9_a_boot_with_a_clock_far_ahead_forgets_nothing_that_had_not_ended() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let node = start(dir.path(), &machine);
    node.host();
    let (tokens, cids) = granted(&node);
    let used = own().headers();
    assert_eq!(node.put(&used, b"a"), 200);
    node.tidy();
    node.end();
    let tables = ["invocation", "delegation", "revocation"];
    let before = tables.map(|table| rows(dir.path(), table));

    machine.boot(YEARS);
    let node = start(dir.path(), &machine);
    for _ in 0..3 {
        node.tidy();
        machine.pass(30);
    }
    assert_eq!(tables.map(|table| rows(dir.path(), table)), before);
    node.end();
    machine.set(-YEARS - 3 * 30);
    accept(dir.path(), &machine);
    let node = start(dir.path(), &machine);
    assert_eq!(node.put(&used, b"a"), 409);
    assert_eq!(node.put(&own().headers(), b"a"), 200);
    assert_eq!(node.put(&put_by(2, cids[0], NOW + 60), b"a"), 200);
    assert_eq!(node.put(&put_by(3, cids[1], NOW + 60), b"a"), 401);
    node.post("/delegate", &headers(&tokens[1]), b"");
    assert_eq!(node.put(&put_by(3, cids[1], NOW + 60), b"a"), 401);
}

#[test]
fn h9_after_years_ahead_and_an_accepted_clock_new_invocations_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let node = start(dir.path(), &machine);
    node.host();
    let (tokens, cids) = granted(&node);
    let used = own().headers();
    assert_eq!(node.put(&used, b"a"), 200);
    node.end();
    machine.boot(YEARS);
    let node = start(dir.path(), &machine);
    machine.pass(601);
    let wrong = Says {
        until: NOW + YEARS + 660,
        ..own()
    };
    assert_eq!(node.put(&wrong.headers(), b"a"), 200);
    machine.pass(200);
    node.tidy();
    assert!(rows(dir.path(), "invocation") < 5, "marks are forgotten");
    assert_eq!(rows(dir.path(), "delegation"), 2, "delegations are not");
    node.end();

    machine.set(-YEARS - 801);
    accept(dir.path(), &machine);
    let node = start(dir.path(), &machine);
    assert_eq!(node.put(&used, b"a"), 401, "it may have been used");
    let lives = |seconds: i64| {
        Says {
            until: NOW + seconds,
            ..own()
        }
        .headers()
    };
    // what lives as long as it may was signed since
    machine.pass(1);
    assert_eq!(node.put(&lives(301), b"a"), 200);
    assert_eq!(node.put(&put_by(2, cids[0], NOW + 301), b"a"), 200);
    assert_eq!(node.put(&put_by(3, cids[1], NOW + 301), b"a"), 401);
    machine.pass(300);
    assert_eq!(node.put(&lives(361), b"a"), 200);
    // what was posted as a delegation is no invocation
    assert_eq!(node.put(&headers(&tokens[0]), b"a"), 401);
    assert_eq!(rows(dir.path(), "revocation"), 1);
    // until it is known for a day that its time is over
    node.end();
    machine.boot(40 * DAY);
    let node = start(dir.path(), &machine);
    machine.pass(DAY - 100);
    node.tidy();
    assert_eq!(rows(dir.path(), "delegation"), 2);
    machine.pass(200);
    node.tidy();
    assert_eq!(rows(dir.path(), "delegation"), 0);
    assert_eq!(rows(dir.path(), "revocation"), 0);
}

#[test]
fn h9_what_was_posted_stays_used_up_when_its_mark_was_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let machine = Machine::new();
    let node = start(dir.path(), &machine);
    node.host();
    let says = Says {
        until: NOW + 3600,
        resource: "kv/a",
        abilities: &["tinycloud.kv/put"],
        ..Says::default()
    };
    let posted = says.headers();
    assert_eq!(node.post("/delegate", &posted, b""), 200);
    node.end();
    machine.boot(YEARS);
    let node = start(dir.path(), &machine);
    machine.pass(601);
    node.tidy();
    node.end();
    machine.set(-YEARS - 601);
    accept(dir.path(), &machine);
    let node = start(dir.path(), &machine);
    machine.pass(3500);
    assert_eq!(node.put(&posted, b"a"), 409);
}
