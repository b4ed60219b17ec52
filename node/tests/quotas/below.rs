//! How much hangs under one delegation.

use futures_util::StreamExt as _;
use openkey_capability::cid::Cid;

use super::asking::{assert_whole, delegate, delegated, revoke, rows};
use super::http::{Running, start};
use super::tokens::{NOW, Says, did};

/// Posts so many delegations by one on what it was given, several at once; answers how often which status
/// was answered.
pub(crate) async fn pass_on(node: &Running, from: u8, proof: Cid, count: usize) -> (usize, usize) {
    let proofs = [proof];
    let (proofs, statuses) = (&proofs, futures_util::stream::iter(0..count));
    let statuses = statuses.map(|place| async move {
        let says = Says {
            from,
            to: did(u8::try_from(100 + place % 100).unwrap()),
            until: NOW + 3000,
            proofs,
            ..Says::default()
        };
        delegate(node, &says).await.1.status
    });
    let statuses: Vec<u16> = statuses.buffer_unordered(16).collect().await;
    let of = |wanted| statuses.iter().filter(|it| **it == wanted).count();
    (of(200), of(403))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_a_thousand_delegations_hang_under_one() {
    let node = start(|_| ()).await;
    let session = delegated(&node, &Says::default()).await;
    let of_session = [session];
    let link = || Says {
        from: 2,
        to: did(3),
        until: NOW + 3000,
        proofs: &of_session,
        ..Says::default()
    };
    let mine = delegated(&node, &link()).await;
    assert_eq!(pass_on(&node, 3, mine, 1010).await, (1000, 10));
    // fresh keys are no way around it
    let below = [mine];
    let to = Says {
        from: 3,
        to: did(50),
        until: NOW + 3000,
        proofs: &below,
        ..Says::default()
    };
    assert_eq!(delegate(&node, &to).await.1.status, 403);
    assert_whole(&node).await;
    // the owner's session goes on, and what is taken back makes room
    delegated(&node, &link()).await;
    assert_eq!(rows(&node, "delegation"), 1003);
    let under = |cid: Cid| {
        let store = rusqlite::Connection::open(node.dir().join("node.sqlite3")).unwrap();
        let count = "SELECT below FROM delegation WHERE cid = ?1";
        store
            .query_row(count, [cid.digest()], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(under(session), 1002);
    assert_eq!(revoke(&node, 1, &mine).await, 200);
    assert_eq!((under(session), under(mine)), (1, 1000));
    assert_whole(&node).await;
    // until all has ended
    node.clock.set(NOW + 4000);
    node.beside.tidy().await.unwrap();
    assert_eq!(rows(&node, "delegation"), 0);
    assert_whole(&node).await;
}
