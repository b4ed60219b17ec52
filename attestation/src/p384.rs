//! ECDSA on P-384 with SHA-384 (FIPS 186-5), by a library.

use crate::certificate::POINT_BYTES;

pub(crate) use provider::{CERTIFICATES, verify};

/// By aws-lc.
#[cfg(feature = "aws-lc")]
mod provider {
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
    use rustls_pki_types::SignatureVerificationAlgorithm;

    use super::POINT_BYTES;

    /// The one algorithm that certificates may be signed with.
    pub(crate) static CERTIFICATES: &[&dyn SignatureVerificationAlgorithm] =
        &[webpki::aws_lc_rs::ECDSA_P384_SHA384];

    /// Whether `signature` is one of `message`: `r ‖ s`, `s` high or low.
    pub(crate) fn verify(key: &[u8; POINT_BYTES], message: &[u8], signature: &[u8; 96]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, key)
            .verify(message, signature)
            .is_ok()
    }
}

/// By the crate `p384`, in pure Rust.
#[cfg(not(feature = "aws-lc"))]
mod provider {
    use p384::ecdsa::signature::Verifier as _;
    use p384::ecdsa::{DerSignature, Signature, VerifyingKey};
    use rustls_pki_types::{
        AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
    };

    use super::POINT_BYTES;

    /// The one algorithm that certificates may be signed with.
    pub(crate) static CERTIFICATES: &[&dyn SignatureVerificationAlgorithm] = &[&Es384];

    #[derive(Debug)]
    struct Es384;

    impl SignatureVerificationAlgorithm for Es384 {
        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ECDSA_P384
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ECDSA_SHA384
        }

        fn verify_signature(
            &self,
            public_key: &[u8],
            message: &[u8],
            signature: &[u8],
        ) -> Result<(), InvalidSignature> {
            let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
            let signature = DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
            key.verify(message, &signature)
                .map_err(|_| InvalidSignature)
        }
    }

    /// Whether `signature` is one of `message`: `r ‖ s`, `s` high or low.
    pub(crate) fn verify(key: &[u8; POINT_BYTES], message: &[u8], signature: &[u8; 96]) -> bool {
        let (Ok(key), Ok(signature)) = (
            VerifyingKey::from_sec1_bytes(key),
            Signature::from_slice(signature),
        ) else {
            return false;
        };
        key.verify(message, &signature).is_ok()
    }
}
