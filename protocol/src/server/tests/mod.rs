//! The server against clients that do not behave.

mod puppet;
mod shares;

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};

use super::*;
use crate::{
    frame::{Failure, Frame, MAX_BODY, MAX_FRAME, write_frame},
    message::Bytes,
    transport::{Connect, memory},
};
use puppet::*;

#[tokio::test(start_paused = true)]
async fn answers_come_in_any_order() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    raw.ask(1, Class::Request, &[WAIT]).await;
    raw.ask(2, Class::Request, &[ECHO]).await;
    assert_eq!(raw.next().await, reply(2, &[ECHO]));
    server.puppet.go.notify_waiters();
    assert_eq!(raw.next().await, reply(1, &[WAIT]));
}

#[tokio::test(start_paused = true)]
async fn h1_a_flood_beyond_the_bound_is_refused_and_others_are_served() {
    let server = server(ServerOptions {
        in_flight_per_connection: 4,
        ..Default::default()
    });
    let mut raw = server.greeted().await;
    for id in 1..=100 {
        raw.ask(id, Class::Request, &[WAIT]).await;
    }
    for id in 5..=100 {
        assert_eq!(raw.next().await, failure(id, Failure::Busy));
    }
    server.serves().await;
    assert_eq!(server.puppet.most.load(Ordering::SeqCst), 5);
    server.puppet.go.notify_waiters();
    for id in 1..=4 {
        assert_eq!(raw.next().await, reply(id, &[WAIT]));
    }
}

#[tokio::test(start_paused = true)]
async fn h1_floods_on_many_connections_share_one_bound() {
    let server = server(ServerOptions {
        in_flight_per_connection: 4,
        in_flight: 6,
        ..Default::default()
    });
    let mut raws = Vec::new();
    for _ in 0..3 {
        let mut raw = server.greeted().await;
        for id in 1..=4 {
            raw.ask(id, Class::Request, &[WAIT]).await;
        }
        sleep(Duration::from_millis(1)).await;
        raws.push(raw);
    }
    assert_eq!(server.puppet.running.load(Ordering::SeqCst), 6);
    assert_eq!(raws[2].next().await, failure(1, Failure::Busy));
}

#[tokio::test(start_paused = true)]
async fn h1_evidence_has_its_own_few_places() {
    let server = server(ServerOptions {
        in_flight_per_connection: 1,
        evidence_in_flight: 2,
        ..Default::default()
    });
    let mut raw = server.greeted().await;
    for id in 1..=20 {
        raw.ask(id, Class::Evidence, &[WAIT]).await;
    }
    for id in 3..=20 {
        assert_eq!(raw.next().await, failure(id, Failure::Busy));
    }
    // The one place of this connection is still free.
    raw.ask(21, Class::Request, &[ECHO]).await;
    assert_eq!(raw.next().await, reply(21, &[ECHO]));
}

#[tokio::test(start_paused = true)]
async fn h1_bodies_under_way_are_bounded_in_bytes() {
    let server = server(ServerOptions {
        bytes_in_flight: 2 * MAX_FRAME + 1024,
        ..Default::default()
    });
    let mut raw = server.greeted().await;
    let large = [&[WAIT], [0; MAX_BODY - 1].as_slice()].concat();
    for id in 1..=3 {
        raw.ask(id, Class::Request, &large).await;
    }
    assert_eq!(raw.next().await, failure(3, Failure::Busy));
    server.serves().await;
}

#[tokio::test(start_paused = true)]
async fn h1_half_open_connections_are_closed_and_give_back_their_places() {
    let server = server(ServerOptions {
        connections: 2,
        ..Default::default()
    });
    let mut half_open = [server.silent().await, server.silent().await];
    // Let the server take both.
    sleep(Duration::from_millis(1)).await;
    let mut third = server.silent().await;
    assert_eq!(third.next().await, failure(0, Failure::Busy));
    let started = Instant::now();
    for raw in &mut half_open {
        while raw.reader.next().await.unwrap().is_some() {}
    }
    assert!(started.elapsed() <= LIMIT);
    server.serves().await;
}

#[tokio::test(start_paused = true)]
async fn h1_an_idle_connection_is_closed() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    let started = Instant::now();
    assert_eq!(raw.next().await, None);
    assert_eq!(started.elapsed(), ServerOptions::default().idle_timeout);
}

#[tokio::test(start_paused = true)]
async fn h1_a_frame_that_does_not_end_closes_its_connection_alone() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    raw.writer.write_all(&[0, 0, 1]).await.unwrap();
    server.serves().await;
    assert_eq!(raw.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn h1_what_is_no_request_ends_the_connection() {
    let server = server(ServerOptions::default());
    let oversize = u32::MAX.to_be_bytes().to_vec();
    let bomb = [&[0, 1, 0, 0], [0x81; 1 << 16].as_slice()].concat();
    let answer = reply(1, b"x").unwrap().encode().unwrap();
    let hello = Frame::Hello { versions: vec![1] }.encode().unwrap();
    let zero = Frame::Request {
        id: 0,
        body: Bytes(vec![ECHO]),
        class: Class::Request,
        deadline_ms: 1000,
    };
    for bytes in [oversize, bomb, answer, hello, zero.encode().unwrap()] {
        let mut raw = server.greeted().await;
        raw.writer.write_all(&bytes).await.unwrap();
        assert_eq!(raw.next().await, failure(0, Failure::Malformed));
        assert_eq!(raw.next().await, None);
    }
    server.serves().await;
}

#[tokio::test(start_paused = true)]
async fn h1_a_client_that_reads_nothing_is_cut_off() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    let started = Instant::now();
    let flood = tokio::spawn(async move {
        let body = [&[ECHO], [0; 60_000].as_slice()].concat();
        for id in 1.. {
            let frame = Frame::Request {
                id,
                body: Bytes(body.clone()),
                class: Class::Request,
                deadline_ms: 60_000,
            };
            let bytes = frame.encode().unwrap();
            // Not read from and not written to: only the server can end this.
            if write_frame(&mut raw.writer, &bytes, 10 * LIMIT)
                .await
                .is_err()
            {
                return id;
            }
        }
        0
    });
    server.serves().await;
    let most = ServerOptions::default().in_flight_per_connection as u64;
    assert!((2..3 * most).contains(&flood.await.unwrap()));
    assert!(
        started.elapsed() <= 2 * LIMIT,
        "the client gave up, not the server"
    );
    server.serves().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_takes_down_nothing_else() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    raw.ask(1, Class::Request, &[WAIT]).await;
    raw.ask(2, Class::Request, &[PANIC]).await;
    assert_eq!(raw.next().await, failure(2, Failure::Broken));
    raw.ask(3, Class::Request, &[]).await;
    assert_eq!(raw.next().await, failure(3, Failure::Broken));
    server.puppet.go.notify_waiters();
    assert_eq!(raw.next().await, reply(1, &[WAIT]));
    // Its place is free again.
    assert_eq!(server.puppet.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_fit_is_said_so() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    raw.ask(1, Class::Request, &[LARGE]).await;
    assert_eq!(raw.next().await, failure(1, Failure::TooLarge));
}

#[tokio::test(start_paused = true)]
async fn work_ends_at_its_deadline() {
    let server = server(ServerOptions {
        longest_deadline: Duration::from_secs(3),
        ..Default::default()
    });
    for (asked, allowed) in [(2000, 2), (u32::MAX, 3)] {
        let mut raw = server.greeted().await;
        let started = Instant::now();
        raw.ask_within(1, Class::Request, &[WAIT], asked).await;
        assert_eq!(raw.next().await, failure(1, Failure::Deadline));
        let elapsed = started.elapsed().as_millis();
        assert!(elapsed.abs_diff(allowed * 1000) <= 5, "{elapsed}");
        assert!(server.puppet.dropped.swap(false, Ordering::SeqCst));
    }
}

#[tokio::test(start_paused = true)]
async fn h2_a_client_that_dies_does_not_undo_its_work() {
    let server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    raw.ask(1, Class::Request, &[WAIT]).await;
    sleep(Duration::from_millis(1)).await;
    drop(raw);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.puppet.running.load(Ordering::SeqCst), 1);
    server.puppet.go.notify_waiters();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(server.puppet.running.load(Ordering::SeqCst), 0);
    assert!(!server.puppet.dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_is_under_way_and_begins_nothing() {
    let mut server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    let mut idle = server.greeted().await;
    raw.ask(1, Class::Request, &[WAIT]).await;
    sleep(Duration::from_millis(1)).await;
    server.stop.take().unwrap().send(()).unwrap();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(idle.next().await, None);
    assert!(server.connector.connect().await.is_err());
    raw.ask(2, Class::Request, &[ECHO]).await;
    assert_eq!(raw.next().await, failure(2, Failure::Stopping));
    server.puppet.go.notify_waiters();
    assert_eq!(raw.next().await, reply(1, &[WAIT]));
    assert_eq!(raw.next().await, None);
    server.task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_longer_than_the_grace() {
    let mut server = server(ServerOptions::default());
    let mut raw = server.greeted().await;
    raw.ask_within(1, Class::Request, &[WAIT], 60_000).await;
    sleep(Duration::from_millis(1)).await;
    let started = Instant::now();
    server.stop.take().unwrap().send(()).unwrap();
    server.task.await.unwrap();
    assert_eq!(started.elapsed(), ServerOptions::default().grace);
    assert_eq!(raw.next().await, None);
    assert!(server.puppet.dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_version_is_told() {
    let server = server(ServerOptions::default());
    let mut raw = server.silent().await;
    raw.send(&Frame::Hello { versions: vec![99] }).await;
    assert_eq!(raw.next().await, None, "the server's hello");
    assert_eq!(raw.next().await, failure(0, Failure::Unsupported));
    assert_eq!(raw.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_asked_again() {
    struct Failing<L>(u32, L);
    impl<L: Listen> Listen for Failing<L> {
        async fn accept(&mut self) -> std::io::Result<Stream> {
            if self.0 > 0 {
                self.0 -= 1;
                return Err(std::io::ErrorKind::OutOfMemory.into());
            }
            self.1.accept().await
        }
    }
    let (listener, connector) = memory::pair(1024);
    let task = tokio::spawn(serve(
        Failing(3, listener),
        Puppet::default(),
        ServerOptions::default(),
        std::future::pending(),
    ));
    let mut stream = connector.connect().await.unwrap();
    assert_ne!(stream.read_u32().await.unwrap(), 0);
    task.abort();
}
