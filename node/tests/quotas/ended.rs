//! What has ended is forgotten, with what revoked it.

use super::asking::{assert_whole, delegate, delegated, get, revoke, rows};
use super::http::start;
use super::tokens::{NOW, Says, did};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_what_has_ended_is_forgotten_with_what_revoked_it() {
    let node = start(|_| ()).await;
    let stays = delegated(&node, &Says::default()).await;
    let of_stays = [stays];
    let brief = || Says {
        from: 2,
        to: did(3),
        until: NOW + 2,
        proofs: &of_stays,
        ..Says::default()
    };
    let mut last = None;
    for _ in 0..20 {
        let (ucan, answer) = delegate(&node, &brief()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(revoke(&node, 2, &ucan.cid()).await, 200);
        last = Some(ucan);
    }
    let kept = [
        "delegation",
        "delegation_party",
        "delegation_space",
        "revocation",
    ];
    // of the one that stays: one row, two parties, one space
    let counts = || kept.map(|table| rows(&node, table));
    assert_eq!(counts(), [21, 2 + 3 * 20, 21, 20]);
    node.clock.set(NOW + 61);
    node.beside.tidy().await.unwrap();
    assert_eq!(counts()[0], 21, "for a minute it is kept");
    node.clock.set(NOW + 63);
    node.beside.tidy().await.unwrap();
    assert_eq!(counts(), [1, 2, 1, 0]);
    assert_eq!(rows(&node, "delegation_above"), 0);
    assert_whole(&node).await;
    // a clock that is set back does not bring it back
    node.clock.set(NOW);
    let last = last.unwrap();
    let headers = super::tokens::headers(last.token());
    let again = super::asking::post(&node, "/delegate", &headers, &[]).await;
    assert_eq!(again.status, 401, "{again:?}");
    assert_eq!(get(&node, 3, &last.cid()).await.status, 401);
    assert_eq!(get(&node, 2, &stays).await.status, 404);
}
