//! Servers that die and come back.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::{TempDir, tempdir};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{SECOND, Script};
use crate::{
    client::{CallError, Client, ClientOptions},
    frame::{Failure, FrameError},
    message::Class,
    server::{Handler, ServerOptions, serve},
    transport::Address,
};

#[tokio::test(start_paused = true)]
async fn h2_what_was_sent_to_a_dead_server_is_lost_and_never_sent_again() {
    let mut script = Script::new(ClientOptions::default());
    let sent = script.ask(1, 10 * SECOND);
    let mut first = script.greeted().await;
    first.request().await;
    drop(first);
    let error = sent.await.unwrap().unwrap_err();
    assert_eq!(error, CallError::Lost);
    assert!(error.effect_unknown());
    // The next one goes to the next connection, alone.
    let next = script.ask(2, 10 * SECOND);
    let mut second = script.greeted().await;
    let (id, body) = second.request().await;
    assert_eq!(body, [2]);
    second.reply(id, body).await;
    assert_eq!(next.await.unwrap(), Ok(vec![2]));
}

#[tokio::test(start_paused = true)]
async fn h2_what_was_not_sent_goes_over_a_fresh_connection() {
    /// The writer is stuck in the first request, so the second waits behind it.
    const BUFFER: usize = 1024;
    let options = ClientOptions {
        connections: 1,
        ..Default::default()
    };
    let mut script = Script::with_buffer(options, BUFFER);
    let stuck = script.ask_with(vec![1; 10 * BUFFER], 5 * SECOND);
    let peer = script.greeted().await;
    sleep(SECOND).await;
    let behind = script.ask(2, 5 * SECOND);
    sleep(SECOND).await;
    drop(peer);
    assert_eq!(stuck.await.unwrap(), Err(CallError::Lost));
    let mut fresh = script.greeted().await;
    let (id, body) = fresh.request().await;
    assert_eq!(body, [2]);
    fresh.reply(id, body).await;
    assert_eq!(behind.await.unwrap(), Ok(vec![2]));
}

#[tokio::test(start_paused = true)]
async fn h2_what_was_not_sent_in_time_was_not_sent() {
    let options = ClientOptions {
        connections: 1,
        ..Default::default()
    };
    let mut script = Script::with_buffer(options, 1024);
    let stuck = script.ask_with(vec![1; 10_000], 5 * SECOND);
    let _peer = script.greeted().await;
    sleep(SECOND).await;
    let behind = script.ask(2, SECOND).await.unwrap();
    assert_eq!(behind, Err(CallError::Deadline { sent: false }));
    stuck.abort();
}

#[tokio::test(start_paused = true)]
async fn h2_a_stopping_server_is_left_for_the_next() {
    let mut script = Script::new(ClientOptions::default());
    let call = script.ask(1, 10 * SECOND);
    let mut stopping = script.greeted().await;
    let (id, _) = stopping.request().await;
    stopping.fail(id, Failure::Stopping).await;
    let mut next = script.greeted().await;
    let (id, body) = next.request().await;
    next.reply(id, body).await;
    assert_eq!(call.await.unwrap(), Ok(vec![1]));
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_said_at_the_deadline() {
    let directory = tempdir().unwrap();
    let address = Address::Unix(directory.path().join("none.sock"));
    let client = Client::new(address, ClientOptions::default());
    let started = Instant::now();
    let error = client.call(Class::Request, vec![], SECOND).await;
    let nobody = FrameError::Io(std::io::ErrorKind::NotFound);
    assert_eq!(error, Err(CallError::Unreachable(nobody)));
    assert!(started.elapsed() <= SECOND + SECOND / 100);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_made_is_tried_with_pauses() {
    let mut script = Script::new(ClientOptions::default());
    let call = script.ask(1, 3 * SECOND);
    let mut attempts = 0;
    // Every connection is taken and dropped.
    while !call.is_finished() {
        tokio::select! {
            _ = script.refuse() => attempts += 1,
            () = sleep(SECOND) => {}
        }
    }
    assert!(matches!(
        call.await.unwrap(),
        Err(CallError::Unreachable(_))
    ));
    // Two connections, 10 ms doubling to 250 ms.
    assert!((10..50).contains(&attempts), "{attempts}");
}

/// Remembers how often it was asked each thing. Outlives the servers it is lent to.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<HashMap<Vec<u8>, u32>>>);

impl Handler for Ledger {
    async fn handle(&self, _: Class, body: Vec<u8>, _: Instant) -> Vec<u8> {
        sleep(Duration::from_millis(1)).await;
        *self.0.lock().unwrap().entry(body.clone()).or_default() += 1;
        body
    }
}

struct House {
    directory: TempDir,
    ledger: Ledger,
}

impl House {
    fn address(&self) -> Address {
        let path: PathBuf = self.directory.path().join("e1.sock");
        Address::Unix(path)
    }

    fn start(&self) -> JoinHandle<()> {
        let listener = self.address().listen().unwrap();
        let ledger = self.ledger.clone();
        tokio::spawn(async move {
            let options = ServerOptions::default();
            serve(listener, ledger, options, std::future::pending()).await;
        })
    }
}

/// Real sockets, real time: callers keep asking while the server is killed and started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2_the_client_survives_restarts_and_nothing_is_done_twice() {
    const CALLERS: u16 = 8;
    const CALLS: u16 = 60;
    let house = House {
        directory: tempdir().unwrap(),
        ledger: Ledger::default(),
    };
    let mut server = house.start();
    let client = Client::new(house.address(), ClientOptions::default());
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let client = client.clone();
            tokio::spawn(async move {
                let (mut answered, mut unknown) = (Vec::new(), 0);
                for n in 0..CALLS {
                    let body = [caller.to_be_bytes(), n.to_be_bytes()].concat();
                    match client.call(Class::Request, body.clone(), 10 * SECOND).await {
                        Ok(reply) => {
                            assert_eq!(reply, body);
                            answered.push(body);
                        }
                        // Only what was under way may be lost; whoever waits sees no restart.
                        Err(CallError::Lost) => unknown += 1,
                        Err(error) => panic!("{error}"),
                    }
                    sleep(Duration::from_millis(2)).await;
                }
                (answered, unknown)
            })
        })
        .collect();
    for _ in 0..6 {
        sleep(Duration::from_millis(40)).await;
        server.abort();
        // The socket file is gone for a moment.
        assert!(server.await.is_err());
        sleep(Duration::from_millis(20)).await;
        server = house.start();
    }
    let (mut answered, mut unknown) = (Vec::new(), 0);
    for caller in callers {
        let (some, lost) = caller.await.unwrap();
        answered.extend(some);
        unknown += lost;
    }
    server.abort();
    let ledger = house.ledger.0.lock().unwrap();
    assert!(ledger.values().all(|times| *times == 1), "done twice");
    assert!(answered.iter().all(|body| ledger.contains_key(body)));
    assert_eq!(answered.len() + unknown, usize::from(CALLERS * CALLS));
    assert!(answered.len() > usize::from(CALLERS * CALLS) / 2);
}
