//! H6: heads that two readers could read in two ways, and what public spaces answer.

use tokio::io::AsyncReadExt as _;

use super::process::{Process, head, own};
use super::tokens::{did, raw, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h6_a_head_with_two_readings_is_refused_and_the_connection_ends() {
    let node = Process::start(&[]).await;
    let hidden = "GET /version HTTP/1.1\r\nhost: a\r\n\r\n";
    for lines in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nHost: b\r\n",
        "host: a\r\ntransfer-encoding: gzip, chunked\r\n",
        "host: a\r\ntransfer-encoding: chunked, chunked\r\n",
        "host: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "host: a\r\ntransfer-encoding: identity\r\n",
        "host: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n",
        "host: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n",
        "host: a\ncontent-length: 0\r\n",
    ] {
        let text = format!("POST /nothing HTTP/1.1\r\n{lines}\r\n0\r\n\r\n{hidden}");
        let answer = node.raw(text.as_bytes()).await;
        assert_eq!(answer.status, 400, "{lines:?}: {answer:?}");
        assert!(
            answer.head.contains("\r\nconnection: close"),
            "{lines:?}: {answer:?}"
        );
        assert!(!answer.body.contains("HTTP/1.1"), "{lines:?}: {answer:?}");
    }
    // what any reader reads alike is served
    for (text, expected) in [
        ("GET /version HTTP/1.0\r\n\r\n", 200),
        (
            "GET /version HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n",
            200,
        ),
        (
            "POST /nothing HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
            404,
        ),
    ] {
        assert_eq!(node.raw(text.as_bytes()).await.status, expected, "{text}");
    }
}

/// An invocation by the owner of its public space.
fn public(resource: &str, ability: &str) -> String {
    let space = openkey_capability::resource::SpaceId::new(&did(1), "public").unwrap();
    let ability = openkey_capability::ability::Ability::parse(ability).unwrap();
    let grant = openkey_capability::attenuation::Attenuation::new();
    let grant = grant.with(format!("{space}/{resource}"), ability);
    raw(1, &did(1), super::process::now() + 200, &[], grant)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_public_is_read_in_parts_and_not_again() {
    let node = Process::start(&["--public-rate", "off"]).await;
    let space = openkey_capability::resource::SpaceId::new(&did(1), "public").unwrap();
    let get = async |path: &str, more: &str| {
        let text = format!(
            "GET /public/{space}{path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\r\n"
        );
        node.raw(text.as_bytes()).await
    };
    let listed = get("/kv", "").await;
    assert_eq!((listed.status, listed.body.as_str()), (200, "[]"));
    let created = node
        .invoke(&public("space/public", "tinycloud.space/create"), "")
        .await;
    assert_eq!(created.status, 200, "{created:?}");
    assert_eq!(
        node.invoke(&public("kv/a", "tinycloud.kv/put"), "0123456789")
            .await
            .status,
        200
    );
    let part = get("/kv/a", "range: bytes=2-4\r\n").await;
    assert_eq!((part.status, part.body.as_str()), (206, "234"));
    assert!(
        part.head.contains("content-range: bytes 2-4/10"),
        "{part:?}"
    );
    assert_eq!(get("/kv/a", "range: bytes=20-\r\n").await.status, 416);
    let whole = get("/kv/a", "").await;
    let etag = whole
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap();
    for had in [
        etag.to_owned(),
        format!("W/{etag}"),
        format!("\"x\", {etag}"),
        "*".to_owned(),
    ] {
        let answer = get("/kv/a", &format!("if-none-match: {had}\r\n")).await;
        assert_eq!(answer.status, 304, "{had}");
    }
    assert_eq!(get("/kv/a", "if-none-match: \"x\"\r\n").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h3_one_token_makes_one_signed_url() {
    let node = Process::start(&[]).await;
    assert_eq!(
        node.invoke(&own("kv/a", "tinycloud.kv/put"), "value")
            .await
            .status,
        200
    );
    let token = own("kv/a", "tinycloud.kv/get");
    let body = format!(
        "{{\"space\":\"{}\",\"path\":\"a\"}}",
        super::tokens::space()
    );
    for expected in [200, 409, 409] {
        let asked = head("POST /signed/kv", &token, body.len(), "");
        let answer = node.raw(format!("{asked}{body}").as_bytes()).await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
}

/// What is refused says what is known, and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_what_to_do() {
    let node = Process::start(&[]).await;
    let body = "{\"action\":\"query\",\"sql\":\"SELECT nothing\"}";
    let answer = node
        .invoke(&own("sql/a", "tinycloud.sql/write"), body)
        .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.head.contains("\r\nx-tinycloud-error-code: sql_"),
        "{answer:?}"
    );
    // whoever has no authority over a space that is not here
    let space = openkey_capability::resource::SpaceId::new(&did(7), "s").unwrap();
    for (ability, expected) in [("put", 404), ("del", 404), ("get", 401)] {
        let grant = openkey_capability::attenuation::Attenuation::new();
        let ability = format!("tinycloud.kv/{ability}");
        let ability = openkey_capability::ability::Ability::parse(&ability).unwrap();
        let grant = grant.with(format!("{space}/kv/a"), ability);
        let token = raw(1, &did(1), super::process::now() + 200, &[], grant);
        let answer = node.invoke(&token, "").await;
        assert_eq!(answer.status, expected, "{answer:?}");
    }
    // a key as people write it
    for key in ["a b", "\u{e9}"] {
        let token = own("kv/a", "tinycloud.kv/get");
        let mut parts = token.split('.');
        let (first, payload) = (parts.next().unwrap(), parts.next().unwrap());
        use base64::Engine as _;
        let base = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let payload = String::from_utf8(base.decode(payload).unwrap()).unwrap();
        let payload = payload.replace(&within("kv/a"), &within(&format!("kv/{key}")));
        let token = format!("{first}.{}.{}", base.encode(payload), parts.next().unwrap());
        let answer = node.invoke(&token, "").await;
        assert_eq!(answer.status, 401);
        assert!(answer.body.contains("escape the key"), "{answer:?}");
    }
    // several things that are not done together
    let mut grant = openkey_capability::attenuation::Attenuation::new();
    for (key, ability) in [("a", "tinycloud.kv/put"), ("b", "tinycloud.kv/del")] {
        let ability = openkey_capability::ability::Ability::parse(ability).unwrap();
        grant = grant.with(within(&format!("kv/{key}")), ability);
    }
    let token = raw(1, &did(1), super::process::now() + 200, &[], grant);
    let answer = node.invoke(&token, "").await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.ends_with("kv/put on a, kv/del on b"),
        "{answer:?}"
    );
}

/// Clients ask again at once for hooks that are not served, whatever they are told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_who_asks_for_hooks_is_kept_waiting_and_charged_nothing() {
    let node = Process::start(&["--rate", "3/h"]).await;
    let ask = async |line: &str| {
        let began = std::time::Instant::now();
        let text = format!("{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let answer = node.raw(text.as_bytes()).await;
        (answer.status, began.elapsed().as_secs() >= 4)
    };
    let asked = async || tokio::join!(ask("POST /hooks/tickets"), ask("GET /hooks/events"));
    let (first, second, third) = tokio::join!(asked(), asked(), asked());
    for (ticket, events) in [first, second, third] {
        assert_eq!((ticket, events), ((501, true), (501, true)));
    }
    assert_eq!(ask("GET /hooks/webhooks").await, (501, false));
    // 32 of one client
    let mut held = Vec::new();
    for _ in 0..32 {
        let mut stream = node.connect().await;
        let text = b"POST /hooks/tickets HTTP/1.1\r\nhost: a\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, text)
            .await
            .unwrap();
        held.push(stream);
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(ask("POST /hooks/tickets").await, (429, false));
    let mut answer = [0; 12];
    held[0].read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 501");
}
