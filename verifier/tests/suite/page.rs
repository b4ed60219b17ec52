//! `openkey-verify page`, against servers of this process.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::harness::{Answer, Asked, Files, Ran, Server, verify};

const INDEX: &str = "<!doctype html><script type=\"module\" src=\"app.js\"></script>";
const APP: &str = "console.log('hello');";
const STYLE: &str = "body { color: black }";

fn release(files: &Files) -> String {
    let hash = |text: &str| hex::encode(Sha256::digest(text));
    let json = json!({
        "version": 1,
        "page": { "index.html": hash(INDEX), "app.js": hash(APP), "views/style.css": hash(STYLE) },
    });
    files.write("release.json", json.to_string())
}

const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

fn served(path: &str) -> Answer {
    match path {
        "/" | "/index.html" => {
            Answer::new(200, "text/html", INDEX).header("content-security-policy", POLICY)
        }
        "/app.js" => Answer::new(200, "text/javascript", APP),
        "/views/style.css" => Answer::new(200, "text/css", STYLE),
        _ => Answer::new(404, "text/plain", "no"),
    }
}

/// A page whose answers `bend` may change.
fn judge(bend: fn(&str, Answer) -> Answer) -> Ran {
    judge_asked(move |asked, answer| bend(&asked.path, answer))
}

fn judge_asked(bend: impl Fn(&Asked, Answer) -> Answer + Send + Sync + 'static) -> Ran {
    let files = Files::new();
    let release = release(&files);
    let server = Server::new(move |asked| bend(asked, served(&asked.path)));
    verify(["page", &server.url, "--release", &release, "--json"])
}

#[test]
fn the_released_page_is_accepted() {
    let ran = judge(|_, answer| answer).accepted();
    let json = ran.json();
    assert_eq!(json["verdict"], "accepted");
    let files: Vec<_> = json["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["/", "/app.js", "/index.html", "/views/style.css"]);

    let files = Files::new();
    let release = release(&files);
    let server = Server::new(|asked| served(&asked.path));
    let with_slash = format!("{}/", server.url);
    let ran = verify(["page", &with_slash, "--release", &release]).accepted();
    assert!(ran.stdout.starts_with("accepted: all 4 files"), "{ran:?}");
}

#[test]
fn e5_one_changed_byte_of_the_page_is_refused() {
    let ran = judge(|path, mut answer| {
        if path == "/app.js" {
            answer.body[0] ^= 1;
        }
        answer
    })
    .refused("page_differs");
    let json = ran.json();
    assert_eq!(json["verdict"], "refused");
    let verdicts: Vec<_> = json["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["accepted", "refused", "accepted", "accepted"]);

    // The root of the origin is what people open.
    judge(|path, mut answer| {
        if path == "/" {
            answer.body.push(b' ');
        }
        answer
    })
    .refused("page_differs");
    judge(|path, mut answer| {
        if path == "/app.js" {
            answer.body = vec![b' '; 4 * 1024 * 1024 + 1];
        }
        answer
    })
    .refused("page_too_long");
}

#[test]
fn e5_a_wrong_index_is_told_once() {
    let ran = judge(|path, answer| match path {
        "/" | "/index.html" => {
            Answer::new(200, "text/html", "other").header("content-security-policy", POLICY)
        }
        _ => answer,
    });
    let ran = ran.refused("page_differs");
    assert_eq!(
        ran.stderr.matches("error: page_differs").count(),
        1,
        "{ran:?}"
    );
    let files = ran.json()["files"].clone();
    assert_eq!(
        (&files[0]["verdict"], &files[1]["verdict"]),
        (&json!("refused"), &json!("accepted"))
    );
}

#[test]
fn e5_a_page_that_a_browser_would_see_otherwise_is_refused() {
    for header in [
        "content-encoding",
        "link",
        "refresh",
        "speculation-rules",
        "content-security-policy-report-only",
        "nel",
        "report-to",
        "reporting-endpoints",
        "set-cookie",
    ] {
        let files = Files::new();
        let release = release(&files);
        let server = Server::new(move |asked| {
            let answer = served(&asked.path);
            if asked.path == "/" {
                answer.header(header, "x")
            } else {
                answer
            }
        });
        let ran = verify(["page", &server.url, "--release", &release]).refused("page_header");
        assert!(ran.stderr.contains(header), "{ran:?}");
    }
}

/// A page with an anchor, and what its host serves beside it.
fn judge_beside(beside: impl Fn(&str) -> Option<serde_json::Value> + Send + Sync + 'static) -> Ran {
    judge_beside_served(move |path| beside(path).map(|json| Answer::json(&json)))
}

fn judge_beside_served(beside: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Ran {
    let anchor = json!({
        "version": 1, "root_id": "7".repeat(64), "rp_id": "keys.example", "min_epoch": 1,
        "release_keys": { "threshold": 1, "keys": [KEY] },
    })
    .to_string();
    let files = Files::new();
    let hash = |text: &str| hex::encode(Sha256::digest(text));
    let page = json!({ "index.html": hash(INDEX), "anchor.json": hash(&anchor) });
    let release = files.write(
        "release.json",
        json!({ "version": 1, "page": page }).to_string(),
    );
    let server = Server::new(
        move |asked| match (beside(&asked.path), asked.path.as_str()) {
            (Some(answer), _) => answer,
            (None, "/anchor.json") => Answer::new(200, "application/json", anchor.clone()),
            (None, path) => served(path),
        },
    );
    verify(["page", &server.url, "--release", &release])
}

#[test]
fn e15_what_the_host_tells_the_page_is_judged_member_by_member() {
    let config = |config: serde_json::Value| {
        judge_beside(move |path| (path == "/config.json").then(|| config.clone()))
    };
    let with = |member: &str, value: serde_json::Value| {
        let mut file = json!({ "version": 1, "origin": "https://keys.example", "enclave": "e1",
            "policy": null, "node": null });
        file[member] = value;
        config(file)
    };
    // The page says "It works only at …", with a button that leads there.
    for elsewhere in [
        "https://openkey-login.example",
        "https://keys.example.evil.example",
        "https://evilkeys.example",
        "http://keys.example",
        "https://keys.example/login",
        "https://keys.example:443:1",
        "https://ada@keys.example",
        "javascript:alert(1)",
        "",
    ] {
        with("origin", json!(elsewhere)).refused("page_config");
    }
    for node in ["https:", "http://node.example", "https://node.example/x"] {
        with("node", json!(node)).refused("page_config");
    }
    with("enclave", json!("../e2")).refused("page_config");
    with("version", json!(2)).refused("page_config");
    with("motd", json!("call us")).refused("page_config");
    config(json!({ "version": 1 })).refused("page_config");
    config(json!([])).refused("page_config");
    for origin in ["https://keys.example:8443", "https://a.keys.example"] {
        with("origin", json!(origin)).accepted();
    }
    let ran = with("node", json!("https://node.example")).accepted();
    let words = "the host's own choice, which no release names: origin https://keys.example, node \
                 https://node.example";
    assert!(ran.stdout.contains(words), "{ran:?}");
}

/// Of the maintainer who signs nothing here.
const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

#[test]
fn e15_a_policy_served_beside_the_released_page_is_judged_too() {
    let ran = judge_beside(|_| None).accepted();
    assert!(ran.stdout.contains("anchor is the released one"), "{ran:?}");
    let policy = |policy: serde_json::Value| {
        judge_beside(move |path| {
            (path == "/config.json").then(|| {
                json!({ "version": 1, "origin": "https://keys.example", "policy": policy.clone() })
            })
        })
    };
    policy(serde_json::Value::Null).accepted();
    let set = json!({ "0": "a".repeat(96) });
    let root = json!(["-----BEGIN CERTIFICATE-----"]);
    for widened in [
        json!({ "version": 1, "measurements": [set] }),
        json!({ "version": 1, "measurements": [{ "8": "0".repeat(96) }] }),
        json!({ "version": 1, "measurements": [set], "roots": root }),
        json!({ "version": 1, "measurements": [set], "simulator": true }),
        json!({ "version": 1, "measurements": [set], "allow_debug": true }),
        json!("any"),
    ] {
        policy(widened).refused("page_served_policy");
    }
    let list = |list: serde_json::Value| {
        judge_beside(move |path| (path == "/releases.json").then(|| list.clone()))
    };
    list(json!({ "version": 1, "releases": [] })).accepted();
    list(json!({ "version": 1, "releases": [{}] })).refused("page_releases");
    let stranger = include_str!("../data/release/vectors.json");
    let stranger: serde_json::Value = serde_json::from_str(stranger).unwrap();
    let file: serde_json::Value =
        serde_json::from_str(stranger["cases"][0]["file"].as_str().unwrap()).unwrap();
    list(json!({ "version": 1, "releases": [file] })).refused("page_releases");
}

#[test]
fn e15_an_anchor_that_is_served_once_only_is_refused() {
    for second in [None, Some("{}")] {
        let asked = AtomicUsize::new(0);
        let ran = judge_beside_served(move |path| match path {
            "/anchor.json" if asked.fetch_add(1, Ordering::Relaxed) > 0 => Some(match second {
                None => Answer::new(404, "text/plain", ""),
                Some(other) => Answer::new(200, "application/json", other),
            }),
            _ => None,
        });
        ran.refused(if second.is_none() {
            "page_missing"
        } else {
            "page_differs"
        });
    }
}

#[test]
fn e15_an_anchor_that_the_release_does_not_name_is_refused() {
    judge(|path, answer| match path {
        "/anchor.json" => Answer::new(200, "application/json", "{}"),
        _ => answer,
    })
    .refused("page_not_released");
}

#[test]
fn e5_a_page_of_another_type_or_without_its_policy_is_refused() {
    let ran = judge(|path, mut answer| {
        if path == "/app.js" {
            answer.headers = vec![("content-type", "text/plain".to_owned())];
        }
        answer
    })
    .refused("page_content_type");
    assert!(ran.stderr.contains("/app.js"), "{ran:?}");
    let ran = judge(|path, mut answer| {
        if path == "/" {
            answer.headers.truncate(1);
        }
        answer
    })
    .refused("page_policy");
    assert!(ran.stderr.contains("there is none"), "{ran:?}");
    let ran = judge(|path, mut answer| {
        if path == "/index.html" {
            answer.headers[1].1 = POLICY.replace("'self'", "'self' https://evil.example");
        }
        answer
    })
    .refused("page_policy");
    assert!(ran.stderr.contains("https://evil.example"), "{ran:?}");
}

/// A host that shows its other page to whatever says that it is a program.
#[test]
fn e5_a_page_for_programs_alone_is_not_what_is_compared() {
    let ran = judge_asked(|asked, mut answer| {
        let browser = asked.header("user-agent").starts_with("Mozilla/5.0")
            && asked
                .header("accept")
                .starts_with(match asked.path.as_str() {
                    "/" | "/index.html" => "text/html,",
                    "/views/style.css" => "text/css,",
                    _ => "*/*",
                })
            && asked.header("accept-encoding").contains("gzip")
            && !asked.header("sec-fetch-dest").is_empty();
        if browser {
            answer.body.push(b' ');
        }
        answer
    });
    ran.refused("page_differs");
}

/// What the page reads as data tells the two apart no better than its code does.
#[test]
fn e5_everything_of_a_page_is_asked_for_as_a_browser_does() {
    let programs = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&programs);
    judge_asked(move |asked, answer| {
        let browser = asked.header("user-agent").starts_with("Mozilla/5.0")
            && asked.header("sec-ch-ua").contains("Chromium")
            && !asked.header("sec-fetch-dest").is_empty();
        if !browser {
            seen.lock().unwrap().push(asked.path.clone());
        }
        answer
    })
    .accepted();
    assert_eq!(*programs.lock().unwrap(), [""; 0]);
}

#[test]
fn missing_and_redirected_files_are_refused() {
    judge(|path, answer| match path {
        "/views/style.css" => Answer::new(404, "text/plain", "no"),
        _ => answer,
    })
    .refused("page_missing");
    judge(|path, answer| match path {
        "/app.js" => Answer::new(302, "text/plain", "").header("location", "/index.html"),
        _ => answer,
    })
    .refused("page_missing");
}

#[test]
fn a_host_that_does_not_answer_is_not_judged() {
    let files = Files::new();
    let release = release(&files);
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    verify(["page", &format!("http://{free}"), "--release", &release]).not_judged("connection");
    verify(["page", "http://keys.example", "--release", &release]).not_judged("url");
}
