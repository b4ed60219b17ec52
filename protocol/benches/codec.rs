//! A proposal to sign, as it crosses the boundary: message, frame, and both.
//!
//! Beside each stand the floor (copying the bytes) and the same value through ciborium, which checks
//! neither determinism nor limits.

// A bench may fail by panicking.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use openkey_protocol::{
    cbor,
    frame::{Deframer, Frame, LENGTH_BYTES},
    message::{
        AccountHead, AccountId, Action, Bytes, Call, Class, Hash32, KeyId, KnownHead, Payload,
        Propose, Request, UserHandle,
    },
};

fn proposal(text: usize) -> Call {
    let account = AccountId([0xac; 32]);
    let request = Request::Propose(Propose {
        account,
        user_handle: UserHandle([0xab; 16]),
        token: Some(Bytes(vec![6; 200])),
        origin: "https://openkey.example".into(),
        head: Some(KnownHead {
            head: AccountHead {
                account,
                version: 1234,
                hash: Hash32([9; 32]),
                entry: Hash32([8; 32]),
            },
            shown_at: 1_790_000_000_000,
        }),
        action: Action::Sign {
            key: KeyId(0),
            payload: Payload::Text("x".repeat(text)),
        },
    });
    Call {
        nonce: Bytes(vec![7; 32]),
        request,
    }
}

fn framed(body: Vec<u8>) -> Frame {
    Frame::Request {
        id: 77,
        body: Bytes(body),
        class: Class::Request,
        deadline_ms: 5000,
    }
}

fn codec(c: &mut Criterion) {
    for (name, text) in [("256 B text", 256), ("64 KiB text", 64 << 10)] {
        let request = proposal(text);
        let bytes = cbor::encode(&request).unwrap();
        let mut loose = Vec::new();
        ciborium::into_writer(&request, &mut loose).unwrap();

        let mut group = c.benchmark_group(format!("message, {name}"));
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function("copy", |b| b.iter(|| black_box(&bytes).clone()));
        group.bench_function("check", |b| {
            let limits = cbor::Limits::default();
            b.iter(|| cbor::check(black_box(&bytes), &limits));
        });
        group.bench_function("encode", |b| b.iter(|| cbor::encode(black_box(&request))));
        group.bench_function("encode, ciborium", |b| {
            b.iter(|| {
                let mut out = Vec::new();
                ciborium::into_writer(black_box(&request), &mut out).unwrap();
                out
            });
        });
        group.bench_function("decode", |b| {
            b.iter(|| cbor::decode::<Call>(black_box(&bytes)).unwrap());
        });
        group.bench_function("decode, ciborium", |b| {
            b.iter(|| -> Call { ciborium::from_reader(black_box(loose.as_slice())).unwrap() });
        });
        group.finish();

        let frame = framed(bytes.clone());
        let wire = frame.encode().unwrap();
        let mut group = c.benchmark_group(format!("frame, {name}"));
        group.throughput(Throughput::Bytes(wire.len() as u64));
        group.bench_function("copy", |b| b.iter(|| black_box(&wire).clone()));
        group.bench_function("encode", |b| b.iter(|| black_box(&frame).encode()));
        group.bench_function("decode", |b| {
            b.iter(|| Frame::decode(black_box(&wire).split_at(LENGTH_BYTES).1));
        });
        group.bench_function("arrive and decode", |b| {
            let pieces = || wire.chunks(31 * 1024);
            b.iter_batched_ref(
                Deframer::default,
                |deframer| {
                    pieces().for_each(|piece| deframer.push(black_box(piece)));
                    deframer.next_frame().unwrap().unwrap()
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function("both ways, ciborium", |b| {
            b.iter(|| -> Frame {
                let mut out = Vec::new();
                ciborium::into_writer(black_box(&frame), &mut out).unwrap();
                ciborium::from_reader(out.as_slice()).unwrap()
            });
        });
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
