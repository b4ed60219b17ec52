//! What is tolerated and what is not, row by row: the tokens of a data file, each a good one with
//! something changed, and what becomes of it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a failing test says where

use core::num::NonZeroU64;

use base64ct::{Base64Url, Base64UrlUnpadded, Encoding};
use openkey_capability::cacao::SIGNATURE;
use openkey_capability::cid::Cid;
use openkey_capability::recap::{PREFIX, ReCap};
use openkey_capability::siwe::Fields;
use openkey_capability::token::Token;
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[allow(dead_code)] // other tests need more of it
#[path = "common/token.rs"]
mod token;

use token::{extended, header, replaced, signed, token as vector};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    ucan: Vec<UcanRow>,
    cacao: Vec<CacaoRow>,
    recap: Vec<RecapRow>,
    sign_in: Vec<SignInRow>,
}

/// A token of the session key, or of the key named, over what is set in a good header and payload.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UcanRow {
    name: String,
    header: Map<String, Value>,
    payload: Map<String, Value>,
    without: Vec<String>,
    key: Key,
    signature: Signature,
    prefix: String,
    suffix: String,
    result: String,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Key {
    #[default]
    Session,
    Secp256k1,
    P256,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Signature {
    #[default]
    Good,
    Wrong,
    Empty,
}

/// A vector with bytes replaced or added, which stand for the characters of the same numbers.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CacaoRow {
    name: String,
    vector: Option<String>,
    replace: Option<(String, String)>,
    more: Option<String>,
    v: Option<u8>,
    signature: Option<usize>,
    prefix: String,
    unpadded: bool,
    standard: bool,
    result: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecapRow {
    name: String,
    json: String,
    #[serde(default)]
    suffix: String,
    result: String,
}

/// A sign-in with other fields, signed by the owner of the vectors, and what it grants: `all` that its
/// last resource says, `nothing`, or the rule by which it does not count.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInRow {
    name: String,
    #[serde(default)]
    fields: Set,
    #[serde(default)]
    grants: String,
    result: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Set {
    scheme: Option<String>,
    domain: Option<String>,
    statement: Option<String>,
    aud: Option<String>,
    chain: Option<NonZeroU64>,
    nonce: Option<String>,
    iat: Option<String>,
    exp: Option<String>,
    nbf: Option<String>,
    request_id: Option<String>,
    resources: Option<Vec<String>>,
}

impl Set {
    fn fields(self) -> Fields {
        let good = token::fields();
        Fields {
            scheme: self.scheme,
            domain: self.domain.unwrap_or(good.domain),
            address: good.address,
            statement: self.statement,
            uri: self.aud.unwrap_or(good.uri),
            chain_id: self.chain.unwrap_or(good.chain_id),
            nonce: self.nonce.unwrap_or(good.nonce),
            issued_at: self.iat.unwrap_or(good.issued_at),
            expiration_time: self.exp,
            not_before: self.nbf,
            request_id: self.request_id,
            resources: self.resources,
        }
    }
}

fn rows() -> Rows {
    serde_json::from_str(include_str!("data/tolerance.json")).unwrap()
}

fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect()
}

/// `holds`, or the rule that refuses it.
fn judged(header: &str) -> &'static str {
    match Token::from_header(header) {
        Ok(token) => token
            .verify()
            .map_or_else(|error| error.rule(), |()| "holds"),
        Err(error) => error.rule(),
    }
}

impl Key {
    fn sign(self, input: &[u8]) -> Vec<u8> {
        use k256::ecdsa::signature::Signer as _;
        match self {
            Self::Session => {
                let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
                key.sign(input).to_bytes().to_vec()
            }
            Self::Secp256k1 => {
                let key = k256::ecdsa::SigningKey::from_slice(&[2; 32]).unwrap();
                let signature: k256::ecdsa::Signature = key.sign(input);
                signature.to_bytes().to_vec()
            }
            Self::P256 => {
                let key = p256::ecdsa::SigningKey::from_slice(&[2; 32]).unwrap();
                let signature: p256::ecdsa::Signature = key.sign(input);
                signature.to_bytes().to_vec()
            }
        }
    }
}

impl UcanRow {
    fn token(&self) -> String {
        let header = json!({"alg": "EdDSA", "typ": "JWT", "ucv": "0.10.0"});
        let payload = json!({
            "iss": "did:key:z6Mkon3Necd6NkkyfoGoHxid2znGc59LU3K7mubaRcFbLfLX",
            "aud": "did:key:z6Mko9hTggMwjSTEaJaPUfE6tqcy2xvU6BnNq3e3o8qVBiyH",
            "exp": 1_893_369_600, "prf": [], "att": {"a:b": {"x/y": [{}]}},
        });
        let part = |mut good: Value, set: &Map<String, Value>| {
            let members = good.as_object_mut().unwrap();
            members.extend(set.clone());
            members.retain(|name, _| !self.without.contains(name));
            Base64UrlUnpadded::encode_string(good.to_string().as_bytes())
        };
        let input = format!(
            "{}.{}",
            part(header, &self.header),
            part(payload, &self.payload)
        );
        let mut signature = self.key.sign(input.as_bytes());
        match self.signature {
            Signature::Good => {}
            Signature::Wrong => signature[0] ^= 1,
            Signature::Empty => signature.clear(),
        }
        let signature = Base64UrlUnpadded::encode_string(&signature);
        format!("{}{input}.{signature}{}", self.prefix, self.suffix)
    }
}

impl CacaoRow {
    fn header(&self) -> String {
        let good = vector(self.vector.as_deref().unwrap_or("session"));
        let mut token = good.as_bytes().to_vec();
        if let Some((from, to)) = &self.replace {
            token = replaced(&token, &bytes(from), &bytes(to));
        }
        if let Some(more) = &self.more {
            token = extended(&token, &bytes(more));
        }
        let (mut signature, own) = (good.signature().to_vec(), good.signature());
        if let Some(v) = self.v {
            signature[SIGNATURE - 1] = v;
        }
        signature.resize(self.signature.unwrap_or(SIGNATURE), 0);
        let length = u8::try_from(signature.len()).unwrap();
        token = replaced(
            &token,
            &[&[0x58, 0x41], &own[..]].concat(),
            &[&[0x58, length], &signature[..]].concat(),
        );
        let mut text = Base64Url::encode_string(&token);
        if self.unpadded {
            assert!(text.ends_with('='), "the row says nothing");
            text.truncate(text.trim_end_matches('=').len());
        }
        if self.standard {
            assert!(text.contains(['-', '_']), "the row says nothing");
            text = text.replace('-', "+").replace('_', "/");
        }
        format!("{}{text}", self.prefix)
    }
}

#[test]
fn ucans_are_judged_as_the_table_says() {
    for row in rows().ucan {
        assert_eq!(judged(&row.token()), row.result, "{}", row.name);
    }
}

#[test]
fn cacaos_are_judged_as_the_table_says() {
    for row in rows().cacao {
        assert_eq!(judged(&row.header()), row.result, "{}", row.name);
    }
    let good = CacaoRow::default().header();
    assert_eq!(good, header("session"));
}

#[test]
fn recaps_are_judged_as_the_table_says() {
    for row in rows().recap {
        let text = Base64UrlUnpadded::encode_string(row.json.as_bytes());
        let read = ReCap::parse(&format!("{PREFIX}{text}{}", row.suffix));
        let found = read.map_or_else(|error| error.rule(), |_| "holds");
        assert_eq!(found, row.result, "{}", row.name);
    }
}

#[test]
fn sign_ins_are_judged_as_the_table_says() {
    for row in rows().sign_in {
        let name = row.name;
        let cacao = match signed(row.fields.fields()) {
            Ok(cacao) => cacao,
            Err(error) => {
                assert_eq!(error.rule(), row.result, "{name}");
                continue;
            }
        };
        assert_eq!(judged(&cacao.header()), row.result, "{name}");
        let resources = cacao.fields().resources.as_deref().unwrap_or_default();
        let grants = match cacao.recap() {
            Ok(None) => "nothing",
            Ok(Some(recap)) => {
                assert_eq!(resources.last(), Some(&recap.encode()), "{name}");
                "all"
            }
            Err(error) => error.rule(),
        };
        assert_eq!(grants, row.grants, "{name}");
    }
}

/// A name is the hash of the bytes as they came, whatever is in them, and is the same in any base.
#[test]
fn names_are_of_the_bytes_that_came() {
    let plain = token::vectors().swap_remove(0);
    let message = openkey_capability::siwe::Message::parse(&plain.text).unwrap();
    let unsigned = openkey_capability::cacao::Unsigned::try_from(&message).unwrap();
    let cacao = unsigned.sign(&plain.signature()).unwrap();
    let other = replaced(cacao.as_bytes(), b"gversion\x01", b"gversiona1");
    assert_eq!(
        Cid::of(&other).to_string(),
        "bafkr4igbnynzfgn5rf4bchy6wxhst7oag5xzz6lo32iyk5yelzbqbhrdqu"
    );
    for (base32, base58) in [
        (
            "bafkr4id52eujtl3rks5mvwsbuf3aarno4mq77curdkuwcgoiwabgnyxx5y",
            "zb38SESRhgLq4AVqgpmF7ZAcgtgTbmtWpRmzor8TSzDHNGRQq",
        ),
        (
            "bafkr4icwygj7grmphijiicd6ukoy3gmkanfrearbte7onkkc4qjxpo5eay",
            "zb38SBox2FPcXUvatbERSqtHXp41e4mcFVKsn5pRb7Pcci4ah",
        ),
        (
            "bafkr4icl4skc6ytnr2xyvigga7cgncrk3zmtkxwdksxo4dwz7ujcsxl7ge",
            "zb38SB5YVXXNoYcx2pANbGAspFjcKkNJgwUYpnHwEuuwSYT2g",
        ),
        (
            "bafkr4iepcrww4aev2sv4dpxbdse7pipzifim3vxakp5csvx5ztoh2dmzay",
            "zb38SFbp8FxjjebFPfZZAbjLXy7hrVR2c6FQwuHCiUeboue4d",
        ),
        (
            "bafkr4iazawnbstbmpmpr54qayt2h6kijizsmb3o7nfstbi4sfgybtotq7m",
            "zb38S7exuVZvm6vHUDgfnLq6PnG1J8NFhoE4HaqPXRJG77VhC",
        ),
    ] {
        let cid = Cid::parse(base32).unwrap();
        assert_eq!(
            (cid.base58().as_str(), Cid::parse(base58)),
            (base58, Ok(cid))
        );
        assert_eq!(cid.to_string(), base32);
    }
}
