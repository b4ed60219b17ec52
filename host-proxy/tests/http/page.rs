//! The page: the released bytes, checkable, and nothing that could add to them.

use openkey_host_proxy::{page_manifest, release_file};
use sha2::{Digest as _, Sha256};

use crate::support::{HOST, Site, get};

const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; img-src 'self' data:; connect-src 'self'; manifest-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
    require-trusted-types-for 'script'";

#[tokio::test]
async fn e5_every_file_of_the_release_is_served_byte_for_byte() {
    let site = Site::new().await;
    let manifest = page_manifest();
    for file in ["index.html", "style.css", "verifier.wasm"] {
        assert!(manifest.contains_key(file), "{file} is not embedded");
    }
    assert!(manifest.keys().any(|path| path.starts_with("vendor/")));
    assert!(manifest.keys().all(|path| !path.starts_with("tests/")));
    for (path, sha256) in &manifest {
        let answer = site.get(&format!("/{path}")).await;
        assert_eq!((answer.status, path), (200, path));
        assert_eq!(hex::encode(Sha256::digest(&answer.body)), *sha256, "{path}");
        assert_eq!(
            answer.header("etag"),
            Some(format!("\"{sha256}\"").as_str())
        );
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
        assert_eq!(answer.header("content-security-policy"), Some(POLICY));
        let mime = match path.rsplit('.').next().unwrap() {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "wasm" => "application/wasm",
            "svg" => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        };
        assert_eq!(answer.header("content-type"), Some(mime), "{path}");
    }
    assert_eq!(site.get("/").await.body, site.get("/index.html").await.body);
    assert_eq!(release_file()["version"], 1);
    assert_eq!(release_file()["page"], serde_json::json!(manifest));
}

#[tokio::test]
async fn e5_a_changed_byte_shows_in_what_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let original = Site::new().await.get("/").await.body;
    let mut changed = original.clone();
    changed[0] ^= 1;
    std::fs::write(dir.path().join("index.html"), &changed).unwrap();
    let site = Site::with(|config| config.page_dir = Some(dir.path().to_owned())).await;
    let answer = site.get("/index.html").await;
    assert_eq!(answer.body, changed);
    let released = &page_manifest()["index.html"];
    assert_ne!(hex::encode(Sha256::digest(&answer.body)), *released);
    assert_ne!(
        answer.header("etag"),
        Some(format!("\"{released}\"").as_str())
    );
}

#[tokio::test]
async fn e15_the_built_in_page_has_no_anchor_and_a_directory_may_have_one() {
    let site = Site::new().await;
    assert!(!page_manifest().contains_key("anchor.json"));
    assert_eq!(site.get("/anchor.json").await.status, 404);
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("index.html", "<p>"),
        ("anchor.json", "{}"),
        ("other.json", "{}"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let site = Site::with(|config| config.page_dir = Some(dir.path().to_owned())).await;
    let answer = site.get("/anchor.json").await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert_eq!(site.get("/other.json").await.status, 404);
}

#[tokio::test]
async fn a_known_file_is_not_sent_again() {
    let site = Site::new().await;
    let etag = site.get("/").await.header("etag").unwrap().to_owned();
    for known in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"x\", {etag}"),
        "*".to_owned(),
    ] {
        let answer = site
            .ask(get("/", &format!("If-None-Match: {known}\r\n")))
            .await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{known}");
        assert_eq!(answer.header("etag"), Some(etag.as_str()));
    }
    let other = site.ask(get("/", "If-None-Match: \"other\"\r\n")).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn the_page_is_only_read() {
    let site = Site::new().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let request = format!("{method} /index.html HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        let answer = site.ask(request).await;
        assert_eq!((answer.status, method), (405, method));
    }
}

#[tokio::test]
async fn browsers_are_told_to_trust_nothing_else() {
    let site = Site::new().await;
    for path in ["/", "/docs", "/config.json", "/nothing", "/healthz"] {
        let answer = site.get(path).await;
        let header = |name| answer.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(
            header("cross-origin-resource-policy"),
            "same-origin",
            "{path}"
        );
        assert!(
            header("content-security-policy").starts_with("default-src 'none'"),
            "{path}"
        );
        assert!(
            header("content-security-policy").contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(
            header("strict-transport-security").starts_with("max-age="),
            "{path}"
        );
    }
    let page = site.get("/").await;
    assert_eq!(
        page.header("cross-origin-opener-policy"),
        Some("same-origin")
    );
    let permissions = page.header("permissions-policy").unwrap();
    assert!(permissions.contains("publickey-credentials-get=(self)"));
    assert!(permissions.contains("publickey-credentials-create=(self)"));
    // a page on the machine itself has no TLS to insist on
    let site = Site::with(|config| config.origin = "http://localhost:7100".parse().unwrap()).await;
    let answer = site
        .ask("GET / HTTP/1.1\r\nHost: localhost:7100\r\n\r\n")
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("strict-transport-security"), None);
}

#[tokio::test]
async fn the_page_may_talk_to_the_node_it_is_told_of_and_to_no_other() {
    let node = "https://node.example.org:8443";
    let site = Site::with(|config| config.node = Some(node.parse().unwrap())).await;
    let allowed = POLICY.replace("connect-src 'self'", &format!("connect-src 'self' {node}"));
    assert_ne!(allowed, POLICY);
    for path in ["/", "/index.html", "/app.js"] {
        let answer = site.get(path).await;
        assert_eq!(
            answer.header("content-security-policy"),
            Some(allowed.as_str())
        );
    }
    let config = site.get("/config.json").await;
    assert_eq!(config.json()["node"], node);
    // What runs no script needs nobody.
    for path in ["/config.json", "/docs"] {
        let answer = site.get(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(!policy.contains("node"), "{path}: {policy}");
    }
    for odd in [
        "https://node.example.org/",
        "https://node.example.org; script-src *",
        "https://node.example.org https://other.example.org",
        "https://*.example.org",
        "http://node.example.org",
        "*",
    ] {
        assert!(
            odd.parse::<openkey_host_proxy::config::Origin>().is_err(),
            "{odd}"
        );
    }
}

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";

/// What a browser gets that opens `path` at `host`.
fn opens(path: &str, host: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{BROWSER}\r\n")
}

#[tokio::test]
async fn a_browser_at_another_address_is_shown_the_right_one() {
    let site = Site::new().await;
    for host in ["127.0.0.1:7100", "[::1]:7100", "evil.example"] {
        for path in ["/", "/index.html", "/docs"] {
            let answer = site.ask(opens(path, host)).await;
            assert_eq!((answer.status, path), (403, path));
            let mime = answer.header("content-type").unwrap();
            assert_eq!(mime, "text/html; charset=utf-8");
            let page = String::from_utf8(answer.body.clone()).unwrap();
            let link = "<a href=\"https://keys.example.org/\">Open https://keys.example.org</a>";
            assert!(page.contains(link), "{page}");
            assert!(page.contains("Passkeys belong to one domain name"));
            assert!(page.contains("<code>wrong_host</code>"));
            assert!(!page.contains("evil.example") && !page.contains("<script"));
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
            assert_eq!(answer.header("vary"), Some("accept"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        let json = site
            .ask(format!(
                "GET / HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n"
            ))
            .await;
        assert_eq!((json.status, json.code().as_str()), (403, "wrong_host"));
    }
}

#[tokio::test]
async fn a_browser_at_an_unknown_path_is_shown_where_the_page_is() {
    let site = Site::new().await;
    for (path, status, code) in [
        ("/keys", 404, "not_found"),
        ("/a/b.html", 404, "not_found"),
        ("/keys/", 400, "bad_target"),
        ("/%3Cscript%3E", 400, "bad_target"),
    ] {
        let answer = site.ask(opens(path, HOST)).await;
        assert_eq!((answer.status, path), (status, path));
        let page = String::from_utf8(answer.body.clone()).unwrap();
        assert!(page.contains("<h1>There is no page at this address</h1>"));
        assert!(page.contains("<a href=\"https://keys.example.org/\">"));
        assert!(page.contains(&format!("<code>{code}</code>")));
        let json = site.get(path).await;
        assert_eq!((json.status, json.code().as_str()), (status, code));
    }
    // Programs' paths answer programs, whoever opens them.
    for path in ["/api/v1/enclaves/none/request", "/api/v1/nothing"] {
        let answer = site.ask(opens(path, HOST)).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}
