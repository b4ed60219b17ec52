//! An operator's key.

use core::fmt;

use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use openkey_protocol::{
    cbor,
    message::{Key32, MAX_OPERATOR_NAME, OperatorKeys, Sealed, Signed, Statement},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::hybrid::{self, HybridError, Private};
use crate::key_file;

/// In front of what an operator's proof signs, ended by a zero byte.
pub const OPERATOR_LABEL: &str = "openkey/operator/v1";
/// HKDF's salt: what seeds are for.
const SALT: &[u8] = b"openkey/operator-key/v1";

/// One operator's keys, derived from one seed: X25519, to which shares are sealed, and Ed25519,
/// which signs orders. Wiped when dropped; never shown.
pub struct OperatorKey {
    name: String,
    seed: Zeroizing<[u8; 32]>,
    encryption: Private,
    public: OperatorKeys,
    signing: SigningKey,
}

/// An operator's place in the configuration, as JSON: public.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicEntry {
    /// Who, for people.
    pub name: String,
    /// X25519, in hex.
    pub encryption: String,
    /// Ed25519, in hex.
    pub signing: String,
    /// Ed25519 over [`OPERATOR_LABEL`], a zero byte and the CBOR of name and encryption key: whoever
    /// names a key holds it.
    pub proof: String,
}

/// What a key file says it is.
const KIND: &str = "openkey operator key: secret";

#[derive(Serialize)]
struct Proven<'a> {
    name: &'a str,
    encryption: Key32,
}

/// Why there is no such key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A name that no configuration takes.
    #[error(
        "a name has 1 to {MAX_OPERATOR_NAME} printable ASCII characters, without spaces around"
    )]
    Name,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// Not a key file of this version.
    #[error("it is no key file of this program")]
    File,
    /// A key file of this version, with a key for something else.
    #[error("it holds a key of another kind: “{found}”, not “{wanted}”")]
    Kind {
        /// What it says.
        found: String,
        /// What was needed.
        wanted: String,
    },
}

impl KeyError {
    /// The rule's stable name.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Name => "operator_name",
            Self::Randomness => "randomness",
            Self::File | Self::Kind { .. } => "key_file",
        }
    }
}

impl OperatorKey {
    /// A new key of the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`], [`KeyError::Randomness`].
    pub fn generate(name: &str) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(|_| KeyError::Randomness)?;
        Self::from_seed(name, seed)
    }

    /// The key of a seed: HKDF-SHA256 gives each key a secret of its own.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`].
    pub fn from_seed(name: &str, seed: Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        let printable = name
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if name.is_empty() || name.len() > MAX_OPERATOR_NAME || !printable || name.trim() != name {
            return Err(KeyError::Name);
        }
        let hkdf = Hkdf::<Sha256>::new(Some(SALT), &*seed);
        let secret = |label: &[u8]| {
            let mut secret = Zeroizing::new([0; 32]);
            // 32 bytes are far below what HKDF gives.
            hkdf.expand(label, &mut *secret)
                .map_err(|_| KeyError::File)?;
            Ok(secret)
        };
        let (encryption, public) = hybrid::derive(&*secret(b"encryption")?);
        let signing = SigningKey::from_bytes(&*secret(b"signing")?);
        Ok(Self {
            public: OperatorKeys {
                name: name.to_owned(),
                encryption: public,
                signing: Key32(signing.verifying_key().to_bytes()),
            },
            name: name.to_owned(),
            seed,
            encryption,
            signing,
        })
    }

    /// Reads a key file.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_json(json: &[u8]) -> Result<Self, KeyError> {
        let (name, seed) = key_file::read(KIND, json)?;
        Self::from_seed(&name.ok_or(KeyError::File)?, seed)
    }

    /// The key file's text: **secret**.
    #[must_use]
    pub fn to_json(&self) -> Zeroizing<String> {
        key_file::write(KIND, Some(&self.name), &self.seed)
    }

    /// What the configuration names.
    #[must_use]
    pub const fn public(&self) -> &OperatorKeys {
        &self.public
    }

    /// The entry for the configuration's `operators.keys`.
    #[must_use]
    pub fn entry(&self) -> PublicEntry {
        let proven = Proven {
            name: &self.name,
            encryption: self.public.encryption,
        };
        let mut input = OPERATOR_LABEL.as_bytes().to_vec();
        input.push(0);
        // A text and bytes always have an encoding.
        input.extend(cbor::encode(&proven).unwrap_or_default());
        PublicEntry {
            name: self.name.clone(),
            encryption: self.public.encryption.to_string(),
            signing: self.public.signing.to_string(),
            proof: hex::encode(self.signing.sign(&input).to_bytes()),
        }
    }

    /// Signs an order.
    ///
    /// # Errors
    ///
    /// Never in practice: statements have an encoding.
    pub fn sign<T: Statement>(&self, statement: &T) -> Result<Signed<T>, cbor::EncodeError> {
        Signed::new(statement, |input| self.signing.sign(input).to_bytes())
    }

    /// Opens what was sealed to this operator for the purpose `info`.
    ///
    /// # Errors
    ///
    /// [`HybridError::Open`].
    pub fn open(&self, info: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, HybridError> {
        hybrid::open(&self.encryption, info, sealed)
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperatorKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> OperatorKey {
        OperatorKey::from_seed("ada", Zeroizing::new([byte; 32])).unwrap()
    }

    #[test]
    fn one_seed_gives_one_key_and_its_file_the_same() {
        let again = OperatorKey::from_json(key(1).to_json().as_bytes()).unwrap();
        assert_eq!(again.public(), key(1).public());
        assert_ne!(key(2).public(), key(1).public());
        assert_ne!(
            OperatorKey::generate("ada").unwrap().public(),
            OperatorKey::generate("ada").unwrap().public()
        );
    }

    #[test]
    fn k1_a_key_shows_no_secret() {
        let key = key(0xa5);
        let shown = format!("{key:?}{:?}{}", key.entry(), serde_json::json!(key.entry()));
        assert!(!shown.contains("a5a5"), "{shown}");
        assert!(key.to_json().contains("a5a5"));
    }

    #[test]
    fn what_is_sealed_to_an_operator_opens_with_that_key_and_purpose() {
        let sealed = hybrid::seal(&key(1).public().encryption, b"purpose", b"share").unwrap();
        assert_eq!(**key(1).open(b"purpose", &sealed).unwrap(), b"share"[..]);
        assert_eq!(key(2).open(b"purpose", &sealed), Err(HybridError::Open));
        assert_eq!(key(1).open(b"other", &sealed), Err(HybridError::Open));
        assert_eq!(
            hybrid::seal(&Key32([0; 32]), b"", b"share"),
            Err(HybridError::Key)
        );
    }

    #[test]
    fn names_and_files_are_strict() {
        for name in ["", " ada", "ada\n", "adä", &"a".repeat(65)] {
            assert_eq!(OperatorKey::generate(name).err(), Some(KeyError::Name));
        }
        let good = key(1).to_json();
        for bad in [
            "",
            "{}",
            &good.replace("\"version\": 1", "\"version\": 2"),
            &good.replace("operator key", "release key"),
            &good.replace("0101", "01"),
        ] {
            assert!(OperatorKey::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
