//! H1: what strangers cause fills no log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use openkey_protocol::{
    cbor,
    client::{Client, ClientOptions},
    host::HostClient,
    message::{Bare, Class, EnclaveEvent, Error, ErrorCode, Reply, Verdict},
    transport::Address,
};
use tokio::io::AsyncReadExt as _;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::{
    channel::{carrying, connect},
    support::{Site, answer, get, post, within_patience},
};

/// Counts the lines that a log of the shipped level would have.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl Lines {
    fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn error() -> Error {
    Error {
        code: ErrorCode::Malformed,
        message: "m".to_owned(),
        advice: "a".to_owned(),
    }
}

#[tokio::test]
async fn h1_what_the_enclave_refuses_is_logged_at_a_bounded_rate() {
    let lines = Lines::default();
    let _here = tracing::subscriber::set_default(lines.clone());
    let site = Site::new().await;
    let bare = cbor::encode(&Reply::Bare(Bare::Refused(error()))).unwrap();
    for reply in [bare, answer(Verdict::Refused(error()))] {
        *site.enclave.reply.lock().unwrap() = Some(reply);
        lines.take();
        let (began, mut wire) = (Instant::now(), site.connect().await);
        for _ in 0..1000 {
            wire.send(post("request", b"x", "")).await;
            assert_eq!(wire.answer().await.unwrap().status, 200);
        }
        let most = 21 * (2 + usize::try_from(began.elapsed().as_secs()).unwrap());
        let written = lines.take();
        assert!(written <= most && written > 0, "{written} lines");
    }
    // what was done has its line
    *site.enclave.reply.lock().unwrap() = None;
    for _ in 0..100 {
        site.post("request", b"x").await;
    }
    assert!(lines.take() >= 100);
}

#[tokio::test]
async fn h1_what_enclaves_say_of_refusals_is_logged_at_a_bounded_rate() {
    let lines = Lines::default();
    let _here = tracing::subscriber::set_default(lines.clone());
    let site = Site::new().await;
    let address = Address::Unix(site.dir.path().join("run/services.sock"));
    let client = Client::new(address, ClientOptions::default());
    let host = HostClient::new(client, std::time::Duration::from_secs(10));
    let (class, code) = (Class::Request, ErrorCode::Malformed);
    lines.take();
    let began = Instant::now();
    for _ in 0..100 {
        let event = EnclaveEvent::Refused { class, code };
        host.events(vec![event; 10]).await.unwrap();
    }
    let most = 21 * (2 + usize::try_from(began.elapsed().as_secs()).unwrap());
    let written = lines.take();
    assert!(written <= most && written > 0, "{written} lines");
    // they hide nothing else
    host.events(vec![EnclaveEvent::RolledBack]).await.unwrap();
    assert!(lines.take() >= 1);
}

/// Lines that are written while something is asked for again and again; they are within the bound.
async fn written(lines: &Lines, times: usize, mut ask: impl AsyncFnMut()) -> usize {
    lines.take();
    let began = Instant::now();
    for _ in 0..times {
        ask().await;
    }
    let most = 21 * (2 + usize::try_from(began.elapsed().as_secs()).unwrap());
    let written = lines.take();
    assert!(written <= most && written < times, "{written} lines");
    written
}

#[tokio::test]
async fn h1_what_this_host_refuses_is_logged_at_a_bounded_rate() {
    let lines = Lines::default();
    let _here = tracing::subscriber::set_default(lines.clone());
    let site = Site::new().await;
    let mut wire = site.connect().await;
    let ask = async || {
        wire.send(get("/nothing", "")).await;
        assert_eq!(wire.answer().await.unwrap().status, 404);
    };
    assert!(written(&lines, 500, ask).await > 0);
}

/// A list of releases that cannot be read has a line, not one for each request.
#[tokio::test]
async fn h1_a_file_that_cannot_be_read_is_logged_at_a_bounded_rate() {
    let lines = Lines::default();
    let _here = tracing::subscriber::set_default(lines.clone());
    let site = Site::with(|config| config.releases = Some(config.dir.clone())).await;
    let mut wire = site.connect().await;
    let ask = async || {
        wire.send(get("/releases.json", "")).await;
        assert_eq!(wire.answer().await.unwrap().status, 200);
    };
    assert!(written(&lines, 500, ask).await > 0);
}

#[tokio::test]
async fn h1_channels_that_reach_no_enclave_are_logged_at_a_bounded_rate() {
    let lines = Lines::default();
    let _here = tracing::subscriber::set_default(lines.clone());
    let (_site, listen) = carrying(|_| {}).await;
    let ask = async || {
        let mut channel = connect(listen, [127, 0, 0, 2]).await;
        let closed = within_patience(channel.read(&mut [0])).await;
        assert!(matches!(closed, Ok(0) | Err(_)));
    };
    assert!(written(&lines, 500, ask).await > 0);
}
