use openkey_attestation::{Measurements, Nonce, Policy, Refusal, Roots, Verifier};
use openkey_enclave::nsm::{MAX_FIELD, conformance};

use super::*;

const NOW: u64 = 1_800_000_000_500;
const HOUR: u64 = 3_600_000;

struct Fixture {
    _dir: tempfile::TempDir,
    authority: Authority,
    nsm: SoftNsm,
    time: Arc<std::sync::atomic::AtomicU64>,
}

fn image() -> Measurement {
    Measurement {
        pcr0: [1; 48],
        pcr1: [2; 48],
        pcr2: [3; 48],
    }
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open(&dir.path().join("ca"), NOW).unwrap();
    let time = Arc::new(std::sync::atomic::AtomicU64::new(NOW));
    let read = Arc::clone(&time);
    let clock: Clock = Arc::new(move || read.load(Ordering::SeqCst));
    let nsm = SoftNsm::boot(authority.clone(), &image(), clock).unwrap();
    Fixture {
        _dir: dir,
        authority,
        nsm,
        time,
    }
}

impl Fixture {
    fn roots(&self) -> Roots {
        Roots::custom([self.authority.root_certificate().unwrap()]).unwrap()
    }

    fn document(&self, nonce: &[u8]) -> Vec<u8> {
        let request = NsmRequest::Attest {
            nonce: Some(nonce.to_vec()),
            user_data: Some(vec![5; MAX_FIELD]),
            public_key: Some(vec![]),
        };
        match self.nsm.call(request).unwrap() {
            NsmResponse::Document(document) => document,
            other => panic!("{other:?}"),
        }
    }

    fn policy(&self, pcr0: [u8; 48]) -> Policy {
        let set = [(0, openkey_attestation::Pcr(pcr0))];
        Policy::one_of([Measurements::new(set).unwrap()]).unwrap()
    }
}

#[test]
fn passes_the_conformance_suite() {
    assert_eq!(conformance::check(&fixture().nsm), Ok(()));
}

#[test]
fn its_documents_verify_under_its_root_for_years() {
    let it = fixture();
    let nonce = Nonce::new(&[9; 32]).unwrap();
    let policy = it.policy([1; 48]).simulator(true);
    let verifier = Verifier::new(it.roots());
    // Every renewal on the way: leaf, instance, zonal, regional.
    for hours in [0, 1, 2, 3, 21, 23, 100, 119, 500, 24 * 365] {
        let now = NOW + hours * HOUR;
        it.time.store(now, Ordering::SeqCst);
        let fresh = verifier.fresh(&it.document(&[9; 32]), &policy, &nonce, UnixMillis(now));
        let fresh = fresh.unwrap_or_else(|refusal| panic!("after {hours} h: {refusal:?}"));
        assert_eq!(fresh.claims().module_id, it.nsm.module_id());
    }
}

#[test]
fn f8_no_default_policy_accepts_it_even_with_its_root() {
    let it = fixture();
    let nonce = Nonce::new(&[9; 32]).unwrap();
    let document = it.document(&[9; 32]);
    let judge = |policy: &Policy, roots| {
        Verifier::new(roots)
            .fresh(&document, policy, &nonce, UnixMillis(NOW))
            .err()
    };
    let default = it.policy([1; 48]);
    assert_eq!(judge(&default, it.roots()), Some(Refusal::Simulator));
    assert_eq!(judge(&default, Roots::aws()), Some(Refusal::Simulator));
    let simulator = default.simulator(true);
    assert!(judge(&simulator, Roots::aws()).is_some());
    assert_eq!(judge(&simulator, it.roots()), None);
}

#[test]
fn f3_debug_mode_shows_zeros_under_a_perfect_signature() {
    let it = fixture();
    it.nsm.set_debug(true);
    let nonce = Nonce::new(&[9; 32]).unwrap();
    let document = it.document(&[9; 32]);
    let verifier = Verifier::new(it.roots());
    let judge = |policy: &Policy| verifier.fresh(&document, policy, &nonce, UnixMillis(NOW));
    let policy = it.policy([0; 48]).simulator(true);
    assert_eq!(judge(&policy).err(), Some(Refusal::DebugMode));
    assert!(judge(&policy.allow_debug(true)).is_ok());
}

#[test]
fn only_locked_registers_are_documented() {
    let it = fixture();
    let indices = || -> Vec<u8> {
        it.nsm
            .documented()
            .iter()
            .map(|(index, _)| *index)
            .collect()
    };
    assert_eq!(indices(), (0..16).collect::<Vec<u8>>());
    let extend = NsmRequest::ExtendPcr {
        index: 20,
        data: vec![1],
    };
    it.nsm.call(extend).unwrap();
    assert_eq!(indices().len(), 16);
    it.nsm.call(NsmRequest::LockPcr { index: 20 }).unwrap();
    assert_eq!(indices().last(), Some(&20));
}

#[test]
fn a_leaf_serves_many_documents_and_each_boot_has_its_own_name() {
    let it = fixture();
    it.document(b"one");
    let first = lock(&it.nsm.leaf).as_ref().unwrap().certificate.clone();
    it.time.store(NOW + 2 * HOUR, Ordering::SeqCst);
    it.document(b"two");
    assert_eq!(lock(&it.nsm.leaf).as_ref().unwrap().certificate, first);
    it.time.store(NOW + 3 * HOUR, Ordering::SeqCst);
    it.document(b"three");
    assert_ne!(lock(&it.nsm.leaf).as_ref().unwrap().certificate, first);

    let again = SoftNsm::boot(it.authority.clone(), &image(), Arc::clone(&it.nsm.clock)).unwrap();
    assert_ne!(again.module_id(), it.nsm.module_id());
    let instance = |id: &str| id.split_once("-enc").unwrap().0.to_owned();
    assert_eq!(instance(again.module_id()), instance(it.nsm.module_id()));
    assert_eq!(again.module_id().len(), 41);
}
