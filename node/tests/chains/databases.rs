//! Databases as invocations reach them, and what a node tidies.

use axum::body::Body;
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::node::Node;
use openkey_node::store::StoreError;
use serde_json::{Value, json};

use super::home::{GET, Home, home, own, put, status, text};
use super::interposed::Interposed;
use super::tokens::{NOW, Says, space};

async fn run(node: &Node, says: &Says<'_>, action: &str, sql: &str) -> Result<Value, Error> {
    let body = json!({ "action": action, "sql": sql }).to_string();
    let response = invoke(node, &says.headers(), Body::from(body)).await?;
    Ok(serde_json::from_str(&text(response).await).unwrap())
}

#[tokio::test]
async fn h3_an_invocation_of_a_database_is_used_once() {
    let Home { node, .. } = &home().await;
    let all = own("sql/main", &["tinycloud.sql/*"]);
    run(node, &all, "execute", "CREATE TABLE t (a)")
        .await
        .unwrap();
    let headers = all.headers();
    let body = json!({ "action": "execute", "sql": "INSERT INTO t VALUES (1)" }).to_string();
    invoke(node, &headers, Body::from(body.clone()))
        .await
        .unwrap();
    let again = invoke(node, &headers, Body::from(body)).await.unwrap_err();
    assert!(matches!(again, Error::Store(StoreError::Duplicate)));
    let found = run(node, &all, "query", "SELECT count(*) FROM t").await;
    assert_eq!(found.unwrap()["rows"][0][0], 1);
}

#[tokio::test]
async fn a_database_grows_as_far_as_its_space_has_room() {
    let Home { node, .. } = &home().await;
    let all = own("sql/main", &["tinycloud.sql/*"]);
    run(node, &all, "execute", "CREATE TABLE t (a)")
        .await
        .unwrap();
    let usage = node.store.usage(&space()).await.unwrap();
    assert!(usage.bytes > 4, "the database counts");
    let bound = usage.bytes + 20_000;
    node.store.bound(&space(), Some(bound)).await.unwrap();
    let fill = "INSERT INTO t SELECT hex(zeroblob(4000)) FROM (VALUES (1), (2))";
    let mut filled = 0;
    let refused = loop {
        match run(node, &all, "execute", fill).await {
            Ok(_) => filled += 1,
            Err(error) => break error,
        }
        assert!(filled < 10, "a bound that is none");
    };
    assert!(refused.to_string().contains("uota exceeded"), "{refused}");
    let usage = node.store.usage(&space()).await.unwrap();
    assert!(usage.bytes <= bound);
    // full, nothing is written, and everything read
    node.store.bound(&space(), Some(1)).await.unwrap();
    let refused = run(node, &all, "execute", "INSERT INTO t VALUES (1)").await;
    assert_eq!(status(refused), 402);
    let found = run(node, &all, "query", "SELECT count(*) FROM t").await;
    assert_eq!(found.unwrap()["rows"][0][0], filled * 2);
}

#[tokio::test]
async fn a_database_counts_as_large_as_it_is() {
    let Home { node, .. } = &home().await;
    let all = own("sql/main", &["tinycloud.sql/*"]);
    let values = node.store.usage(&space()).await.unwrap().bytes;
    let counted = async || node.store.usage(&space()).await.unwrap().bytes - values;
    let real = async || {
        let pages = run(node, &all, "query", "PRAGMA page_count").await.unwrap();
        pages["rows"][0][0].as_u64().unwrap() * 4096
    };
    let fill = "INSERT INTO t SELECT hex(zeroblob(4000)) FROM (VALUES (1), (2))";
    let mut last = 0;
    for (sql, changes) in [
        ("CREATE TABLE t (a)", true),
        (fill, true),
        ("INSERT INTO t VALUES (1)", false),
        ("UPDATE t SET a = 2 WHERE a = 1", false),
        ("DELETE FROM t", true),
    ] {
        run(node, &all, "execute", sql).await.unwrap();
        assert_eq!(counted().await, real().await, "{sql}");
        assert_eq!(counted().await != last, changes, "{sql}");
        last = counted().await;
    }
    // counted wrongly, since whoever filled it was stopped before it was counted: it has no more room
    // for that, and the next count is right
    run(node, &all, "execute", fill).await.unwrap();
    let bound = values + real().await + 4096;
    node.store.bound(&space(), Some(bound)).await.unwrap();
    for wrong in [0, real().await + 4096] {
        node.store.sized(&space(), "main", wrong).await.unwrap();
        let refused = run(node, &all, "execute", fill).await.unwrap_err();
        assert!(refused.to_string().contains("uota"), "{refused}");
        node.store.bound(&space(), Some(bound + 1)).await.unwrap();
        let same = "UPDATE t SET a = a";
        run(node, &all, "execute", same).await.unwrap();
        assert_eq!(counted().await, real().await);
    }
}

#[tokio::test]
async fn what_happened_since_somebody_entered_is_counted() {
    let Home { node, .. } = &mut home().await;
    let store = Interposed::before(node);
    let all = own("sql/main", &["tinycloud.sql/*"]);
    let change = async |sql| run(node, &all, "execute", sql).await.map(drop);
    change("CREATE TABLE t (a)").await.unwrap();
    let empty = node.store.usage(&space()).await.unwrap().bytes;
    let (entered, go) = store.stop_entry();
    let others = async {
        entered.await.unwrap();
        change("INSERT INTO t VALUES (hex(zeroblob(8000)))")
            .await
            .unwrap();
        assert!(node.store.usage(&space()).await.unwrap().bytes > empty);
        go.send(()).unwrap();
    };
    // as large again as when it entered
    let (emptied, ()) = tokio::join!(change("DELETE FROM t"), others);
    emptied.unwrap();
    assert_eq!(node.store.usage(&space()).await.unwrap().bytes, empty);
    // and no larger than what there was room for, whoever filled it
    node.store
        .bound(&space(), Some(empty + 6 * 4096))
        .await
        .unwrap();
    let (entered, go) = store.stop_entry();
    let fill = "INSERT INTO t VALUES (hex(zeroblob(2000)))";
    let others = async {
        entered.await.unwrap();
        let mut filled = 0;
        let refused = loop {
            match change(fill).await {
                Ok(()) => filled += 1,
                Err(error) => break error,
            }
        };
        assert!(filled < 6, "{filled}");
        go.send(()).unwrap();
        refused
    };
    let (done, refused) = tokio::join!(change(fill), others);
    assert!(matches!(status(Err::<(), _>(refused)).as_u16(), 402 | 429));
    // what was reserved for it was kept for it
    done.unwrap();
    let used = node.store.usage(&space()).await.unwrap();
    assert!(
        used.bytes <= empty + 6 * 4096 && used.pending == 0,
        "{used:?}"
    );
}

#[tokio::test]
async fn many_at_once_fill_a_database_no_further_than_its_space_has_room() {
    let Home { node, .. } = &home().await;
    let all = own("sql/main", &["tinycloud.sql/*"]);
    run(node, &all, "execute", "CREATE TABLE t (a)")
        .await
        .unwrap();
    let bound = node.store.usage(&space()).await.unwrap().bytes + 10 * 4096;
    node.store.bound(&space(), Some(bound)).await.unwrap();
    // all of them enter while there is room for ten of them
    let fill = || {
        run(
            node,
            &all,
            "execute",
            "INSERT INTO t VALUES (hex(zeroblob(1900)))",
        )
    };
    let done = futures_util::future::join_all((0..20).map(|_| fill())).await;
    let filled = done.iter().filter(|it| it.is_ok()).count();
    assert!((1..=10).contains(&filled), "{filled}");
    let pages = run(node, &all, "query", "PRAGMA page_count").await.unwrap();
    let used = node.store.usage(&space()).await.unwrap().bytes;
    assert!(used <= bound && pages["rows"][0][0].as_u64().unwrap() * 4096 <= used);
}

#[tokio::test]
async fn h7_an_upload_that_nobody_renews_is_removed_within_minutes() {
    let Home { node, clock, .. } = &home().await;
    put(node, "large", &"x".repeat(100_000), &[]).await;
    let name = openkey_node::blobs::new_name().unwrap();
    let reservation = openkey_node::store::Reservation {
        blob: name.clone(),
        first: true,
        bytes: 5,
        space: space(),
        keys: [].into(),
        default_bound: None,
        staged_bound: u64::MAX,
    };
    node.store.reserve(reservation.clone()).await.unwrap();
    let mut writer = node.blobs.create(&name).await.unwrap();
    writer.write("begun".into()).await.unwrap();
    let is_there = async || node.blobs.read(&name, 0..1).await.is_ok();
    for minutes in [0, 9, 18] {
        clock.set(NOW + minutes * 60);
        node.tidy().await.unwrap();
        assert!(is_there().await, "{minutes}");
        let renewal = openkey_node::store::Reservation {
            first: false,
            ..reservation.clone()
        };
        node.store.reserve(renewal).await.unwrap();
    }
    clock.set(NOW + 29 * 60);
    node.tidy().await.unwrap();
    assert!(!is_there().await);
    node.tidy().await.unwrap();
    let says = Says {
        until: NOW + 30 * 60,
        ..own("kv/large", GET)
    };
    let found = invoke(node, &says.headers(), Body::empty()).await.unwrap();
    assert_eq!(text(found).await.len(), 100_000);
}
