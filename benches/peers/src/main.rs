//! Verification of one real document, by this crate and by others, in one process.
//!
//!     cargo run --release
//!
//! in this folder prints a table. All do the same checks: signature of the document, chain to the
//! AWS root, validity at the document's time, PCR0 to 2, debug mode, age, nonce and public key.
//! What a peer does not check itself, the harness adds after it (a few comparisons of bytes).
//! Verifiers run by turns, and the table has the best time of each: on a busy machine every other
//! statistic is about the neighbours. Ratios are to the floor, the five P-384 verifications that
//! the document needs, by aws-lc.
//!
//! `attestation-doc-validation` reads the system clock, and the document has expired. The program
//! starts itself again under Debian's `faketime` (`apt-get install faketime`) with the clock of
//! the document; without it that row is left out.

use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey, VerificationAlgorithm,
};
use nsm_nitro_enclave_utils::api::nsm::AttestationDoc;
use nsm_nitro_enclave_utils::time::Time;
use nsm_nitro_enclave_utils::verify::AttestationDocVerifierExt;
use openkey_attestation::{
    ChainCache, Document, Measurements, Nonce, Pcr, Policy, Roots, UnixMillis, Verifier,
};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

const DOCUMENT: &[u8] = include_bytes!("../../../attestation/tests/data/hardware/attestation.cose");

/// Turns that are measured, after as many that are not.
const TURNS: usize = 300;

/// Set for the second start, under another clock.
const AGAIN: &str = "OPENKEY_BENCH_UNDER_FAKETIME";

/// What is expected of the document: its own fields, as a caller would know them beforehand.
struct Expected {
    timestamp: UnixMillis,
    pcrs: [Vec<u8>; 3],
    nonce: Option<Vec<u8>>,
    public_key: Option<Vec<u8>>,
}

impl Expected {
    fn new() -> Self {
        let document = Document::parse(DOCUMENT).expect("the document parses");
        let payload = document.payload();
        let pcr = |i| payload.pcrs.get(i).expect("PCR0 to 2").to_vec();
        Self {
            timestamp: payload.timestamp,
            pcrs: [pcr(0), pcr(1), pcr(2)],
            nonce: payload.nonce.map(<[u8]>::to_vec),
            public_key: payload.public_key.map(<[u8]>::to_vec),
        }
    }

    /// The checks that peers leave to their callers.
    fn check<'d>(
        &self,
        timestamp_ms: u64,
        pcr: impl Fn(usize) -> Option<&'d [u8]>,
        nonce: Option<&[u8]>,
        public_key: Option<&[u8]>,
    ) {
        let now = self.timestamp.0;
        assert!(timestamp_ms.abs_diff(now) < 300_000, "age");
        for (index, expected) in self.pcrs.iter().enumerate() {
            assert_eq!(pcr(index), Some(expected.as_slice()), "PCR{index}");
        }
        let debug = (0..3).all(|i| pcr(i).is_none_or(|pcr| pcr.iter().all(|byte| *byte == 0)));
        assert!(!debug, "debug mode");
        assert_eq!(nonce, self.nonce.as_deref(), "nonce");
        assert_eq!(public_key, self.public_key.as_deref(), "public key");
    }
}

struct Row<'a> {
    name: &'static str,
    run: Box<dyn Fn() + 'a>,
    times: Vec<Duration>,
}

impl<'a> Row<'a> {
    fn new(name: &'static str, run: impl Fn() + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
            times: Vec::with_capacity(TURNS),
        }
    }

    fn best(&self) -> Duration {
        self.times.iter().min().copied().unwrap_or_default()
    }
}

fn main() -> ExitCode {
    let expected = Expected::new();
    let clock_fits = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .is_ok_and(|now| now.as_secs().abs_diff(expected.timestamp.seconds()) < 600);
    if !clock_fits && env::var_os(AGAIN).is_none() {
        match under_faketime(&expected) {
            Some(code) => return code,
            None => eprintln!("faketime is not installed: attestation-doc-validation is left out"),
        }
    }

    let mut rows = vec![
        Row::new("floor: 5 × P-384 by aws-lc", floor(5)),
        Row::new("openkey-attestation, cold", ours(&expected, false)),
        Row::new("nitro_attest 0.2.0", nitro_attest(&expected)),
        Row::new("nsm-nitro-enclave-utils 0.1.3", nsm_utils(&expected)),
    ];
    if clock_fits {
        rows.push(Row::new(
            "attestation-doc-validation 0.10.1",
            evervault(&expected),
        ));
    }
    rows.push(Row::new("floor, warm: 1 × P-384 by aws-lc", floor(1)));
    rows.push(Row::new("openkey-attestation, warm", ours(&expected, true)));

    for turn in 0..2 * TURNS {
        for row in &mut rows {
            let start = Instant::now();
            (row.run)();
            let time = start.elapsed();
            if turn >= TURNS {
                row.times.push(time);
            }
        }
    }

    let floor = rows[0].best();
    println!("| verifier | best µs | × floor |\n|---|---|---|");
    for row in &rows {
        let best = row.best();
        println!(
            "| {} | {:.0} | {:.2} |",
            row.name,
            best.as_secs_f64() * 1e6,
            best.as_secs_f64() / floor.as_secs_f64()
        );
    }
    ExitCode::SUCCESS
}

/// Starts the program again with the clock of the document; `None` when there is no `faketime`.
fn under_faketime(expected: &Expected) -> Option<ExitCode> {
    let status = Command::new("faketime")
        .arg("--exclude-monotonic")
        .arg(format!("@{}", expected.timestamp.seconds() + 1))
        .arg(env::current_exe().ok()?)
        .env(AGAIN, "1")
        .status()
        .ok()?;
    Some(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The document's last so many signatures of five, and nothing else.
fn floor(last: usize) -> impl Fn() {
    type Signed = (
        &'static dyn VerificationAlgorithm,
        Vec<u8>,
        Vec<u8>,
        Vec<u8>,
    );
    let document = Document::parse(DOCUMENT).expect("the document parses");
    let payload = document.payload();
    let chain: Vec<Certificate> = (payload.cabundle.iter())
        .chain([&payload.certificate])
        .map(|der| Certificate::from_der(der).expect("a certificate"))
        .collect();
    let key = |certificate: &Certificate| {
        let key = certificate.tbs_certificate().subject_public_key_info();
        key.subject_public_key.raw_bytes().to_vec()
    };
    let mut signed: Vec<Signed> = chain
        .windows(2)
        .map(|pair| {
            let message = pair[1].tbs_certificate().to_der().expect("encodes");
            let signature = pair[1].signature().raw_bytes().to_vec();
            let algorithm: &dyn VerificationAlgorithm = &ECDSA_P384_SHA384_ASN1;
            (algorithm, key(&pair[0]), message, signature)
        })
        .collect();
    signed.push((
        &ECDSA_P384_SHA384_FIXED,
        key(&chain[4]),
        document.to_be_signed(),
        document.signature().to_vec(),
    ));
    signed.drain(..signed.len() - last);
    move || {
        for (algorithm, key, message, signature) in &signed {
            UnparsedPublicKey::new(*algorithm, key)
                .verify(black_box(message), signature)
                .expect("verifies");
        }
    }
}

fn ours(expected: &Expected, warm: bool) -> impl Fn() {
    let verifier = Verifier::new(Roots::aws());
    let verifier = match warm {
        true => verifier.with_cache(ChainCache::default()),
        false => verifier,
    };
    let pcrs = (0..).zip(&expected.pcrs);
    let pcrs = pcrs.map(|(i, pcr)| (i, Pcr(pcr.as_slice().try_into().expect("48 bytes"))));
    let set = Measurements::new(pcrs).expect("a set");
    let mut policy = Policy::one_of([set]).expect("a policy");
    if let Some(key) = &expected.public_key {
        policy = policy.bind_public_key(key.clone());
    }
    let nonce = expected.nonce.as_deref().and_then(|n| Nonce::new(n).ok());
    let now = expected.timestamp;
    move || {
        let document = black_box(DOCUMENT);
        match &nonce {
            Some(nonce) => {
                verifier
                    .fresh(document, &policy, nonce, now)
                    .expect("accepted");
            }
            None => {
                verifier
                    .archival(document, &policy, None)
                    .expect("accepted");
            }
        }
    }
}

fn nitro_attest(expected: &Expected) -> impl Fn() {
    let now = time::OffsetDateTime::from_unix_timestamp(expected.timestamp.seconds() as i64);
    let now = now.expect("a time");
    move || {
        let document = nitro_attest::UnparsedAttestationDoc::from(black_box(DOCUMENT));
        let document = document.parse_and_verify(now).expect("accepted");
        expected.check(
            document.timestamp.unix_timestamp() as u64 * 1_000,
            |i| document.pcrs.get(&(i as u16)).map(|pcr| &pcr.value[..]),
            document.nonce.as_ref().map(|b| &b[..]),
            document.public_key.as_ref().map(|b| &b[..]),
        );
    }
}

fn nsm_utils(expected: &Expected) -> impl Fn() {
    let roots = Roots::aws();
    let root = roots.as_der().next().expect("one root").to_vec();
    let UnixMillis(now) = expected.timestamp;
    move || {
        let time = Time::new(Box::new(move || now));
        let document =
            AttestationDoc::from_cose(black_box(DOCUMENT), &root, time).expect("accepted");
        expected.check(
            document.timestamp,
            |i| document.pcrs.get(&i).map(|pcr| &pcr[..]),
            document.nonce.as_ref().map(|b| &b[..]),
            document.public_key.as_ref().map(|b| &b[..]),
        );
    }
}

fn evervault(expected: &Expected) -> impl Fn() {
    move || {
        let document =
            attestation_doc_validation::validate_and_parse_attestation_doc(black_box(DOCUMENT));
        let document = document.expect("accepted");
        expected.check(
            document.timestamp,
            |i| document.pcrs.get(&i).map(|pcr| &pcr[..]),
            document.nonce.as_ref().map(|b| &b[..]),
            document.public_key.as_ref().map(|b| &b[..]),
        );
    }
}
