//! What concerns nothing that is here is checked, and not kept.

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::cid::Cid;
use serde_json::json;

use super::asking::{assert_whole, delegate, delegated, get, post, revoke, rows};
use super::http::{start, start_empty};
use super::tokens::{NOW, Says, did, headers, raw, space};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_what_concerns_nothing_here_is_not_kept() {
    let node = start_empty(|config| config.owners = Some([did(9)].into())).await;
    let size = || std::fs::metadata(node.dir().join("node.sqlite3-wal")).map_or(0, |it| it.len());
    let before = size();
    // of 20 kB each, for their own spaces
    let paths: Vec<String> = (0..20)
        .map(|it| format!("{it}{}", "a".repeat(1000)))
        .collect();
    for seed in 20..40 {
        let ability = Ability::parse("tinycloud.kv/get").unwrap();
        let id = openkey_capability::resource::SpaceId::new(&did(seed), "s").unwrap();
        let grant = paths.iter().fold(Attenuation::new(), |all, path| {
            all.with(format!("{id}/kv/{path}"), ability.clone())
        });
        let token = raw(seed, &did(2), NOW + 1_000_000_000, &[], grant);
        let answer = post(&node, "/delegate", &headers(&token), &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["activated"], json!([]));
        assert_eq!(answer["skipped"], json!([id.to_string()]));
    }
    for table in [
        "delegation",
        "delegation_party",
        "delegation_space",
        "invocation",
    ] {
        assert_eq!(rows(&node, table), 0, "{table}");
    }
    assert!(size() - before < 20_000, "{} bytes", size() - before);
}

/// What clients do at their first sign-in.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_skipped_is_kept_once_its_space_is_hosted() {
    let node = start_empty(|_| ()).await;
    let session = Says::default().text();
    let post_it = async || {
        post(&node, "/delegate", &headers(&session), &[])
            .await
            .json()
    };
    let name = space().to_string();
    assert_eq!(post_it().await["skipped"], json!([name]));
    let hosting = Says {
        resource: "space",
        to: node.beside.keys.host(&space()),
        abilities: &["tinycloud.space/host"],
        ..Says::default()
    };
    let (_, hosted) = delegate(&node, &hosting).await;
    assert_eq!(hosted.json()["activated"], json!([name]));
    let again = post_it().await;
    assert_eq!(
        (&again["activated"], &again["skipped"]),
        (&json!([name]), &json!([]))
    );
    let cid = Cid::of(session.as_bytes());
    assert_eq!(again["cid"], cid.to_string());
    assert_eq!(get(&node, 2, &cid).await.text, "Key not found");
    // and what was posted is no invocation
    assert_whole(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_a_network_is_somebodys_who_has_a_space_here() {
    let node = start(|_| ()).await;
    let decrypt = |owner: u8| {
        let ability = Ability::parse("tinycloud.encryption/decrypt").unwrap();
        let network = format!("urn:tinycloud:encryption:{}:default", did(owner));
        raw(
            owner,
            &did(2),
            NOW + 3600,
            &[],
            Attenuation::new().with(network, ability),
        )
    };
    for (owner, kept) in [(1, 1), (5, 1)] {
        let answer = post(&node, "/delegate", &headers(&decrypt(owner)), &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(rows(&node, "delegation"), kept, "{owner}");
    }
    assert_whole(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g5_what_was_revoked_before_it_came_is_refused() {
    let node = start(|_| ()).await;
    let root = delegated(&node, &Says::default()).await;
    let of_root = [root];
    let child = |to: u8| Says {
        from: 2,
        to: did(to),
        proofs: &of_root,
        ..Says::default()
    };
    // by who signed it, by the owner, by whom it is for; not by others who are known here
    let other = delegated(&node, &child(7)).await;
    for (by, status) in [(2, 401), (1, 401), (3, 401), (7, 200)] {
        let says = child(3).text();
        let cid = Cid::of(says.as_bytes());
        if by == 3 {
            // whom nobody here knows is told so
            assert_eq!(revoke(&node, by, &cid).await, 404);
            delegated(&node, &child(3)).await;
        }
        assert_eq!(revoke(&node, by, &cid).await, 200, "{by}");
        assert_eq!(revoke(&node, by, &cid).await, 200, "{by}");
        let answer = post(&node, "/delegate", &headers(&says), &[]).await;
        assert_eq!(answer.status, status, "{by}: {answer:?}");
        let read = get(&node, 3, &cid).await.status;
        assert_eq!(read, if status == 200 { 404 } else { 401 }, "{by}");
    }
    assert_eq!(get(&node, 7, &other).await.status, 404);
    // a stranger's is not kept
    assert_eq!(revoke(&node, 50, &Cid::of(b"missing")).await, 404);
    assert_whole(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_revocations_of_what_is_not_here_are_bounded() {
    let node = start(|_| ()).await;
    let root = delegated(&node, &Says::default()).await;
    let all = (0..100_u8).map(|place| Cid::of(&[place]));
    for cid in all {
        assert_eq!(revoke(&node, 2, &cid).await, 200);
    }
    assert_eq!(revoke(&node, 2, &Cid::of(b"more")).await, 403);
    // what is here can be taken back all the same, and others are not in the way of the owner
    assert_eq!(revoke(&node, 1, &Cid::of(b"more")).await, 200);
    assert_eq!(revoke(&node, 2, &root).await, 200);
    assert_eq!(get(&node, 2, &root).await.status, 401);
    assert_eq!(rows(&node, "revocation_ahead"), 101);
    let year = (366 * 24 * 3600 + 1) * 1000;
    node.beside.store.tidy(NOW * 1000 + year).await.unwrap();
    assert_eq!(rows(&node, "revocation_ahead"), 0);
}
