//! Databases and exports at once.

use std::fs;
use std::future::{Future as _, poll_fn};
use std::task::Poll;

use axum::body::Body;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use openkey_node::invoke::invoke;
use serde_json::json;

use super::asking::{assert_whole, post, rows};
use super::http::{Running, own, start, until};
use super::tokens::{Says, space};

const QUOTA: u64 = 5_000_000;

fn says(database: &str) -> String {
    let resource = format!("sql/{database}");
    let says = Says {
        resource: &resource,
        abilities: &["tinycloud.sql/*"],
        ..own()
    };
    says.text()
}

fn filling(bytes: u32) -> Vec<u8> {
    let rows = bytes / 4000;
    let fill = format!(
        "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         SELECT hex(zeroblob(1950)) FROM n"
    );
    let request =
        json!({ "action": "execute", "sql": fill, "schema": ["CREATE TABLE IF NOT EXISTS t (a)"] });
    request.to_string().into_bytes()
}

/// Bytes of all databases' files, without their logs.
fn on_disk(node: &Running) -> u64 {
    let files = fs::read_dir(node.dir().join("sql")).unwrap().flatten();
    let files = files.filter(|it| it.path().extension().is_some_and(|it| it == "sqlite3"));
    files.map(|it| it.metadata().unwrap().len()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_databases_made_at_once_share_one_quota() {
    let node = start(|config| config.quota_bytes = Some(QUOTA)).await;
    let mut beside = super::tokens::node(node.dir(), &node.clock);
    beside.config.quota_bytes = Some(QUOTA);
    let (node, beside) = (&node, &beside);
    // by turns through two nodes on one directory
    let made = (0..24).map(|place| async move {
        let headers = super::tokens::headers(&says(&place.to_string()));
        let body = filling(4_500_000);
        if place % 2 == 0 {
            post(node, "/invoke", &headers, &body).await.status
        } else {
            let answer = invoke(beside, &headers, Body::from(body)).await;
            answer.map_or_else(|it| it.status().as_u16(), |it| it.status().as_u16())
        }
    });
    let statuses = join_all(made).await;
    let done = statuses.iter().filter(|it| **it == 200).count();
    assert!(
        statuses.iter().all(|it| matches!(it, 200 | 402 | 429)),
        "{statuses:?}"
    );
    let usage = beside.store.usage(&space()).await.unwrap();
    assert!(done <= 1 && usage.bytes <= QUOTA, "{done}: {usage:?}");
    assert_eq!(usage.pending, 0);
    assert!(on_disk(node) <= QUOTA, "{}", on_disk(node));
    // one after the other, small ones are made until it is full
    let mut small = 0;
    loop {
        let headers = super::tokens::headers(&says(&format!("small/{small}")));
        match post(node, "/invoke", &headers, &filling(40_000))
            .await
            .status
        {
            200 => small += 1,
            status => {
                assert!(matches!(status, 402 | 429), "{status}");
                break;
            }
        }
    }
    assert!(small > 5, "{small}");
    assert_whole(node).await;
}

/// Who is gone before the answer leaves nothing reserved, and what was done counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_what_was_done_counts_though_nobody_waits() {
    let node = start(|config| config.quota_bytes = Some(QUOTA)).await;
    let beside = &node.beside;
    beside.store.bound(&space(), Some(QUOTA)).await.unwrap();
    for place in 0..8 {
        let headers = super::tokens::headers(&says(&place.to_string()));
        let body = Body::from(filling(400_000));
        let asked = invoke(beside, &headers, body);
        let _ = tokio::time::timeout(std::time::Duration::from_millis(5), asked).await;
    }
    until("nothing is reserved", || {
        rows(&node, "sql_reservation") == 0
    })
    .await;
    let usage = beside.store.usage(&space()).await.unwrap();
    assert!(usage.bytes <= QUOTA && usage.pending == 0, "{usage:?}");
    assert!(
        on_disk(&node) <= usage.bytes,
        "{} of {usage:?}",
        on_disk(&node)
    );
    assert_whole(&node).await;
}

/// Wherever a request is given up, as one is whose room another has, nothing stays reserved.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_a_request_that_is_given_up_anywhere_leaves_nothing_reserved() {
    let node = start(|config| config.quota_bytes = Some(QUOTA)).await;
    let beside = &node.beside;
    beside.store.bound(&space(), Some(QUOTA)).await.unwrap();
    for after in 1..12 {
        let headers = super::tokens::headers(&says("main"));
        let mut asked = Box::pin(invoke(beside, &headers, Body::from(filling(4000))));
        let mut polls = 0;
        // it is not polled so often
        poll_fn(|cx| {
            polls += 1;
            if polls > after {
                return Poll::Ready(());
            }
            asked.as_mut().poll(cx).map(drop)
        })
        .await;
    }
    until("nothing is reserved", || {
        rows(&node, "sql_reservation") == 0
    })
    .await;
    assert_whole(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_exports_that_nobody_reads_are_bounded() {
    let node = start(|_| ()).await;
    let headers = super::tokens::headers(&says("main"));
    let filled = post(&node, "/invoke", &headers, &filling(400_000)).await;
    assert_eq!(filled.status, 200, "{filled:?}");
    let export = async || {
        let headers = super::tokens::headers(&says("main"));
        let body = Body::from(json!({ "action": "export" }).to_string());
        invoke(&node.beside, &headers, body).await
    };
    let first = export().await.unwrap();
    let second = export().await.unwrap();
    for _ in 0..3 {
        assert_eq!(export().await.unwrap_err().status(), 503);
    }
    // one that is read, and one that nobody wants any more
    drop(first);
    let mut bytes = 0;
    let mut pieces = second.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        bytes += piece.unwrap().len();
    }
    assert!(bytes > 400_000, "{bytes}");
    until("none is under way", || rows(&node, "sql_reservation") == 0).await;
    drop(export().await.unwrap());
}
