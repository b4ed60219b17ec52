//! What one connection may take from the others: places, memory, and the ids of its own requests.

use std::time::Duration;

use tokio::time::sleep;

use super::{super::*, puppet::*};
use crate::frame::{Failure, Frame, MAX_BODY};

#[tokio::test(start_paused = true)]
async fn h1_one_connection_has_a_share_of_the_places_for_evidence() {
    let server = server(ServerOptions {
        evidence_in_flight: 4,
        evidence_per_connection: 2,
        ..Default::default()
    });
    let mut greedy = server.greeted().await;
    for id in 1..=20 {
        greedy.ask(id, Class::Evidence, &[WAIT]).await;
    }
    for id in 3..=20 {
        assert_eq!(greedy.next().await, failure(id, Failure::Busy));
    }
    let mut other = server.greeted().await;
    other.ask(1, Class::Evidence, &[ECHO]).await;
    assert_eq!(other.next().await, reply(1, &[ECHO]));
}

#[tokio::test(start_paused = true)]
async fn h1_answers_that_nobody_reads_are_counted_in_bytes() {
    let server = server(ServerOptions {
        answers_unread_per_connection: 3 << 20,
        ..Default::default()
    });
    let mut raw = server.greeted().await;
    let large = [&[ECHO], [0; MAX_BODY - 1].as_slice()].concat();
    for id in 1..=20 {
        raw.ask(id, Class::Request, &large).await;
        // Let the server make the answer.
        sleep(Duration::from_millis(1)).await;
    }
    for id in 1..=3 {
        assert_eq!(raw.next().await, reply(id, &large));
    }
    for id in 4..=20 {
        assert_eq!(raw.next().await, failure(id, Failure::Busy));
    }
    raw.ask(21, Class::Request, &large).await;
    assert_eq!(raw.next().await, reply(21, &large));
}

#[tokio::test(start_paused = true)]
async fn h1_an_answer_without_room_is_not_kept() {
    let server = server(ServerOptions {
        answers_unread: 3 << 20,
        ..Default::default()
    });
    let mut raw = server.greeted().await;
    let large = [&[WAIT], [0; MAX_BODY - 1].as_slice()].concat();
    for id in 1..=5 {
        raw.ask(id, Class::Request, &large).await;
    }
    sleep(Duration::from_millis(1)).await;
    server.puppet.go.notify_waiters();
    let mut kept = 0;
    for _ in 1..=5 {
        match raw.next().await {
            Some(Frame::Reply { .. }) => kept += 1,
            Some(Frame::Failure { failure, .. }) => assert_eq!(failure, Failure::Deadline),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kept, 3);
}

#[tokio::test(start_paused = true)]
async fn h8_whoever_reads_nothing_holds_no_place_of_others() {
    let server = server(ServerOptions {
        in_flight_per_connection: 4,
        in_flight: 4,
        ..Default::default()
    });
    let mut silent = server.greeted().await;
    let large = [&[ECHO], [0; MAX_BODY - 1].as_slice()].concat();
    // One is being written, four have a place in the queue, and four have an answer without one.
    for id in 1..=9 {
        silent.ask(id, Class::Request, &large).await;
        sleep(Duration::from_millis(1)).await;
    }
    server.serves().await;
}

#[tokio::test(start_paused = true)]
async fn h1_an_id_is_used_by_one_request_at_a_time() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    for _ in 0..2 {
        raw.ask(1, Class::Request, &[ECHO]).await;
        assert_eq!(raw.next().await, reply(1, &[ECHO]));
    }
    raw.ask(1, Class::Request, &[WAIT]).await;
    raw.ask(1, Class::Request, &[ECHO]).await;
    assert_eq!(raw.next().await, failure(0, Failure::Malformed));
    server.puppet.go.notify_waiters();
    assert_eq!(raw.next().await, reply(1, &[WAIT]));
    assert_eq!(raw.next().await, None);
    server.serves().await;
}
