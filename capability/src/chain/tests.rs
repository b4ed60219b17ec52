//! G5: links that are revoked, expired, widened, missing, or too many.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ability::Ability;
use crate::attenuation::{Attenuation, Caveats};
use crate::cid::Cid;
use crate::key::PublicKey;
use crate::ucan::{Builder, Ucan};

const NOW: i64 = 1_800_000_000;
const MS: i64 = NOW * 1000;

/// Somebody with a key of their own.
struct Somebody(SigningKey);

impl Somebody {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_bytes(&[seed; 32]))
    }

    fn key(&self) -> PublicKey {
        PublicKey::Ed25519(self.0.verifying_key().to_bytes())
    }

    fn did(&self) -> String {
        self.key().did()
    }

    fn space(&self) -> String {
        format!(
            "tinycloud:{}:notes",
            self.did().strip_prefix("did:").unwrap()
        )
    }

    fn signs(&self, builder: &Builder) -> Ucan {
        builder.sign(|input| self.0.sign(input).to_bytes()).unwrap()
    }
}

fn grants(what: &[(&str, &str)]) -> Attenuation {
    let mut att = Attenuation::new();
    for (resource, ability) in what {
        att = att.with(*resource, Ability::parse(ability).unwrap());
    }
    att
}

/// A store of delegations.
#[derive(Default)]
struct Store(BTreeMap<Cid, Node>);

impl Store {
    /// Keeps a delegation, if it holds.
    fn accept(&mut self, ucan: &Ucan) -> Result<Cid, ChainError> {
        let delegation = Delegation::from_ucan(ucan)?;
        delegation.check(&self.ancestors(delegation.proofs())?, MS)?;
        Ok(self.keep(delegation))
    }

    fn keep(&mut self, delegation: Delegation) -> Cid {
        let cid = delegation.cid();
        let delegation = Arc::new(delegation);
        self.0.insert(
            cid,
            Node {
                delegation,
                revoked: false,
            },
        );
        cid
    }

    fn revoke(&mut self, cid: Cid) {
        self.0.get_mut(&cid).unwrap().revoked = true;
    }

    fn ancestors(&self, proofs: &[Cid]) -> Result<Ancestors, ChainError> {
        let mut ancestors = Ancestors::of(proofs)?;
        while let [cid, ..] = ancestors.wanted()[..] {
            ancestors.add(cid, self.0.get(&cid).cloned())?;
        }
        Ok(ancestors)
    }

    fn invoke(&self, ucan: &Ucan, now_ms: i64) -> Result<Vec<Caveats>, ChainError> {
        let invocation = Invocation::from_ucan(ucan)?;
        let ancestors = self.ancestors(invocation.proofs())?;
        let granted = invocation.check(&ancestors, now_ms)?;
        Ok(granted.into_iter().map(|it| it.caveats.clone()).collect())
    }
}

/// An owner who lets a session read and write below `docs/`, and a session that lets bob read below
/// `docs/shared/`.
struct Chain {
    owner: Somebody,
    session: Somebody,
    bob: Somebody,
    store: Store,
    first: Cid,
    second: Cid,
}

impl Chain {
    fn new() -> Self {
        let [owner, session, bob] = [1, 2, 3].map(Somebody::new);
        let space = owner.space();
        let docs = format!("{space}/kv/docs/");
        let mut store = Store::default();
        let first = Builder::new(owner.key(), &session.did(), NOW + 1000).grant(grants(&[
            (&docs, "tinycloud.kv/get"),
            (&docs, "tinycloud.kv/put"),
        ]));
        let first = store.accept(&owner.signs(&first)).unwrap();
        let second = Builder::new(session.key(), &bob.did(), NOW + 500)
            .proof(&first)
            .grant(grants(&[(&format!("{docs}shared/"), "tinycloud.kv/get")]));
        let second = store.accept(&session.signs(&second)).unwrap();
        Self {
            owner,
            session,
            bob,
            store,
            first,
            second,
        }
    }

    fn key(&self, path: &str) -> String {
        format!("{}/kv/{path}", self.owner.space())
    }

    /// What becomes of bob's asking for this.
    fn bob_asks(&self, path: &str, ability: &str) -> Result<Vec<Caveats>, ChainError> {
        self.asks(&self.bob, path, ability, self.second)
    }

    fn asks(
        &self,
        who: &Somebody,
        path: &str,
        ability: &str,
        proof: Cid,
    ) -> Result<Vec<Caveats>, ChainError> {
        let builder = Builder::new(who.key(), &who.did(), NOW + 60)
            .proof(&proof)
            .grant(grants(&[(&self.key(path), ability)]));
        self.store.invoke(&who.signs(&builder), MS)
    }

    /// Whether the session may let bob do this, until then.
    fn delegates(&mut self, path: &str, ability: &str, until: i64) -> Result<Cid, ChainError> {
        let builder = Builder::new(self.session.key(), &self.bob.did(), until)
            .proof(&self.first)
            .grant(grants(&[(&self.key(path), ability)]));
        self.store.accept(&self.session.signs(&builder))
    }
}

#[test]
fn a_chain_carries_what_was_granted() {
    let chain = Chain::new();
    assert!(
        chain
            .bob_asks("docs/shared/a.txt", "tinycloud.kv/get")
            .is_ok()
    );
    // the owner needs nobody's leave
    let own = Builder::new(chain.owner.key(), &chain.owner.did(), NOW + 60)
        .grant(grants(&[(&chain.key("anything"), "tinycloud.kv/put")]));
    assert!(chain.store.invoke(&chain.owner.signs(&own), MS).is_ok());
}

#[test]
fn g5_a_widened_link_is_refused() {
    let mut chain = Chain::new();
    for (path, ability) in [
        ("docs/sharedX", "tinycloud.kv/get"),
        ("docs/shared", "tinycloud.kv/get"),
        ("docs/shared/a.txt", "tinycloud.kv/put"),
        ("docs/", "tinycloud.kv/get"),
    ] {
        let error = chain.bob_asks(path, ability).unwrap_err();
        let expected = format!("Unauthorized Action: {} / {ability}", chain.key(path));
        assert_eq!(error.to_string(), expected);
    }
    for (path, ability) in [("doc", "tinycloud.kv/get"), ("docs/a", "tinycloud.kv/del")] {
        let error = chain.delegates(path, ability, NOW + 500).unwrap_err();
        let expected = format!("Unauthorized Capability: {}, {ability}", chain.key(path));
        assert_eq!(error.to_string(), expected);
    }
    let until = chain.delegates("docs/a", "tinycloud.kv/get", NOW + 1001);
    assert_eq!(until, Err(ChainError::Expiry));
    assert!(
        chain
            .delegates("docs/a", "tinycloud.kv/get", NOW + 1000)
            .is_ok()
    );
    // another space of the same owner, and the same name of another owner
    for space in [
        chain.owner.space().replace(":notes", ":other"),
        chain.bob.space(),
    ] {
        let resource = format!("{space}/kv/docs/a");
        let builder = Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
            .proof(&chain.first)
            .grant(grants(&[(&resource, "tinycloud.kv/get")]));
        let error = chain
            .store
            .invoke(&chain.session.signs(&builder), MS)
            .unwrap_err();
        assert!(matches!(error, ChainError::Action { .. }), "{error}");
    }
}

#[test]
fn what_is_nearly_a_resource_is_refused_with_the_reason() {
    let mut chain = Chain::new();
    for path in ["docs/shared/a%2fb", "docs/shared/%61", "docs/shared/../x"] {
        let error = chain.bob_asks(path, "tinycloud.kv/get").unwrap_err();
        let text = error.to_string();
        let (line, why) = text.split_once('\n').unwrap();
        let expected = format!(
            "Unauthorized Action: {} / tinycloud.kv/get",
            chain.key(path)
        );
        assert_eq!(line, expected);
        assert!(why.contains("normalised"), "{why}");
        let error = chain.delegates(path, "tinycloud.kv/get", NOW + 500);
        assert!(error.unwrap_err().to_string().contains("normalised"));
    }
}

#[test]
fn g5_a_link_of_somebody_else_is_refused() {
    let chain = Chain::new();
    let path = "docs/shared/a.txt";
    for (who, proof) in [(&chain.session, chain.second), (&chain.bob, chain.first)] {
        let error = chain.asks(who, path, "tinycloud.kv/get", proof);
        assert_eq!(error, Err(ChainError::Invoker));
    }
    // reordered: what bob was given does not make him the session's delegator
    let mut chain = Chain::new();
    let builder = Builder::new(chain.bob.key(), &chain.session.did(), NOW + 60)
        .proof(&chain.first)
        .grant(grants(&[(&chain.key("docs/a"), "tinycloud.kv/get")]));
    let token = chain.bob.signs(&builder);
    assert!(matches!(
        chain.store.accept(&token),
        Err(ChainError::Delegator(_))
    ));
}

#[test]
fn g5_a_revoked_link_takes_everything_below_with_it() {
    let (path, ability) = ("docs/shared/a.txt", "tinycloud.kv/get");
    let mut chain = Chain::new();
    let second = chain.second;
    chain.store.revoke(second);
    assert_eq!(
        chain.bob_asks(path, ability),
        Err(ChainError::InvokedRevoked(second))
    );
    let mut chain = Chain::new();
    let (first, second) = (chain.first, chain.second);
    chain.store.revoke(first);
    let expected = ChainError::InvokedsAncestorRevoked {
        ancestor: first,
        invoked: second,
    };
    assert_eq!(chain.bob_asks(path, ability), Err(expected));
    let parent = chain.delegates("docs/a", ability, NOW + 500);
    assert_eq!(parent, Err(ChainError::ParentRevoked(first)));
    let builder = Builder::new(chain.bob.key(), &chain.session.did(), NOW + 60)
        .proof(&second)
        .grant(grants(&[(&chain.key(path), ability)]));
    let expected = ChainError::ParentsAncestorRevoked {
        ancestor: first,
        parent: second,
    };
    assert_eq!(
        chain.store.accept(&chain.bob.signs(&builder)),
        Err(expected)
    );
}

#[test]
fn g5_an_expired_link_is_refused() {
    let chain = Chain::new();
    let builder = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 5000)
        .proof(&chain.second)
        .grant(grants(&[(&chain.key("docs/shared/a"), "tinycloud.kv/get")]));
    let token = chain.bob.signs(&builder);
    assert!(chain.store.invoke(&token, (NOW + 500) * 1000).is_ok());
    let late = chain.store.invoke(&token, (NOW + 500) * 1000 + 1);
    assert_eq!(late, Err(ChainError::AncestorTime(chain.second)));
    let late = chain.store.invoke(&token, (NOW + 5000) * 1000 + 1);
    assert_eq!(late, Err(ChainError::InvocationTime));
    // what has not begun
    let mut store = Store::default();
    let owner = &chain.owner;
    let early = Builder::new(owner.key(), &chain.bob.did(), NOW + 60).not_before(NOW + 1);
    assert_eq!(
        store.accept(&owner.signs(&early)),
        Err(ChainError::DelegationTime)
    );
}

#[test]
fn g5_a_child_does_not_begin_before_its_parent() {
    let mut chain = Chain::new();
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .not_before(NOW - 10)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let parent = chain.store.accept(&chain.owner.signs(&parent)).unwrap();
    let child = Builder::new(chain.session.key(), &chain.bob.did(), NOW + 1000)
        .proof(&parent)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let early = chain.session.signs(&child.clone().not_before(NOW - 11));
    assert_eq!(chain.store.accept(&early), Err(ChainError::NotBefore));
    // one that does not say it begins now, and never counts before its parent does
    for child in [child.clone().not_before(NOW - 10), child] {
        let child = chain.store.accept(&chain.session.signs(&child)).unwrap();
        let asks = |now_ms| {
            let builder = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 60)
                .proof(&child)
                .grant(grants(&[(&chain.key("docs/a"), "tinycloud.kv/get")]));
            let ucan = chain.bob.signs(&builder);
            chain.store.invoke(&ucan, now_ms).map(drop)
        };
        assert_eq!(asks((NOW - 10) * 1000), Ok(()));
        let early = asks((NOW - 10) * 1000 - 1).unwrap_err();
        assert!(matches!(early, ChainError::AncestorTime(_)), "{early}");
    }
}

#[test]
fn g5_nothing_rests_on_what_has_not_begun() {
    let mut chain = Chain::new();
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .not_before(NOW + 10)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let parent = Delegation::from_ucan(&chain.owner.signs(&parent)).unwrap();
    let parent = chain.store.keep(parent);
    let child = Builder::new(chain.session.key(), &chain.bob.did(), NOW + 1000)
        .proof(&parent)
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    let child = chain.session.signs(&child);
    assert_eq!(chain.store.accept(&child), Err(ChainError::NotBefore));
}

#[test]
fn g5_a_missing_or_doubled_link_is_refused() {
    let chain = Chain::new();
    let nobody = Cid::of(b"nothing");
    let missing = chain.asks(&chain.bob, "docs/shared/a", "tinycloud.kv/get", nobody);
    assert_eq!(missing, Err(ChainError::Missing));
    let resource = chain.key("docs/shared/a");
    let none = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 60)
        .grant(grants(&[(&resource, "tinycloud.kv/get")]));
    let error = chain.store.invoke(&chain.bob.signs(&none), MS);
    assert!(matches!(error, Err(ChainError::Action { .. })));
    let twice = none.proof(&chain.second).proof(&chain.second);
    assert_eq!(
        chain.store.invoke(&chain.bob.signs(&twice), MS),
        Err(ChainError::Twice)
    );
    // a link above is gone
    let mut chain = Chain::new();
    let first = chain.first;
    chain.store.0.remove(&first);
    let gone = chain.bob_asks("docs/shared/a", "tinycloud.kv/get");
    assert_eq!(gone, Err(ChainError::Missing));
}

#[test]
fn g5_64_links_are_walked_and_65_are_not() {
    let people: Vec<_> = (1..=67).map(Somebody::new).collect();
    let resource = format!("{}/kv/a", people[0].space());
    let mut store = Store::default();
    let mut proofs: Vec<Cid> = Vec::new();
    for pair in people.windows(2) {
        let mut builder = Builder::new(pair[0].key(), &pair[1].did(), NOW + 60)
            .grant(grants(&[(&resource, "tinycloud.kv/get")]));
        if let Some(last) = proofs.last() {
            builder = builder.proof(last);
        }
        let delegation = Delegation::from_ucan(&pair[0].signs(&builder)).unwrap();
        proofs.push(store.keep(delegation));
    }
    let asks = |links: usize| {
        let who = &people[links];
        let builder = Builder::new(who.key(), &who.did(), NOW + 60)
            .proof(&proofs[links - 1])
            .grant(grants(&[(&resource, "tinycloud.kv/get")]));
        store.invoke(&who.signs(&builder), MS)
    };
    assert!(asks(MAX_NODES).is_ok());
    assert_eq!(asks(MAX_NODES + 1), Err(ChainError::TooLong));
}

#[test]
fn h1_what_takes_too_long_to_compare_is_refused() {
    let [owner, session] = [1, 2].map(Somebody::new);
    let many = |resources: usize| {
        (0..resources).fold(Attenuation::new(), |all, place| {
            let resource = format!("{}/kv/{place}", owner.space());
            (0..64).fold(all, |all, name| {
                all.with(&resource, Ability::parse(&format!("a/{name}")).unwrap())
            })
        })
    };
    let mut store = Store::default();
    let parent = Builder::new(owner.key(), &session.did(), NOW + 100).grant(many(45));
    let parent = store.accept(&owner.signs(&parent)).unwrap();
    let says = |resources| {
        let builder = Builder::new(session.key(), &session.did(), NOW + 100);
        session.signs(&builder.proof(&parent).grant(many(resources)))
    };
    // 64 × 45 times 64 × 22 are just not too many
    for (resources, expected) in [(22, Ok(())), (23, Err(ChainError::TooMuch))] {
        let ucan = says(resources);
        assert_eq!(store.accept(&ucan).map(drop), expected);
        assert_eq!(store.invoke(&ucan, MS).map(drop), expected);
    }
}

#[test]
fn g5_a_cycle_ends() {
    // No hash contains itself: only a store that lies has one.
    let chain = Chain::new();
    let mut store = Store::default();
    for (cid, other) in [(chain.first, chain.second), (chain.second, chain.first)] {
        let builder = Builder::new(chain.bob.key(), &chain.bob.did(), NOW + 60)
            .proof(&other)
            .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
        let delegation = Delegation::from_ucan(&chain.bob.signs(&builder)).unwrap();
        let delegation = Arc::new(delegation);
        store.0.insert(
            cid,
            Node {
                delegation,
                revoked: false,
            },
        );
    }
    let looped = Chain {
        store,
        ..Chain::new()
    };
    assert!(looped.bob_asks("docs/a", "tinycloud.kv/get").is_ok());
    assert!(looped.bob_asks("docs/a", "tinycloud.kv/put").is_err());
}

#[test]
fn a_terminal_delegation_ends_there() {
    let mut chain = Chain::new();
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .fact(json!({"xyz.tinycloud.policy/delegationMode": "terminal"}))
        .grant(grants(&[(&chain.key("docs/"), "tinycloud.kv/get")]));
    chain.first = chain.store.accept(&chain.owner.signs(&parent)).unwrap();
    assert!(
        chain
            .asks(&chain.session, "docs/a", "tinycloud.kv/get", chain.first)
            .is_ok()
    );
    let child = chain.delegates("docs/a", "tinycloud.kv/get", NOW + 60);
    assert_eq!(child, Err(ChainError::Terminal));
}

fn caveats(value: serde_json::Value) -> Caveats {
    serde_json::from_value(value).unwrap()
}

#[test]
fn caveats_are_inherited_and_never_widened() {
    let mut chain = Chain::new();
    let resource = format!("{}/sql/main", chain.owner.space());
    let read = Ability::parse("tinycloud.sql/read").unwrap();
    let narrow = caveats(json!([{"only": "this"}]));
    let parent = Builder::new(chain.owner.key(), &chain.session.did(), NOW + 1000)
        .grant(Attenuation::new().with_caveats(&resource, read.clone(), narrow.clone()));
    let parent = chain.store.accept(&chain.owner.signs(&parent)).unwrap();
    let own = |att: Attenuation| {
        Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
            .proof(&parent)
            .grant(att)
    };
    let plain = own(Attenuation::new().with(&resource, read.clone()));
    let inherited = chain
        .store
        .invoke(&chain.session.signs(&plain), MS)
        .unwrap();
    assert_eq!(inherited, std::slice::from_ref(&narrow));
    let wide = caveats(json!([{"only": "that"}]));
    let wider = own(Attenuation::new().with_caveats(&resource, read.clone(), wide));
    let error = chain
        .store
        .invoke(&chain.session.signs(&wider), MS)
        .unwrap_err();
    assert!(
        matches!(error, ChainError::InvocationCaveats { .. }),
        "{error}"
    );

    // a delegation inherits nothing: it says what it passes on
    let child = |att: Attenuation| {
        Builder::new(chain.session.key(), &chain.bob.did(), NOW + 60)
            .proof(&parent)
            .grant(att)
    };
    let plain = child(Attenuation::new().with(&resource, read.clone()));
    let error = chain
        .store
        .accept(&chain.session.signs(&plain))
        .unwrap_err();
    assert!(matches!(error, ChainError::ChildCaveats { .. }), "{error}");
    let same = child(Attenuation::new().with_caveats(&resource, read, narrow));
    assert!(chain.store.accept(&chain.session.signs(&same)).is_ok());
}

#[test]
fn whoever_gave_got_or_owns_may_revoke() {
    let chain = Chain::new();
    let target = Arc::clone(&chain.store.0[&chain.second].delegation);
    let revokes = |who: &Somebody, resource: String, proof: Option<Cid>| {
        let mut builder = Builder::new(who.key(), &who.did(), NOW + 60)
            .grant(grants(&[(&resource, "tinycloud.delegation/revoke")]));
        if let Some(proof) = proof {
            builder = builder.proof(&proof);
        }
        let revocation = Revocation::from_ucan(&who.signs(&builder))?;
        assert_eq!(revocation.target(), chain.second);
        revocation.check(&target, &chain.store.ancestors(revocation.proofs())?, MS)
    };
    let urn = || format!("urn:cid:{}", chain.second);
    for who in [&chain.owner, &chain.session, &chain.bob] {
        assert_eq!(revokes(who, urn(), None), Ok(()));
        let named = format!("{}/delegation/{}", chain.owner.space(), chain.second);
        assert_eq!(revokes(who, named, None), Ok(()));
    }
    let stranger = Somebody::new(9);
    assert_eq!(revokes(&stranger, urn(), None), Err(ChainError::Revoker));
    // who may revoke without a proof may with one, whatever it says
    for (who, proof) in [(&chain.session, chain.first), (&chain.bob, chain.first)] {
        assert_eq!(revokes(who, urn(), Some(proof)), Ok(()));
    }
}

#[test]
fn a_session_that_was_not_let_revoke_does_not_do_so_in_the_owners_name() {
    let mut chain = Chain::new();
    // by the owner to somebody else: the session neither gave nor got it
    let other = chain.owner.signs(
        &Builder::new(chain.owner.key(), &Somebody::new(9).did(), NOW + 100)
            .grant(grants(&[(&chain.key("docs"), "tinycloud.kv/get")])),
    );
    let other = chain.store.accept(&other).unwrap();
    let resource = format!("urn:cid:{other}");
    let builder = Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
        .proof(&chain.first)
        .grant(grants(&[(&resource, "tinycloud.delegation/revoke")]));
    let revocation = Revocation::from_ucan(&chain.session.signs(&builder)).unwrap();
    let target = Arc::clone(&chain.store.0[&other].delegation);
    assert_eq!(revocation.rests_on(&target), [chain.first]);
    let ancestors = chain.store.ancestors(revocation.proofs()).unwrap();
    let checked = revocation.check(&target, &ancestors, MS);
    assert_eq!(checked, Err(ChainError::Revoker));
}

#[test]
fn a_revocation_by_leave_of_the_owner_needs_that_leave() {
    let mut chain = Chain::new();
    let agent = Somebody::new(9);
    let on = format!("{}/delegation", chain.owner.space());
    let revokes = |chain: &Chain, proof: Cid| {
        let resource = format!("urn:cid:{}", chain.second);
        let builder = Builder::new(agent.key(), &agent.did(), NOW + 60)
            .proof(&proof)
            .grant(grants(&[(&resource, "tinycloud.delegation/revoke")]));
        let revocation = Revocation::from_ucan(&agent.signs(&builder)).unwrap();
        let target = &chain.store.0[&chain.second].delegation;
        revocation.check(
            target,
            &chain.store.ancestors(revocation.proofs()).unwrap(),
            MS,
        )
    };
    let leave = |ability: &str, on: &str| {
        let builder = Builder::new(chain.owner.key(), &agent.did(), NOW + 100)
            .grant(grants(&[(on, ability)]));
        chain.owner.signs(&builder)
    };
    let (good, other, below) = (
        leave("tinycloud.delegation/revoke", &on),
        leave("tinycloud.delegation/list", &on),
        leave("tinycloud.delegation/revoke", &format!("{on}/x")),
    );
    let [good, other, below] = [good, other, below].map(|it| chain.store.accept(&it).unwrap());
    assert_eq!(revokes(&chain, good), Ok(()));
    assert_eq!(revokes(&chain, other), Err(ChainError::Revoker));
    assert_eq!(revokes(&chain, below), Err(ChainError::Revoker));
    // leave on a space of somebody else, who gave it away, is no leave for this one's
    let passed_on = chain.owner.signs(
        &Builder::new(chain.owner.key(), &chain.bob.did(), NOW + 100)
            .grant(grants(&[(&on, "tinycloud.delegation/revoke")])),
    );
    let passed_on = chain.store.accept(&passed_on).unwrap();
    let again = Builder::new(chain.bob.key(), &agent.did(), NOW + 100)
        .proof(&passed_on)
        .grant(grants(&[(&on, "tinycloud.delegation/revoke")]));
    let again = chain.store.accept(&chain.bob.signs(&again)).unwrap();
    let stranger = Somebody::new(8);
    let own = Builder::new(stranger.key(), &agent.did(), NOW + 100)
        .grant(grants(&[(&on, "tinycloud.delegation/revoke")]));
    let own = chain
        .store
        .keep(Delegation::from_ucan(&stranger.signs(&own)).unwrap());
    assert_eq!(revokes(&chain, again), Err(ChainError::Revoker));
    assert_eq!(revokes(&chain, own), Err(ChainError::Revoker));

    // late, or by two proofs, or with another one's leave, or after it was taken back
    let resource = format!("urn:cid:{}", chain.second);
    let token = |who: &Somebody, proofs: &[Cid]| {
        let mut builder = Builder::new(who.key(), &who.did(), NOW + 5000)
            .grant(grants(&[(&resource, "tinycloud.delegation/revoke")]));
        for proof in proofs {
            builder = builder.proof(proof);
        }
        Revocation::from_ucan(&who.signs(&builder)).unwrap()
    };
    let target = Arc::clone(&chain.store.0[&chain.second].delegation);
    let checked = |revocation: &Revocation, now_ms| {
        let ancestors = chain.store.ancestors(revocation.proofs()).unwrap();
        revocation.check(&target, &ancestors, now_ms)
    };
    assert_eq!(checked(&token(&agent, &[good]), MS), Ok(()));
    assert_eq!(
        checked(&token(&agent, &[good, other]), MS),
        Err(ChainError::Revoker)
    );
    assert_eq!(
        checked(&token(&stranger, &[good]), MS),
        Err(ChainError::Revoker)
    );
    let late = (NOW + 100) * 1000 + 1;
    assert_eq!(
        checked(&token(&agent, &[good]), late),
        Err(ChainError::AncestorTime(good))
    );
    let later = (NOW + 5000) * 1000 + 1;
    assert_eq!(
        checked(&token(&chain.owner, &[]), later),
        Err(ChainError::RevocationTime)
    );
    let first = Arc::clone(&chain.store.0[&chain.first].delegation);
    let none = Ancestors::of(&[]).unwrap();
    let another = token(&chain.owner, &[]).check(&first, &none, MS);
    assert_eq!(another, Err(ChainError::Revoker));
    chain.store.revoke(good);
    assert_eq!(revokes(&chain, good), Err(ChainError::InvokedRevoked(good)));
}

#[test]
fn a_revocation_names_its_target_and_nothing_else() {
    let chain = Chain::new();
    let revoke = "tinycloud.delegation/revoke";
    let one = format!("urn:cid:{}", chain.first);
    let two = format!("urn:cid:{}", chain.second);
    let space = format!("{}/delegation", chain.owner.space());
    for what in [
        // what it cites is not what it revokes
        &[][..],
        &[(space.as_str(), revoke)],
        &[(one.as_str(), "tinycloud.kv/del")],
        &[(one.as_str(), revoke), (two.as_str(), revoke)],
    ] {
        let builder = Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
            .proof(&chain.first)
            .grant(grants(what));
        let revocation = Revocation::from_ucan(&chain.session.signs(&builder));
        assert_eq!(revocation, Err(ChainError::Target));
    }
    let named = format!("{space}/{}", chain.first);
    let builder = Builder::new(chain.session.key(), &chain.session.did(), NOW + 60)
        .grant(grants(&[(&named, revoke), (&one, revoke)]));
    let revocation = Revocation::from_ucan(&chain.session.signs(&builder)).unwrap();
    assert_eq!(revocation.target(), chain.first);
}

proptest! {
    /// Whatever a chain lets somebody do, every link in it allows.
    #[test]
    fn g5_nothing_is_allowed_that_any_link_forbids(
        links in proptest::collection::vec(("[ab]{0,2}(/[ab]{0,2}){0,2}", 0_usize..3), 1..4),
        asked in ("[ab]{0,2}(/[ab]{0,2}){0,2}", 0_usize..3),
    ) {
        const ABILITIES: [&str; 3] = ["tinycloud.sql/read", "tinycloud.sql/admin", "tinycloud.sql/*"];
        let people: Vec<_> = (1..=5).map(Somebody::new).collect();
        let resource = |path: &str| format!("{}/sql/{path}", people[0].space());
        let mut store = Store::default();
        let mut last: Option<Cid> = None;
        for (at, (path, ability)) in links.iter().enumerate() {
            let mut builder = Builder::new(people[at].key(), &people[at + 1].did(), NOW + 60)
                .grant(grants(&[(&resource(path), ABILITIES[*ability])]));
            if let Some(last) = &last {
                builder = builder.proof(last);
            }
            match store.accept(&people[at].signs(&builder)) {
                Ok(cid) => last = Some(cid),
                Err(_) => return Ok(()),
            }
        }
        let who = &people[links.len()];
        let builder = Builder::new(who.key(), &who.did(), NOW + 60)
            .proof(&last.unwrap())
            .grant(grants(&[(&resource(&asked.0), ABILITIES[asked.1])]));
        if store.invoke(&who.signs(&builder), MS).is_ok() {
            for (path, ability) in &links {
                prop_assert!(resource(&asked.0).starts_with(&resource(path)));
                let held = Ability::parse(ABILITIES[*ability]).unwrap();
                prop_assert!(held.covers(&Ability::parse(ABILITIES[asked.1]).unwrap()));
            }
        }
    }
}
