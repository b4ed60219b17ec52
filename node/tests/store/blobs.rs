//! Blobs that are part of no value.

use openkey_node::store::{Content, Store, StoreError};

use super::common::{LATER, NOW, delete, hosted, in_blob, put, value, write, writing};

pub(crate) async fn a_blob_that_became_a_value_is_never_claimed(store: &dyn Store) {
    let id = hosted(store, "blobs").await;
    store.stage("0a", NOW).await.unwrap();
    store.stage("0b", NOW).await.unwrap();
    write(store, &id, vec![put("a", in_blob("0a", 5))])
        .await
        .unwrap();
    let claimed = store.claim_garbage(LATER, 10).await.unwrap();
    assert_eq!(claimed, ["0b"]);
    let value = store.value(&id, "a").await.unwrap().unwrap();
    assert!(matches!(value.content, Content::Blob(name) if name == "0a"));
}

pub(crate) async fn a_claimed_blob_never_becomes_a_value(store: &dyn Store) {
    let id = hosted(store, "blobs").await;
    store.stage("0a", NOW).await.unwrap();
    assert!(store.claim_garbage(NOW, 10).await.unwrap().is_empty());
    assert_eq!(store.claim_garbage(NOW + 1, 10).await.unwrap(), ["0a"]);
    let attempt = writing(&id, vec![put("a", in_blob("0a", 5))]);
    let admission = attempt.admission.clone();
    let refused = store.write(attempt).await.unwrap_err();
    assert!(matches!(refused, StoreError::Failed { .. }), "{refused}");
    store.admit(admission).await.unwrap();
    store.removed(vec!["0a".to_owned()]).await.unwrap();
    write(store, &id, vec![put("a", in_blob("0a", 5))])
        .await
        .unwrap_err();
    assert!(store.value(&id, "a").await.unwrap().is_none());
    assert!(store.claim_garbage(LATER, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_blob_that_nobody_removed_is_given_out_again(store: &dyn Store) {
    for name in ["0a", "0b", "0c"] {
        store.stage(name, NOW).await.unwrap();
    }
    let claim = async || -> Vec<String> {
        let mut claimed = store.claim_garbage(LATER, 10).await.unwrap();
        claimed.sort();
        claimed
    };
    assert_eq!(claim().await, ["0a", "0b", "0c"]);
    store.removed(vec!["0b".to_owned()]).await.unwrap();
    assert_eq!(claim().await, ["0a", "0c"]);
    // whenever it is asked: what was claimed stays claimed
    let claimed = store.claim_garbage(0, 10).await.unwrap();
    assert_eq!(claimed.len(), 2);
    store.removed(claimed).await.unwrap();
    assert!(claim().await.is_empty());
}

pub(crate) async fn the_blob_of_an_overwritten_value_is_claimed_after_its_time(store: &dyn Store) {
    let id = hosted(store, "blobs").await;
    for (place, name) in ["0a", "0b", "0c"].into_iter().enumerate() {
        store.stage(name, 0).await.unwrap();
        let mut change = writing(&id, vec![put("a", in_blob(name, 5))]);
        change.now_ms = NOW + i64::try_from(place).unwrap() * 10;
        store.write(change).await.unwrap();
    }
    // 0a was replaced at NOW + 10, 0b at NOW + 20
    let claim = async |before| store.claim_garbage(before, 10).await.unwrap();
    assert!(claim(NOW + 10).await.is_empty());
    let claimed = claim(NOW + 11).await;
    assert_eq!(claimed, ["0a"]);
    store.removed(claimed).await.unwrap();
    let claimed = claim(NOW + 21).await;
    assert_eq!(claimed, ["0b"]);
    store.removed(claimed).await.unwrap();
    let mut small = writing(&id, vec![put("a", value(b"small"))]);
    small.now_ms = NOW + 30;
    store.write(small).await.unwrap();
    store.stage("0d", 0).await.unwrap();
    write(store, &id, vec![put("d", in_blob("0d", 5))])
        .await
        .unwrap();
    let mut deleted = writing(&id, vec![delete("d")]);
    deleted.now_ms = NOW + 40;
    store.write(deleted).await.unwrap();
    let claimed = claim(NOW + 31).await;
    assert_eq!(claimed, ["0c"]);
    store.removed(claimed).await.unwrap();
    assert!(claim(NOW + 40).await.is_empty());
    assert_eq!(claim(NOW + 41).await, ["0d"]);
}

pub(crate) async fn blobs_that_cannot_be_removed_do_not_stop_the_others(store: &dyn Store) {
    for name in ["0a", "0b", "0c", "0d"] {
        store.stage(name, NOW).await.unwrap();
    }
    let stuck = store.claim_garbage(LATER, 2).await.unwrap();
    assert_eq!(stuck.len(), 2);
    // a file that cannot be removed is given out again and again; the others still have their turn
    let (mut seen, mut rounds) = (stuck.clone(), 0);
    while seen.len() < 4 && rounds < 10 {
        for name in store.claim_garbage(LATER, 2).await.unwrap() {
            if !stuck.contains(&name) {
                store.removed(vec![name.clone()]).await.unwrap();
                seen.push(name);
            }
        }
        rounds += 1;
    }
    seen.sort();
    assert_eq!(seen, ["0a", "0b", "0c", "0d"]);
}
