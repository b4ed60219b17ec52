//! Whose delegations are listed for whom.

use openkey_capability::cid::Cid;
use openkey_node::allowance::Allowance;
use openkey_node::store::{
    DelegationRow, DelegationsOf, Direction, NewDelegation, Page, Store, StoreError,
};

use super::common::{NOW, delegation, did, first, space, space_of, statement};

fn of(seed: u8) -> DelegationsOf {
    DelegationsOf {
        principal: did(seed),
        direction: None,
        space: None,
        after: None,
        limit: 100,
    }
}

/// From one to another, about the first one's space.
fn between(from: u8, to: u8, issued_ms: Option<i64>) -> NewDelegation {
    let mut new = delegation(&space_of(&did(from), "s"));
    (new.delegator, new.delegatee, new.issued_ms) = (did(from), did(to), issued_ms);
    new
}

/// Accepts it where it is kept.
async fn accepted(store: &dyn Store, mut new: NewDelegation) -> Cid {
    let cid = new.cid;
    new.hosts = new.spaces.clone();
    store.accept(new).await.unwrap();
    cid
}

async fn listed(store: &dyn Store, query: DelegationsOf) -> Vec<Cid> {
    let rows = store
        .delegations_of(query, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap()
        .rows;
    rows.iter().map(|row| row.cid).collect()
}

/// In pages of this size.
async fn paged(store: &dyn Store, mut query: DelegationsOf, limit: u32) -> Vec<Cid> {
    query.limit = limit;
    let mut all = Vec::new();
    loop {
        let page = listed(store, query.clone()).await;
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return all };
        query.after = Some(*last);
        all.extend(page);
        assert!(all.len() <= 100, "a list without end");
    }
}

pub(crate) async fn delegations_are_listed_newest_first_and_page_by_page(store: &dyn Store) {
    // of several of one moment, and of several that say none, the last accepted comes first
    let times = [
        Some(5),
        None,
        Some(7),
        Some(-3),
        Some(5),
        None,
        Some(0),
        Some(5),
    ];
    let mut cids = Vec::new();
    for (place, time) in times.into_iter().enumerate() {
        let (from, to) = if place % 2 == 0 { (1, 2) } else { (2, 1) };
        let time = time.map(|time| NOW + time);
        cids.push(accepted(store, between(from, to, time)).await);
    }
    accepted(store, between(3, 4, Some(NOW + 6))).await;
    let expected = [2, 7, 4, 0, 6, 3, 5, 1];
    let places = |cids_listed: Vec<Cid>| -> Vec<usize> {
        let place = |cid: &Cid| cids.iter().position(|it| it == cid).unwrap();
        cids_listed.iter().map(place).collect()
    };
    let directions = [None, Some(Direction::Granted), Some(Direction::Received)];
    for direction in directions {
        for seed in [1, 2] {
            let query = DelegationsOf {
                direction,
                ..of(seed)
            };
            let is_wanted = |place: &usize| match direction {
                None => true,
                Some(Direction::Granted) => place.is_multiple_of(2) == (seed == 1),
                Some(Direction::Received) => place.is_multiple_of(2) == (seed == 2),
            };
            let wanted: Vec<usize> = expected.into_iter().filter(is_wanted).collect();
            assert_eq!(places(listed(store, query.clone()).await), wanted);
            for limit in [1, 2, 3, 8] {
                assert_eq!(places(paged(store, query.clone(), limit).await), wanted);
            }
        }
    }
    assert!(listed(store, of(5)).await.is_empty());
}

pub(crate) async fn a_delegation_to_oneself_is_listed_once(store: &dyn Store) {
    let cid = accepted(store, between(1, 1, Some(NOW))).await;
    let other = accepted(store, between(1, 2, None)).await;
    let rows = store
        .delegations_of(of(1), Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap()
        .rows;
    let seen: Vec<_> = rows.iter().map(|row| (row.cid, row.direction)).collect();
    assert_eq!(
        seen,
        [(cid, Direction::Granted), (other, Direction::Granted)]
    );
    assert_eq!(paged(store, of(1), 1).await, [cid, other]);
    let received = DelegationsOf {
        direction: Some(Direction::Received),
        ..of(1)
    };
    let rows: Vec<DelegationRow> = store
        .delegations_of(received, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap()
        .rows;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].cid, rows[0].direction), (cid, Direction::Received));
}

pub(crate) async fn owners_see_what_is_granted_of_theirs(store: &dyn Store) {
    let mut new = between(2, 3, Some(NOW));
    new.owners = vec![did(1), did(4)];
    new.token = b"as it was".to_vec();
    let cid = accepted(store, new).await;
    for seed in [1, 2, 4] {
        let rows = store
            .delegations_of(of(seed), Allowance::any())
            .await
            .unwrap()
            .all()
            .unwrap()
            .rows;
        assert_eq!(rows.len(), 1, "{seed}");
        assert_eq!(rows[0].cid, cid);
        assert_eq!(rows[0].token, b"as it was");
        assert_eq!(rows[0].direction, Direction::Granted);
    }
    let rows = store
        .delegations_of(of(3), Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap()
        .rows;
    assert_eq!(rows[0].direction, Direction::Received);
}

pub(crate) async fn a_list_is_narrowed_to_a_space(store: &dyn Store) {
    let (a, b) = (space("a"), space("b"));
    let (mut of_a, mut of_both) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        of_a.insert(0, accepted(store, delegation(&a)).await);
        let mut new = delegation(&b);
        new.spaces.push(a.clone());
        of_both.insert(0, accepted(store, new).await);
    }
    let within = |space| DelegationsOf {
        space: Some(space),
        ..of(1)
    };
    let all = of_both.iter().zip(&of_a).flat_map(|(b, a)| [*b, *a]);
    let all: Vec<Cid> = all.collect();
    assert_eq!(listed(store, within(b.clone())).await, of_both);
    assert_eq!(paged(store, within(b), 2).await, of_both);
    assert_eq!(listed(store, within(a.clone())).await, all);
    assert_eq!(paged(store, within(a), 4).await, all);
    assert!(listed(store, within(space("c"))).await.is_empty());
}

pub(crate) async fn a_space_lists_its_delegations_in_the_order_of_acceptance(store: &dyn Store) {
    let (id, other) = (space("s"), space("other"));
    let mut cids = Vec::new();
    for place in 0..5 {
        let mut new = delegation(&id);
        new.issued_ms = Some(NOW - place);
        cids.push(accepted(store, new).await);
        accepted(store, delegation(&other)).await;
    }
    for limit in [1, 2, 5, 100] {
        let (mut all, mut page) = (Vec::new(), first(limit));
        loop {
            let rows = store
                .delegations_in(&id, page.clone(), Allowance::any())
                .await
                .unwrap()
                .all()
                .unwrap();
            assert!(rows.len() <= limit as usize);
            let Some(last) = rows.last() else { break };
            page = Page {
                after: Some(last.place),
                limit,
            };
            all.extend(rows.iter().map(|row| row.cid));
            assert!(all.len() <= cids.len(), "{limit}");
        }
        assert_eq!(all, cids, "{limit}");
    }
}

pub(crate) async fn a_list_goes_on_only_behind_what_is_in_it(store: &dyn Store) {
    accepted(store, between(1, 2, Some(NOW))).await;
    let others = accepted(store, between(3, 4, Some(NOW))).await;
    // whether somebody else's delegation is there must not be learnt from a cursor
    let never = Cid::of(&statement());
    for cid in [others, never] {
        let query = DelegationsOf {
            after: Some(cid),
            ..of(1)
        };
        let refused = store
            .delegations_of(query, Allowance::any())
            .await
            .unwrap_err();
        assert_eq!(refused, StoreError::NoKey(cid.to_string()));
    }
}

pub(crate) async fn h10_a_page_ends_however_little_of_what_is_looked_at_is_wanted(
    store: &dyn Store,
) {
    let (here, other) = (space("here"), space("other"));
    accepted(store, delegation(&here)).await;
    let many = (0..1500).map(|_| accepted(store, delegation(&other)));
    futures_util::future::join_all(many).await;
    let mut query = DelegationsOf {
        space: Some(here),
        ..of(1)
    };
    let first = store
        .delegations_of(query.clone(), Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!((first.rows.len(), first.looked), (0, 1000));
    query.after = first.next;
    let rest = store
        .delegations_of(query, Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!((rest.rows.len(), rest.looked), (1, 501));
    assert_eq!(rest.next, None);
}

pub(crate) async fn h8_a_page_of_large_tokens_is_short(store: &dyn Store) {
    let id = space("large");
    for _ in 0..10 {
        let mut new = delegation(&id);
        new.token = vec![7; 100 * 1024];
        accepted(store, new).await;
    }
    let rows = store
        .delegations_in(&id, first(200), Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(rows.len(), 3);
    let page = store
        .delegations_of(of(1), Allowance::any())
        .await
        .unwrap()
        .all()
        .unwrap();
    assert_eq!(page.rows.len(), 3);
    assert_eq!(page.next, Some(page.rows[2].cid));
}
