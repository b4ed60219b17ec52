//! What every [`RecordStore`] does. Each check takes fresh records of its own, so that they can run
//! against a store that holds others.
//!
//! The checks panic with what they saw: they are for tests.
#![allow(clippy::panic, clippy::unwrap_used, clippy::indexing_slicing)]

use super::{RecordStore, StoreError};
use crate::message::{Bytes, MAX_GET, Record, RecordId, Write};

/// Runs every check.
///
/// # Panics
///
/// If the store does not conform.
pub async fn run(store: &impl RecordStore) {
    absent_records_are_none(store).await;
    revisions_count_from_one(store).await;
    a_wrong_revision_is_a_conflict(store).await;
    a_commit_is_all_or_nothing(store).await;
    order_and_repetition_are_kept(store).await;
    bounds_hold(store).await;
    one_of_many_writers_wins(store).await;
    blobs_are_kept_byte_for_byte(store).await;
}

fn id(check: u8, n: u8) -> RecordId {
    let mut id = [check; 32];
    id[0] = n;
    RecordId(id)
}

fn write(id: RecordId, expected: Option<u64>, blob: &[u8]) -> Write {
    Write {
        id,
        expected,
        blob: blob.into(),
    }
}

fn record(revision: u64, blob: &[u8]) -> Record {
    Record {
        revision,
        blob: blob.into(),
    }
}

async fn absent_records_are_none(store: &impl RecordStore) {
    assert_eq!(store.get(vec![]).await, Ok(vec![]));
    assert_eq!(store.get(vec![id(1, 0), id(1, 1)]).await, Ok(vec![None; 2]));
    assert_eq!(store.commit(vec![]).await, Ok(()));
}

async fn revisions_count_from_one(store: &impl RecordStore) {
    let id = id(2, 0);
    for revision in 0..3_u64 {
        let expected = (revision > 0).then_some(revision);
        let blob = [u8::try_from(revision).unwrap()];
        assert_eq!(store.commit(vec![write(id, expected, &blob)]).await, Ok(()));
        let now = store.get(vec![id]).await.unwrap();
        assert_eq!(now, [Some(record(revision + 1, &blob))]);
    }
}

async fn a_wrong_revision_is_a_conflict(store: &impl RecordStore) {
    let id = id(3, 0);
    let conflict = Err(StoreError::Conflict);
    for missing in [0, 1, u64::MAX] {
        let commit = store.commit(vec![write(id, Some(missing), b"x")]).await;
        assert_eq!(commit, conflict, "a record that is not there");
    }
    store.commit(vec![write(id, None, b"a")]).await.unwrap();
    for wrong in [None, Some(0), Some(2), Some(u64::MAX)] {
        let commit = store.commit(vec![write(id, wrong, b"x")]).await;
        assert_eq!(commit, conflict, "expected {wrong:?}");
    }
    let now = store.get(vec![id]).await.unwrap();
    assert_eq!(now, [Some(record(1, b"a"))]);
}

async fn a_commit_is_all_or_nothing(store: &impl RecordStore) {
    let (a, b, c) = (id(4, 0), id(4, 1), id(4, 2));
    store.commit(vec![write(b, None, b"b")]).await.unwrap();
    // The last of three does not fit.
    let writes = vec![
        write(a, None, b"new"),
        write(c, None, b"new"),
        write(b, None, b"new"),
    ];
    assert_eq!(store.commit(writes).await, Err(StoreError::Conflict));
    let now = store.get(vec![a, b, c]).await.unwrap();
    assert_eq!(now, [None, Some(record(1, b"b")), None]);
    let writes = vec![write(a, None, b"a"), write(b, Some(1), b"bb")];
    store.commit(writes).await.unwrap();
    let now = store.get(vec![a, b, c]).await.unwrap();
    assert_eq!(now, [Some(record(1, b"a")), Some(record(2, b"bb")), None]);
}

async fn order_and_repetition_are_kept(store: &impl RecordStore) {
    let (a, b) = (id(5, 0), id(5, 1));
    let writes = vec![write(a, None, b"a"), write(b, None, b"b")];
    store.commit(writes).await.unwrap();
    let now = store.get(vec![b, a, b, id(5, 2)]).await.unwrap();
    let (a, b) = (record(1, b"a"), record(1, b"b"));
    assert_eq!(now, [Some(b.clone()), Some(a), Some(b), None]);
}

async fn bounds_hold(store: &impl RecordStore) {
    let most = u8::try_from(MAX_GET).unwrap();
    let ids: Vec<RecordId> = (0..=most).map(|n| id(6, n)).collect();
    let writes = |ids: &[RecordId]| ids.iter().map(|id| write(*id, None, b"x")).collect();
    let too_many = StoreError::TooMany { count: MAX_GET + 1 };
    assert!(matches!(
        store.get(ids.clone()).await,
        Err(e) if e == too_many || matches!(e, StoreError::Failed { .. })
    ));
    assert!(store.commit(writes(&ids)).await.is_err());
    let most = &ids[..MAX_GET];
    assert_eq!(
        store.get(most.to_vec()).await.unwrap(),
        vec![None; MAX_GET],
        "a refused commit wrote something"
    );
    assert!(store.commit(writes(&[ids[0], ids[0]])).await.is_err());
    assert_eq!(store.get(vec![ids[0]]).await.unwrap(), [None]);
    store.commit(writes(most)).await.unwrap();
    let now = store.get(most.to_vec()).await.unwrap();
    assert!(now.iter().all(Option::is_some));
}

async fn one_of_many_writers_wins(store: &impl RecordStore) {
    let id = id(7, 0);
    store.commit(vec![write(id, None, b"0")]).await.unwrap();
    let race = |n: u8| store.commit(vec![write(id, Some(1), &[n])]);
    let (a, b, c, d) = tokio::join!(race(1), race(2), race(3), race(4));
    let all = [a, b, c, d];
    let winners: Vec<usize> = (0..4).filter(|n| all[*n].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{all:?}");
    let winner = [u8::try_from(winners[0]).unwrap() + 1];
    let now = store.get(vec![id]).await.unwrap();
    assert_eq!(now, [Some(record(2, &winner))]);
}

async fn blobs_are_kept_byte_for_byte(store: &impl RecordStore) {
    /// As long as a large account's record.
    const LONG: usize = 200_000;
    let (empty, long) = (id(8, 0), id(8, 1));
    let blob: Vec<u8> = (0..LONG).map(|n| (n % 251) as u8).collect();
    let writes = vec![write(empty, None, b""), write(long, None, &blob)];
    store.commit(writes).await.unwrap();
    let now = store.get(vec![empty, long]).await.unwrap();
    assert_eq!(now[0], Some(record(1, b"")));
    assert_eq!(now[1].as_ref().map(|r| &r.blob), Some(&Bytes(blob)));
}
