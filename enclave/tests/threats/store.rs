//! A host that edits its database.

use openkey_protocol::{
    message::{AccountId, Action, ErrorCode, Record, RecordId},
    store::RecordStore,
};

use crate::common::{Person, TestStore, World, code, person::text};

/// The one record that a closure writes first or changes.
async fn changed<F: Future<Output = ()>>(store: &TestStore, work: F) -> Vec<RecordId> {
    let before = store.snapshot();
    work.await;
    let after = store.snapshot();
    after
        .into_iter()
        .filter(|(id, record)| before.get(id) != Some(record))
        .map(|(id, _)| id)
        .collect()
}

#[tokio::test]
async fn e1_a_blob_moved_to_another_account_or_row_does_not_open() {
    let world = World::new();
    let enclave = world.boot().await;
    let rows = changed(&world.store, async {
        Person::unconfirmed(&enclave, 1).await;
    })
    .await;
    assert_eq!(rows.len(), 1);
    let one = rows[0];
    let mut eve = None;
    let rows = changed(&world.store, async {
        eve = Some(Person::register(&enclave, 2).await);
    })
    .await;
    let eve = eve.unwrap();
    assert_eq!(rows.len(), 2, "an account and one decision");

    // After a restart nothing is remembered: the names alone must do.
    let snapshot = world.store.snapshot();
    for other in rows {
        world.store.restore(snapshot.clone());
        let enclave = world.boot().await;
        let moved = snapshot[&one].clone();
        world.store.memory.records().insert(other, moved);
        let refused = match code(eve.propose(&enclave, text("x")).await) {
            None => code(eve.history(&enclave, None, 50).await),
            refused => refused,
        };
        assert_eq!(refused, Some(ErrorCode::RecordCorrupt));
    }
}

#[tokio::test]
async fn e1_history_rows_do_not_change_places() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = Person::register(&enclave, 1).await;
    let one = changed(&world.store, async {
        person.act(&enclave, text("one")).await.unwrap();
    })
    .await;
    let two = changed(&world.store, async {
        person.act(&enclave, text("two")).await.unwrap();
    })
    .await;
    let own = |rows: &[RecordId], others: &[RecordId]| {
        *rows.iter().find(|id| !others.contains(id)).unwrap()
    };
    let (a, b) = (own(&one, &two), own(&two, &one));
    assert!(person.history(&enclave, None, 50).await.is_ok());
    let snapshot = world.store.snapshot();
    {
        let mut records = world.store.memory.records();
        records.insert(a, snapshot[&b].clone());
        records.insert(b, snapshot[&a].clone());
    }
    let refused = person.history(&enclave, None, 50).await;
    assert_eq!(code(refused), Some(ErrorCode::RecordCorrupt));
    // A hidden decision is noticed, too.
    world.store.restore(snapshot);
    world.store.memory.records().remove(&a);
    let refused = person.history(&enclave, None, 50).await;
    assert_eq!(code(refused), Some(ErrorCode::RolledBack));
}

#[tokio::test]
async fn e3_forged_rows_sign_nothing() {
    let world = World::new();
    let enclave = world.boot().await;
    let mut person = None;
    let rows = changed(&world.store, async {
        person = Some(Person::unconfirmed(&enclave, 1).await);
    })
    .await;
    let person = person.unwrap();
    let account = rows[0];
    let genuine = world.store.snapshot()[&account].clone();
    let len = genuine.blob.0.len();
    let confirm = Action::Confirm {
        receipt: person.receipt,
    };
    let mut forgeries = vec![Vec::new(), vec![0; 40], vec![0xa5; len]];
    for at in (0..len).step_by(7) {
        let mut blob = genuine.blob.0.clone();
        blob[at] ^= 0x10;
        forgeries.push(blob);
    }
    forgeries.push(genuine.blob.0[..len - 1].to_vec());
    forgeries.push([genuine.blob.0.as_slice(), &[0]].concat());
    for blob in forgeries {
        let forged = Record {
            revision: genuine.revision,
            blob: blob.into(),
        };
        world.store.memory.records().insert(account, forged);
        let refused = person.propose(&enclave, confirm.clone()).await;
        assert_eq!(code(refused), Some(ErrorCode::RecordCorrupt));
    }
    // Revisions are the store's own: a changed one costs a conflict, not an account.
    let bumped = Record {
        revision: 77,
        ..genuine
    };
    world.store.memory.records().insert(account, bumped);
    person.propose(&enclave, confirm).await.unwrap();
}

#[tokio::test]
async fn e3_an_account_of_another_deployment_is_nobody_here() {
    let world = World::new();
    let enclave = world.boot().await;
    let person = Person::register(&enclave, 1).await;
    let elsewhere = World {
        root: Some(core::array::from_fn(|at| 255 - u8::try_from(at).unwrap())),
        ..World::new()
    };
    let other = elsewhere.boot().await;
    let _ = Person::register(&other, 3).await;
    // The host copies every row of the other deployment over.
    let rows = world.store.snapshot();
    let foreign = elsewhere.store.snapshot();
    {
        let mut records = elsewhere.store.memory.records();
        for (id, record) in rows {
            records.insert(id, record);
        }
    }
    let mut stranger = person.clone();
    stranger.head.account = AccountId([9; 32]);
    stranger.account = AccountId([9; 32]);
    assert_eq!(
        code(person.propose(&other, text("x")).await),
        Some(ErrorCode::SignInNeeded)
    );
    assert_eq!(
        code(person.clone().sign_in(&other).await),
        Some(ErrorCode::UnknownAccount)
    );
    let enclave = elsewhere.boot().await;
    let unknown = Person {
        head: person.head,
        ..stranger
    };
    assert!(unknown.propose(&enclave, text("x")).await.is_err());
    assert_eq!(foreign.len(), 2);
}

#[tokio::test]
async fn h2_the_enclave_tells_when_the_store_is_down() {
    let world = World::new();
    let enclave = world.boot().await;
    let person = Person::register(&enclave, 1).await;
    world.store.fail(0, crate::common::store::Failure::Refuses);
    let refused = person.propose(&enclave, text("x")).await;
    assert_eq!(code(refused), Some(ErrorCode::Unavailable));
    assert!(person.propose(&enclave, text("x")).await.is_ok());
    let _ = world.store.get(Vec::new()).await;
}
