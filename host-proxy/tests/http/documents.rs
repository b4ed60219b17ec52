//! H1: what is only read costs little, and each address reads its share.

use std::time::{Duration, Instant};

use openkey_host_proxy::config::Limits;

use crate::support::{Site, Wire, get, quota};

const DOCUMENTS: [&str; 5] = [
    "/docs",
    "/docs/messages.json",
    "/openapi.json",
    "/config.json",
    "/releases.json",
];

/// Asks for a path so many times on one connection; counts the answers of each status.
async fn ask(wire: &mut Wire, path: &str, times: usize) -> (usize, usize) {
    let (mut served, mut refused) = (0, 0);
    for _ in 0..times {
        wire.send(get(path, "")).await;
        match wire.answer().await.unwrap().status {
            200 => served += 1,
            429 => refused += 1,
            status => panic!("{status}"),
        }
    }
    (served, refused)
}

#[tokio::test]
async fn h1_a_document_that_is_known_is_not_sent_again() {
    let site = Site::new().await;
    for path in DOCUMENTS {
        let first = site.get(path).await;
        assert_eq!(first.status, 200);
        let etag = first.header("etag").unwrap_or_default().to_owned();
        assert_ne!(etag, "", "{path}");
        assert_eq!(first.header("cache-control"), Some("no-cache"), "{path}");
        let known = format!("If-None-Match: {etag}\r\n");
        let again = site.ask(get(path, &known)).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let other = site.ask(get(path, "If-None-Match: \"x\"\r\n")).await;
        assert_eq!((other.status, &other.body), (200, &first.body), "{path}");
    }
}

/// At the shipped sizes: thirty loads of the whole page at once, and no flood.
#[tokio::test]
async fn h1_files_and_documents_are_rationed_for_each_address() {
    let site = Site::with(|config| config.limits = Limits::default()).await;
    let mut wire = site.connect_from("127.0.0.2").await;
    assert_eq!(ask(&mut wire, "/", 30 * 40).await, (30 * 40, 0));
    let mut asked = 0;
    while ask(&mut wire, "/config.json", 100).await.1 == 0 {
        asked += 100;
        assert!(asked < 6_000, "no bound");
    }
    let mut other = site.connect_from("127.0.0.3").await;
    assert_eq!(ask(&mut other, "/", 40).await, (40, 0));
    // whoever watches is not told that others ask too much
    let mut watching = site.connect_from("127.0.0.2").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(&mut watching, path, 20).await, (20, 0));
    }
}

/// No path that is only read is forgotten, and none counts as a request of another class.
#[tokio::test]
async fn h1_whatever_is_only_read_has_the_limit_of_reads() {
    let site = Site::with(|config| config.limits.read = quota("1/h")).await;
    let rationed = ["/app.js", "/nothing", "/api/v1/enclaves"];
    for path in rationed.into_iter().chain(DOCUMENTS) {
        site.get("/").await;
        let refused = site.get(path).await;
        let code = refused.code();
        assert_eq!((refused.status, code.as_str()), (429, "too_many"), "{path}");
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    assert_eq!(site.post("request", b"x").await.status, 200);
}

#[tokio::test]
async fn h1_other_sites_make_their_visitors_browsers_load_nothing() {
    let site = Site::new().await;
    for path in ["/", "/verifier.wasm", "/docs", "/releases.json", "/nothing"] {
        for from in ["cross-site", "same-site", "new"] {
            for what in [
                "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
                "Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n",
                "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
                "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: document\r\n",
                "",
            ] {
                let headers = format!("Sec-Fetch-Site: {from}\r\n{what}");
                let refused = site.ask(get(path, &headers)).await;
                let code = refused.code();
                assert_eq!((refused.status, code.as_str()), (403, "wrong_origin"));
            }
        }
    }
    // a link from another site, and the page itself
    for headers in [
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
        "",
    ] {
        assert_eq!(site.ask(get("/", headers)).await.status, 200, "{headers}");
    }
}

/// A directory's files are read when they change, not whenever somebody asks.
#[tokio::test]
async fn h1_a_file_of_a_directory_is_read_once_until_it_changes() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index.html");
    let large = vec![b'x'; 8 * 1024 * 1024];
    std::fs::write(&index, "<p>1").unwrap();
    std::fs::write(dir.path().join("large.js"), &large).unwrap();
    // a while ago: it cannot change again and look the same
    let file = std::fs::File::options()
        .write(true)
        .open(dir.path().join("large.js"));
    let earlier = std::time::SystemTime::now() - Duration::from_secs(60);
    file.unwrap().set_modified(earlier).unwrap();
    let site = Site::with(|config| config.page_dir = Some(dir.path().to_owned())).await;
    let etag = site
        .get("/large.js")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let began = Instant::now();
    for _ in 0..100 {
        let known = site.ask(get("/large.js", &format!("If-None-Match: {etag}\r\n")));
        assert_eq!(known.await.status, 304);
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(site.get("/").await.body, b"<p>1");
    std::fs::write(&index, "<p>22").unwrap();
    let changed = async { while site.get("/").await.body != b"<p>22" {} };
    crate::support::within_patience(changed).await;
}
