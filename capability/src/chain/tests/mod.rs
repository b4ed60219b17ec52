//! G5: links that are revoked, expired, widened, missing, or too many.

use std::collections::BTreeMap;
use std::sync::Arc;

use ed25519_dalek::{Signer, SigningKey};

use super::*;
use crate::ability::Ability;
use crate::attenuation::{Attenuation, Caveats};
use crate::cid::Cid;
use crate::key::PublicKey;
use crate::ucan::{Builder, Ucan};

mod links;
mod properties;
mod revocations;

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
