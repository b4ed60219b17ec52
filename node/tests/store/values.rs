//! Values, and the conditions under which they change.

use openkey_node::allowance::Allowance;
use openkey_node::store::{Change, Condition, Content, Keys, Store, StoreError};

use super::common::{
    Changes, delete, fresh, get, hosted, in_blob, put, space, stage, value, write, writing,
};
use super::common::{NOW, did, space_of};

pub(crate) async fn h3_conditions_hold_or_nothing_changes(store: &dyn Store) {
    let id = hosted(store, "conditions").await;
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    let change = async |key: &str, condition, change| {
        let mut write = writing(&id, vec![(key.to_owned(), condition, change)]);
        write.admission = fresh();
        let admission = write.admission.clone();
        let written = store.write(write).await;
        // what fails uses its invocation up as well
        assert_eq!(store.admit(admission).await, Err(StoreError::Duplicate));
        written.map(|outcomes| outcomes[0].hash)
    };
    let put = |bytes: &[u8]| Change::Put(value(bytes));
    let no = Err(StoreError::Precondition);
    let (any, absent) = (Condition::Any, Condition::Absent);
    let matches = |bytes: &[u8]| Condition::Match(hash(bytes));

    assert_eq!(change("a", matches(b"1"), put(b"1")).await, no);
    assert_eq!(change("a", matches(b"1"), Change::Delete).await, no);
    let missing = Err(StoreError::NoKey("a".to_owned()));
    assert_eq!(change("a", any, Change::Delete).await, missing);
    assert_eq!(get(store, &id, "a").await, None);
    assert_eq!(change("a", absent, put(b"1")).await, Ok(hash(b"1")));
    assert_eq!(change("a", absent, put(b"2")).await, no);
    assert_eq!(change("a", matches(b"2"), put(b"2")).await, no);
    assert_eq!(change("a", matches(b"2"), Change::Delete).await, no);
    assert_eq!(change("a", absent, Change::Delete).await, no);
    assert_eq!(get(store, &id, "a").await.unwrap(), b"1");
    assert_eq!(change("a", matches(b"1"), put(b"2")).await, Ok(hash(b"2")));
    assert_eq!(change("a", any, put(b"3")).await, Ok(hash(b"3")));
    let deleted = change("a", matches(b"3"), Change::Delete).await;
    assert_eq!(deleted, Ok(hash(b"3")));
    assert_eq!(get(store, &id, "a").await, None);
    assert_eq!(change("a", absent, put(b"4")).await, Ok(hash(b"4")));
}

pub(crate) async fn a_write_happens_whole_or_not_at_all(store: &dyn Store) {
    let id = hosted(store, "whole").await;
    write(store, &id, vec![put("old", value(b"old"))])
        .await
        .unwrap();
    stage(store, &id, "staged", 3).await;
    let usage = store.usage(&id).await.unwrap();
    let failing: [(Changes, Option<u64>); 5] = [
        (vec![delete("missing")], None),
        (
            vec![(
                "old".to_owned(),
                Condition::Absent,
                Change::Put(value(b"x")),
            )],
            None,
        ),
        (vec![put("large", value(&[0; 200]))], Some(100)),
        (vec![put("large", value(&[0; 2]))], Some(1)),
        (vec![put("blob", in_blob("never staged", 5))], None),
    ];
    for (last, default_bound) in failing {
        let mut changes = vec![
            put("new", value(b"new")),
            put("old", value(b"changed")),
            put("blob too", in_blob("staged", 3)),
        ];
        changes.extend(last);
        let mut attempt = writing(&id, changes);
        attempt.default_bound = default_bound;
        let admission = attempt.admission.clone();
        let error = store.write(attempt).await.unwrap_err();
        assert_eq!(get(store, &id, "new").await, None);
        assert_eq!(get(store, &id, "old").await.unwrap(), b"old");
        assert_eq!(store.usage(&id).await.unwrap(), usage);
        // a refusal uses it up; a failure of the store leaves it
        let again = store.admit(admission).await;
        let failed = error == StoreError::Late;
        let expected = if failed {
            Ok(())
        } else {
            Err(StoreError::Duplicate)
        };
        assert_eq!(again, expected, "{error}");
    }
    // the blob is still staged
    write(store, &id, vec![put("blob", in_blob("staged", 3))])
        .await
        .unwrap();
}

pub(crate) async fn values_are_kept_as_they_were_given(store: &dyn Store) {
    let id = hosted(store, "kept").await;
    let all: Vec<u8> = (0..=255).collect();
    let mut inline = value(&all);
    inline.headers = r#"[["content-type","text/plain"]]"#.to_owned();
    stage(store, &id, "0b", 70_000).await;
    let changes = vec![
        put("inline", inline.clone()),
        put("empty", value(b"")),
        put("blob", in_blob("0b", 70_000)),
    ];
    let outcomes = write(store, &id, changes).await.unwrap();
    assert_eq!(outcomes.len(), 3);
    assert_eq!(outcomes[0].hash, inline.hash);
    let keys = ["blob", "missing", "inline", "empty", "inline"].map(str::to_owned);
    let values = store
        .values(&id, &keys, true, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    let [blob, None, Some(found), Some(empty), Some(again)] = values.as_slice() else {
        panic!("{values:?}");
    };
    for found in [found, again] {
        assert_eq!(
            (found.hash, found.size, &found.headers),
            (inline.hash, 256, &inline.headers)
        );
        assert!(matches!(&found.content, Content::Inline(bytes) if **bytes == *all));
    }
    assert!(matches!(&empty.content, Content::Inline(bytes) if bytes.is_empty()));
    let blob = blob.as_ref().unwrap();
    assert!(matches!(&blob.content, Content::Blob(name) if name == "0b"));
    assert_eq!(blob.size, 70_000);
    // from one place to the other and back
    write(store, &id, vec![put("blob", value(b"small"))])
        .await
        .unwrap();
    assert_eq!(get(store, &id, "blob").await.unwrap(), b"small");
}

pub(crate) async fn a_space_holds_its_own_values_only(store: &dyn Store) {
    let (a, b) = (hosted(store, "a").await, hosted(store, "b").await);
    let others = space_of(&did(2), "a");
    store.host(fresh(), &others, NOW).await.unwrap();
    for (id, bytes) in [(&a, b"a"), (&b, b"b"), (&others, b"o")] {
        write(store, id, vec![put("key", value(bytes))])
            .await
            .unwrap();
    }
    write(store, &b, vec![delete("key")]).await.unwrap();
    assert_eq!(get(store, &a, "key").await.unwrap(), b"a");
    assert_eq!(get(store, &b, "key").await, None);
    assert_eq!(get(store, &others, "key").await.unwrap(), b"o");
}

pub(crate) async fn what_is_not_hosted_holds_nothing(store: &dyn Store) {
    let id = space("nowhere");
    let no = StoreError::NoSpace;
    assert_eq!(store.value(&id, "a").await.unwrap_err(), no);
    let keys = ["a".to_owned()];
    assert_eq!(
        store
            .values(&id, &keys, true, Allowance::any())
            .await
            .unwrap_err(),
        no
    );
    let listed = store
        .keys(
            &id,
            &Keys::With(String::new()),
            super::common::first(10),
            Allowance::any(),
        )
        .await;
    assert_eq!(listed.unwrap_err(), no);
    let attempt = writing(&id, vec![put("a", value(b"1"))]);
    let admission = attempt.admission.clone();
    assert_eq!(store.write(attempt).await.unwrap_err(), no);
    let again = store.admit(admission).await;
    assert_eq!(again, Err(StoreError::Duplicate));
    assert_eq!(store.sized(&id, "main", 5).await.unwrap_err(), no);
    let usage = store.usage(&id).await.unwrap();
    assert_eq!((usage.hosted, usage.bytes), (false, 0));
}
