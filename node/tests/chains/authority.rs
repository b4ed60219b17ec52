//! Links come from the store verified, and only their verification is remembered.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use openkey_capability::chain::{ChainError, Invocation, MAX_NODES};
use openkey_capability::cid::Cid;
use openkey_capability::ucan::Ucan;
use openkey_edge::sqlite::Options;
use openkey_node::authority::{Authority, Revocations};
use openkey_node::delegation::delegate;
use openkey_node::error::Error;
use openkey_node::invoke::invoke;
use openkey_node::store::sqlite::SqliteStore;
use openkey_node::store::{NewRevocation, Store, StoreError};
use rusqlite::Connection;

use super::delegating::hosted;
use super::tokens::{Fixed, NOW, Says, base64url, did, headers, node, space, statement};

struct Held {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Held {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Arc::new(SqliteStore::open(dir.path(), Fixed::at(NOW), Options::default()).unwrap());
        Self { dir, store }
    }

    fn authority(&self) -> Authority {
        Authority::new(Arc::clone(&self.store))
    }

    /// As somebody who has the file.
    fn database(&self) -> Connection {
        database(self.dir.path())
    }

    /// A row that nobody checked.
    fn write(&self, cid: Cid, token: &[u8], statement: [u8; 32]) {
        let insert = "INSERT INTO delegation (cid, statement, token) VALUES (?1, ?2, ?3)";
        let row = (cid.digest(), statement, token);
        self.database().execute(insert, row).unwrap();
    }

    fn keep(&self, ucan: &Ucan) {
        self.write(ucan.cid(), ucan.token().as_bytes(), statement(ucan));
    }

    fn forget_all(&self) {
        self.database()
            .execute("DELETE FROM delegation", ())
            .unwrap();
    }
}

fn database(dir: &Path) -> Connection {
    Connection::open(dir.join("node.sqlite3")).unwrap()
}

#[tokio::test]
async fn e3_a_link_that_was_written_to_the_database_is_refused() {
    let held = Held::new();
    let good = Says::default().ucan();
    let forged = Says {
        signed_by: Some(3),
        ..Says::default()
    };
    let forged = forged.ucan();
    let other = Says::default().ucan();
    held.keep(&good);
    held.keep(&forged);
    // another's token under a name that a chain cites, and what is no token
    let cited = Cid::of(b"cited");
    held.write(cited, other.token().as_bytes(), statement(&other));
    let garbage = [Cid::of(b"1"), Cid::of(b"2"), Cid::of(b"3")];
    for (cid, token) in garbage.iter().zip([&b""[..], b"ey.", b"\xa3\x61h"]) {
        held.write(*cid, token, [0; 32]);
    }
    let authority = held.authority();
    let asked = Revocations::Asked;
    let chain = authority.chain(&[good.cid()], asked).await.unwrap();
    assert_eq!(chain.statements, [statement(&good)]);
    assert_eq!(chain.expires_ms, Some((NOW + 3600) * 1000));
    for cid in [forged.cid(), cited].into_iter().chain(garbage) {
        for _ in 0..2 {
            let refused = authority.chain(&[good.cid(), cid], asked).await;
            let Err(Error::Store(StoreError::Failed { reason })) = refused else {
                panic!("{refused:?}");
            };
            assert!(reason.contains(&cid.to_string()), "{reason}");
            authority.link(cid).await.unwrap_err();
        }
    }
}

#[tokio::test]
async fn e3_content_that_was_changed_is_refused() {
    let held = Held::new();
    let good = Says {
        abilities: &["tinycloud.kv/get"],
        ..Says::default()
    };
    let good = good.ucan();
    let wider = Says::default().ucan();
    let mut parts: Vec<&str> = good.token().split('.').collect();
    parts[1] = wider.token().split('.').nth(1).unwrap();
    let spliced = parts.join(".");
    held.write(good.cid(), spliced.as_bytes(), statement(&good));
    let spliced = Ucan::decode(&spliced).unwrap();
    held.keep(&spliced);
    let authority = held.authority();
    for cid in [good.cid(), spliced.cid()] {
        let refused = authority.link(cid).await.unwrap_err();
        assert!(matches!(refused, Error::Store(StoreError::Failed { .. })));
    }
}

#[tokio::test]
async fn what_was_verified_is_remembered_up_to_a_bound() {
    let held = Held::new();
    let links: Vec<Ucan> = (0..4).map(|_| Says::default().ucan()).collect();
    let bytes = links.iter().map(|link| link.token().len()).max().unwrap();
    for link in &links {
        held.keep(link);
    }
    let authority = Authority::with_cache(Arc::clone(&held.store), bytes * 2 + 10);
    for place in [0, 1, 0, 2, 2, 0] {
        let cid = links[place].cid();
        assert!(authority.link(cid).await.unwrap().is_some());
    }
    held.forget_all();
    let remembered = async |place: usize| {
        let cid = links[place].cid();
        authority.link(cid).await.unwrap().is_some()
    };
    assert!(remembered(0).await);
    assert!(!remembered(1).await, "the one that was used longest ago");
    assert!(remembered(2).await);
    assert!(!remembered(3).await, "one that nobody asked for");
    // nothing of what is larger than all of it
    let none = Authority::with_cache(Arc::clone(&held.store), 0);
    held.keep(&links[0]);
    assert!(none.link(links[0].cid()).await.unwrap().is_some());
    held.forget_all();
    assert!(none.link(links[0].cid()).await.unwrap().is_none());
}

#[tokio::test]
async fn e3_what_is_refused_is_not_remembered() {
    let held = Held::new();
    let good = Says::default().ucan();
    held.write(good.cid(), b"ey.", [0; 32]);
    let authority = held.authority();
    authority.link(good.cid()).await.unwrap_err();
    held.forget_all();
    held.keep(&good);
    assert!(authority.link(good.cid()).await.unwrap().is_some());
}

#[tokio::test]
async fn g5_a_row_that_was_written_to_the_database_grants_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let get = |from: u8, proof: Cid| {
        let proofs = [proof];
        let get = Says {
            from,
            to: did(from),
            proofs: &proofs,
            resource: "kv/a",
            abilities: &["tinycloud.kv/get"],
            until: NOW + 60,
            ..Says::default()
        };
        get.ucan()
    };
    let asked = async |ucan: Ucan| invoke(&node, &headers(ucan.token()), Body::empty()).await;
    let good = Says::default().ucan();
    delegate(&node, &headers(good.token())).await.unwrap();
    // the cache is warm
    let found = asked(get(2, good.cid())).await;
    assert!(
        matches!(
            found,
            Err(Error::NotFound(_) | Error::Store(StoreError::NoKey(_)))
        ),
        "{found:?}"
    );
    // somebody grants the space of another to themselves: signed, so only who has the file can keep it
    let forged = Says {
        from: 3,
        to: did(3),
        ..Says::default()
    };
    let forged = forged.ucan();
    delegate(&node, &headers(forged.token())).await.unwrap_err();
    let insert = "INSERT INTO delegation (cid, statement, token) VALUES (?1, ?2, ?3)";
    let cid = forged.cid();
    let row = (cid.digest(), statement(&forged), forged.token().as_bytes());
    database(dir.path()).execute(insert, row).unwrap();
    for _ in 0..2 {
        let refused = asked(get(3, forged.cid())).await.unwrap_err();
        let Error::Chain(ChainError::Link { cid, .. }) = &refused else {
            panic!("{refused}");
        };
        assert_eq!(
            (*cid, refused.status()),
            (forged.cid(), StatusCode::UNAUTHORIZED)
        );
    }
}

#[tokio::test]
async fn g5_revocations_are_never_remembered() {
    let held = Held::new();
    let root = Says::default().ucan();
    let child = Says {
        from: 2,
        to: did(3),
        proofs: &[root.cid()],
        ..Says::default()
    };
    let child = child.ucan();
    held.keep(&root);
    held.keep(&child);
    let invocation = Says {
        from: 3,
        to: did(3),
        resource: "kv/a",
        abilities: &["tinycloud.kv/get"],
        proofs: &[child.cid()],
        ..Says::default()
    };
    let invocation = Invocation::from_ucan(&invocation.ucan()).unwrap();
    let authority = held.authority();
    let checked = async |revocations| {
        let proofs = invocation.proofs();
        let chain = authority.chain(proofs, revocations).await.unwrap();
        let mut statements = chain.statements.clone();
        statements.sort_unstable();
        let mut all = [statement(&root), statement(&child)];
        all.sort_unstable();
        assert_eq!(statements, all);
        invocation.check(&chain.ancestors, NOW * 1000).map(drop)
    };
    for _ in 0..2 {
        assert_eq!(checked(Revocations::Asked).await, Ok(()));
    }
    let revoke = async |target: &Ucan| {
        let new = NewRevocation {
            target: statement(target),
            token: Vec::new(),
            revoker: did(1),
            expires_ms: None,
            chain: Vec::new(),
            now_ms: NOW * 1000,
        };
        held.store.revoke(new).await.unwrap();
    };
    revoke(&root).await;
    let above = ChainError::InvokedsAncestorRevoked {
        ancestor: root.cid(),
        invoked: child.cid(),
    };
    assert_eq!(checked(Revocations::Asked).await, Err(above));
    // here the transaction that uses the chain asks
    assert_eq!(checked(Revocations::Later).await, Ok(()));
    revoke(&child).await;
    let refused = ChainError::InvokedRevoked(child.cid());
    assert_eq!(checked(Revocations::Asked).await, Err(refused));
}

#[tokio::test]
async fn g5_more_links_than_are_walked_are_refused() {
    let held = Held::new();
    let mut links: Vec<Ucan> = Vec::new();
    for _ in 0..=MAX_NODES {
        let proofs: Vec<Cid> = links.last().map(Ucan::cid).into_iter().collect();
        let link = Says {
            from: 2,
            proofs: &proofs,
            until: NOW + 10_000 - i64::try_from(links.len()).unwrap(),
            ..Says::default()
        };
        links.push(link.ucan());
        held.keep(links.last().unwrap());
    }
    let authority = held.authority();
    let longest = links[MAX_NODES - 1].cid();
    for revocations in [Revocations::Asked, Revocations::Later] {
        let chain = authority.chain(&[longest], revocations).await.unwrap();
        assert_eq!(chain.statements.len(), MAX_NODES);
        let first_to_end = NOW + 10_000 - i64::try_from(MAX_NODES).unwrap() + 1;
        assert_eq!(chain.expires_ms, Some(first_to_end * 1000));
        let refused = authority
            .chain(&[links[MAX_NODES].cid()], revocations)
            .await;
        assert!(matches!(refused, Err(Error::Chain(ChainError::TooLong))));
    }
    // as many at once
    let all: Vec<Cid> = links.iter().map(Ucan::cid).collect();
    let refused = authority.chain(&all, Revocations::Asked).await;
    assert!(matches!(refused, Err(Error::Chain(ChainError::TooLong))));
}

#[tokio::test]
async fn g5_what_is_cited_again_and_again_is_walked_once() {
    let held = Held::new();
    let mut level: Vec<Cid> = Vec::new();
    let mut all = 0;
    for _ in 0..10 {
        let next = (0..3).map(|_| {
            let link = Says {
                from: 2,
                proofs: &level,
                ..Says::default()
            };
            let link = link.ucan();
            held.keep(&link);
            link.cid()
        });
        level = next.collect();
        all += 3;
    }
    let authority = held.authority();
    let chain = authority.chain(&level, Revocations::Asked).await.unwrap();
    assert_eq!(chain.statements.len(), all);
}

#[tokio::test]
async fn g5_a_cycle_ends() {
    let held = Held::new();
    // names are hashes, so only somebody with the database can write one; a missing link is no end either
    let (a, b) = (Cid::of(b"a"), Cid::of(b"b"));
    for (cid, proof) in [(a, b), (b, a)] {
        let link = Says {
            from: 2,
            proofs: &[proof],
            ..Says::default()
        };
        let link = link.ucan();
        held.write(cid, link.token().as_bytes(), statement(&link));
    }
    let authority = held.authority();
    authority.chain(&[a], Revocations::Asked).await.unwrap_err();
    let missing = Cid::of(b"missing");
    let chain = authority.chain(&[missing], Revocations::Asked).await;
    let chain = chain.unwrap();
    assert!(chain.statements.is_empty() && chain.expires_ms.is_none());
    let invocation = Says {
        from: 2,
        proofs: &[missing],
        ..Says::default()
    };
    let invocation = Invocation::from_ucan(&invocation.ucan()).unwrap();
    let refused = invocation.check(&chain.ancestors, NOW * 1000).map(drop);
    assert_eq!(refused, Err(ChainError::Missing));
}

#[tokio::test]
async fn a_token_is_used_however_its_json_is_laid_out() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path(), &Fixed::at(NOW));
    hosted(&node).await;
    let space = space();
    for (count, start) in ["{", "{ ", "{\n  ", " {", "\n\t{"].into_iter().enumerate() {
        let text = laid_out(start, &format!("{space}/kv/{count}"));
        delegate(&node, &headers(&text)).await.unwrap();
        let proofs = [Cid::of(text.as_bytes())];
        let resource = format!("kv/{count}");
        let put = Says {
            from: 2,
            to: did(2),
            proofs: &proofs,
            resource: &resource,
            abilities: &["tinycloud.kv/put"],
            until: NOW + 60,
            ..Says::default()
        };
        let answer = invoke(&node, &put.headers(), Body::from("1")).await;
        assert_eq!(answer.unwrap().status(), 200, "{start:?}");
    }
}

/// A delegation from the first key to the second, with a header and a payload that begin like this.
fn laid_out(start: &str, resource: &str) -> String {
    use ed25519_dalek::{Signer as _, SigningKey};
    let header = format!(r#"{start}"alg":"EdDSA","typ":"JWT","ucv":"0.10.0"}}"#);
    let payload = format!(
        r#"{start}"iss":"{}","aud":"{}","exp":{},"prf":[],"att":{{"{resource}":{{"tinycloud.kv/put":[{{}}]}}}}}}"#,
        did(1),
        did(2),
        NOW + 3600
    );
    let input = format!(
        "{}.{}",
        base64url(header.as_bytes()),
        base64url(payload.as_bytes())
    );
    let signature = SigningKey::from_bytes(&[1; 32]).sign(input.as_bytes());
    format!("{input}.{}", base64url(&signature.to_bytes()))
}
