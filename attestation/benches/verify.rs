//! What verification costs beside the signatures it cannot do without.
//!
//! `cargo bench -p openkey-attestation` runs, on the same documents in one process: verification
//! cold against five P-384 verifications by aws-lc, warm (the chain is cached) against one, and
//! the parser alone. The floors verify the very signatures of the document. The last lines are the
//! two ratios of best times, measured in turns: on a busy machine every other statistic is about
//! the neighbours.
// A development tool: it stops at the first surprise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey, VerificationAlgorithm,
};
use criterion::{Criterion, criterion_group};
use openkey_attestation::{ChainCache, Document, Policy, Roots, Verifier};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

#[path = "../tests/common/mod.rs"]
mod common;

const HARDWARE: &[u8] = include_bytes!("../tests/data/hardware/attestation.cose");

/// One signature and what it is of.
struct Signed {
    algorithm: &'static dyn VerificationAlgorithm,
    key: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn verify(&self) {
        UnparsedPublicKey::new(self.algorithm, &self.key)
            .verify(black_box(&self.message), &self.signature)
            .unwrap();
    }
}

/// The document's five signatures, taken out of it: the floor of verifying it.
fn floor(document: &[u8]) -> Vec<Signed> {
    let document = Document::parse(document).unwrap();
    let payload = document.payload();
    let chain: Vec<Certificate> = (payload.cabundle.iter())
        .chain([&payload.certificate])
        .map(|der| Certificate::from_der(der).unwrap())
        .collect();
    let key = |certificate: &Certificate| {
        let key = certificate.tbs_certificate().subject_public_key_info();
        key.subject_public_key.raw_bytes().to_vec()
    };
    let mut signed: Vec<Signed> = chain
        .windows(2)
        .map(|pair| Signed {
            algorithm: &ECDSA_P384_SHA384_ASN1,
            key: key(&pair[0]),
            message: pair[1].tbs_certificate().to_der().unwrap(),
            signature: pair[1].signature().raw_bytes().to_vec(),
        })
        .collect();
    signed.push(Signed {
        algorithm: &ECDSA_P384_SHA384_FIXED,
        key: key(&chain[4]),
        message: document.to_be_signed(),
        signature: document.signature().to_vec(),
    });
    assert_eq!(signed.len(), 5);
    signed
}

struct Subject {
    name: &'static str,
    document: Vec<u8>,
    roots: Roots,
    floor: Vec<Signed>,
}

fn subjects() -> [Subject; 2] {
    let enclave = common::Enclave::hardware();
    let document = enclave.document_with(|p| {
        p.public_key = Some(&[4; 32]);
        p.user_data = Some(&[5; 200]);
    });
    [
        Subject {
            name: "generated",
            floor: floor(&document),
            document,
            roots: enclave.roots(),
        },
        Subject {
            name: "hardware",
            floor: floor(HARDWARE),
            document: HARDWARE.to_vec(),
            roots: Roots::aws(),
        },
    ]
}

impl Subject {
    fn verify(&self, verifier: &Verifier) {
        let any = Policy::any_measurement();
        verifier
            .archival(black_box(&self.document), &any, None)
            .unwrap();
    }

    fn cold(&self) -> Verifier {
        Verifier::new(self.roots.clone())
    }

    fn warm(&self) -> Verifier {
        let verifier = self.cold().with_cache(ChainCache::default());
        self.verify(&verifier);
        verifier
    }
}

fn benches(criterion: &mut Criterion) {
    for subject in subjects() {
        let mut group = criterion.benchmark_group(subject.name);
        let (cold, warm) = (subject.cold(), subject.warm());
        group.bench_function("floor of 5", |b| {
            b.iter(|| subject.floor.iter().for_each(Signed::verify));
        });
        group.bench_function("cold", |b| b.iter(|| subject.verify(&cold)));
        group.bench_function("floor of 1", |b| b.iter(|| subject.floor[4].verify()));
        group.bench_function("warm", |b| b.iter(|| subject.verify(&warm)));
        group.bench_function("parse", |b| {
            b.iter(|| Document::parse(black_box(&subject.document)).is_ok());
        });
        group.finish();
    }
}

/// The best time of `work` over that of `floor`, both run by turns.
fn ratio(work: impl Fn(), floor: impl Fn()) -> f64 {
    let time = |run: &dyn Fn()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let (works, floors): (Vec<Duration>, Vec<Duration>) =
        (0..2_000).map(|_| (time(&work), time(&floor))).unzip();
    let best = |times: &[Duration]| times.iter().min().unwrap().as_secs_f64();
    best(&works) / best(&floors)
}

fn ratios() {
    for subject in subjects() {
        let (cold, warm) = (subject.cold(), subject.warm());
        let all = || subject.floor.iter().for_each(Signed::verify);
        let cold = ratio(|| subject.verify(&cold), all);
        let warm = ratio(|| subject.verify(&warm), || subject.floor[4].verify());
        println!(
            "{}: cold {cold:.3} × five verifications, warm {warm:.3} × one",
            subject.name
        );
    }
}

criterion_group!(verify, benches);

fn main() {
    verify();
    Criterion::default().configure_from_args().final_summary();
    // `cargo test --benches` runs each bench once, to see that it works.
    if !std::env::args().any(|argument| argument == "--test") {
        ratios();
    }
}
