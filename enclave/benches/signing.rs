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

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use common::{Person, World, call, opened, person::text};
use criterion::{Criterion, criterion_group, criterion_main};
use openkey_protocol::{
    message::{Class, Request, Response},
    store::memory::MemoryStore,
};
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

    let address = owner.verifying_key().to_sec1_point(false);
    group.bench_function("k256 recovery, the check before release", |bench| {
        let (signature, recovery) = owner.sign_prehash_recoverable(&[5; 32]);
        bench.iter(|| {
            let key = k256::ecdsa::VerifyingKey::recover_from_prehash(
                black_box(&[5; 32]),
                &signature,
                recovery,
            );
            assert_eq!(key.unwrap().to_sec1_point(false), address);
        });
    });

    // Only the enclave's own work is timed: the client's and the authenticator's is not.
    let world = World::with_store(MemoryStore::default());
    let enclave = runtime.block_on(world.boot());
    let mut person = runtime.block_on(Person::register(&enclave, 1));
    let mut sign = || {
        // The limit is one signature a second.
        world.pass(1_001);
        let propose = call(&person.proposal(text("Hello")));
        let start = Instant::now();
        let prompted = runtime.block_on(enclave.answer(Class::Request, &propose));
        let proposing = start.elapsed();
        let Ok(Response::Prompted(prompted)) = opened(&enclave.identity(), &propose, &prompted)
        else {
            panic!("no prompt");
        };
        let assertion = person.authenticator.get(&prompted.options);
        let approve = Request::Approve(person.approval(&prompted, assertion));
        let approve = call(&approve);
        let start = Instant::now();
        let approved = runtime.block_on(enclave.answer(Class::Request, &approve));
        let approving = start.elapsed();
        let Ok(Response::Approved(approved)) = opened(&enclave.identity(), &approve, &approved)
        else {
            panic!("not approved");
        };
        person.head = approved.head;
        (proposing, approving)
    };
    group.bench_function("enclave: propose", |bench| {
        bench.iter_custom(|n| (0..n).map(|_| sign().0).sum());
    });
    group.bench_function("enclave: approve", |bench| {
        bench.iter_custom(|n| (0..n).map(|_| sign().1).sum());
    });
    group.bench_function("enclave: propose and approve", |bench| {
        bench.iter_custom(|n| {
            let both = |(proposing, approving): (Duration, Duration)| proposing + approving;
            (0..n).map(|_| both(sign())).sum()
        });
    });
    group.finish();
}

criterion_group!(benches, signing);
criterion_main!(benches);
