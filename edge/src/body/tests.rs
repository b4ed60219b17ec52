use super::*;

const SIZE: usize = 256 * 1024;

fn client(n: u8) -> ClientKey {
    ClientKey::of([192, 0, 2, n].into())
}

#[test]
fn h1_large_bodies_share_a_bounded_memory_and_small_ones_need_none() {
    let budget = BodyBudget::new(16 * 1024, 10 * SIZE, usize::MAX);
    let mut held = Vec::new();
    for _ in 0..1000 {
        let mut room = budget.room(client(1));
        if room.holds(SIZE) {
            assert!(room.is_whole());
            held.push(room);
        }
    }
    assert_eq!(held.len(), 10);
    assert!(budget.room(client(2)).holds(16 * 1024));
    assert!(!budget.room(client(2)).holds(16 * 1024 + 1));
    drop(held);
    assert!(budget.room(client(1)).holds(SIZE));
    assert!(!budget.room(client(1)).holds(usize::MAX));
}

#[test]
fn h1_what_is_declared_takes_no_room_and_one_client_only_its_share() {
    let budget = BodyBudget::new(16 * 1024, 10 * SIZE, 2 * SIZE);
    let mut silent: Vec<_> = (0..1000).map(|_| budget.room(client(1))).collect();
    assert!(silent.iter_mut().all(|room| room.holds(16 * 1024)));
    assert!(budget.room(client(2)).holds(SIZE));
    let arrived = silent
        .iter_mut()
        .filter_map(|room| room.holds(SIZE).then_some(()));
    assert_eq!(arrived.count(), 2);
    assert!(budget.room(client(2)).holds(SIZE));
    // counted as it arrives, not once for each piece
    let mut growing = budget.room(client(2));
    assert!((1..=16).all(|n| growing.holds(n * SIZE / 8)));
    assert!(!growing.holds(2 * SIZE + 1));
}

#[test]
fn h1_bodies_that_stop_give_way_from_whoever_holds_most_the_longest_silent_first() {
    let budget = BodyBudget::new(16 * 1024, 6 * SIZE, 4 * SIZE);
    let mut greedy: Vec<_> = (0..4).map(|_| budget.room(client(1))).collect();
    assert!(greedy.iter_mut().all(|room| room.holds(SIZE / 2)));
    // the first is the one of which something came last
    for n in [3, 1, 2, 0] {
        assert!(greedy[n].holds(SIZE));
    }
    let (mut quiet, mut whole) = (budget.room(client(2)), budget.room(client(1)));
    assert!(quiet.holds(SIZE));
    assert!(!whole.holds(SIZE), "its share is taken");
    drop(greedy.pop());
    assert!(whole.holds(SIZE) && whole.is_whole());
    let mut others: Vec<_> = (3..6).map(|n| budget.room(client(n))).collect();
    assert!(others.iter_mut().all(|room| room.holds(SIZE)));
    // one found room, the others were given that of the second and the third
    assert!(!greedy[1].holds(SIZE) && !greedy[2].is_whole());
    assert!(greedy[0].is_whole() && quiet.holds(SIZE) && quiet.is_whole());
    assert!(others.iter_mut().all(BodyRoom::is_whole));
    // all have arrived whole
    assert!(!budget.room(client(9)).holds(SIZE));
    drop((greedy, quiet, whole, others));
    let taken = budget.taken();
    assert!(taken.all == 0 && taken.shares.is_empty() && taken.arriving.is_empty());
}

#[test]
fn h8_nobody_gives_way_in_vain() {
    let budget = BodyBudget::new(0, 6 * SIZE, usize::MAX);
    let mut whole: Vec<_> = (0..3).map(|_| budget.room(client(1))).collect();
    assert!(
        whole
            .iter_mut()
            .all(|room| room.holds(SIZE) && room.is_whole())
    );
    let mut arriving: Vec<_> = (0..3).map(|_| budget.room(client(2))).collect();
    assert!(arriving.iter_mut().all(|room| room.holds(SIZE)));
    // all three together would not do
    let mut large = budget.room(client(3));
    assert!(!large.holds(4 * SIZE));
    assert!(arriving.iter_mut().all(|room| room.holds(SIZE)));
    // and no more of them give way than are needed
    assert!(large.holds(2 * SIZE));
    let kept = arriving
        .iter_mut()
        .filter_map(|room| room.is_whole().then_some(()));
    assert_eq!(kept.count(), 1);
    drop((whole, arriving, large));
    let taken = budget.taken();
    assert!(taken.all == 0 && taken.shares.is_empty() && taken.arriving.is_empty());
}

#[tokio::test(start_paused = true)]
async fn h8_an_answer_that_nobody_takes_gives_way_and_others_stay() {
    let budget = BodyBudget::new(0, 2 * SIZE, usize::MAX);
    let (mut slow, mut read) = (budget.room(client(1)), budget.room(client(4)));
    for room in [&mut slow, &mut read] {
        assert!(room.holds(SIZE) && room.is_whole() && room.is_sent());
    }
    assert!(!budget.room(client(2)).holds(SIZE), "both are being sent");
    tokio::time::advance(PATIENCE * 2).await;
    assert!(read.is_sent());
    let gone = slow.displaced();
    let mut other = budget.room(client(2));
    assert!(other.holds(SIZE) && other.is_whole());
    gone.notified().await;
    assert!(!slow.is_sent() && read.is_sent());
    assert!(!budget.room(client(3)).holds(SIZE));
    drop((slow, read, other));
    let taken = budget.taken();
    assert!(taken.all == 0 && taken.shares.is_empty() && taken.arriving.is_empty());
}

#[tokio::test(start_paused = true)]
async fn h8_whoever_holds_much_gives_way_to_who_holds_less_however_steadily_it_is_taken() {
    let budget = BodyBudget::new(0, 12 * SIZE, usize::MAX);
    // two addresses have all of it, but for the little of a slow reader
    let mut held = Vec::new();
    for (n, count) in [(1, 6), (2, 5), (3, 1)] {
        for _ in 0..count {
            let mut room = budget.room(client(n));
            assert!(room.holds(SIZE) && room.is_whole() && room.is_sent());
            held.push((n, room));
        }
    }
    let mut slow = held.pop().unwrap().1;
    tokio::time::advance(PATIENCE * 2).await;
    let sent = |held: &mut Vec<(u8, BodyRoom<'_>)>| {
        held.retain_mut(|(_, room)| room.is_sent());
        let mut of = [1, 2].map(|n| held.iter().filter(|(of, _)| *of == n).count());
        of.sort_unstable();
        of
    };
    assert_eq!(sent(&mut held), [5, 6]);
    let mut others: Vec<_> = (4..8).map(|n| budget.room(client(n))).collect();
    assert!(
        others
            .iter_mut()
            .all(|room| room.holds(SIZE) && room.is_whole())
    );
    assert_eq!(sent(&mut held), [3, 4]);
    assert!(slow.is_sent(), "the silent one has little");
    // until they have as little as who comes
    let mut large = budget.room(client(9));
    assert!(!large.holds(3 * SIZE));
    assert_eq!(sent(&mut held), [3, 4]);
    assert!(large.holds(2 * SIZE) && large.is_whole());
    assert_eq!(sent(&mut held), [2, 3]);
    for n in [1, 2] {
        assert!(
            !budget.room(client(n)).holds(SIZE),
            "they take nothing back"
        );
    }
    assert_eq!(sent(&mut held), [2, 3]);
    drop((held, slow, others, large));
    let taken = budget.taken();
    assert!(taken.all == 0 && taken.shares.is_empty() && taken.arriving.is_empty());
}

#[tokio::test(start_paused = true)]
async fn h8_a_slow_reader_of_little_stays_for_long_next_to_who_holds_more() {
    let budget = BodyBudget::new(0, 11 * SIZE, usize::MAX);
    let mut held = Vec::new();
    for (n, count) in [(1, 5), (2, 5), (3, 1)] {
        for _ in 0..count {
            let mut room = budget.room(client(n));
            assert!(room.holds(SIZE) && room.is_whole() && room.is_sent());
            held.push(room);
        }
    }
    let mut slow = held.pop().unwrap();
    tokio::time::advance(PATIENCE * 2).await;
    assert!(held.iter_mut().all(Room::is_sent), "read steadily");
    // none of these two holds as much as the other would with another one
    for n in [1, 2] {
        assert!(!budget.room(client(n)).holds(SIZE), "of the slow one");
    }
    assert!(slow.is_sent());
    tokio::time::advance(PATIENCE * 2).await;
    assert!(held.iter_mut().all(Room::is_sent), "read steadily");
    // who comes with as little has that of a heavy one
    let mut other = budget.room(client(4));
    assert!(other.holds(SIZE) && other.is_whole() && slow.is_sent());
    // who takes nothing at all gives way to everybody
    tokio::time::advance(LONG_PATIENCE * 2).await;
    held.retain_mut(Room::is_sent);
    let mut more = budget.room(client(1));
    assert!(more.holds(SIZE) && !slow.is_sent());
}
