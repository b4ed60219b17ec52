//! What a space holds, and may hold.

use openkey_capability::resource::SpaceId;
use openkey_node::store::{
    Change, Page, Reservation, Store, StoreError, StoredValue, Usage, Wants,
};

use super::common::{
    Changes, claim, delete, enter, first, fresh, hosted, in_blob, put, reservation, space, stage,
    value, write, writing,
};

/// What counts of a value in these tests besides its bytes: a key of one byte and headers of two.
const BESIDE: usize = 3;

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
        // with a key of one byte and no headers, which are two
        (vec![put("a", value(&[0; 10]))], 13),
        (vec![put("a", value(&[0; 4]))], 7),
        (
            vec![put("b", in_blob("0a", 70_000)), put("c", value(b""))],
            70_013,
        ),
        (vec![put("a", value(&[0; 20]))], 70_029),
        (vec![delete("b")], 26),
        (vec![delete("c")], 23),
        (vec![delete("a"), put("d", value(&[0; 3]))], 6),
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
    assert_eq!(bytes(store, &id).await, 1013);
    assert_eq!(bytes(store, &hosted(store, "other").await).await, 0);
}

pub(crate) async fn a_full_space_takes_nothing_and_a_smaller_value_always(store: &dyn Store) {
    let id = hosted(store, "full").await;
    // as many bytes as count
    let put = |key: &str, size| vec![put(key, value(&vec![0; size - BESIDE]))];
    bounded(store, &id, put("a", 60), 100).await.unwrap();
    let (used, limit) = (60, 100);
    let refused = bounded(store, &id, put("b", 41), 100).await;
    assert_eq!(refused, Err(StoreError::Room { used, limit }));
    let refused = bounded(store, &id, put("a", 101), 100).await;
    assert_eq!(refused, Err(StoreError::Room { used, limit }));
    bounded(store, &id, put("b", 40), 100).await.unwrap();
    let used = 100;
    // an empty one has a key
    let refused = bounded(store, &id, put("c", BESIDE), 100).await;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
    // what adds nothing is let in, also over a bound that was lowered
    bounded(store, &id, put("a", 60), 10).await.unwrap();
    let refused = bounded(store, &id, put("a", 61), 10).await;
    let limit = 10;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
    bounded(store, &id, put("a", 59), 10).await.unwrap();
    bounded(store, &id, vec![delete("b")], 0).await.unwrap();
    assert_eq!(bytes(store, &id).await, 59);
    // databases take up room as well
    store.sized(&id, "main", 41).await.unwrap();
    let refused = bounded(store, &id, put("d", 3), 100).await;
    let limit = 100;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
}

pub(crate) async fn a_batch_is_counted_together(store: &dyn Store) {
    let id = hosted(store, "batch").await;
    let batch = |sizes: [usize; 3]| -> Changes {
        let keys = ["a", "b", "c"].into_iter().zip(sizes);
        keys.map(|(key, size)| put(key, value(&vec![0; size - BESIDE])))
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
        put("d", value(&[0; 90 - BESIDE])),
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
    let put = |key: &str, size| vec![put(key, value(&vec![0; size - BESIDE]))];
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
    let refused = bounded(store, &id, put("b", 3), 20).await;
    assert_eq!(refused, Err(StoreError::Full { used: 20, limit }));
    write(store, &id, put("b", 3)).await.unwrap();
    let usage = store.usage(&id).await.unwrap();
    assert_eq!(usage.room(Some(25)), Some(2));
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
            write(store, &id, vec![put("k", value(b""))]).await.unwrap();
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
    let wants = (Wants::Writing, Some(100));
    let entered = enter(store, fresh(), &id, "main", wants).await;
    assert_eq!(entered, Err(StoreError::Full { used: 100, limit }));
    // what becomes a value counts once
    let mut large = writing(&id, vec![put("k", in_blob("0a", 57))]);
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

pub(crate) async fn h10_keys_and_headers_count(store: &dyn Store) {
    let id = hosted(store, "beside").await;
    let empty = |key: &str, headers: usize| {
        let headers = format!("[{}]", " ".repeat(headers - 2));
        vec![put(
            key,
            StoredValue {
                headers,
                ..value(b"")
            },
        )]
    };
    let limit = 1000;
    bounded(store, &id, empty("a", 500), limit).await.unwrap();
    bounded(store, &id, empty("b", 498), limit).await.unwrap();
    let used = 1000;
    let refused = bounded(store, &id, empty("c", 2), limit).await;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
    let refused = bounded(store, &id, empty("a", 501), limit).await;
    assert_eq!(refused, Err(StoreError::Full { used, limit }));
    bounded(store, &id, empty("a", 400), limit).await.unwrap();
    let long = "k".repeat(99);
    let refused = bounded(store, &id, empty(&long, 2), limit).await;
    assert_eq!(refused, Err(StoreError::Room { used: 900, limit }));
    bounded(store, &id, empty(&long[..98], 2), limit)
        .await
        .unwrap();
    write(
        store,
        &id,
        vec![delete("a"), delete("b"), delete(&long[..98])],
    )
    .await
    .unwrap();
    assert_eq!(bytes(store, &id).await, 0);
}

pub(crate) async fn h10_databases_at_once_share_the_room(store: &dyn Store) {
    const LIMIT: u64 = 5_000_000;
    let id = hosted(store, "databases").await;
    let writing = (Wants::Writing, Some(LIMIT));
    let mut given = Vec::new();
    let refused = loop {
        let name = given.len().to_string();
        match enter(store, fresh(), &id, &name, writing).await {
            Ok(entered) => given.push(entered),
            Err(refused) => break refused,
        }
        assert!(given.len() < 1000, "without end");
    };
    let used = store.usage(&id).await.unwrap().pending;
    assert_eq!(refused, StoreError::Full { used, limit: LIMIT });
    let sum: u64 = given.iter().map(|it| it.most.unwrap()).sum();
    assert_eq!((sum, used), (LIMIT, LIMIT));
    assert!(
        given.len() > 10,
        "one does not take it all: {}",
        given.len()
    );
    // what is settled makes room for who needs more
    for (place, entered) in given.iter().enumerate().skip(1) {
        let size = (place == 1).then_some(4096);
        let id_of = entered.reservation.unwrap();
        store
            .settle(&id, &place.to_string(), id_of, size)
            .await
            .unwrap();
    }
    let first = given[0].reservation;
    let more = store.enlarge(&id, "0", first, Some(LIMIT)).await.unwrap();
    assert_eq!(more.most, Some(LIMIT - 4096));
    store
        .settle(&id, "0", first.unwrap(), Some(8192))
        .await
        .unwrap();
    let usage = store.usage(&id).await.unwrap();
    assert_eq!((usage.bytes, usage.pending), (3 * 4096, 0));
    // who only reads needs no room, and the room of a process that died is free after its time
    store.bound(&id, Some(1)).await.unwrap();
    let reading = enter(store, fresh(), &id, "0", (Wants::Reading, None)).await;
    assert_eq!(reading.unwrap().most, Some(8192));
    store.bound(&id, Some(LIMIT)).await.unwrap();
    enter(store, fresh(), &id, "0", writing).await.unwrap();
    let pending = async || store.usage(&id).await.unwrap().pending;
    store.tidy(super::common::NOW + 599_000).await.unwrap();
    assert!(pending().await > 0);
    store.tidy(super::common::NOW + 601_000).await.unwrap();
    assert_eq!(pending().await, 0);
}

pub(crate) async fn h10_exports_under_way_are_bounded(store: &dyn Store) {
    let id = hosted(store, "exports").await;
    let export =
        async |id: &SpaceId| enter(store, fresh(), id, "main", (Wants::Export, None)).await;
    let first = export(&id).await.unwrap().reservation.unwrap();
    export(&id).await.unwrap();
    assert_eq!(export(&id).await, Err(StoreError::Exports));
    store.settle(&id, "main", first, None).await.unwrap();
    export(&id).await.unwrap();
    // spaces are free to make: all of them together have a bound as well
    let mut all = 2;
    for number in 0..20 {
        let other = hosted(store, &format!("exports{number}")).await;
        all += u32::from(export(&other).await.is_ok());
    }
    assert_eq!(all, 16);
}
