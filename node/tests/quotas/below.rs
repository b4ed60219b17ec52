//! How much hangs under one delegation.

use futures_util::StreamExt as _;
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cid::Cid;

use super::asking::{assert_whole, delegate, delegated, post, revoke, rows};
use super::http::{Running, start};
use super::tokens::{NOW, Says, did, headers, raw, within};

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

/// The token of a delegation with so many long grants: some 75 kB for a hundred.
fn long(from: u8, proof: Cid, grants: usize) -> String {
    let get = || Ability::parse("tinycloud.kv/get").unwrap();
    let grants = (0..grants).fold(Attenuation::new(), |all, place| {
        let key = format!("kv/docs/{place:03}{}", "k".repeat(450));
        all.with(within(&key), get())
    });
    raw(from, &did(60), NOW + 3000, &[proof], grants)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_what_hangs_below_links_takes_no_more_than_a_mebibyte() {
    let node = start(|_| ()).await;
    let session = delegated(&node, &Says::default()).await;
    let of_session = [session];
    let link = Says {
        from: 2,
        to: did(3),
        until: NOW + 3000,
        proofs: &of_session,
        ..Says::default()
    };
    // the holder of one link, and that of another
    let links = [delegated(&node, &link).await, {
        let to = did(4);
        delegated(&node, &Says { to, ..link }).await
    }];
    let (mut kept, mut refused) = (0, 0);
    for round in 0..20 {
        let holder = round % 2;
        let token = long(3 + u8::try_from(holder).unwrap(), links[holder], 100);
        let answer = post(&node, "/delegate", &headers(&token), &[]).await;
        match answer.status {
            200 => kept += token.len(),
            403 => refused += 1,
            _ => panic!("{answer:?}"),
        }
    }
    assert!(refused > 0 && kept <= 1024 * 1024, "{kept} {refused}");
    assert!(kept > 900 * 1024, "{kept}");
    // the session goes on, with as much
    for _ in 0..20 {
        let answer = post(&node, "/delegate", &headers(&long(2, session, 100)), &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_whole(&node).await;
    // what has ended makes room
    node.clock.set(NOW + 4000);
    node.beside.tidy().await.unwrap();
    assert_eq!(rows(&node, "delegation"), 0);
}
