//! Blobs that are part of no value.

use openkey_node::store::{Content, Store, StoreError};

use super::common::{
    Fixed, LATER, NOW, claim, delete, hosted, in_blob, put, reservation, stage, value, write,
    writing,
};

pub(crate) async fn a_blob_that_became_a_value_is_never_claimed(store: &dyn Store) {
    let id = hosted(store, "blobs").await;
    stage(store, &id, "0a", 5).await;
    stage(store, &id, "0b", 5).await;
    write(store, &id, vec![put("a", in_blob("0a", 5))])
        .await
        .unwrap();
    let claimed = claim(store, LATER, 10).await;
    assert_eq!(claimed, ["0b"]);
    let value = store.value(&id, "a").await.unwrap().unwrap();
    assert!(matches!(value.content, Content::Blob(name) if name == "0a"));
}

pub(crate) async fn a_claimed_blob_never_becomes_a_value(store: &dyn Store) {
    let id = hosted(store, "blobs").await;
    stage(store, &id, "0a", 5).await;
    assert!(claim(store, NOW, 10).await.is_empty());
    assert_eq!(claim(store, NOW + 1, 10).await, ["0a"]);
    let attempt = writing(&id, vec![put("a", in_blob("0a", 5))]);
    let admission = attempt.admission.clone();
    let refused = store.write(attempt).await.unwrap_err();
    assert_eq!(refused, StoreError::Late);
    store.admit(admission).await.unwrap();
    store.removed(vec!["0a".to_owned()]).await.unwrap();
    write(store, &id, vec![put("a", in_blob("0a", 5))])
        .await
        .unwrap_err();
    assert!(store.value(&id, "a").await.unwrap().is_none());
    assert!(claim(store, LATER, 10).await.is_empty());
}

pub(crate) async fn a_blob_that_nobody_removed_is_given_out_again(store: &dyn Store) {
    let id = hosted(store, "blobs").await;
    for name in ["0a", "0b", "0c"] {
        stage(store, &id, name, 5).await;
    }
    let claimed_now = async || -> Vec<String> {
        let mut claimed = claim(store, LATER, 10).await;
        claimed.sort();
        claimed
    };
    assert_eq!(claimed_now().await, ["0a", "0b", "0c"]);
    store.removed(vec!["0b".to_owned()]).await.unwrap();
    assert_eq!(claimed_now().await, ["0a", "0c"]);
    // whenever it is asked: what was claimed stays claimed
    let claimed = claim(store, 0, 10).await;
    assert_eq!(claimed.len(), 2);
    store.removed(claimed).await.unwrap();
    assert!(claimed_now().await.is_empty());
}

pub(crate) async fn the_blob_of_an_overwritten_value_is_claimed_after_its_time(
    store: &dyn Store,
    clock: &Fixed,
) {
    let id = hosted(store, "blobs").await;
    for (place, name) in ["0a", "0b", "0c"].into_iter().enumerate() {
        stage(store, &id, name, 5).await;
        let change = writing(&id, vec![put("a", in_blob(name, 5))]);
        clock.set(NOW + i64::try_from(place).unwrap() * 10);
        store.write(change).await.unwrap();
    }
    // 0a was replaced at NOW + 10, 0b at NOW + 20
    let claim = async |before| claim(store, before, 10).await;
    assert!(claim(NOW + 10).await.is_empty());
    let claimed = claim(NOW + 11).await;
    assert_eq!(claimed, ["0a"]);
    store.removed(claimed).await.unwrap();
    let claimed = claim(NOW + 21).await;
    assert_eq!(claimed, ["0b"]);
    store.removed(claimed).await.unwrap();
    let small = writing(&id, vec![put("a", value(b"small"))]);
    clock.set(NOW + 30);
    store.write(small).await.unwrap();
    stage(store, &id, "0d", 5).await;
    write(store, &id, vec![put("d", in_blob("0d", 5))])
        .await
        .unwrap();
    let deleted = writing(&id, vec![delete("d")]);
    clock.set(NOW + 40);
    store.write(deleted).await.unwrap();
    let claimed = claim(NOW + 31).await;
    assert_eq!(claimed, ["0c"]);
    store.removed(claimed).await.unwrap();
    assert!(claim(NOW + 40).await.is_empty());
    assert_eq!(claim(NOW + 41).await, ["0d"]);
}

pub(crate) async fn blobs_that_cannot_be_removed_do_not_stop_the_others(store: &dyn Store) {
    let id = hosted(store, "blobs").await;
    for name in ["0a", "0b", "0c", "0d"] {
        stage(store, &id, name, 5).await;
    }
    let stuck = claim(store, LATER, 2).await;
    assert_eq!(stuck.len(), 2);
    // a file that cannot be removed is given out again and again; the others still have their turn
    let (mut seen, mut rounds) = (stuck.clone(), 0);
    while seen.len() < 4 && rounds < 10 {
        for name in claim(store, LATER, 2).await {
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

pub(crate) async fn h7_a_blob_that_is_renewed_is_not_claimed(store: &dyn Store, clock: &Fixed) {
    let id = hosted(store, "renewed").await;
    stage(store, &id, "0a", 5).await;
    let mut more = reservation(&id, "0a", 5);
    more.first = false;
    for minute in 1..20 {
        clock.set(NOW + minute * 60_000);
        assert!(
            claim(store, NOW + (minute - 1) * 60_000, 10)
                .await
                .is_empty()
        );
        more.bytes += 1;
        store.reserve(more.clone()).await.unwrap();
        assert_eq!(store.usage(&id).await.unwrap().pending, more.bytes);
    }
    assert_eq!(claim(store, LATER + 60_000_000, 10).await, ["0a"]);
    // what was claimed is not renewed, and counts until it is gone
    let late = store.reserve(more.clone()).await;
    assert_eq!(late, Err(StoreError::Late));
    assert_eq!(store.usage(&id).await.unwrap().pending, more.bytes);
    store.removed(vec!["0a".to_owned()]).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().pending, 0);
}

pub(crate) async fn what_became_a_value_is_not_discarded(store: &dyn Store) {
    let id = hosted(store, "discarded").await;
    for name in ["0a", "0b"] {
        stage(store, &id, name, 5).await;
    }
    write(store, &id, vec![put("a", in_blob("0a", 5))])
        .await
        .unwrap();
    let names = ["0a", "0b", "0c"].map(str::to_owned);
    assert_eq!(store.discard(names.to_vec()).await.unwrap(), ["0b"]);
    // nor when it was replaced: whoever reads it may still open it
    write(store, &id, vec![delete("a")]).await.unwrap();
    assert_eq!(store.discard(names.to_vec()).await.unwrap(), ["0b"]);
    let refused = write(store, &id, vec![put("b", in_blob("0b", 5))]).await;
    assert_eq!(refused.unwrap_err(), StoreError::Late);
}
