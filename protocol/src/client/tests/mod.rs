//! The client against servers that fill up, fall silent, die and come back.

mod restart;
mod scripted;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::{
    frame::{Failure, FrameError, MAX_BODY},
    server::{Handler, ServerOptions, serve},
    transport::memory,
};
use scripted::Script;

const SECOND: Duration = Duration::from_secs(1);
const NEVER: Duration = Duration::from_secs(3600);

/// Answers with the body after as many milliseconds as its first two bytes say.
#[derive(Clone, Default)]
struct Sleeper {
    asked: Arc<AtomicUsize>,
}

impl Handler for Sleeper {
    async fn handle(&self, _: Class, body: Vec<u8>, _: Instant) -> Vec<u8> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(
            u64::from(body[0]) << 8 | u64::from(body[1]),
        ))
        .await;
        body
    }
}

const fn after(ms: u16, n: u8) -> [u8; 3] {
    let [a, b] = ms.to_be_bytes();
    [a, b, n]
}

fn served(client: ClientOptions, server: ServerOptions) -> (Client, Sleeper, JoinHandle<()>) {
    let (listener, connector) = memory::pair(64 * 1024);
    let sleeper = Sleeper::default();
    let task = tokio::spawn(serve(
        listener,
        sleeper.clone(),
        server,
        std::future::pending(),
    ));
    (Client::new(connector, client), sleeper, task)
}

fn ask(
    client: &Client,
    class: Class,
    body: &[u8],
    deadline: Duration,
) -> JoinHandle<Result<Vec<u8>, CallError>> {
    let (client, body) = (client.clone(), body.to_vec());
    tokio::spawn(async move { client.call(class, body, deadline).await })
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_a_few_connections() {
    let (client, ..) = served(ClientOptions::default(), ServerOptions::default());
    let started = Instant::now();
    let calls: Vec<_> = (0..128)
        .map(|n| ask(&client, Class::Request, &after(1000, n), 2 * SECOND))
        .collect();
    for (n, call) in (0..).zip(calls) {
        assert_eq!(call.await.unwrap(), Ok(after(1000, n).to_vec()));
    }
    assert!(started.elapsed() < SECOND + SECOND / 10);
}

#[tokio::test(start_paused = true)]
async fn large_bodies_pass_both_ways_up_to_the_bound() {
    let (client, ..) = served(ClientOptions::default(), ServerOptions::default());
    let body = vec![0; MAX_BODY];
    let reply = client.call(Class::Request, body.clone(), SECOND).await;
    assert!(reply.unwrap() == body);
    let length = MAX_BODY + 1;
    let call = client.call(Class::Request, vec![0; length], SECOND).await;
    assert_eq!(call, Err(CallError::TooLarge { length }));
}

#[tokio::test(start_paused = true)]
async fn h1_a_full_queue_is_busy_and_nothing_is_sent() {
    let options = ClientOptions {
        connections: 1,
        in_flight_per_connection: 2,
        queue: 3,
        ..Default::default()
    };
    let (client, sleeper, _) = served(options, ServerOptions::default());
    let calls: Vec<_> = (0..9)
        .map(|n| ask(&client, Class::Request, &after(100, n), SECOND))
        .collect();
    let mut busy = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => {}
            Err(CallError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((busy, sleeper.asked.load(Ordering::SeqCst)), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn waiting_in_the_queue_ends_at_the_deadline() {
    let options = ClientOptions {
        connections: 1,
        in_flight_per_connection: 1,
        ..Default::default()
    };
    let (client, sleeper, _) = served(options, ServerOptions::default());
    let first = ask(&client, Class::Request, &after(5000, 1), 10 * SECOND);
    sleep(SECOND).await;
    let started = Instant::now();
    let second = client.call(Class::Request, vec![0, 0], SECOND).await;
    assert_eq!(second, Err(CallError::Deadline { sent: false }));
    assert!(!second.unwrap_err().effect_unknown());
    assert_eq!(started.elapsed(), SECOND);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(sleeper.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn h1_signing_does_not_wait_for_evidence() {
    let options = ClientOptions {
        connections: 1,
        in_flight_per_connection: 1,
        ..Default::default()
    };
    let (client, ..) = served(options, ServerOptions::default());
    let evidence: Vec<_> = (0..50)
        .map(|n| ask(&client, Class::Evidence, &after(60_000, n), NEVER))
        .collect();
    sleep(SECOND).await;
    let started = Instant::now();
    for _ in 0..10 {
        let signed = client.call(Class::Request, vec![0, 1], SECOND).await;
        assert_eq!(signed, Ok(vec![0, 1]));
    }
    assert!(started.elapsed() < SECOND);
    evidence.iter().for_each(JoinHandle::abort);
}

#[tokio::test(start_paused = true)]
async fn the_server_says_that_time_ran_out() {
    let (client, ..) = served(ClientOptions::default(), ServerOptions::default());
    let call = client.call(Class::Request, after(5000, 1).to_vec(), SECOND);
    let error = call.await.unwrap_err();
    assert_eq!(error, CallError::Deadline { sent: true });
    assert!(error.effect_unknown());
}

#[tokio::test(start_paused = true)]
async fn a_server_without_room_says_so() {
    let options = ServerOptions {
        in_flight: 1,
        ..Default::default()
    };
    let (client, ..) = served(ClientOptions::default(), options);
    let first = ask(&client, Class::Request, &after(100, 1), SECOND);
    sleep(Duration::from_millis(10)).await;
    let second = client.call(Class::Request, vec![0, 0], SECOND).await;
    assert_eq!(second, Err(CallError::ServerBusy));
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_keeps_its_place_until_the_work_is_done() {
    let options = ClientOptions {
        connections: 1,
        in_flight_per_connection: 1,
        ..Default::default()
    };
    let one = ServerOptions {
        in_flight_per_connection: 1,
        ..Default::default()
    };
    let (client, sleeper, _) = served(options, one);
    let call = client.call(Class::Request, after(1000, 1).to_vec(), NEVER);
    let given_up = timeout(SECOND / 2, call).await;
    assert!(given_up.is_err());
    let started = Instant::now();
    // Would be refused as busy if the place were free already.
    let second = client.call(Class::Request, vec![0, 0], NEVER).await;
    assert_eq!(second, Ok(vec![0, 0]));
    assert_eq!(started.elapsed(), SECOND / 2);
    assert_eq!(sleeper.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn an_overdue_place_of_a_caller_that_went_away_comes_back() {
    let options = ClientOptions {
        connections: 1,
        in_flight_per_connection: 1,
        ..Default::default()
    };
    let mut script = Script::new(options);
    let call = script.ask(1, 3 * SECOND);
    let mut peer = script.greeted().await;
    peer.request().await;
    call.abort();
    // Nothing was answered, but after the deadline nobody waits for it.
    let second = script.ask(2, 10 * SECOND);
    let (id, body) = peer.request().await;
    peer.reply(id, body.clone()).await;
    assert_eq!(second.await.unwrap(), Ok(body));
}

#[tokio::test(start_paused = true)]
async fn late_and_unknown_answers_disturb_nobody() {
    let options = ClientOptions {
        connections: 1,
        ..Default::default()
    };
    let mut script = Script::new(options);
    let first = script.ask(1, NEVER);
    let mut peer = script.greeted().await;
    let (late, _) = peer.request().await;
    first.abort();
    let second = script.ask(2, SECOND);
    let (id, _) = peer.request().await;
    for id in [late, late, 999, id] {
        peer.reply(id, vec![7]).await;
    }
    assert_eq!(second.await.unwrap(), Ok(vec![7]));
}

#[tokio::test(start_paused = true)]
async fn h1_a_silent_connection_gets_no_new_requests() {
    let mut script = Script::new(ClientOptions::default());
    let first = script.ask(1, SECOND);
    let mut silent = script.greeted().await;
    silent.request().await;
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(error, CallError::Deadline { sent: true });
    let second = script.ask(2, SECOND);
    let mut fresh = script.greeted().await;
    let (id, _) = fresh.request().await;
    fresh.reply(id, vec![]).await;
    assert_eq!(second.await.unwrap(), Ok(vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_made_anew() {
    let mut script = Script::new(ClientOptions::default());
    let first = script.ask(1, SECOND);
    let mut peer = script.greeted().await;
    let (id, _) = peer.request().await;
    peer.reply(id, vec![]).await;
    first.await.unwrap().unwrap();
    sleep(ClientOptions::default().idle_timeout + SECOND).await;
    let second = script.ask(2, SECOND);
    let mut fresh = script.greeted().await;
    let (id, _) = fresh.request().await;
    fresh.reply(id, vec![]).await;
    assert_eq!(second.await.unwrap(), Ok(vec![]));
}

#[tokio::test(start_paused = true)]
async fn failures_keep_their_meaning() {
    let mut script = Script::new(ClientOptions::default());
    let cases = [
        (Failure::Busy, CallError::ServerBusy, false),
        (Failure::Deadline, CallError::Deadline { sent: true }, true),
        (Failure::TooLarge, CallError::ReplyTooLarge, true),
        (Failure::Broken, CallError::Broken, true),
        (Failure::Malformed, CallError::Broken, true),
    ];
    let call = script.ask(0, SECOND);
    let mut peer = script.greeted().await;
    let (id, _) = peer.request().await;
    peer.reply(id, vec![]).await;
    call.await.unwrap().unwrap();
    for (failure, expected, effect_unknown) in cases {
        let call = script.ask(1, SECOND);
        let (id, _) = peer.request().await;
        peer.fail(id, failure).await;
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.effect_unknown(), effect_unknown, "{failure:?}");
        assert_eq!(error, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_version_is_a_typed_error() {
    let options = ClientOptions {
        versions: vec![99],
        ..Default::default()
    };
    let (client, ..) = served(options, ServerOptions::default());
    let error = client.call(Class::Request, vec![0, 0], NEVER).await;
    assert_eq!(
        error,
        Err(CallError::Unsupported(FrameError::NoCommonVersion {
            ours: vec![99],
            theirs: vec![1]
        }))
    );
}
