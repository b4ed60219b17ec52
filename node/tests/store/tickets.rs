//! Rights to read one value.

use openkey_node::store::{Store, StoreError, Ticket};

use super::common::{NOW, did, space, statement};

fn ticket() -> Ticket {
    Ticket {
        id: statement(),
        space: space("tickets"),
        key: "a/%20~".to_owned(),
        hash: statement(),
        until_ms: NOW,
        chain: vec![statement(), statement()],
        invoker: Some(did(2)),
    }
}

pub(crate) async fn a_ticket_is_found_by_its_hash(store: &dyn Store) {
    let (one, mut other) = (ticket(), ticket());
    other.chain.clear();
    other.invoker = None;
    store.issue(one.clone()).await.unwrap();
    store.issue(other.clone()).await.unwrap();
    assert_eq!(store.ticket(&one.id).await.unwrap(), Some(one));
    assert_eq!(store.ticket(&other.id).await.unwrap(), Some(other));
    assert_eq!(store.ticket(&statement()).await.unwrap(), None);
}

pub(crate) async fn a_ticket_is_forgotten_only_past_its_time(store: &dyn Store) {
    let ticket = ticket();
    store.issue(ticket.clone()).await.unwrap();
    // for some time its holder hears that it has expired
    for now_ms in [0, NOW, NOW + 60_000] {
        store.tidy(now_ms).await.unwrap();
        let found = store.ticket(&ticket.id).await.unwrap();
        assert_eq!(found, Some(ticket.clone()), "{now_ms}");
    }
    store.tidy(NOW + 7 * 24 * 3_600_000).await.unwrap();
    assert_eq!(store.ticket(&ticket.id).await.unwrap(), None);
}

pub(crate) async fn h10_tickets_of_one_invoker_are_bounded(store: &dyn Store) {
    let of = |seed| Ticket {
        until_ms: NOW + 1000,
        invoker: Some(did(seed)),
        ..ticket()
    };
    let expired = Ticket {
        until_ms: NOW - 1,
        ..of(2)
    };
    store.issue(expired).await.unwrap();
    for _ in 0..1000 {
        store.issue(of(2)).await.unwrap();
    }
    let refused = store.issue(of(2)).await;
    assert!(
        matches!(refused, Err(StoreError::Crowded(_))),
        "{refused:?}"
    );
    store.issue(of(3)).await.unwrap();
    let elsewhere = Ticket {
        space: space("other"),
        ..of(2)
    };
    store.issue(elsewhere).await.unwrap();
}
