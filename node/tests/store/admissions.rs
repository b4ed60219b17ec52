//! Invocations are used once, and never on what was revoked.

use openkey_capability::resource::SpaceId;
use openkey_node::store::{Admission, Begin, Condition, Entered, Room, Store, StoreError, Wants};

use super::common::{
    Fixed, NOW, delegation, enter, fresh, get, hosted, put, resting, revocation, space, statement,
    value, write, writing,
};

const READING: (Wants, Option<u64>) = (Wants::Reading, None);

pub(crate) async fn h3_an_invocation_is_used_once(store: &dyn Store) {
    let admission = fresh();
    store.admit(admission.clone()).await.unwrap();
    assert_eq!(
        store.admit(admission.clone()).await,
        Err(StoreError::Duplicate)
    );
    let mut later = admission.clone();
    later.until_ms += 1;
    assert_eq!(store.admit(later).await, Err(StoreError::Duplicate));
    // of whatever kind the first and the second use are
    let id = hosted(store, "used").await;
    let mut write = writing(&id, vec![put("a", value(b"1"))]);
    write.admission = admission.clone();
    assert_eq!(store.write(write).await.unwrap_err(), StoreError::Duplicate);
    assert_eq!(get(store, &id, "a").await, None);
    let other = space("other");
    let again = store.host(admission, &other, NOW).await;
    assert_eq!(again, Err(StoreError::Duplicate));
    assert_eq!(store.space(&other).await.unwrap(), None);
}

pub(crate) async fn h3_a_change_uses_its_invocation_once(store: &dyn Store) {
    let id = hosted(store, "changed").await;
    let write = writing(&id, vec![put("a", value(b"1"))]);
    store.write(write.clone()).await.unwrap();
    let mut second = write.clone();
    second.changes = vec![put("a", value(b"2"))];
    assert_eq!(
        store.write(second).await.unwrap_err(),
        StoreError::Duplicate
    );
    assert_eq!(get(store, &id, "a").await.unwrap(), b"1");
    assert_eq!(
        store.admit(write.admission).await,
        Err(StoreError::Duplicate)
    );
    let hosting = fresh();
    assert!(store.host(hosting.clone(), &space("b"), NOW).await.unwrap());
    assert_eq!(store.admit(hosting).await, Err(StoreError::Duplicate));
}

pub(crate) async fn g5_nothing_is_admitted_on_what_was_revoked(store: &dyn Store) {
    let id = hosted(store, "revoked").await;
    let chain = [statement(), statement(), statement()];
    store.admit(resting(&chain)).await.unwrap();
    for (place, target) in chain.iter().enumerate().rev() {
        store.revoke(revocation(*target)).await.unwrap();
        let expected = Err(StoreError::Revoked(chain[place..].to_vec()));
        let admission = resting(&chain);
        assert_eq!(store.admit(admission.clone()).await, expected);
        let mut write = writing(&id, vec![put("a", value(b"1"))]);
        write.admission = admission.clone();
        assert_eq!(store.write(write).await.map(drop), expected);
        let other = space("other");
        let hosted = store.host(admission.clone(), &other, NOW).await;
        assert_eq!(hosted.map(drop), expected);
        assert_eq!(store.space(&other).await.unwrap(), None);
        // what was refused is not used up
        let mut free = admission;
        free.chain.clear();
        store.admit(free).await.unwrap();
    }
    assert_eq!(get(store, &id, "a").await, None);
}

pub(crate) async fn h3_an_invocation_is_forgotten_only_past_its_time(store: &dyn Store) {
    let admission = fresh();
    store.admit(admission.clone()).await.unwrap();
    for now_ms in [0, NOW, admission.until_ms] {
        store.tidy(now_ms).await.unwrap();
        let again = store.admit(admission.clone()).await;
        assert_eq!(again, Err(StoreError::Duplicate), "{now_ms}");
    }
    // nor is a mark that was forgotten made anew, whatever the clock says then
    store.tidy(admission.until_ms + 1).await.unwrap();
    assert!(!store.is_used(&admission.statement).await.unwrap());
    let again = store.admit(admission.clone()).await;
    assert_eq!(again, Err(StoreError::Forgotten));
    let mut later = fresh();
    later.until_ms += 1;
    store.admit(later).await.unwrap();
}

pub(crate) async fn h9_what_has_ended_is_used_no_more(store: &dyn Store, clock: &Fixed) {
    let id = hosted(store, "ended").await;
    let (expires, chain_expires) = (fresh().expires_ms, NOW + 10);
    let within = || {
        let mut admission = fresh();
        admission.chain_expires_ms = Some(chain_expires);
        admission
    };
    for (now_ms, admission, expected) in [
        (chain_expires, within(), Ok(())),
        (chain_expires + 1, within(), Err(StoreError::ChainEnded)),
        (expires, fresh(), Ok(())),
        (expires + 1, fresh(), Err(StoreError::Ended)),
    ] {
        clock.set(now_ms);
        let mut tried = Vec::new();
        for kind in 0..5 {
            let mut own = admission.clone();
            own.statement = statement();
            tried.push(match kind {
                0 => store.admit(own).await,
                1 => enter(store, own, &id, "main", READING).await.map(drop),
                2 => store.take(own, &id, "a").await.map(drop),
                3 => store.host(own, &space("other"), NOW).await.map(drop),
                _ => {
                    let mut write = writing(&id, vec![put("a", value(b"1"))]);
                    write.admission = own;
                    store.write(write).await.map(drop)
                }
            });
        }
        assert_eq!(tried, vec![expected; 5], "{now_ms}");
    }
}

fn beginning(id: &SpaceId, admission: Admission, announced: u64) -> Begin {
    Begin {
        admission,
        space: id.clone(),
        keys: vec![("a".to_owned(), Condition::Any)],
        announced,
        default_bound: Some(100),
    }
}

pub(crate) async fn h9_a_write_that_was_begun_is_held_to_its_chain(
    store: &dyn Store,
    clock: &Fixed,
) {
    let id = hosted(store, "begun").await;
    let mut admission = resting(&[statement()]);
    admission.chain_expires_ms = Some(NOW + 100_000);
    // a key of one byte and headers of two count as well
    let begun = store.begin(beginning(&id, admission.clone(), 97)).await;
    let (bytes, used, limit) = (97, 0, 100);
    assert_eq!(begun, Ok(Some(Room { bytes, used, limit })));
    let again = store.begin(beginning(&id, admission.clone(), 1)).await;
    assert_eq!(again, Err(StoreError::Duplicate));
    let mut write = writing(&id, vec![put("a", value(b"1"))]);
    (write.admission, write.begun) = (admission.clone(), true);
    // its own end no longer matters
    clock.set(admission.until_ms + 10);
    store.tidy(admission.until_ms + 10).await.unwrap();
    store.write(write.clone()).await.unwrap();
    clock.set(NOW + 100_001);
    let refused = store.write(write.clone()).await;
    assert_eq!(refused, Err(StoreError::ChainEnded));
    clock.set(NOW);
    store.revoke(revocation(admission.chain[0])).await.unwrap();
    let refused = store.write(write).await;
    assert_eq!(refused, Err(StoreError::Revoked(admission.chain)));
}

pub(crate) async fn h7_what_could_not_be_written_is_not_begun(store: &dyn Store) {
    let id = hosted(store, "refused").await;
    let nowhere = space("nowhere");
    let mut absent = beginning(&id, fresh(), 1);
    absent.keys[0].1 = Condition::Match([0; 32]);
    let (used, limit) = (0, 100);
    for (begin, expected) in [
        (beginning(&nowhere, fresh(), 1), StoreError::NoSpace),
        (absent, StoreError::Precondition),
        (
            beginning(&id, fresh(), 101),
            StoreError::Room { used, limit },
        ),
    ] {
        let admission = begin.admission.clone();
        assert_eq!(store.begin(begin).await, Err(expected));
        // it is used up: nobody repeats it when it could be
        assert_eq!(store.admit(admission).await, Err(StoreError::Duplicate));
    }
}

pub(crate) async fn h3_a_reading_uses_its_invocation_once(store: &dyn Store) {
    let id = hosted(store, "reading").await;
    write(store, &id, vec![put("a", value(b"1"))])
        .await
        .unwrap();
    for key in ["a", "missing"] {
        let admission = fresh();
        let taken = store.take(admission.clone(), &id, key).await.unwrap();
        assert_eq!(taken.is_some(), key == "a");
        let again = store.take(admission.clone(), &id, key).await;
        assert_eq!(again.unwrap_err(), StoreError::Duplicate);
        let entered = enter(store, admission, &id, "main", READING).await;
        assert_eq!(entered.unwrap_err(), StoreError::Duplicate);
    }
    let admission = fresh();
    let entered = enter(store, admission.clone(), &id, "main", READING)
        .await
        .unwrap();
    assert_eq!((entered.hosted, entered.database_bytes), (true, 0));
    assert_eq!(store.admit(admission).await, Err(StoreError::Duplicate));
    // where nothing is hosted it is used up as well
    let (admission, nowhere) = (fresh(), space("nowhere"));
    let taken = store.take(admission.clone(), &nowhere, "a").await;
    assert_eq!(taken.unwrap_err(), StoreError::NoSpace);
    let entered = enter(store, admission, &nowhere, "main", READING).await;
    assert_eq!(entered.unwrap_err(), StoreError::Duplicate);
    let entered = enter(store, fresh(), &nowhere, "main", READING)
        .await
        .unwrap();
    assert_eq!(entered, Entered::default());
    // and nothing is read on what was revoked
    let chain = [statement()];
    store.revoke(revocation(chain[0])).await.unwrap();
    let expected = StoreError::Revoked(chain.to_vec());
    let taken = store.take(resting(&chain), &id, "a").await;
    assert_eq!(taken.unwrap_err(), expected);
    let entered = enter(store, resting(&chain), &id, "main", READING).await;
    assert_eq!(entered.unwrap_err(), expected);
}

pub(crate) async fn h3_a_delegation_is_used_up_as_an_invocation(store: &dyn Store) {
    let mut new = delegation(&space("given"));
    let mut admission = fresh();
    (admission.statement, new.passes_until_ms) = (new.statement, Some(NOW + 5));
    assert!(!store.is_used(&new.statement).await.unwrap());
    for _ in 0..2 {
        store.accept(new.clone()).await.unwrap();
        assert!(store.is_used(&new.statement).await.unwrap());
        let used = store.admit(admission.clone()).await;
        assert_eq!(used, Err(StoreError::Duplicate));
    }
    store.tidy(NOW + 6).await.unwrap();
    assert!(!store.is_used(&new.statement).await.unwrap());
    // a sign-in could be none
    new = delegation(&space("given"));
    store.accept(new.clone()).await.unwrap();
    assert!(!store.is_used(&new.statement).await.unwrap());
    admission.statement = new.statement;
    store.admit(admission).await.unwrap();
    assert!(store.is_used(&new.statement).await.unwrap());
}
