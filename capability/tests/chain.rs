//! A wallet's sign-in, a delegation by its session key, an invocation, a revocation by the wallet: as
//! present clients send them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // a test may stop at once

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::chain::{Ancestors, ChainError, Delegation, Invocation, Node};
use openkey_capability::cid::Cid;
use openkey_capability::key::PublicKey;
use openkey_capability::token::Token;
use openkey_capability::ucan::{Builder, Ucan};
use serde_json::Value;

/// A moment at which all of them live.
const NOW_MS: i64 = 1_893_360_000_000;
const DOCS: &str =
    "tinycloud:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266:default/kv/docs";

fn header(file: &str, name: &str) -> String {
    let vectors: Vec<Value> = serde_json::from_str(file).unwrap();
    let vector = vectors
        .iter()
        .find(|vector| vector["name"] == name)
        .unwrap();
    let text = vector
        .get("header")
        .or_else(|| vector.get("token"))
        .unwrap();
    text.as_str().unwrap().to_owned()
}

fn wallet(name: &str) -> Token {
    Token::from_header(&header(include_str!("data/cacao.json"), name)).unwrap()
}

fn key(name: &str) -> Token {
    Token::from_header(&header(include_str!("data/ucan.json"), name)).unwrap()
}

struct Store(BTreeMap<Cid, Node>);

impl Store {
    fn accept(&mut self, token: &Token) -> Result<Cid, ChainError> {
        token.verify().unwrap();
        let delegation = token.delegation()?;
        delegation.check(&self.ancestors(delegation.rests_on()), NOW_MS)?;
        let cid = delegation.cid();
        let node = Node {
            delegation: Arc::new(delegation),
            revoked: false,
        };
        self.0.insert(cid, node);
        Ok(cid)
    }

    fn ancestors(&self, proofs: &[Cid]) -> Ancestors {
        let mut ancestors = Ancestors::of(proofs).unwrap();
        while let [cid, ..] = ancestors.wanted()[..] {
            ancestors.add(cid, self.0.get(&cid).cloned()).unwrap();
        }
        ancestors
    }

    fn invoke(&self, ucan: &Ucan) -> Result<(), ChainError> {
        ucan.verify().unwrap();
        let invocation = Invocation::from_ucan(ucan)?;
        let ancestors = self.ancestors(invocation.proofs());
        invocation.check(&ancestors, NOW_MS).map(drop)
    }
}

fn public(seed: u8) -> PublicKey {
    let key = SigningKey::from_bytes(&[seed; 32]);
    PublicKey::Ed25519(key.verifying_key().to_bytes())
}

fn by(seed: u8, resource: &str, ability: &str, proof: &Cid) -> Ucan {
    to(seed, seed, resource, ability, &[*proof])
}

fn to(from: u8, to: u8, resource: &str, ability: &str, proofs: &[Cid]) -> Ucan {
    let key = SigningKey::from_bytes(&[from; 32]);
    let builder = Builder::new(public(from), &public(to).did(), NOW_MS / 1000 + 60)
        .grant(Attenuation::new().with(resource, Ability::parse(ability).unwrap()));
    proofs
        .iter()
        .fold(builder, Builder::proof)
        .sign(|input| key.sign(input).to_bytes())
        .unwrap()
}

#[test]
fn from_a_wallet_to_an_invocation_and_back() {
    let mut store = Store(BTreeMap::new());
    let (delegation, invocation) = (
        key("a session key delegates to another DID"),
        key("that DID invokes"),
    );
    // not before the session is known
    assert_eq!(store.accept(&delegation), Err(ChainError::Missing));
    for name in ["host", "session"] {
        store.accept(&wallet(name)).unwrap();
    }
    let shared = store.accept(&delegation).unwrap();
    let Token::Ucan(invocation) = invocation else {
        panic!()
    };
    store.invoke(&invocation).unwrap();

    // a neighbour of what was shared, another verb, another hand
    let action = |error| matches!(error, Err(ChainError::Action { .. }));
    let [next, inside] = ["sharedX", "shared/a.txt"].map(|path| format!("{DOCS}/{path}"));
    assert!(action(store.invoke(&by(
        2,
        &next,
        "tinycloud.kv/get",
        &shared
    ))));
    assert!(action(store.invoke(&by(
        2,
        &inside,
        "tinycloud.kv/put",
        &shared
    ))));
    let other = store.invoke(&by(1, &inside, "tinycloud.kv/get", &shared));
    assert_eq!(other, Err(ChainError::Invoker));

    // the wallet takes it back
    let revocation = wallet("revocation");
    revocation.verify().unwrap();
    let revocation = revocation.revocation().unwrap();
    assert_eq!(revocation.target(), shared);
    let target: &Delegation = &store.0[&shared].delegation;
    revocation
        .check(target, &Ancestors::of(&[]).unwrap(), NOW_MS)
        .unwrap();
    store.0.get_mut(&shared).unwrap().revoked = true;
    let gone = store.invoke(&invocation);
    assert_eq!(gone, Err(ChainError::InvokedRevoked(shared)));
}

#[test]
fn a_header_may_say_bearer() {
    for text in [
        header(include_str!("data/cacao.json"), "session"),
        header(include_str!("data/ucan.json"), "that DID invokes"),
    ] {
        let token = Token::from_header(&text).unwrap();
        for scheme in ["Bearer ", "bearer ", "BEARER  ", " "] {
            let again = Token::from_header(&format!("{scheme}{text}")).unwrap();
            assert_eq!(again.cid(), token.cid(), "{scheme}");
        }
        for scheme in ["Bearer", "Bearer Bearer ", "Basic "] {
            let other = Token::from_header(&format!("{scheme}{text}"));
            assert!(other.is_err(), "{scheme}");
        }
        assert_eq!(Cid::of(token.as_bytes()), token.cid());
    }
    for garbage in ["", ".", "..", "Bearer ", "a", "a.b", "\u{e9}"] {
        assert!(Token::from_header(garbage).is_err(), "{garbage}");
    }
}

#[test]
fn what_owners_cite_for_their_own_carries_nothing_and_takes_nothing_away() {
    let mut store = Store(BTreeMap::new());
    let key = format!("tinycloud:{}:s/kv/a", &public(1).did()["did:".len()..]);
    let get = "tinycloud.kv/get";
    let delegation = |ucan| Token::Ucan(Box::new(ucan));
    let revoked = store.accept(&delegation(to(1, 2, &key, get, &[]))).unwrap();
    store.0.get_mut(&revoked).unwrap().revoked = true;
    let cited = [Cid::of(b"missing"), revoked];
    let own = to(1, 2, &key, get, &cited);
    assert_eq!(Delegation::from_ucan(&own).unwrap().rests_on(), []);
    let own = store.accept(&delegation(own)).unwrap();
    store.invoke(&by(2, &key, get, &own)).unwrap();
    let passed_on = delegation(to(2, 3, &key, get, &[own]));
    let passed_on = store.accept(&passed_on).unwrap();
    store.invoke(&by(3, &key, get, &passed_on)).unwrap();
    // whoever does not own it rests on what they cite
    for cited in cited {
        let theirs = delegation(to(2, 3, &key, get, &[own, cited]));
        store.accept(&theirs).unwrap_err();
    }
}
