//! The signing path inside the enclave, from proposal to released signature over a memory store,
//! against its floor in the same process: one P-256 verification (the passkey's) and one secp256k1
//! signature.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{Person, World, person::text};
use criterion::{Criterion, criterion_group, criterion_main};
use openkey_protocol::store::memory::MemoryStore;
use p256::ecdsa::signature::{Signer, Verifier};

fn signing(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut group = criterion.benchmark_group("signing");

    let passkey = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let public = *passkey.verifying_key();
    let message = [9; 69];
    let assertion: p256::ecdsa::DerSignature = passkey.sign(&message);
    let owner = k256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap();
    group.bench_function("floor: P-256 verification and k256 signature", |bench| {
        bench.iter(|| {
            public.verify(black_box(&message), &assertion).unwrap();
            owner.sign_prehash_recoverable(black_box(&[5; 32]))
        });
    });
    group.bench_function("P-256 verification", |bench| {
        bench.iter(|| public.verify(black_box(&message), &assertion));
    });
    group.bench_function("k256 signature", |bench| {
        bench.iter(|| owner.sign_prehash_recoverable(black_box(&[5; 32])));
    });

    let world = World::with_store(MemoryStore::default());
    let enclave = runtime.block_on(world.boot());
    let person = runtime.block_on(Person::register(&enclave, 1));
    let ask = |world: &World<MemoryStore>| {
        // A second passes between two signatures: the limit is one a second.
        world.pass(1_001);
        runtime
            .block_on(person.propose(&enclave, text("Hello")))
            .unwrap()
    };
    group.bench_function("enclave: propose", |bench| bench.iter(|| ask(&world)));

    let mut person = runtime.block_on(Person::register(&enclave, 2));
    group.bench_function("enclave: propose, answer and approve", |bench| {
        bench.iter(|| {
            world.pass(1_001);
            runtime
                .block_on(person.act(&enclave, text("Hello")))
                .unwrap()
        });
    });
    world.pass(60_000);
    let prompted = runtime
        .block_on(person.propose(&enclave, text("Hello")))
        .unwrap();
    group.bench_function("of which the test's authenticator answers", |bench| {
        bench.iter(|| person.authenticator.get(black_box(&prompted.options)));
    });
    group.finish();
}

criterion_group!(benches, signing);
criterion_main!(benches);
