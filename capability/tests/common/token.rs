//! The vectors, an account that signs, and tokens with something changed.

use core::num::NonZeroU64;
use std::sync::LazyLock;

use k256::ecdsa::SigningKey;
use openkey_capability::address::AddressBytes;
use openkey_capability::cacao::{Cacao, CacaoError, SIGNATURE, Unsigned};
use openkey_capability::siwe::Fields;
use serde::Deserialize;

/// A token and what is in it.
#[derive(Deserialize)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) signature: String,
    pub(crate) cid: String,
    pub(crate) base58: Option<String>,
    pub(crate) length: usize,
    pub(crate) header: Option<String>,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) nonce: String,
    pub(crate) issued_at: i64,
    pub(crate) expires: Option<i64>,
    pub(crate) revokes: Option<String>,
    pub(crate) recap: Option<serde_json::Value>,
}

impl Vector {
    pub(crate) fn signature(&self) -> [u8; SIGNATURE] {
        hex::decode(&self.signature).unwrap().try_into().unwrap()
    }
}

pub(crate) fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../data/cacao.json")).unwrap()
}

/// The header value of the vector with this name.
pub(crate) fn header(name: &str) -> String {
    let vector = vectors().into_iter().find(|vector| vector.name == name);
    vector.unwrap().header.unwrap()
}

pub(crate) fn token(name: &str) -> Cacao {
    Cacao::from_header(&header(name)).unwrap()
}

/// The account of the vectors, known to every developer.
static OWNER: LazyLock<SigningKey> = LazyLock::new(|| {
    let key = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    SigningKey::from_slice(&hex::decode(key).unwrap()).unwrap()
});

pub(crate) fn owner() -> AddressBytes {
    let mut address = AddressBytes::default();
    hex::decode_to_slice("f39fd6e51aad88f6f4ce6ab8827279cfffb92266", &mut address).unwrap();
    address
}

/// What the owner's wallet answers.
pub(crate) fn wallet(digest: &[u8; 32]) -> [u8; SIGNATURE] {
    let (signature, recovery) = OWNER.sign_prehash_recoverable(digest);
    let mut bytes = [0; SIGNATURE];
    bytes[..64].copy_from_slice(&signature.to_bytes());
    bytes[64] = 27 + recovery.to_byte();
    bytes
}

pub(crate) fn signed(fields: Fields) -> Result<Cacao, CacaoError> {
    let unsigned = Unsigned::new(fields)?;
    unsigned.sign(&wallet(&unsigned.digest()))
}

pub(crate) fn fields() -> Fields {
    Fields::new(
        "app.example",
        owner(),
        "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX",
        NonZeroU64::MIN,
        "abcdefgh12345678",
        "2026-01-01T00:00:00.000Z",
    )
}

/// The bytes with one piece replaced, which is there once.
pub(crate) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<_> = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    assert_eq!(places.len(), 1, "{}", String::from_utf8_lossy(from));
    [&bytes[..places[0]], to, &bytes[places[0] + from.len()..]].concat()
}

/// The token with its last payload key followed by these bytes, and the payload that much longer.
pub(crate) fn extended(bytes: &[u8], more: &[u8]) -> Vec<u8> {
    let signature = b"as\xa2as\x58\x41"; // `s`, the map that ends the token
    let longer = replaced(bytes, signature, &[more, signature].concat());
    let at = longer.windows(2).position(|pair| pair == b"ap").unwrap() + 2;
    let mut longer = longer;
    longer[at] += 1;
    longer
}
