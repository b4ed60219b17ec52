//! Properties of parser, encoder and verifier over generated documents.

use std::sync::LazyLock;

use openkey_attestation::{
    ChainCache, Document, Payload, Pcrs, Policy, Roots, UnixMillis, Verifier, sign_document,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use crate::common::{Enclave, NOW, nonce};

/// A payload that owns its parts.
#[derive(Clone, Debug)]
struct Owned {
    module_id: String,
    timestamp: u64,
    pcrs: Vec<(u8, [u8; 48])>,
    certificate: Vec<u8>,
    cabundle: Vec<Vec<u8>>,
    optional: [Option<Vec<u8>>; 3],
}

impl Owned {
    fn payload(&self) -> Payload<'_> {
        let mut pcrs = Pcrs::new();
        for (index, pcr) in &self.pcrs {
            assert!(pcrs.insert(*index, pcr));
        }
        let [public_key, user_data, nonce] = &self.optional;
        Payload {
            module_id: &self.module_id,
            timestamp: UnixMillis(self.timestamp),
            pcrs,
            certificate: &self.certificate,
            cabundle: self.cabundle.iter().map(Vec::as_slice).collect(),
            public_key: public_key.as_deref(),
            user_data: user_data.as_deref(),
            nonce: nonce.as_deref(),
        }
    }
}

fn payloads() -> impl Strategy<Value = Owned> {
    let field = || option::of(vec(any::<u8>(), 0..=1024));
    (
        "[a-su-zA-SU-Z0-9][a-su-zA-SU-Z0-9-]{0,63}",
        1..=u64::MAX,
        btree_map(0..32u8, any::<[u8; 48]>(), 1..=32),
        vec(any::<u8>(), 1..=1024),
        vec(vec(any::<u8>(), 1..=1024), 1..=8),
        [field(), field(), field()],
    )
        .prop_map(
            |(module_id, timestamp, pcrs, certificate, cabundle, optional)| Owned {
                module_id,
                timestamp,
                pcrs: pcrs.into_iter().collect(),
                certificate,
                cabundle,
                optional,
            },
        )
}

struct Valid {
    verifier: Verifier,
    document: Vec<u8>,
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let enclave = Enclave::hardware();
    Valid {
        verifier: enclave.verifier().with_cache(ChainCache::default()),
        document: enclave.document_with(|p| p.user_data = Some(b"user data")),
    }
});

proptest! {
    #[test]
    fn what_is_encoded_parses_to_the_same(owned in payloads(), signature in any::<[u8; 32]>()) {
        let payload = owned.payload();
        let signature: [u8; 96] = [signature; 3].concat().try_into().unwrap();
        let mut message = Vec::new();
        let document = sign_document(&payload, |m| {
            message = m.to_vec();
            signature
        });
        let document = document.unwrap();
        let parsed = Document::parse(&document).unwrap();
        prop_assert_eq!(parsed.payload(), &payload);
        prop_assert_eq!(parsed.signature(), &signature);
        prop_assert_eq!(parsed.to_be_signed(), &message[..]);
        // Another library makes the same message of it.
        prop_assert_eq!(message, crate::common::sig_structure(parsed.signed_bytes()));
    }

    #[test]
    fn a_valid_document_with_one_byte_changed_is_refused(
        place in any::<prop::sample::Index>(),
        change in 1..=u8::MAX,
    ) {
        let Valid { verifier, document } = &*VALID;
        let any = Policy::any_measurement();
        prop_assert!(verifier.fresh(document, &any, &nonce(), NOW).is_ok());
        let mut changed = document.clone();
        let place = place.index(changed.len());
        changed[place] ^= change;
        prop_assert!(verifier.fresh(&changed, &any, &nonce(), NOW).is_err());
    }

    #[test]
    fn a_valid_document_with_bytes_removed_doubled_or_inserted_is_refused(
        from in any::<prop::sample::Index>(),
        length in 1..64usize,
        inserted in vec(any::<u8>(), 1..8),
    ) {
        let Valid { verifier, document } = &*VALID;
        let any = Policy::any_measurement();
        let from = from.index(document.len());
        let until = (from + length).min(document.len());
        let (before, part, after) = (&document[..from], &document[from..until], &document[until..]);
        // At the very front, one byte of tag 18 would be a valid document again.
        let inserted: Vec<u8> = inserted.into_iter().filter(|byte| *byte != 0xd2).collect();
        for changed in [
            [before, after].concat(),
            [before, part, part, after].concat(),
            [before, &inserted, part, after].concat(),
        ] {
            if changed != *document {
                prop_assert!(verifier.fresh(&changed, &any, &nonce(), NOW).is_err());
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..512)) {
        prop_assert!(Document::parse(&bytes).is_err());
        let _ = Payload::parse(&bytes);
        prop_assert!(Roots::custom_file(&bytes).is_err());
    }
}
