//! Identifiers of fixed length, checked when they are read.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct ParseIdError {
    /// How many digits this identifier has.
    pub expected: usize,
}

/// Separates the hash behind an [`AccountId`] from any other: `SHA-256(label ‖ 0x00 ‖ user handle (16)
/// ‖ SHA-256 of the public key as SubjectPublicKeyInfo DER (32))`. All parts have fixed lengths.
pub const ACCOUNT_ID_LABEL: &str = "openkey/account-id/v1";

macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        ///
        /// A CBOR byte string of exactly that length; lower-case hex as text.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes)
                    .map_err(|_| ParseIdError { expected: $len * 2 })?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
                <[u8; $len]>::try_from(bytes.as_slice())
                    .map(Self)
                    .map_err(|_| de::Error::invalid_length(bytes.len(), &stringify!($len)))
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": concat!("CBOR byte string of ", stringify!($len), " bytes"),
                    "type": "string",
                    "format": "cbor-bytes",
                })
            }
        }
    };
}

fixed_bytes!(
    /// One account: SHA-256 of its user handle and of the first passkey's public key
    /// (`openkey/account-id/v1`).
    AccountId,
    32
);
fixed_bytes!(
    /// The WebAuthn user handle of an account's passkeys: 16 random bytes, made when the sign-up
    /// begins. A sign-in without a name finds the account's record by it. It grants nothing: whoever
    /// finishes one sign-up with another passkey gets the same handle and another account.
    UserHandle,
    16
);
fixed_bytes!(
    /// A SHA-256 value, or a Keccak-256 digest where a field says so.
    Hash32,
    32
);
fixed_bytes!(
    /// Where a sealed record lies in the host's store; says nothing about what it holds.
    RecordId,
    32
);
fixed_bytes!(
    /// An Ethereum address. [`Address::checksummed`] gives the EIP-55 text.
    Address,
    20
);

impl AccountId {
    /// The input of the hash behind an account id (this crate carries no hash of its own).
    #[must_use]
    pub fn input(user_handle: &UserHandle, public_key_sha256: &Hash32) -> Vec<u8> {
        [
            ACCOUNT_ID_LABEL.as_bytes(),
            &[0],
            &user_handle.0,
            &public_key_sha256.0,
        ]
        .concat()
    }
}

impl Address {
    /// The EIP-55 text, given Keccak-256 (this crate carries no hash of its own).
    #[must_use]
    pub fn checksummed(&self, keccak256: impl Fn(&[u8]) -> [u8; 32]) -> String {
        let lower = hex::encode(self.0);
        let hash = keccak256(lower.as_bytes());
        let digits = lower.char_indices().map(|(i, digit)| {
            let byte = hash.get(i / 2).copied().unwrap_or_default();
            let nibble = if i % 2 == 0 { byte >> 4 } else { byte & 0x0f };
            if nibble >= 8 {
                digit.to_ascii_uppercase()
            } else {
                digit
            }
        });
        core::iter::once('0')
            .chain(core::iter::once('x'))
            .chain(digits)
            .collect()
    }
}

/// One key of an account: its index in the order of creation, never used again.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
fixed_bytes!(
    /// A public key of 32 bytes: X25519 (RFC 7748) or Ed25519 (RFC 8032), as its field says.
    Key32,
    32
);
