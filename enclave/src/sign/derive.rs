//! Where the scalars of new owner keys come from.
//!
//! A scalar is derived, never drawn: from the root key, the one consent that makes the key, and the
//! public key of the passkey that gave this consent. Nothing that a client or the host carries contains
//! it or fixes it beforehand. The same consent carried out at two enclaves makes the same key; any
//! other passkey makes another one.

use openkey_protocol::message::Hash32;

use crate::root::{RootKey, Secret};

/// Which consent makes a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason<'a> {
    /// The sign-up with this context id: the account's first key.
    SignUp { context: &'a [u8; 16] },
    /// The prompt with this context id, shown for the account record with this hash.
    Prompt {
        context: &'a [u8; 16],
        record: &'a Hash32,
    },
}

/// The scalar of the key that a consent makes (HKDF-SHA256, RFC 5869). `public_key_sha256` is SHA-256 of
/// the public key, never the id, of the passkey that gave the consent: authenticators choose ids.
pub(super) fn scalar(root: &RootKey, reason: Reason<'_>, public_key_sha256: &Hash32) -> Secret<32> {
    let label: &[u8] = b"openkey/owner-key/v1";
    match reason {
        Reason::SignUp { context } => {
            root.derive(&[label, b"sign-up", context, &public_key_sha256.0])
        }
        Reason::Prompt { context, record } => {
            root.derive(&[label, b"prompt", context, &record.0, &public_key_sha256.0])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn e18_every_part_of_a_consent_decides_the_key() {
        let root = RootKey::new(&[3; 32]);
        let other_root = RootKey::new(&[4; 32]);
        let (context, other) = (&[1; 16], &[2; 16]);
        let (record, other_record) = (&Hash32([1; 32]), &Hash32([2; 32]));
        let (public_key, other_public_key) = (&Hash32([5; 32]), &Hash32([6; 32]));
        let sign_up = |context| Reason::SignUp { context };
        let prompt = |context, record| Reason::Prompt { context, record };
        let all = [
            scalar(&root, sign_up(context), public_key),
            scalar(&root, sign_up(context), other_public_key),
            scalar(&root, sign_up(other), public_key),
            scalar(&other_root, sign_up(context), public_key),
            scalar(&root, prompt(context, record), public_key),
            scalar(&root, prompt(context, record), other_public_key),
            scalar(&root, prompt(context, other_record), public_key),
            scalar(&root, prompt(other, record), public_key),
        ];
        let different: HashSet<[u8; 32]> = all.iter().map(|scalar| ***scalar).collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(all[0], scalar(&root, sign_up(context), public_key));
    }
}
