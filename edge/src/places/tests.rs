//! Who finds a place, and who gives way.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::timeout;

use super::*;

fn peer(n: u8) -> IpAddr {
    [127, 0, 0, n].into()
}

fn is_gone(place: &Place) -> bool {
    place.seat.state.load(Ordering::SeqCst) == GONE
}

#[test]
fn h1_silence_gives_way_from_whoever_holds_most_the_oldest_first() {
    let places = Places::new(6, 4, None);
    let quiet = Places::enter(&places, peer(1)).unwrap();
    let greedy: Vec<_> = (0..4)
        .map(|_| Places::enter(&places, peer(2)).unwrap())
        .collect();
    assert!(
        Places::enter(&places, peer(2)).is_none(),
        "its own are taken"
    );
    let other = Places::enter(&places, peer(3)).unwrap();
    // its first has asked, and is owed an answer
    let work = greedy[0].seat().work();
    let newcomer = Places::enter(&places, peer(4)).unwrap();
    let gone: Vec<_> = greedy.iter().map(is_gone).collect();
    assert_eq!(gone, [false, true, false, false]);
    drop(work);
    let next = Places::enter(&places, peer(5)).unwrap();
    assert!(is_gone(&greedy[0]));
    for place in [&quiet, &other, &newcomer, &next] {
        assert!(!is_gone(place));
    }
    // whoever was displaced gives nothing back a second time
    drop(greedy);
    drop((quiet, other, newcomer, next));
    let taken = places.taken();
    assert_eq!((taken.all, taken.seats.len()), (0, 0));
    assert!(taken.shares.is_empty() && taken.owned.is_empty());
}

#[test]
fn h1_the_trusted_proxys_clients_have_shares_and_give_way_like_others() {
    let client = |n| ClientKey::of(peer(n));
    let places = Places::new(6, 3, Some("127.0.0.1/32".parse().unwrap()));
    let enter = || Places::enter(&places, peer(1)).unwrap();
    let proxied: Vec<_> = (0..5).map(|_| enter()).collect();
    let direct = Places::enter(&places, peer(9)).unwrap();
    let busy = direct.seat().work();
    assert!(Places::enter(&places, peer(1)).is_none(), "nobody is named");
    let mut served: Vec<_> = proxied[..3].iter().map(|p| p.serve(client(2))).collect();
    assert!(served.iter().all(Option::is_some));
    assert!(proxied[3].serve(client(2)).is_none());
    drop(served.pop());
    // one that it named before: the connection is the other's now
    let other = proxied[2].serve(client(3)).unwrap();
    let work = proxied[0].seat().work();
    let newcomer = enter();
    let gone: Vec<_> = proxied.iter().map(is_gone).collect();
    assert_eq!(gone, [false, true, false, false, false]);
    assert!(proxied[1].serve(client(4)).is_none(), "it must end");
    drop((busy, work, served, other, newcomer, direct, proxied));
    let taken = places.taken();
    assert_eq!((taken.all, taken.seats.len(), taken.named.len()), (0, 0, 0));
    assert!(taken.shares.is_empty() && taken.owned.is_empty());
}

#[tokio::test]
async fn h1_whoever_gave_way_is_waited_for_until_it_has_ended() {
    let places = Places::new(2, 2, None);
    let mut held: Vec<_> = (1..4).map(|n| Places::enter(&places, peer(n))).collect();
    assert!(held.iter().all(Option::is_some) && places.give_way());
    for left in [2, 1, 0] {
        let settled = timeout(Duration::from_millis(20), places.settled()).await;
        assert_eq!(settled.is_ok(), left == 0, "{left} are leaving");
        let gone = held
            .iter()
            .position(|place| place.as_ref().is_some_and(is_gone));
        drop(gone.map(|gone| held.remove(gone)));
    }
}

#[tokio::test]
async fn h1_newcomers_do_not_wait_for_each_that_gave_way_and_all_have_room() {
    const ALL: usize = 4 * DEPARTING;
    let places = Places::new(ALL, ALL, None);
    let enter = |n| Places::enter(&places, peer(n)).unwrap();
    let settled = || timeout(Duration::from_millis(20), places.settled());
    // A few places are kept for those that leave.
    let mut open: Vec<_> = (0..ALL - 3).map(|_| enter(1)).collect();
    assert!(!open.iter().any(is_gone));
    for _ in 0..3 {
        assert!(settled().await.is_ok());
        open.push(enter(2));
    }
    assert_eq!(
        (open.len(), open.iter().filter(|it| is_gone(it)).count()),
        (ALL, 3)
    );
    // Here would be more open files than places.
    open.push(enter(2));
    assert!(settled().await.is_err());
    let gone = open.iter().position(is_gone).unwrap();
    drop(open.remove(gone));
    assert!(settled().await.is_ok());
}

#[test]
fn h1_who_is_being_answered_is_never_displaced() {
    let places = Places::new(2, 2, None);
    let (one, two) = (
        Places::enter(&places, peer(1)).unwrap(),
        Places::enter(&places, peer(1)).unwrap(),
    );
    let working = (one.seat().work(), two.seat().work());
    assert!(Places::enter(&places, peer(2)).is_none());
    drop(working);
    assert!(Places::enter(&places, peer(2)).is_some());
}

const SOON: Duration = Duration::from_millis(20);

#[tokio::test]
async fn h8_whoever_waits_longest_has_the_next_share_of_its_client() {
    let places = Places::with_waiting(8, 1, 2, None);
    let arrive = |n| Places::arrive(&places, peer(n));
    let first = arrive(1).unwrap();
    let (second, third) = (arrive(1).unwrap(), arrive(1).unwrap());
    assert!(arrive(1).is_none(), "two wait");
    let other = arrive(2).unwrap();
    assert!(other.admitted(SOON).await && first.admitted(SOON).await);
    assert!(!second.admitted(SOON).await && !third.admitted(SOON).await);
    assert!(first.is_awaited() && !other.is_awaited());
    drop(first);
    assert!(!third.admitted(SOON).await && second.admitted(SOON).await);
    // who gives up waiting has nothing to pass on
    drop(third);
    let next = arrive(1).unwrap();
    assert!(!next.admitted(SOON).await);
    drop(second);
    assert!(next.admitted(SOON).await && !next.is_awaited());
    // and who was given a share and leaves before it knows, passes it on
    let (lost, last) = (arrive(1).unwrap(), arrive(1).unwrap());
    drop(next);
    drop(lost);
    assert!(last.admitted(SOON).await);
    drop((last, other));
    let taken = places.taken();
    assert!(taken.all == 0 && taken.shares.is_empty() && taken.waiting.is_empty());
}

#[tokio::test]
async fn h8_requests_behind_the_trusted_proxy_wait_for_others_of_their_client() {
    let places = Places::with_waiting(8, 1, 1, Some("127.0.0.1/32".parse().unwrap()));
    let client = |n| ClientKey::of(peer(n));
    let proxied: Vec<_> = (0..4)
        .map(|_| Places::arrive(&places, peer(1)).unwrap())
        .collect();
    let served = proxied[0].serve(client(2)).unwrap();
    let waits = proxied[1].serve(client(2)).unwrap();
    assert!(proxied[2].serve(client(2)).is_none());
    let other = proxied[3].serve(client(3)).unwrap();
    assert!(
        timeout(SOON, other.turn()).await.is_ok() && timeout(SOON, served.turn()).await.is_ok()
    );
    assert!(timeout(SOON, waits.turn()).await.is_err());
    drop(served);
    assert!(timeout(SOON, waits.turn()).await.is_ok());
    drop((waits, other, proxied));
    let taken = places.taken();
    assert!(taken.all == 0 && taken.shares.is_empty() && taken.waiting.is_empty());
}

/// The networks of a household share: what one of them gives back is another's.
#[tokio::test]
async fn h8_a_share_is_passed_on_within_a_larger_network() {
    let network = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, n, 0, 0, 0, 1]);
    let places = Places::with_waiting(64, 1, 1, None);
    let mut held: Vec<_> = (0..4)
        .map(|n| Places::arrive(&places, network(n)).unwrap())
        .collect();
    let waits = Places::arrive(&places, network(5)).unwrap();
    assert!(!waits.admitted(SOON).await, "4 of a /56");
    drop(held.pop());
    assert!(waits.admitted(SOON).await);
}

#[tokio::test(start_paused = true)]
async fn h8_an_idle_connection_gives_way_to_one_of_its_client_that_waits() {
    let places = Places::with_waiting(8, 2, 2, None);
    let arrive = || Places::arrive(&places, peer(1)).unwrap();
    let (idle, busy) = (arrive(), arrive());
    assert!(idle.admitted(SOON).await && busy.admitted(SOON).await);
    // something is asked on it that has not ended: a body on its way, an answer
    busy.seat().rest(false);
    let (waits, also) = (arrive(), arrive());
    let leave = async {
        idle.displaced().await;
        drop(idle);
    };
    let ((), admitted) = tokio::join!(leave, waits.admitted(Duration::from_secs(5)));
    assert!(admitted && !is_gone(&busy));
    waits.seat().rest(false);
    assert!(!also.admitted(Duration::from_secs(30)).await && !is_gone(&busy));
}
