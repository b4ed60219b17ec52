//! Spaces that are not hosted.

use openkey_capability::cid::Cid;
use serde_json::json;

use super::asking::{get, post};
use super::http::{own, start, start_empty};
use super::tokens::{NOW, Says, did};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_to_a_space_that_is_not_hosted_are_told_so_first() {
    let (empty, hosted) = (start_empty(|_| ()).await, start(|_| ()).await);
    for (resource, ability, unhosted) in [
        ("kv/a", "tinycloud.kv/put", 404),
        ("kv/a", "tinycloud.kv/del", 404),
        ("sql/a", "tinycloud.sql/write", 404),
        ("kv/a", "tinycloud.kv/get", 401),
        ("sql/a", "tinycloud.sql/read", 401),
    ] {
        let says = Says {
            from: 5,
            to: did(5),
            until: NOW + 60,
            resource,
            abilities: &[ability],
            ..Says::default()
        };
        for (node, status) in [(&empty, unhosted), (&hosted, 401)] {
            let answer = post(node, "/invoke", &says.headers(), b"{}").await;
            assert_eq!(answer.status, status, "{ability}: {answer:?}");
            assert_eq!(
                answer.text == "Space not found",
                status == 404,
                "{answer:?}"
            );
        }
    }
    // what cites a delegation that was skipped
    let skipped = Cid::of(b"skipped");
    assert_eq!(get(&empty, 2, &skipped).await.text, "Space not found");
    assert_eq!(get(&hosted, 2, &skipped).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_mutations_in_one_token_are_named() {
    let node = start(|_| ()).await;
    let says = Says {
        abilities: &["tinycloud.kv/put", "tinycloud.kv/del"],
        ..own()
    };
    let answer = post(&node, "/invoke", &says.headers(), b"1").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text.contains("kv/put on a") && answer.text.contains("kv/del on a"),
        "{answer:?}"
    );
    let says = Says {
        resource: "space/x",
        abilities: &["tinycloud.space/create", "tinycloud.space/info"],
        ..own()
    };
    let answer = post(&node, "/invoke", &says.headers(), b"").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text.contains("tinycloud.space/create on "),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_public_list_of_a_space_that_is_not_hosted_is_empty() {
    let node = start_empty(|_| ()).await;
    let space = openkey_capability::resource::SpaceId::new(&did(1), "public").unwrap();
    let list = openkey_node::public::list(&node.beside, &space.to_string(), "").await;
    let body = axum::body::to_bytes(list.unwrap().into_body(), 100)
        .await
        .unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
        json!([])
    );
}
