//! H6: whatever a front proxy could read differently is refused, and the enclave sees nothing.

use tokio::io::AsyncReadExt as _;

use crate::support::{HOST, Site, get, post};

/// What an attacker wants the second reader to find.
fn smuggled() -> Vec<u8> {
    post("sign-up", b"smuggled", "")
}

#[tokio::test]
async fn h6_escaped_and_dotted_paths_are_refused_byte_exact() {
    let site = Site::new().await;
    for path in [
        "/..",
        "/../",
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/.%2e/etc/passwd",
        "/%252e%252e/etc/passwd",
        "/./index.html",
        "//index.html",
        "/vendor//x",
        "/vendor/../index.html",
        "/index.html/",
        "/index%2ehtml",
        "/index.html%00",
        "/index.html%20",
        "/index.html;a",
        "/%69ndex.html",
        "/\\..\\index.html",
        "/api/v1/enclaves/e1%2frequest",
        "/api/v1/../v1/enclaves",
        "/api//v1/enclaves",
        "/api/v1/enclaves?x=1",
        "/api/v1/enclaves/e1/request?",
        "http://keys.example.org/index.html",
        "http://other.example.org/",
        "*",
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, path), (400, path));
        assert_eq!(answer.code(), "bad_target", "{path}");
    }
    // plain paths that name nothing are just that
    for path in [
        "/index.htm",
        "/Index.html",
        "/api",
        "/api/v1",
        "/api/v2/enclaves",
        "/.git/config",
        "/Cargo.toml",
        "/tests/x.js",
        "/package.json",
        "/healthz/x",
    ] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, path), (404, path));
        assert_eq!(answer.code(), "not_found", "{path}");
    }
    for target in [
        "e1/requests",
        "e1/Request",
        "e1/",
        "e2/request",
        "E1/request",
        "e1/request/x",
    ] {
        let request = String::from_utf8(post("request", b"x", "")).unwrap();
        let answer = site.ask(request.replace("e1/request", target)).await;
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
    }
    assert!(site.enclave.bodies().is_empty());
}

#[tokio::test]
async fn h6_conflicting_lengths_end_the_connection_unread() {
    let site = Site::new().await;
    let chunked = "0\r\n\r\n";
    for (headers, body) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
        ("Content-Length: 05\r\n", "hello"),
        ("Content-Length: 0000000005\r\n", "hello"),
        ("Content-Length: 5, 6\r\n", "hello"),
        ("Content-Length: 5, 5\r\n", "hello"),
        ("Content-Length: +5\r\n", "hello"),
        ("Content-Length: -5\r\n", "hello"),
        ("Content-Length: 0x5\r\n", "hello"),
        ("Content-Length: 5 5\r\n", "hello"),
        ("Content-Length: 99999999999999999999\r\n", "hello"),
        ("Content-Length : 5\r\n", "hello"),
        ("Content-Length:\r\n 5\r\n", "hello"),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            chunked,
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            chunked,
        ),
        ("Transfer-Encoding: chunked\r\n", chunked),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            chunked,
        ),
        (
            "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
            "hello",
        ),
        (
            "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n",
            "hello",
        ),
        (
            "Transfer-Encoding: chunked, identity\r\nContent-Length: 5\r\n",
            "hello",
        ),
        ("Transfer-Encoding: gzip, chunked\r\n", chunked),
        (
            "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
            "hello",
        ),
        (
            "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n",
            "hello",
        ),
        (
            "Transfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n",
            "hello",
        ),
        (
            " Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "hello",
        ),
        (
            "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "hello",
        ),
    ] {
        // whether or not anything at the path reads bodies
        for path in ["/api/v1/enclaves/e1/request", "/"] {
            let mut request = format!(
                "POST {path} HTTP/1.1\r\nHost: {HOST}\r\n\
                 Content-Type: application/cbor\r\n{headers}\r\n{body}"
            )
            .into_bytes();
            request.extend(smuggled());
            let mut wire = site.connect().await;
            wire.send(request).await;
            let answers = wire.answers().await;
            let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
            assert_eq!(statuses, [400], "{path} {headers:?}");
            assert!(site.enclave.bodies().is_empty(), "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn h6_a_body_where_none_belongs_ends_the_connection() {
    let site = Site::new().await;
    for method in ["GET", "HEAD"] {
        let mut wire = site.connect().await;
        wire.send(format!(
            "{method} / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 400\r\n\r\n"
        ))
        .await;
        wire.send(smuggled()).await;
        let mut text = String::new();
        wire.stream.read_to_string(&mut text).await.unwrap();
        assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
        assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
    }
    assert!(site.enclave.bodies().is_empty());
}

#[tokio::test]
async fn h6_one_length_said_twice_is_one_length() {
    let site = Site::new().await;
    let request = format!(
        "POST /api/v1/enclaves/e1/request HTTP/1.1\r\nHost: {HOST}\r\n\
         Content-Type: application/cbor\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"
    );
    let mut wire = site.connect().await;
    wire.send(request).await;
    wire.send(post("request", b"next", "Connection: close\r\n"))
        .await;
    let bodies: Vec<_> = wire.answers().await.into_iter().map(|a| a.body).collect();
    assert_eq!(
        bodies,
        [b"Request:hello".to_vec(), b"Request:next".to_vec()]
    );
    assert_eq!(site.enclave.bodies(), [b"hello".to_vec(), b"next".to_vec()]);
}

#[tokio::test]
async fn h6_absurd_heads_are_refused() {
    let site = Site::new().await;
    let many: String = (0..70).map(|n| format!("X-{n}: y\r\n")).collect();
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    let path = format!("/{}", "a".repeat(300));
    for (request, statuses) in [
        (get("/", &many), &[431][..]),
        (get("/", &long), &[431]),
        (get(&path, ""), &[400]),
        (get(&format!("/{}", "a".repeat(70_000)), ""), &[414, 431]),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), &[400]),
        (get("/", "Host: keys.example.org\r\n"), &[400]),
        (get("/", "Host: other.example.org\r\n"), &[400]),
        (get("/", "X\0: y\r\n"), &[400]),
        (get("/", "X: y\0\r\n"), &[400]),
        (get("/", "X: y\r\n folded\r\n"), &[400]),
        (get("/", ": y\r\n"), &[400]),
        (get("/", "no colon\r\n"), &[400]),
        (
            b"CONNECT keys.example.org:443 HTTP/1.1\r\nHost: keys.example.org\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            b"OPTIONS * HTTP/1.1\r\nHost: keys.example.org\r\n\r\n".to_vec(),
            &[400],
        ),
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), &[400]),
        (
            b"GET / HTTP/3.0\r\nHost: keys.example.org\r\n\r\n".to_vec(),
            &[400],
        ),
        (b"GET /\r\n\r\n".to_vec(), &[400]),
        (
            b"GET  / HTTP/1.1\r\nHost: keys.example.org\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            &[400],
        ),
    ] {
        let mut wire = site.connect().await;
        wire.send(&request).await;
        wire.send(smuggled()).await;
        let shown = String::from_utf8_lossy(&request[..request.len().min(60)]).into_owned();
        let answers = wire.answers().await;
        assert_eq!(answers.len(), 1, "{shown:?}");
        assert!(
            statuses.contains(&answers[0].status),
            "{shown:?}: {answers:?}"
        );
    }
    assert!(site.enclave.bodies().is_empty());
}

#[tokio::test]
async fn h6_no_other_protocol_is_spoken() {
    let site = Site::new().await;
    let mut wire = site.connect().await;
    wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(
        wire.answers()
            .await
            .iter()
            .all(|answer| answer.status == 400)
    );
    let upgrade = "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n";
    for upgrade in [upgrade, "Connection: upgrade\r\nUpgrade: websocket\r\n"] {
        let answer = site.ask(get("/healthz", upgrade)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("upgrade"), None);
    }
}

#[tokio::test]
async fn h6_a_foreign_name_is_refused_everywhere() {
    let site = Site::with(|config| config.hosts.push("10.0.0.5:7100".to_owned())).await;
    for host in [
        "evil.example",
        "keys.example.org.evil.example",
        "keys.example.org:80",
        "127.0.0.1",
        "localhost",
        "keys.example.org.",
        "xkeys.example.org",
        "",
        "keys.example.org, evil.example",
        "user@keys.example.org",
    ] {
        for path in ["/", "/config.json", "/api/v1/enclaves", "/healthz"] {
            let answer = site
                .ask(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .await;
            assert_eq!((answer.status, host), (403, host));
            assert_eq!(answer.code(), "wrong_host");
        }
    }
    for host in ["KEYS.example.org", "10.0.0.5:7100"] {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(site.ask(request).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn h6_a_foreign_page_is_refused_and_there_is_no_cors() {
    let site = Site::new().await;
    for header in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://keys.example.org\r\n",
        "Origin: https://keys.example.org:443\r\n",
        "Origin: https://keys.example.org.evil.example\r\n",
        "Origin: https://keys.example.org\r\nOrigin: https://evil.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: https://keys.example.org\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        let answer = site.ask(post("request", b"x", header)).await;
        assert_eq!((answer.status, header), (403, header));
        assert_eq!(answer.code(), "wrong_origin");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert_eq!(site.ask(get("/config.json", header)).await.status, 403);
    }
    let preflight = format!(
        "OPTIONS /api/v1/enclaves/e1/request HTTP/1.1\r\nHost: {HOST}\r\n\
         Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n"
    );
    let answer = site.ask(preflight).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer
            .headers
            .iter()
            .all(|(name, _)| !name.starts_with("access-control"))
    );
    assert!(site.enclave.bodies().is_empty());
    for header in [
        "",
        "Origin: https://keys.example.org\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
    ] {
        assert_eq!(
            site.ask(post("request", b"x", header)).await.status,
            200,
            "{header}"
        );
    }
    // a link to the page from elsewhere is only a link
    assert_eq!(
        site.ask(get(
            "/",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
        ))
        .await
        .status,
        200
    );
}

/// A page of another site could have all its visitors' browsers fetch from here.
#[tokio::test]
async fn h6_what_is_fetched_before_a_link_is_followed_is_refused() {
    let site = Site::new().await;
    let link =
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    for purpose in [
        "X-Moz: prefetch\r\n",
        "X-Purpose: preview\r\n",
        "Purpose: prerender\r\n",
        "Sec-Purpose: prerender\r\n",
        "Sec-Purpose: \"prefetch\"\r\n",
        "Sec-Purpose: other;a=\"b\",\tprefetch\r\n",
        "Sec-Purpose: other,\tprerender;\tx\r\n",
        "Sec-Purpose: (prefetch)\r\n",
        "Sec-Purpose: prefetch\r\n",
        "Sec-Purpose: prefetch;prerender\r\n",
        "Sec-Purpose: prefetch;anonymous-client-ip\r\n",
        "Purpose: prefetch\r\n",
        "Purpose: Prefetch\r\n",
        "Sec-Purpose: prefetch; prerender\r\n",
        "Sec-Purpose: other, prefetch\r\n",
        "Sec-Purpose: other,prefetch\r\n",
        "Sec-Purpose: other\r\nSec-Purpose: prefetch\r\n",
        "Sec-Purpose: other\r\nPurpose: prefetch\r\n",
    ] {
        for from in [link, ""] {
            let answer = site.ask(get("/", &format!("{from}{purpose}"))).await;
            assert_eq!((answer.status, purpose), (403, purpose));
            assert_eq!(answer.code(), "wrong_origin");
        }
    }
    for purpose in ["Sec-Purpose: other\r\n", "X-Moz: prefetched\r\n"] {
        let followed = site.ask(get("/", &format!("{link}{purpose}"))).await;
        assert_eq!(followed.status, 200, "{purpose}");
    }
}
