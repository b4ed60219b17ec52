use std::{collections::HashMap as Counts, pin::Pin, task::Poll};

use super::*;
use crate::config::Limits;

const BOUNDS: Bounds = Bounds {
    places: 4,
    places_each: 2,
    waiting: 8,
    waiting_each: 6,
};

fn client(n: u8) -> ClientKey {
    ClientKey::of([192, 0, 2, n].into())
}

type Asking = Pin<Box<dyn Future<Output = Option<Turn>>>>;

/// Stands in the queue from now on.
async fn ask(turns: &Turns, n: u8) -> Asking {
    ask_as(turns, client(n)).await
}

async fn ask_as(turns: &Turns, client: ClientKey) -> Asking {
    let turns = turns.clone();
    let mut asking: Asking = Box::pin(async move { turns.enter(client).await });
    match now(&mut asking).await {
        Some(came) => Box::pin(std::future::ready(came)),
        None => asking,
    }
}

async fn now(asking: &mut Asking) -> Option<Option<Turn>> {
    std::future::poll_fn(|cx| {
        Poll::Ready(match asking.as_mut().poll(cx) {
            Poll::Ready(came) => Some(came),
            Poll::Pending => None,
        })
    })
    .await
}

/// Who is in, and who is told that there are too many, of those that wait.
async fn came(waiting: &mut Vec<(u8, Asking)>) -> (Vec<(u8, Turn)>, Vec<u8>) {
    let (mut turns, mut refused) = (Vec::new(), Vec::new());
    let mut still = Vec::new();
    for (n, mut asking) in waiting.drain(..) {
        match now(&mut asking).await {
            Some(Some(turn)) => turns.push((n, turn)),
            Some(None) => refused.push(n),
            None => still.push((n, asking)),
        }
    }
    *waiting = still;
    (turns, refused)
}

fn is_empty(turns: &Turns) -> bool {
    let state = turns.state();
    state.under_way == 0
        && state.waiting == 0
        && state.at_enclave.is_empty()
        && state.in_queue.is_empty()
        && state.queues.is_empty()
        && state.order.is_empty()
}

#[tokio::test]
async fn h1_a_client_with_many_requests_waits_for_itself() {
    let turns = Turns::new(BOUNDS);
    let mut waiting = Vec::new();
    for _ in 0..480 {
        waiting.push((1, ask(&turns, 1).await));
    }
    let (held, refused) = came(&mut waiting).await;
    assert_eq!((held.len(), waiting.len(), refused.len()), (2, 6, 472));
    // others find places, though it waits
    for n in [2, 3] {
        waiting.push((n, ask(&turns, n).await));
    }
    let (others, _) = came(&mut waiting).await;
    assert_eq!(others.iter().map(|row| row.0).collect::<Vec<_>>(), [2, 3]);
    drop((held, others, waiting));
    assert!(is_empty(&turns));
}

#[tokio::test]
async fn h1_clients_take_turns_whatever_each_has_waiting() {
    let turns = Turns::new(Bounds {
        places: 1,
        places_each: 1,
        ..BOUNDS
    });
    let mut waiting = Vec::new();
    for n in [1, 1, 1, 1, 1, 2, 3, 2] {
        waiting.push((n, ask(&turns, n).await));
    }
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let (mut held, refused) = came(&mut waiting).await;
        assert!(refused.is_empty());
        assert_eq!(held.len(), 1, "one at a time");
        order.push(held.remove(0).0);
    }
    assert_eq!(order, [1, 1, 2, 3, 1, 2, 1, 1]);
    assert!(is_empty(&turns));
}

#[tokio::test]
async fn h1_a_full_queue_gives_way_to_whoever_has_less_in_it() {
    let turns = Turns::new(BOUNDS);
    let mut waiting = Vec::new();
    for n in [1, 1, 2, 2, 1, 1, 1, 1, 1, 1, 2, 2] {
        waiting.push((n, ask(&turns, n).await));
    }
    let (held, _) = came(&mut waiting).await;
    assert_eq!((held.len(), waiting.len()), (4, 8));
    for n in 3..9 {
        waiting.push((n, ask(&turns, n).await));
    }
    let (_, refused) = came(&mut waiting).await;
    assert_eq!(
        refused,
        [1, 1, 1, 1, 1, 2],
        "of whoever has most, the newest"
    );
    let mut left = Counts::new();
    for (n, _) in &waiting {
        *left.entry(*n).or_insert(0) += 1;
    }
    assert_eq!(left.len(), 8, "{left:?}");
    // everybody has one, and there is no room
    let mut late = vec![(9, ask(&turns, 9).await)];
    assert_eq!(came(&mut late).await.1, [9]);
    drop((held, waiting));
    assert!(is_empty(&turns));
}

#[tokio::test]
async fn whoever_leaves_gives_its_place_to_the_next() {
    let turns = Turns::new(Bounds {
        places: 1,
        ..BOUNDS
    });
    let first = turns.enter(client(1)).await.unwrap();
    let called = ask(&turns, 2).await;
    let left = ask(&turns, 3).await;
    let mut last = ask(&turns, 4).await;
    drop(left);
    drop(first);
    // it was its turn, and it did not look
    drop(called);
    assert!(now(&mut last).await.unwrap().is_some());
    assert!(is_empty(&turns));
}

/// Whoever comes and goes, or is displaced, stays in no list.
#[tokio::test]
async fn h1_whoever_does_not_wait_any_more_takes_no_room() {
    let turns = Turns::new(Bounds {
        places: 1,
        waiting: 20,
        ..BOUNDS
    });
    let held = turns.enter(client(1)).await.unwrap();
    let lists = || {
        let state = turns.state();
        (state.order.len(), state.queues.len(), state.waiting)
    };
    for n in 0..100 {
        drop(ask(&turns, n).await);
        assert_eq!(lists(), (0, 0, 0));
    }
    // a site whose networks wait, each once: the newest gives way to a newcomer, and another one comes
    let mut site = Vec::new();
    for n in 0..120 {
        site.push(ask_as(&turns, network(n * 256)).await);
        if n >= 19 {
            assert_eq!(lists(), (20, 20, 20));
            let mut newcomer = ask(&turns, 1).await;
            assert!(now(&mut newcomer).await.is_none(), "it waits");
            assert_eq!(lists(), (20, 20, 20));
        }
    }
    drop(site);
    assert_eq!(lists(), (0, 0, 0));
    drop(held);
    assert!(is_empty(&turns));
}

/// A place that another client gives back is none of its own.
#[tokio::test]
async fn h1_a_client_has_no_more_than_its_places_however_long_it_waits() {
    let turns = Turns::new(BOUNDS);
    let mut waiting = Vec::new();
    for n in [1, 1, 1, 1, 2, 3] {
        waiting.push((n, ask(&turns, n).await));
    }
    let (held, _) = came(&mut waiting).await;
    let (mine, others): (Vec<_>, Vec<_>) = held.into_iter().partition(|row| row.0 == 1);
    assert_eq!((mine.len(), others.len()), (2, 2));
    drop(others);
    assert!(came(&mut waiting).await.0.is_empty());
    drop(mine);
    assert_eq!(came(&mut waiting).await.0.len(), 2);
}

/// A /64 of one /48.
fn network(n: u16) -> ClientKey {
    let address = (0x2001_0db8_0001_u128 << 80) | (u128::from(n) << 64);
    ClientKey::of(std::net::Ipv6Addr::from_bits(address).into())
}

/// As shipped, for an enclave that has so many places.
fn requests(places: usize) -> Turns {
    let limits = Limits::default();
    Turns::new(Bounds {
        places,
        places_each: limits.in_flight_per_address,
        waiting: limits.in_flight,
        waiting_each: limits.waiting_per_address,
    })
}

fn evidence() -> Turns {
    let limits = Limits::default();
    Turns::new(Bounds {
        places: limits.evidence_in_flight,
        places_each: 1,
        waiting: limits.evidence_waiting,
        waiting_each: limits.evidence_waiting_per_address,
    })
}

#[tokio::test]
async fn h1_the_networks_of_one_site_have_its_share_of_places_and_queue() {
    let turns = requests(256);
    let mut waiting = Vec::new();
    for n in 0..u16::MAX {
        waiting.push((1, ask_as(&turns, network(n)).await));
    }
    let (held, refused) = came(&mut waiting).await;
    assert_eq!((held.len(), waiting.len()), (16 * 8, 16 * 32));
    assert_eq!(refused.len(), usize::from(u16::MAX) - 16 * 40);
    // one household of another site, and one address
    let mut others = Vec::new();
    for n in 0..256_u16 {
        let address = (0x2001_0db8_0002_u128 << 80) | (u128::from(n) << 64);
        let key = ClientKey::of(std::net::Ipv6Addr::from_bits(address).into());
        others.push((2, ask_as(&turns, key).await));
    }
    for _ in 0..8 {
        others.push((3, ask(&turns, 3).await));
    }
    let (in_, _) = came(&mut others).await;
    assert_eq!(in_.iter().filter(|row| row.0 == 2).count(), 4 * 8);
    assert_eq!(in_.iter().filter(|row| row.0 == 3).count(), 8);
    drop((held, in_, waiting, others));
    assert!(is_empty(&turns));
}

/// A site that fills the queue gives way in it, and has as many turns in a round as it has shares.
#[tokio::test]
async fn h1_a_newcomer_finds_room_and_its_turn_beside_the_networks_of_one_site() {
    let turns = evidence();
    let mut waiting = Vec::new();
    for n in 0..1000 {
        waiting.push((1, ask_as(&turns, network(n * 50)).await));
    }
    let (mut held, _) = came(&mut waiting).await;
    assert_eq!((held.len(), waiting.len()), (2, 64));
    for n in 2..8 {
        waiting.push((n, ask(&turns, n).await));
    }
    let (_, refused) = came(&mut waiting).await;
    assert_eq!(
        refused, [1; 6],
        "the site gives way, the newcomers have room"
    );
    let mut before = 0;
    while waiting.iter().any(|row| row.0 != 1) {
        held.remove(0);
        let (next, _) = came(&mut waiting).await;
        assert_eq!(next.len(), 1);
        before += usize::from(next[0].0 == 1);
        held.extend(next);
    }
    assert!(before <= 16, "{before} turns of the site first");
    drop((held, waiting));
    assert!(is_empty(&turns));
}

/// Newcomers without end keep nobody from its second turn.
#[tokio::test]
async fn h1_who_had_a_turn_has_another_however_many_come_after_it() {
    let turns = Turns::new(Bounds {
        places: 1,
        ..BOUNDS
    });
    let mut waiting = Vec::new();
    for n in [1, 1, 1, 2] {
        waiting.push((n, ask(&turns, n).await));
    }
    let (mut held, _) = came(&mut waiting).await;
    let mut mine = 0;
    for n in 10..22 {
        waiting.push((n, ask(&turns, n).await));
        held.clear();
        held = came(&mut waiting).await.0;
        mine += usize::from(held[0].0 == 1);
    }
    assert_eq!(mine, 2);
}
