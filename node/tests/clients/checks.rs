//! H8: tokens that take long to check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use openkey_capability::ability::Ability;
use openkey_capability::attenuation::{Attenuation, Caveats};
use openkey_capability::cid::Cid;

use super::process::{Process, answer, head, now, own};
use super::tokens::{did, raw, within};

/// Six abilities for each of these databases, each with these caveats.
fn caveated(databases: &[&str], caveats: &[serde_json::Value]) -> Attenuation {
    let caveats = caveats.iter().map(|it| it.as_object().unwrap().clone());
    let caveats = Caveats::new(caveats.collect()).unwrap();
    let mut grant = Attenuation::new();
    for database in databases {
        for name in ["read", "write", "schema", "admin", "select", "insert"] {
            let ability = Ability::parse(&format!("tinycloud.sql/{name}")).unwrap();
            let resource = within(&format!("sql/a{database}"));
            grant = grant.with_caveats(resource, ability, caveats.clone());
        }
    }
    grant
}

/// 64 delegations with 64 caveats each, and an invocation that names these in another order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_comparing_many_caveats_is_bounded_and_others_are_served() {
    let node = Arc::new(Process::start(&[]).await);
    let caveat = |at: usize| serde_json::json!({ "a": at });
    let caveats: Vec<_> = (0..64).map(caveat).collect();
    let mut parents: Vec<Cid> = Vec::new();
    for _ in 0..64 {
        let token = raw(1, &did(2), now() + 1000, &[], caveated(&[""], &caveats));
        let answer = node
            .raw(head("POST /delegate", &token, 0, "").as_bytes())
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        parents.push(Cid::parse(answer["cid"].as_str().unwrap()).unwrap());
    }
    let reversed: Vec<_> = (0..64).rev().map(caveat).collect();
    let databases = ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"];
    let attack = move || {
        let grant = caveated(&databases, &reversed);
        raw(2, &did(1), now() + 200, &parents, grant)
    };
    let one = node.invoke(&attack(), "{}").await;
    assert_eq!(one.status, 401, "{one:?}");
    assert!(one.body.contains("4194304 comparisons"), "{one:?}");
    let attackers: Vec<_> = (0..8)
        .map(|_| {
            let (node, attack) = (Arc::clone(&node), attack.clone());
            tokio::spawn(async move {
                for _ in 0..10 {
                    node.invoke(&attack(), "{}").await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let mut asked = 0;
    while attackers.iter().any(|it| !it.is_finished()) && asked < 20 {
        let put = node.invoke(&own("kv/a", "tinycloud.kv/put"), "value").await;
        assert_eq!(put.status, 200, "{put:?}");
        asked += 1;
    }
    // one at a time would have taken minutes
    assert!(began.elapsed() < Duration::from_secs(20), "{asked}");
    for attacker in attackers {
        attacker.abort();
    }
}

/// All tokens of a chain together are bounded, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_a_chain_of_large_tokens_is_bounded() {
    let node = Process::start(&[]).await;
    let mut parents = Vec::new();
    let names = |by: usize| {
        let grant =
            Attenuation::new().with(within("kv"), Ability::parse("tinycloud.kv/get").unwrap());
        (0..900).fold(grant, |all, at| {
            let name = within(&format!("kv/{by}/{at}/{}", "x".repeat(200)));
            all.with(name, Ability::parse("tinycloud.kv/get").unwrap())
        })
    };
    for by in 0..4 {
        let token = raw(1, &did(2), now() + 1000, &[], names(by));
        let answer = node
            .raw(head("POST /delegate", &token, 0, "").as_bytes())
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        parents.push(Cid::parse(answer["cid"].as_str().unwrap()).unwrap());
    }
    let grant = || {
        Attenuation::new().with(
            within("kv/none"),
            Ability::parse("tinycloud.kv/get").unwrap(),
        )
    };
    let ask = async |parents: &[Cid]| {
        let token = raw(2, &did(1), now() + 200, parents, grant());
        node.invoke(&token, "").await
    };
    assert_eq!(ask(&parents[..2]).await.status, 404);
    let refused = ask(&parents).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(
        refused.body.contains("more than 1048576 bytes"),
        "{refused:?}"
    );
}

/// How often a large check had its turn.
async fn turns(metrics: std::net::SocketAddr) -> u64 {
    let asked = format!("GET /metrics HTTP/1.1\r\nhost: {metrics}\r\nconnection: close\r\n\r\n");
    let stream = tokio::net::TcpStream::connect(metrics).await.unwrap();
    let text = answer(stream, asked.as_bytes()).await.body;
    let name = "openkey_node_large_checks_total ";
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// What takes long is compared once, and in its turn, also where the token itself is small.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h8_comparing_too_much_is_done_once_and_in_its_turn() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = port.local_addr().unwrap();
    drop(port);
    let node = Process::start_with(&["--metrics-listen", &metrics.to_string()]).await;
    let created = node
        .invoke(&own("space/s", "tinycloud.space/create"), "")
        .await;
    assert_eq!(created.status, 200, "{created:?}");
    let caveat = |at: usize| serde_json::json!({ "a": at });
    let caveats: Vec<_> = (0..64).map(caveat).collect();
    let mut parents: Vec<Cid> = Vec::new();
    for _ in 0..64 {
        let token = raw(1, &did(2), now() + 1000, &[], caveated(&[""], &caveats));
        let asked = head("POST /delegate", &token, 0, "");
        let posted = node.raw(asked.as_bytes()).await;
        assert_eq!(posted.status, 200, "{posted:?}");
        let posted: serde_json::Value = serde_json::from_str(&posted.body).unwrap();
        parents.push(Cid::parse(posted["cid"].as_str().unwrap()).unwrap());
    }
    let reversed: Vec<_> = (0..64).rev().map(caveat).collect();
    let databases = ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8", "/9"];
    for (line, to) in [("POST /delegate", did(3)), ("POST /invoke", did(1))] {
        let before = turns(metrics).await;
        let grant = caveated(&databases, &reversed);
        // as many as a delegation may rest on
        let token = raw(2, &to, now() + 200, &parents[..63], grant);
        let refused = node.raw(head(line, &token, 0, "").as_bytes()).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(refused.body.contains("4194304 comparisons"), "{refused:?}");
        assert_eq!(turns(metrics).await - before, 1, "{line}");
    }
    // a revocation is compared as well
    let before = turns(metrics).await;
    let revoke = Ability::parse("tinycloud.delegation/revoke").unwrap();
    let target = within(&format!("delegation/{}", parents[0]));
    let token = raw(
        2,
        &did(1),
        now() + 200,
        &parents,
        Attenuation::new().with(target, revoke),
    );
    assert!(token.len() < 16_000, "{}", token.len());
    let refused = node
        .raw(head("POST /revoke", &token, 0, "").as_bytes())
        .await;
    assert_eq!(refused.status, 403, "{refused:?}");
    assert_eq!(turns(metrics).await - before, 1);
}
