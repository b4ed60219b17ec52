//! Rights to read one value.

use openkey_node::standing::{Nearness, Standing};
use openkey_node::store::{Store, StoreError, Ticket};

use super::common::{NOW, space, statement};

fn ticket() -> Ticket {
    Ticket {
        id: statement(),
        space: space("tickets"),
        key: "a/%20~".to_owned(),
        hash: statement(),
        until_ms: NOW,
        chain: vec![statement(), statement()],
    }
}

pub(crate) async fn a_ticket_is_found_by_its_hash(store: &dyn Store) {
    let (one, mut other) = (ticket(), ticket());
    other.chain.clear();
    store.issue(one.clone(), Standing::OWNER).await.unwrap();
    store.issue(other.clone(), Standing::OWNER).await.unwrap();
    assert_eq!(store.ticket(&one.id).await.unwrap(), Some(one));
    assert_eq!(store.ticket(&other.id).await.unwrap(), Some(other));
    assert_eq!(store.ticket(&statement()).await.unwrap(), None);
}

pub(crate) async fn a_ticket_is_forgotten_only_past_its_time(store: &dyn Store) {
    let ticket = ticket();
    store.issue(ticket.clone(), Standing::OWNER).await.unwrap();
    // for some time its holder hears that it has expired
    for now_ms in [0, NOW, NOW + 60_000] {
        store.tidy(now_ms).await.unwrap();
        let found = store.ticket(&ticket.id).await.unwrap();
        assert_eq!(found, Some(ticket.clone()), "{now_ms}");
    }
    store.tidy(NOW + 7 * 24 * 3_600_000).await.unwrap();
    assert_eq!(store.ticket(&ticket.id).await.unwrap(), None);
}

fn lasting() -> Ticket {
    Ticket {
        until_ms: NOW + 1000,
        ..ticket()
    }
}

fn name(nearness: Nearness, seed: u8) -> Standing {
    Standing {
        nearness,
        principal: [seed; 32],
    }
}

pub(crate) async fn h10_tickets_in_one_name_are_bounded(store: &dyn Store) {
    let session = |seed| name(Nearness::Session, seed);
    let expired = Ticket {
        until_ms: NOW - 1,
        ..ticket()
    };
    store.issue(expired, session(2)).await.unwrap();
    for _ in 0..1000 {
        store.issue(lasting(), session(2)).await.unwrap();
    }
    let refused = store.issue(lasting(), session(2)).await;
    assert!(
        matches!(refused, Err(StoreError::Crowded(_))),
        "{refused:?}"
    );
    store.issue(lasting(), session(3)).await.unwrap();
    let elsewhere = Ticket {
        space: space("other"),
        ..lasting()
    };
    store.issue(elsewhere, session(2)).await.unwrap();
}

pub(crate) async fn h10_those_who_share_leave_the_owner_half_of_the_tickets(store: &dyn Store) {
    let space = space("sharedtickets");
    let of = || Ticket {
        space: space.clone(),
        ..lasting()
    };
    for number in 0..5000_u16 {
        let seed = u8::try_from(number / 1000).unwrap();
        store
            .issue(of(), name(Nearness::Shared, seed))
            .await
            .unwrap();
    }
    let refused = store.issue(of(), name(Nearness::Shared, 9)).await;
    assert!(
        matches!(refused, Err(StoreError::Crowded(_))),
        "{refused:?}"
    );
    store.issue(of(), Standing::OWNER).await.unwrap();
    store.issue(of(), name(Nearness::Session, 9)).await.unwrap();
}
