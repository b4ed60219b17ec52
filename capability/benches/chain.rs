//! What a chain costs beside the signatures that it cannot do without.
//!
//! `cargo bench -p openkey-capability`: an invocation at the end of 1, 2 and 5 delegations, cold (every
//! token is read, verified and held to what it rests on) against as many Ed25519 verifications by
//! `ed25519-dalek` over the same bytes, and warm (the delegations were verified before, the invocation
//! was not) against one. The last lines are the ratios of best times, measured in turns.
// A development tool: it stops at the first surprise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![allow(missing_docs, reason = "criterion's macros")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use openkey_capability::ability::Ability;
use openkey_capability::attenuation::Attenuation;
use openkey_capability::chain::{Ancestors, Delegation, Invocation, Node};
use openkey_capability::cid::Cid;
use openkey_capability::key::PublicKey;
use openkey_capability::ucan::{Builder, Ucan};

const NOW: i64 = 1_800_000_000;
const LENGTHS: [usize; 3] = [1, 2, 5];

/// Delegations from an owner to whoever invokes, and the invocation.
struct Case {
    delegations: Vec<String>,
    invocation: String,
    verified: BTreeMap<Cid, Node>,
}

fn public(key: &SigningKey) -> PublicKey {
    PublicKey::Ed25519(key.verifying_key().to_bytes())
}

impl Case {
    fn new(links: usize) -> Self {
        let people: Vec<_> = (1..)
            .take(links + 1)
            .map(|seed| SigningKey::from_bytes(&[seed; 32]))
            .collect();
        let owner = public(&people[0]).did();
        let space = format!("tinycloud:{}:notes", owner.strip_prefix("did:").unwrap());
        let read = || Ability::parse("tinycloud.kv/get").unwrap();
        let write = || Ability::parse("tinycloud.kv/put").unwrap();
        let mut delegations: Vec<String> = Vec::new();
        for pair in people.windows(2) {
            let docs = format!("{space}/kv/docs/");
            let grant = Attenuation::new().with(&docs, read()).with(&docs, write());
            let mut builder = Builder::new(public(&pair[0]), &public(&pair[1]).did(), NOW + 1000)
                .nonce("urn:uuid:00000000-0000-4000-8000-000000000002")
                .grant(grant);
            if let Some(last) = delegations.last() {
                builder = builder.proof(&Cid::of(last.as_bytes()));
            }
            let token = builder
                .sign(|input| pair[0].sign(input).to_bytes())
                .unwrap();
            delegations.push(token.token().to_owned());
        }
        let who = people.last().unwrap();
        let last = Cid::of(delegations.last().unwrap().as_bytes());
        let invocation = Builder::new(public(who), &public(who).did(), NOW + 60)
            .nonce("urn:uuid:00000000-0000-4000-8000-000000000003")
            .proof(&last)
            .grant(Attenuation::new().with(format!("{space}/kv/docs/a.txt"), read()))
            .sign(|input| who.sign(input).to_bytes())
            .unwrap();
        let mut case = Self {
            delegations,
            invocation: invocation.token().to_owned(),
            verified: BTreeMap::new(),
        };
        case.verified = case.accept();
        case
    }

    /// Reads, verifies and checks every delegation.
    fn accept(&self) -> BTreeMap<Cid, Node> {
        let mut store = BTreeMap::new();
        for token in &self.delegations {
            let ucan = Ucan::decode(token).unwrap();
            ucan.verify().unwrap();
            let delegation = Delegation::from_ucan(&ucan).unwrap();
            let ancestors = ancestors(&store, delegation.proofs());
            delegation.check(&ancestors, NOW * 1000).unwrap();
            let delegation = Arc::new(delegation);
            store.insert(
                delegation.cid(),
                Node {
                    delegation,
                    revoked: false,
                },
            );
        }
        store
    }

    fn invoke(&self, store: &BTreeMap<Cid, Node>) {
        let ucan = Ucan::decode(&self.invocation).unwrap();
        ucan.verify().unwrap();
        let invocation = Invocation::from_ucan(&ucan).unwrap();
        let ancestors = ancestors(store, invocation.proofs());
        black_box(invocation.check(&ancestors, NOW * 1000).unwrap());
    }

    fn cold(&self) {
        self.invoke(&self.accept());
    }

    fn warm(&self) {
        self.invoke(&self.verified);
    }

    /// The signatures alone, of all tokens or of the invocation.
    fn floor(&self, all: bool) -> Vec<(VerifyingKey, Vec<u8>, Signature)> {
        let tokens = self.delegations.iter().filter(|_| all);
        let signed = tokens
            .chain([&self.invocation])
            .enumerate()
            .map(|(at, token)| {
                let at = if all { at } else { self.delegations.len() };
                let seed = u8::try_from(at + 1).unwrap();
                let key = SigningKey::from_bytes(&[seed; 32]);
                let (input, _) = token.rsplit_once('.').unwrap();
                let input = input.as_bytes().to_vec();
                (key.verifying_key(), input.clone(), key.sign(&input))
            });
        signed.collect()
    }
}

fn ancestors(store: &BTreeMap<Cid, Node>, proofs: &[Cid]) -> Ancestors {
    let mut ancestors = Ancestors::of(proofs).unwrap();
    while let [cid, ..] = ancestors.wanted()[..] {
        ancestors.add(cid, store.get(&cid).cloned()).unwrap();
    }
    ancestors
}

fn verify(floor: &[(VerifyingKey, Vec<u8>, Signature)]) {
    for (key, input, signature) in floor {
        key.verify_strict(black_box(input), signature).unwrap();
    }
}

fn chains(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chain");
    for links in LENGTHS {
        let case = Case::new(links);
        let (all, one) = (case.floor(true), case.floor(false));
        group.bench_function(format!("{links} links, cold"), |b| b.iter(|| case.cold()));
        group.bench_function(format!("{links} links, signatures"), |b| {
            b.iter(|| verify(&all))
        });
        group.bench_function(format!("{links} links, warm"), |b| b.iter(|| case.warm()));
        group.bench_function(format!("{links} links, one signature"), |b| {
            b.iter(|| verify(&one))
        });
    }
    group.finish();
}

/// The best time of a thing and of its floor, taken in turns.
fn ratio(mut thing: impl FnMut(), mut floor: impl FnMut()) -> f64 {
    let mut best = [Duration::MAX; 2];
    for _ in 0..2000 {
        let began = Instant::now();
        thing();
        best[0] = best[0].min(began.elapsed());
        let began = Instant::now();
        floor();
        best[1] = best[1].min(began.elapsed());
    }
    best[0].as_secs_f64() / best[1].as_secs_f64()
}

criterion_group!(benches, chains);

fn main() {
    benches();
    for links in LENGTHS {
        let case = Case::new(links);
        let (all, one) = (case.floor(true), case.floor(false));
        let cold = ratio(|| case.cold(), || verify(&all));
        let warm = ratio(|| case.warm(), || verify(&one));
        println!("{links} links: cold {cold:.2}, warm {warm:.2}");
    }
}
