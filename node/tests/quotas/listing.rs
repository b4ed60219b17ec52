//! Lists that always have an answer, and are the account's.

use serde_json::Value;

use super::asking::{Answer, delegated, post};
use super::below::pass_on;
use super::http::{Running, own, start};
use super::tokens::{NOW, Says, did, headers, raw, stating, within};

async fn list(node: &Running, resource: &str, ability: &str) -> Answer {
    let says = Says {
        resource,
        abilities: &[ability],
        ..own()
    };
    post(node, "/invoke", &says.headers(), &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_an_owner_reads_what_is_granted_however_much_somebody_passes_on() {
    let node = start(|_| ()).await;
    let session = delegated(&node, &Says::default()).await;
    let of_session = [session];
    assert_eq!(pass_on(&node, 2, session, 2100).await, (2100, 0));
    let later = Says {
        to: did(4),
        ..Says::default()
    };
    let later = delegated(&node, &later).await;
    for (resource, ability) in [
        ("capabilities/all", "tinycloud.capabilities/read"),
        ("delegation/", "tinycloud.delegation/list"),
    ] {
        let answer = list(&node, resource, ability).await;
        assert_eq!(answer.status, 200, "{ability}");
        assert!(
            answer.head.contains("x-tinycloud-truncated: true"),
            "{ability}"
        );
        // what the owner granted comes first
        for cid in of_session.iter().chain([&later]) {
            assert!(answer.text.contains(&format!("\"{cid}\"")), "{ability}");
        }
    }
}

/// A session, and what it may read of the account's lists.
fn reader(seed: u8) -> String {
    let ability = |name| openkey_capability::ability::Ability::parse(name).unwrap();
    let grant = openkey_capability::attenuation::Attenuation::new()
        .with(within("kv"), ability("tinycloud.kv/get"))
        .with(
            within("capabilities"),
            ability("tinycloud.capabilities/read"),
        )
        .with(within("delegation"), ability("tinycloud.delegation/list"))
        .with(within("delegation"), ability("tinycloud.delegation/get"))
        .with(within("delegation"), ability("tinycloud.delegation/check"));
    raw(1, &did(seed), NOW + 3600, &[], grant)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lists_are_the_accounts_and_not_the_session_keys() {
    let node = start(|_| ()).await;
    let [old, new] = [2, 3].map(reader);
    let [old_cid, new_cid] = [&old, &new].map(|it| openkey_capability::cid::Cid::of(it.as_bytes()));
    for token in [&old, &new] {
        assert_eq!(
            post(&node, "/delegate", &headers(token), &[]).await.status,
            200
        );
    }
    let of_old = [old_cid];
    let given = Says {
        from: 2,
        to: did(4),
        resource: "kv/docs",
        abilities: &["tinycloud.kv/get"],
        proofs: &of_old,
        ..Says::default()
    };
    let given = delegated(&node, &given).await;
    // a new session asks what the account gave
    let asked = async |path: &str, ability: &str| {
        let proofs = [new_cid];
        let says = Says {
            from: 3,
            to: did(3),
            until: NOW + 60,
            resource: path,
            abilities: &[ability],
            proofs: &proofs,
            ..Says::default()
        };
        let answer = post(&node, "/invoke", &says.headers(), &[]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    let items = asked("delegation/", "tinycloud.delegation/list").await;
    let items: Vec<&Value> = items.as_array().unwrap().iter().collect();
    let item = items
        .iter()
        .find(|it| it["cid"] == given.to_string())
        .unwrap();
    let expected = serde_json::json!({
        "cid": given.to_string(),
        "delegateDID": did(4).as_str(),
        "delegatorDID": did(2).as_str(),
        "spaceId": super::tokens::space().to_string(),
        "path": "docs",
        "actions": ["tinycloud.kv/get"],
        "expiry": "2027-01-15T09:00:00Z",
        "isRevoked": false,
        "createdAt": "2027-01-15T08:00:00Z",
        "parentCid": old_cid.to_string(),
        "allowSubDelegation": true,
        "resources": [{
            "resource": within("kv/docs"),
            "actions": ["tinycloud.kv/get"],
            "caveats": [{}],
        }],
    });
    assert_eq!(**item, expected);
    let path = format!("delegation/{given}");
    let chain = asked(&path, "tinycloud.delegation/get").await;
    let cids: Vec<_> = chain["chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["cid"])
        .collect();
    assert_eq!(cids, [&given.to_string(), &old_cid.to_string()]);
    let allowed = asked(&path, "tinycloud.delegation/check").await;
    assert_eq!(allowed, serde_json::json!({ "allowed": true }));
    assert_eq!(super::asking::revoke(&node, 1, &given).await, 200);
    let allowed = asked(&path, "tinycloud.delegation/check").await;
    assert_eq!(allowed, serde_json::json!({ "allowed": false }));
    let chain = asked(&path, "tinycloud.delegation/get").await;
    assert_eq!(chain["chain"][0]["isRevoked"], true);
    // by direction, as the owner
    let parameters = |direction: &str| {
        let list = serde_json::json!({"type": "list", "filters": {"direction": direction}});
        serde_json::json!({ "capabilitiesReadParams": list })
    };
    for (direction, count) in [("created", 2), ("received", 0)] {
        let headers = stating(
            "capabilities/all",
            "tinycloud.capabilities/read",
            parameters(direction),
        );
        let answer = post(&node, "/invoke", &headers, &[]).await.json();
        assert_eq!(answer.as_object().unwrap().len(), count, "{direction}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn h10_spaces_are_listed_in_pages() {
    let node = start(|_| ()).await;
    let hosting = (0..1004_u32).map(|number| {
        let id = openkey_capability::resource::SpaceId::new(&did(1), &format!("p{number:04}"));
        let statement = *blake3::hash(&number.to_be_bytes()).as_bytes();
        let admission = openkey_node::store::Admission {
            statement,
            expires_ms: NOW * 1000 + 1000,
            chain_expires_ms: None,
            until_ms: NOW * 1000 + 1000,
            chain: Vec::new(),
        };
        let store = &node.beside.store;
        async move { store.host(admission, &id.unwrap(), 0).await.unwrap() }
    });
    futures_util::future::join_all(hosting).await;
    let page = async |cursor: Option<&str>| {
        let says = Says {
            resource: "space/",
            abilities: &["tinycloud.space/list"],
            ..own()
        };
        let mut headers = says.headers();
        if let Some(cursor) = cursor {
            headers.insert("x-tinycloud-cursor", cursor.parse().unwrap());
        }
        post(&node, "/invoke", &headers, &[]).await
    };
    let first = page(None).await;
    assert!(first.head.contains("x-tinycloud-truncated: true"));
    let all = first.json();
    let last = all[999]["id"].as_str().unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1000);
    assert!(
        first
            .head
            .contains(&format!("x-tinycloud-next-cursor: {}", last.to_lowercase()))
    );
    let rest = page(Some(last)).await;
    assert!(rest.head.contains("x-tinycloud-truncated: false"));
    assert_eq!(rest.json().as_array().unwrap().len(), 5);
    assert_eq!(page(Some("nonsense")).await.status, 400);
}
