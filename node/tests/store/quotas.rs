//! What a space holds, and may hold.

use openkey_capability::resource::SpaceId;
use openkey_node::store::{Change, Page, Reservation, Store, StoreError, Usage};

use super::common::{
    Changes, claim, delete, first, fresh, hosted, in_blob, put, reservation, space, stage, value,
    write, writing,
};

async fn bytes(store: &dyn Store, id: &SpaceId) -> u64 {
    store.usage(id).await.unwrap().bytes
}

async fn bounded(
    store: &dyn Store,
    id: &SpaceId,
    changes: Changes,
    bound: u64,
) -> Result<(), StoreError> {
    let mut write = writing(id, changes);
    write.default_bound = Some(bound);
    store.write(write).await.map(drop)
}

pub(crate) async fn usage_is_what_is_held(store: &dyn Store) {
    let id = hosted(store, "used").await;
    stage(store, &id, "0a", 70_000).await;
    let steps: [(Changes, u64); 8] = [
        (vec![put("a", value(&[0; 10]))], 10),
        (vec![put("a", value(&[0; 4]))], 4),
        (
            vec![put("b", in_blob("0a", 70_000)), put("c", value(b""))],
            70_004,
        ),
        (vec![put("a", value(&[0; 20]))], 70_020),
        (vec![delete("b")], 20),
        (vec![delete("c")], 20),
        (vec![delete("a"), put("d", value(&[0; 3]))], 3),
        (vec![delete("d")], 0),
    ];
    for (place, (changes, expected)) in steps.into_iter().enumerate() {
        write(store, &id, changes).await.unwrap();
        assert_eq!(bytes(store, &id).await, expected, "step {place}");
    }
    // until its file is gone, a blob whose value was deleted counts towards bounds
    assert_eq!(store.usage(&id).await.unwrap().pending, 70_000);
    let gone = claim(store, super::common::LATER, 10).await;
    store.removed(gone).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().pending, 0);
    // databases count as well, each as large as it is now
    for (database, size, expected) in [
        ("main", 4096, 4096),
        ("a/main", 8192, 12_288),
        ("main", 1000, 9192),
        ("a/main", 0, 1000),
    ] {
        store.sized(&id, database, size).await.unwrap();
        assert_eq!(bytes(store, &id).await, expected);
    }
    write(store, &id, vec![put("a", value(&[0; 10]))])
        .await
        .unwrap();
    assert_eq!(bytes(store, &id).await, 1010);
    // whoever enters for one may fill it and what room there is
    for (database, own) in [("main", 1000), ("a/main", 0), ("another", 0)] {
        let entered = store.enter(fresh(), &id, database).await.unwrap();
        assert_eq!((entered.usage.bytes, entered.database_bytes), (1010, own));
        assert_eq!(entered.most(Some(1100)), Some(own + 90));
        assert_eq!(
            (entered.most(Some(5)), entered.most(None)),
            (Some(own), None)
        );
    }
    assert_eq!(bytes(store, &hosted(store, "other").await).await, 0);
}

pub(crate) async fn a_full_space_takes_nothing_and_a_smaller_value_always(store: &dyn Store) {
    let id = hosted(store, "full").await;
    let put = |key: &str, size| vec![put(key, value(&vec![0; size]))];
    bounded(store, &id, put("a", 60), 100).await.unwrap();
    let (used, limit) = (60, 100);
    let refused = bounded(store, &id, put("b", 41), 100).await;
    assert_eq!(refused, Err(StoreError::Room { used, limit }));
    let refused = bounded(store, &id, put("a", 101), 100).await;
    assert_eq!(refused, Err(StoreError::Room { used, limit }));
    bounded(store, &id, put("b", 40), 100).await.unwrap();
    let used = 100;
    let refused = bounded(store, &id, put("c", 1), 100).await;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
    // what adds nothing is let in, also over a bound that was lowered
    bounded(store, &id, put("c", 0), 100).await.unwrap();
    bounded(store, &id, put("a", 60), 10).await.unwrap();
    let refused = bounded(store, &id, put("a", 61), 10).await;
    let limit = 10;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
    bounded(store, &id, put("a", 59), 10).await.unwrap();
    bounded(store, &id, vec![delete("b")], 0).await.unwrap();
    assert_eq!(bytes(store, &id).await, 59);
    // databases take up room as well
    store.sized(&id, "main", 41).await.unwrap();
    let refused = bounded(store, &id, put("d", 1), 100).await;
    let limit = 100;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
}

pub(crate) async fn a_batch_is_counted_together(store: &dyn Store) {
    let id = hosted(store, "batch").await;
    let batch = |sizes: [usize; 3]| -> Changes {
        let keys = ["a", "b", "c"].into_iter().zip(sizes);
        keys.map(|(key, size)| put(key, value(&vec![0; size])))
            .collect()
    };
    let refused = bounded(store, &id, batch([40, 40, 21]), 100).await;
    let (used, limit) = (0, 100);
    assert_eq!(refused, Err(StoreError::Room { used, limit }));
    assert_eq!(bytes(store, &id).await, 0);
    bounded(store, &id, batch([40, 40, 20]), 100).await.unwrap();
    // one grows by what another shrinks
    bounded(store, &id, batch([90, 5, 5]), 100).await.unwrap();
    assert_eq!(bytes(store, &id).await, 100);
    let swap = vec![
        put("d", value(&[0; 90])),
        (
            "a".to_owned(),
            openkey_node::store::Condition::Any,
            Change::Delete,
        ),
    ];
    bounded(store, &id, swap, 100).await.unwrap();
    assert_eq!(bytes(store, &id).await, 100);
}

pub(crate) async fn a_bound_that_was_set_comes_before_the_default(store: &dyn Store) {
    let id = hosted(store, "bound").await;
    let put = |key: &str, size| vec![put(key, value(&vec![0; size]))];
    store.bound(&id, Some(50)).await.unwrap();
    store.bound(&id, Some(20)).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().bound, Some(20));
    let limit = 20;
    let refused = bounded(store, &id, put("a", 21), 1000).await;
    assert_eq!(refused, Err(StoreError::Room { used: 0, limit }));
    let refused = write(store, &id, put("a", 21)).await.map(drop);
    assert_eq!(refused, Err(StoreError::Room { used: 0, limit }));
    bounded(store, &id, put("a", 20), 0).await.unwrap();
    store.bound(&id, None).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().bound, None);
    let refused = bounded(store, &id, put("b", 1), 20).await;
    assert_eq!(refused, Err(StoreError::Full { used: 20, limit }));
    write(store, &id, put("b", 1)).await.unwrap();
    let usage = store.usage(&id).await.unwrap();
    assert_eq!(usage.room(Some(25)), Some(4));
    assert_eq!(usage.room(Some(5)), Some(0));
    assert_eq!(usage.room(None), None);
}

pub(crate) async fn usages_are_listed_page_by_page(store: &dyn Store) {
    let mut expected = Vec::new();
    for (name, is_hosted, bound) in [
        ("a", true, Some(5)),
        ("b", false, Some(7)),
        ("c", true, None),
        ("d", false, Some(0)),
        ("e", true, Some(u64::from(u32::MAX))),
    ] {
        let id = space(name);
        if is_hosted {
            hosted(store, name).await;
            write(store, &id, vec![put("k", value(&[0; 3]))])
                .await
                .unwrap();
            store.sized(&id, "main", 4).await.unwrap();
        }
        if bound.is_some() {
            store.bound(&id, bound).await.unwrap();
        }
        let usage = Usage {
            hosted: is_hosted,
            bytes: if is_hosted { 7 } else { 0 },
            pending: 0,
            bound,
        };
        assert_eq!(store.usage(&id).await.unwrap(), usage);
        expected.push((id.to_string(), usage));
    }
    for limit in [1, 2, 3, 100] {
        let (mut all, mut page): (Vec<_>, Page<String>) = (Vec::new(), first(limit));
        loop {
            let part = store.usages(page.clone()).await.unwrap();
            assert!(part.len() <= limit as usize);
            let Some((last, _)) = part.last() else { break };
            page.after = Some(last.clone());
            all.extend(part);
            assert!(all.len() <= expected.len(), "{limit}");
        }
        assert_eq!(all, expected, "{limit}");
    }
}

pub(crate) async fn h10_what_is_being_received_counts(store: &dyn Store) {
    let id = hosted(store, "received").await;
    let bounded = |blob: &str, first, bytes, keys: &[&str]| Reservation {
        first,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        default_bound: Some(100),
        ..reservation(&id, blob, bytes)
    };
    let limit = 100;
    store.reserve(bounded("0a", true, 60, &[])).await.unwrap();
    let refused = store.reserve(bounded("0b", true, 41, &[])).await;
    assert_eq!(refused, Err(StoreError::Room { used: 60, limit }));
    store.reserve(bounded("0b", true, 40, &[])).await.unwrap();
    let refused = store.reserve(bounded("0a", false, 61, &[])).await;
    assert_eq!(refused, Err(StoreError::Full { used: 100, limit }));
    // nor is there room for what is small, or for a database
    let mut small = writing(&id, vec![put("k", value(b"1"))]);
    small.default_bound = Some(100);
    let refused = store.write(small.clone()).await;
    assert_eq!(refused, Err(StoreError::Full { used: 100, limit }));
    let entered = store.enter(fresh(), &id, "main").await.unwrap();
    assert_eq!(entered.most(Some(100)), Some(0));
    // what becomes a value counts once
    let mut large = writing(&id, vec![put("k", in_blob("0a", 60))]);
    large.default_bound = Some(100);
    store.write(large).await.unwrap();
    let usage = store.usage(&id).await.unwrap();
    assert_eq!((usage.bytes, usage.pending), (60, 40));
    // what it replaces makes room, once
    store
        .reserve(bounded("0c", true, 60, &["k"]))
        .await
        .unwrap();
    let refused = store.reserve(bounded("0d", true, 1, &["k"])).await;
    assert_eq!(refused, Err(StoreError::Full { used: 160, limit }));
    let gone = store.discard(vec!["0b".to_owned(), "0c".to_owned()]).await;
    store.removed(gone.unwrap()).await.unwrap();
    assert_eq!(store.usage(&id).await.unwrap().pending, 0);
    small.admission = fresh();
    store.write(small).await.unwrap();
}

pub(crate) async fn h7_what_all_receive_is_bounded(store: &dyn Store) {
    let ids = [hosted(store, "one").await, hosted(store, "two").await];
    let bounded = |id: &SpaceId, blob: &str, bytes| Reservation {
        staged_bound: 100,
        ..reservation(id, blob, bytes)
    };
    store.reserve(bounded(&ids[0], "0a", 60)).await.unwrap();
    let refused = store.reserve(bounded(&ids[1], "0b", 41)).await;
    assert_eq!(refused, Err(StoreError::Busy));
    store.reserve(bounded(&ids[1], "0b", 40)).await.unwrap();
    // what has arrived makes room
    write(store, &ids[0], vec![put("k", in_blob("0a", 60))])
        .await
        .unwrap();
    store.reserve(bounded(&ids[1], "0c", 60)).await.unwrap();
}
