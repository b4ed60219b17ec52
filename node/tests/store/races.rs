//! Many at once, through two stores that share what they keep.

use futures_util::future::join_all;
use openkey_node::allowance::Allowance;
use openkey_node::store::{Change, Condition, Content, Keys, Store, StoreError};

use super::common::{
    LATER, NOW, claim, fresh, get, hosted, in_blob, put, resting, revocation, space, stage,
    statement, value, write, writing,
};

/// Attempts at once.
const MANY: usize = 40;

/// Runs many at once, by turns on the one store and the other.
async fn many<'a, T, F: Future<Output = T>>(
    stores: &[&'a dyn Store; 2],
    one: impl Fn(usize, &'a dyn Store) -> F,
) -> Vec<T> {
    join_all((0..MANY).map(|place| one(place, stores[place % 2]))).await
}

fn won<T>(results: &[Result<T, StoreError>], lost: &StoreError) -> usize {
    let is_lost = |it: &&Result<T, StoreError>| it.as_ref().is_err_and(|error| error == lost);
    let won = results.iter().filter(|it| it.is_ok()).count();
    assert_eq!(results.iter().filter(is_lost).count() + won, MANY);
    won
}

pub(crate) async fn h3_of_many_at_once_one_uses_an_invocation(stores: &[&dyn Store; 2]) {
    let id = hosted(stores[0], "used").await;
    for round in 0..5 {
        let admission = fresh();
        let results = many(stores, async |place, store: &dyn Store| {
            if place % 3 == 0 {
                return store.admit(admission.clone()).await;
            }
            let key = format!("{round}/{place}");
            let mut write = writing(&id, vec![put(&key, value(b"1"))]);
            write.admission = admission.clone();
            store.write(write).await.map(drop)
        })
        .await;
        assert_eq!(won(&results, &StoreError::Duplicate), 1);
        let prefix = format!("{round}/");
        let page = super::common::first(100);
        let written = stores[1]
            .keys(&id, &Keys::With(prefix), page, Allowance::any())
            .await
            .unwrap()
            .all()
            .unwrap();
        let expected = results.iter().position(Result::is_ok).unwrap();
        if expected % 3 == 0 {
            assert!(written.is_empty());
        } else {
            assert_eq!(written, [format!("{round}/{expected}")]);
        }
    }
}

pub(crate) async fn h3_of_many_at_once_one_creates_a_value(stores: &[&dyn Store; 2]) {
    let id = hosted(stores[0], "created").await;
    for round in 0..5 {
        let key = format!("{round}");
        let results = many(stores, async |place, store: &dyn Store| {
            let own = value(&place.to_be_bytes());
            let change = (key.clone(), Condition::Absent, Change::Put(own));
            write(store, &id, vec![change]).await.map(|_| place)
        })
        .await;
        assert_eq!(won(&results, &StoreError::Precondition), 1);
        let winner = results.into_iter().find_map(Result::ok).unwrap();
        for store in stores {
            let found = get(*store, &id, &key).await.unwrap();
            assert_eq!(found, winner.to_be_bytes());
        }
    }
}

pub(crate) async fn h3_changes_on_one_condition_are_never_lost(stores: &[&dyn Store; 2]) {
    let id = hosted(stores[0], "counted").await;
    write(stores[0], &id, vec![put("n", value(b"0"))])
        .await
        .unwrap();
    many(stores, async |_, store: &dyn Store| {
        loop {
            let before = get(store, &id, "n").await.unwrap();
            let number: u64 = String::from_utf8(before.clone()).unwrap().parse().unwrap();
            let condition = Condition::Match(*blake3::hash(&before).as_bytes());
            let after = value((number + 1).to_string().as_bytes());
            let change = ("n".to_owned(), condition, Change::Put(after));
            match write(store, &id, vec![change]).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error, StoreError::Precondition),
            }
        }
    })
    .await;
    let counted = get(stores[1], &id, "n").await.unwrap();
    assert_eq!(counted, MANY.to_string().as_bytes());
    let usage = stores[0].usage(&id).await.unwrap();
    // with a key of one byte, and headers of two
    assert_eq!(usage.bytes, counted.len() as u64 + 3);
}

pub(crate) async fn g5_what_one_revokes_the_other_does_not_admit(stores: &[&dyn Store; 2]) {
    for _ in 0..20 {
        let link = statement();
        stores[1].admit(resting(&[link])).await.unwrap();
        stores[0].revoke(revocation(link)).await.unwrap();
        let refused = Err(StoreError::Revoked(vec![link]));
        assert_eq!(stores[1].admit(resting(&[link])).await, refused);
        let known = stores[1].revocations(&[link]).await.unwrap();
        assert!(known[0].is_some());
    }
}

pub(crate) async fn quotas_hold_for_many_at_once(stores: &[&dyn Store; 2]) {
    let id = hosted(stores[0], "bounded").await;
    let results = many(stores, async |place, store: &dyn Store| {
        let mut write = writing(&id, vec![put(&(10 + place).to_string(), value(&[0; 10]))]);
        write.default_bound = Some(145);
        store.write(write).await
    })
    .await;
    let lost = StoreError::Room {
        used: 140,
        limit: 145,
    };
    assert_eq!(won(&results, &lost), 10);
    assert_eq!(stores[1].usage(&id).await.unwrap().bytes, 140);
}

pub(crate) async fn a_blob_becomes_a_value_or_is_claimed(stores: &[&dyn Store; 2]) {
    let id = hosted(stores[0], "blobs").await;
    for round in 0..10 {
        let names: Vec<String> = (0..10).map(|place| format!("{round}{place}")).collect();
        for name in &names {
            stage(stores[0], &id, name, 5).await;
        }
        let writing = join_all(names.iter().map(|name| {
            let changes = vec![put(name, in_blob(name, 5))];
            async { write(stores[0], &id, changes).await.is_ok() }
        }));
        let claiming = claim(stores[1], LATER, 5);
        let (written, mut claimed) = tokio::join!(writing, claiming);
        claimed.extend(claim(stores[1], LATER, 100).await);
        for (name, written) in names.iter().zip(written) {
            assert_ne!(claimed.contains(name), written, "{name}");
            let value = stores[1].value(&id, name).await.unwrap();
            let is_there = value
                .is_some_and(|value| matches!(value.content, Content::Blob(it) if it == *name));
            assert_eq!(is_there, written);
        }
        stores[0].removed(claimed).await.unwrap();
    }
}

pub(crate) async fn a_space_is_hosted_by_one_of_many(stores: &[&dyn Store; 2]) {
    let id = space("contested");
    let results = many(stores, async |_, store: &dyn Store| {
        store.host(fresh(), &id, NOW).await.unwrap()
    })
    .await;
    assert_eq!(results.iter().filter(|made| **made).count(), 1);
}
