//! Principals as decentralised identifiers (<https://www.w3.org/TR/did-core/>), in one spelling each:
//! `did:pkh` (<https://github.com/w3c-ccg/did-pkh> over CAIP-10), `did:key`, and others as they are.

use core::fmt;
use core::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::address::{AddressBytes, Capitals, eip55, parse_address};
use crate::key::PublicKey;
use crate::uri::is_pchars;

/// Longest DID or DID URL that is read, in bytes.
pub const MAX_DID: usize = 2048;

/// What names of Ethereum accounts begin with.
const EIP155: &str = "did:pkh:eip155:";

/// Why a text names no principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DidError {
    /// Longer than [`MAX_DID`].
    #[error("the DID is longer than {MAX_DID} bytes")]
    Length,
    /// Not `did:<method>:<identifier>`, with or without a fragment.
    #[error("not a DID: did:<method>:<identifier>, without path and query")]
    Syntax,
    /// The chain of an Ethereum account is no number from 1 to 2^64 - 1.
    #[error("the chain of a did:pkh:eip155 is no number above zero")]
    Chain,
    /// The address of an Ethereum account is not `0x` and forty hexadecimal digits.
    #[error("the address of a did:pkh:eip155 is not 0x and forty hexadecimal digits")]
    Address,
    /// A `did:key` of no key that can be used.
    #[error("not a did:key of an Ed25519, secp256k1 or P-256 key")]
    Key,
}

/// A principal: who grants, who is granted to, who owns. Two are the same if their texts are.
///
/// * An Ethereum account is `did:pkh:eip155:<chain>:<address>`, the chain without leading zeros and
///   the address in its EIP-55 spelling. The chain is part of the name: the same key on another
///   chain is another account.
/// * A key is `did:key:z…`, byte for byte.
/// * Any other method is kept as it is. It has neither key nor account, so nothing it signs holds.
///
/// There is no fragment: which key of a document signs is no part of who it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Did(String);

impl Did {
    /// Reads a DID, or a DID URL up to its first `#`; whatever follows that is not looked at. Capitals
    /// of an Ethereum address may be any: a checksum protects who types, and nobody typed this.
    ///
    /// # Errors
    ///
    /// [`DidError`]: too long, no DID, or a `did:pkh:eip155` or `did:key` that names nobody.
    pub fn parse(text: &str) -> Result<Self, DidError> {
        if text.len() > MAX_DID {
            return Err(DidError::Length);
        }
        let did = text.split_once('#').map_or(text, |(did, _)| did);
        if !is_did(did) {
            return Err(DidError::Syntax);
        }
        if let Some(account) = did.strip_prefix(EIP155) {
            let (chain, address) = account.split_once(':').ok_or(DidError::Address)?;
            if !chain.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(DidError::Chain);
            }
            let chain = chain.parse().map_err(|_| DidError::Chain)?;
            let digits = address.strip_prefix("0x").ok_or(DidError::Address)?;
            let mut address = [0; 20];
            hex::decode_to_slice(digits, &mut address).map_err(|_| DidError::Address)?;
            return Ok(Self::pkh(chain, &address));
        }
        if did.starts_with("did:key:") {
            PublicKey::from_did(did).map_err(|_| DidError::Key)?;
        }
        Ok(Self(did.to_owned()))
    }

    /// The name of an Ethereum account.
    #[must_use]
    pub fn pkh(chain_id: NonZeroU64, address: &AddressBytes) -> Self {
        Self(format!("{EIP155}{chain_id}:{}", eip55(address)))
    }

    /// The name of a key.
    #[must_use]
    pub fn from_key(key: &PublicKey) -> Self {
        Self(key.did())
    }

    /// In its one spelling.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a `did:key`.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        PublicKey::from_did(&self.0).ok()
    }

    /// Chain and address of a `did:pkh:eip155`.
    #[must_use]
    pub fn account(&self) -> Option<(NonZeroU64, AddressBytes)> {
        let (chain, address) = self.0.strip_prefix(EIP155)?.split_once(':')?;
        let address = parse_address(address, Capitals::Checked).ok()?;
        Some((chain.parse().ok()?, address))
    }

    /// Without `did:`, as names of spaces begin.
    pub(crate) fn method_and_id(&self) -> &str {
        self.0.strip_prefix("did:").unwrap_or(&self.0)
    }
}

/// `did` of DID Core, section 3.1. Of what a path segment of RFC 3986 holds, an identifier has
/// letters, digits, `.`, `-`, `_`, escapes, and colons between its parts.
fn is_did(text: &str) -> bool {
    let parts = text
        .strip_prefix("did:")
        .and_then(|rest| rest.split_once(':'));
    let Some((method, id)) = parts else {
        return false;
    };
    let in_id = |byte: u8| byte.is_ascii_alphanumeric() || b".-_%:".contains(&byte);
    !method.is_empty()
        && method
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && !id.is_empty()
        && !id.ends_with(':')
        && id.bytes().all(in_id)
        && is_pchars(id)
}

impl TryFrom<String> for Did {
    type Error = DidError;

    fn try_from(text: String) -> Result<Self, DidError> {
        Self::parse(&text)
    }
}

impl From<Did> for String {
    fn from(did: Did) -> Self {
        did.0
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "did:pkh:eip155:1:0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    const KEY: &str = "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX";

    fn canonical(text: &str) -> Result<String, DidError> {
        Did::parse(text).map(String::from)
    }

    #[test]
    fn the_chain_is_part_of_the_name() {
        let mut address = [0; 20];
        hex::decode_to_slice("f39fd6e51aad88f6f4ce6ab8827279cfffb92266", &mut address).unwrap();
        let name = |chain| Did::pkh(NonZeroU64::new(chain).unwrap(), &address);
        assert_eq!(name(1).as_str(), ACCOUNT);
        assert_ne!(name(1), name(10));
        assert_eq!(name(10).account(), Some((10.try_into().unwrap(), address)));
        assert_eq!(name(10).public_key(), None);
    }

    #[test]
    fn an_account_has_one_spelling() {
        for text in [
            ACCOUNT.to_owned(),
            ACCOUNT.to_lowercase(),
            ACCOUNT.replace("0xf39F", "0xF39f"),
            ACCOUNT.replace(":1:", ":0001:"),
            format!("{ACCOUNT}#blockchainAccountId"),
        ] {
            assert_eq!(canonical(&text).as_deref(), Ok(ACCOUNT), "{text}");
        }
        let largest = ACCOUNT.replace(":1:", ":18446744073709551615:");
        assert_eq!(canonical(&largest), Ok(largest));
    }

    #[test]
    fn whatever_follows_the_first_fragment_mark_is_ignored() {
        for tail in ["", "#", "#z6Mk", "#z6Mk#z6Mk", "#é /?"] {
            let did = Did::parse(&format!("{KEY}{tail}")).unwrap();
            assert_eq!(did.as_str(), KEY, "{tail}");
            let key = did.public_key().unwrap();
            assert_eq!((Did::from_key(&key), did.account()), (did, None));
        }
    }

    #[test]
    fn other_methods_are_kept_as_they_are() {
        for text in [
            "did:tinycloud:policy:Ab3_.-:x",
            "did:web:example.org%3A80:a",
            "did:ens:example.eth",
            "did:pkh:solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:7S3P4HxJ",
        ] {
            let did = Did::parse(text).unwrap();
            assert_eq!((did.as_str(), did.to_string().as_str()), (text, text));
            assert_eq!((did.public_key(), did.account()), (None, None));
        }
    }

    #[test]
    fn whatever_names_nobody_is_refused() {
        let long = format!("did:x:{}", "a".repeat(MAX_DID));
        for (text, error) in [
            (long.as_str(), DidError::Length),
            ("", DidError::Syntax),
            ("#did:x:y", DidError::Syntax),
            ("did:x", DidError::Syntax),
            ("did:x:", DidError::Syntax),
            ("did::y", DidError::Syntax),
            ("did:X:y", DidError::Syntax),
            ("DID:x:y", DidError::Syntax),
            ("did:x:y:", DidError::Syntax),
            ("did:x:y/z", DidError::Syntax),
            ("did:x:y?z", DidError::Syntax),
            ("did:x:y%4", DidError::Syntax),
            ("did:x:y~", DidError::Syntax),
            ("did:x:é", DidError::Syntax),
            (" did:x:y", DidError::Syntax),
            ("did:key:z6Mk", DidError::Key),
            ("did:key:a:b", DidError::Key),
            ("did:pkh:eip155:1", DidError::Address),
            ("did:pkh:eip155:1:0x00", DidError::Address),
            (&ACCOUNT.replace("0x", "0X"), DidError::Address),
            (&format!("{ACCOUNT}0"), DidError::Address),
            (&ACCOUNT.replace(":1:", ":0:"), DidError::Chain),
            (&ACCOUNT.replace(":1:", "::"), DidError::Chain),
            (&ACCOUNT.replace(":1:", ":-1:"), DidError::Chain),
            (
                &ACCOUNT.replace(":1:", ":18446744073709551616:"),
                DidError::Chain,
            ),
        ] {
            assert_eq!(canonical(text), Err(error), "{text}");
        }
    }

    #[test]
    fn reading_json_applies_the_same_rules() {
        let json = format!("\"{}\"", ACCOUNT.to_lowercase());
        let did: Did = serde_json::from_str(&json).unwrap();
        assert_eq!(
            serde_json::to_string(&did).unwrap(),
            format!("\"{ACCOUNT}\"")
        );
        assert!(serde_json::from_str::<Did>("\"did:key:z\"").is_err());
    }
}
