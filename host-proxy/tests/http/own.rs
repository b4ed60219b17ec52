//! What the host answers itself.

use std::time::{Duration, UNIX_EPOCH};

use openkey_host_proxy::{Clock, Parts};
use serde_json::{Value, json};

use crate::support::{ORIGIN, Site};

#[tokio::test]
async fn it_says_how_it_is() {
    let clock = Clock::new(|| UNIX_EPOCH + Duration::from_millis(1_234));
    let parts = Parts {
        clock,
        ..Parts::default()
    };
    let site = Site::with_parts(|_| {}, parts).await;
    let health = site.get("/healthz").await.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["now_ms"], 1234);
    let ready = site.get("/readyz").await;
    assert_eq!(ready.status, 200);
    let enclave = json!({ "id": "e1", "member": "m1", "ready": true });
    assert_eq!(
        ready.json(),
        json!({ "ready": true, "reasons": [], "enclaves": [enclave] })
    );
    assert_eq!(
        site.get("/api/v1/enclaves").await.json(),
        json!({ "enclaves": [enclave] })
    );
    assert!(site.enclave.bodies().is_empty());
}

#[tokio::test]
async fn it_says_what_is_missing() {
    let site = Site::with(|config| {
        let mut away = config.enclaves[0].clone();
        away.id = "e2".to_owned();
        away.member = "m2".to_owned();
        away.address = "unix:/nowhere/e2.sock".parse().unwrap();
        config.enclaves.push(away);
    })
    .await;
    let database = site.dir.path().join("db/records.sqlite3");
    let other = rusqlite::Connection::open(database).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ready = site.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let json = ready.json();
    assert_eq!(json["ready"], false);
    let reasons: Vec<&str> = json["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reason| reason.as_str().unwrap())
        .collect();
    assert_eq!(
        reasons,
        [
            "the store cannot be written: the store failed: another process holds the database",
            "enclave e2 does not answer"
        ]
    );
    assert_eq!(json["enclaves"][0]["ready"], true);
    assert_eq!(json["enclaves"][1]["ready"], false);
    // nothing is wrong with the process
    assert_eq!(site.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn the_page_is_told_what_it_needs() {
    let policy = json!({ "version": 1, "simulator": true });
    let site = Site::with(|config| config.policy = Some(policy.clone())).await;
    assert_eq!(
        site.get("/config.json").await.json(),
        json!({ "version": 1, "origin": ORIGIN, "enclave": "e1", "policy": policy, "node": null })
    );
    let site = Site::new().await;
    assert_eq!(site.get("/config.json").await.json()["policy"], Value::Null);
}

#[tokio::test]
async fn releases_are_published_as_they_are_and_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("releases.json");
    let site = Site::with(|config| config.releases = Some(path.clone())).await;
    let none = json!({ "version": 1, "releases": [] });
    assert_eq!(Site::new().await.get("/releases.json").await.json(), none);
    assert_eq!(site.get("/releases.json").await.json(), none);
    std::fs::write(&path, "as it is").unwrap();
    let answer = site.get("/releases.json").await;
    assert_eq!(answer.body, b"as it is");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    std::fs::write(&path, vec![b' '; 1024 * 1024 + 1]).unwrap();
    // what was read a moment ago is served for half a second
    let changed = async {
        loop {
            let answer = site.get("/releases.json").await;
            if answer.body != b"as it is" {
                break answer.json();
            }
        }
    };
    assert_eq!(crate::support::within_patience(changed).await, none);
}

#[tokio::test]
async fn every_described_route_is_there_and_the_other_way_round() {
    let site = Site::new().await;
    let openapi = site.get("/openapi.json").await;
    assert_eq!(openapi.header("content-type"), Some("application/json"));
    let openapi = openapi.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    let paths = openapi["paths"].as_object().unwrap();
    for (path, item) in paths {
        if item.get("get").is_some() {
            assert_eq!(site.get(path).await.status, 200, "{path}");
        } else {
            let classes = &item["post"]["parameters"][1]["schema"]["enum"];
            for class in classes.as_array().unwrap() {
                let answer = site.post(class.as_str().unwrap(), b"x").await;
                assert_eq!(answer.status, 200, "{class}");
            }
        }
    }
    let described: Vec<&str> = paths.keys().map(String::as_str).collect();
    for path in [
        "/api/v1/enclaves",
        "/api/v1/enclaves/{id}/{class}",
        "/config.json",
        "/releases.json",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/docs/messages.json",
    ] {
        assert!(described.contains(&path), "{path}");
    }
}

#[tokio::test]
async fn the_messages_are_documented_without_scripts() {
    let site = Site::new().await;
    let docs = site.get("/docs").await;
    assert_eq!(
        docs.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = docs.header("content-security-policy").unwrap();
    assert!(!policy.contains("script"));
    assert!(policy.contains("style-src 'sha256-"));
    let html = String::from_utf8(docs.body).unwrap();
    for name in [
        "Call",
        "Request",
        "Reply",
        "Answer",
        "Bare",
        "AccountReceipt",
    ] {
        assert!(html.contains(&format!("id=\"{name}\"")), "{name}");
    }
    let schema = site.get("/docs/messages.json").await.json();
    assert!(schema["$defs"]["Request"].is_object());
}

#[tokio::test]
async fn numbers_are_for_prometheus() {
    let site = Site::new().await;
    site.post("request", b"secret body").await;
    assert_eq!(
        site.get("/metrics").await.status,
        404,
        "on the public listener"
    );
    let metrics = site.get_metrics().await;
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    let text = String::from_utf8(metrics.body).unwrap();
    for name in [
        r#"openkey_http_requests_total{route="enclave",class="request",status="200"} 1"#,
        r#"openkey_http_request_seconds_count{route="enclave",class="request"} 1"#,
        "openkey_http_in_flight 0",
        "openkey_http_connections ",
        r#"openkey_enclave_ready{enclave="e1"} 1"#,
        "openkey_store_bytes ",
        "process_cpu_seconds_total ",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(name), "{name} is not in\n{text}");
    }
}
