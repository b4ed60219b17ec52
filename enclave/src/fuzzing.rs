//! For the fuzz targets, and for the test that replays their corpora: the parsers of outside bytes
//! that are no part of the public interface.

use std::sync::OnceLock;

use base64ct::{Base64UrlUnpadded, Encoding};
use openkey_protocol::{
    cbor::{self, Limits},
    message::{Assertion, Bytes, Call, Hash32, NewCredential, UserHandle},
};
use sha2::{Digest, Sha256};

use crate::{
    account::Passkey,
    answer::Asked,
    configuration::Configuration,
    passkeys::{Credential, PublicKey, RelyingParty},
    root::RootKey,
    seal::{Kind, Name, Sealer},
};

const ORIGIN: &str = "http://localhost:7100";
/// Most items that a call has: keys and values of maps counted apart.
const MAX_CALL_ITEMS: usize = 256;
/// The longest record of a passkey here, in bytes: its key is the one part that a stranger chooses, at
/// most an RSA key within the longest attestation object.
const MAX_PASSKEY: usize = 16 * 1024 + 512;

/// What authenticators, browsers and the store send. The first byte chooses the parser. True if a passkey
/// was accepted: its attestation object answers the challenge of this one ceremony.
pub fn untrusted(bytes: &[u8]) -> bool {
    let Some((parser, bytes)) = bytes.split_first() else {
        return false;
    };
    match parser % 5 {
        0 => return registration(None, bytes),
        1 => return registration(Some(bytes), &[]),
        2 => assertion(None, bytes),
        3 => assertion(Some(bytes), &[0; 37]),
        _ => sealed(bytes),
    }
    false
}

/// What clients send as a call. True if it is one: it has then this one encoding, few items and a nonce,
/// and the protocol's own reader finds the same in it.
pub fn call(bytes: &[u8]) -> bool {
    let protocol = cbor::decode::<Call>(bytes);
    match (Asked::read(bytes), protocol) {
        (Ok((asked, request)), Ok(call)) => {
            assert_eq!(cbor::encode(&call).as_deref(), Ok(bytes), "two encodings");
            assert_eq!((&asked.nonce, &request), (&call.nonce, &call.request));
            assert_eq!(asked.hash.0.as_slice(), Sha256::digest(bytes).as_slice());
            assert!((16..=64).contains(&call.nonce.0.len()), "nonce");
            assert!(has_few_items(bytes), "too many items");
            let _ = (request.class(), request.head());
            true
        }
        (Ok(_), Err(error)) => panic!("not a call to the protocol: {error}"),
        (Err(_), Ok(call)) => {
            let nonce = (16..=64).contains(&call.nonce.0.len());
            assert!(!nonce || !has_few_items(bytes), "refused for no rule");
            false
        }
        (Err(_), Err(_)) => false,
    }
}

fn has_few_items(bytes: &[u8]) -> bool {
    let limits = Limits {
        items: MAX_CALL_ITEMS,
        ..Limits::default()
    };
    cbor::check(bytes, &limits).is_ok()
}

/// What comes as a KMS answer's CMS structure. True if the recipient of the seeds can open it.
pub fn cms(bytes: &[u8]) -> bool {
    crate::root::kms::fuzzing::cms(bytes)
}

/// What comes as a KMS answer. True if it is one to the call.
pub fn kms_reply(bytes: &[u8]) -> bool {
    crate::root::kms::fuzzing::reply(bytes)
}

/// The client data of a browser that answers this challenge.
fn client_data(ceremony: &str, challenge: &Bytes) -> Vec<u8> {
    let challenge = Base64UrlUnpadded::encode_string(challenge.as_slice());
    format!(r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"{ORIGIN}"}}"#).into_bytes()
}

fn relying_party() -> Option<&'static RelyingParty> {
    static RELYING_PARTY: OnceLock<Option<RelyingParty>> = OnceLock::new();
    RELYING_PARTY
        .get_or_init(|| {
            let configuration = Configuration::new("localhost", "Fuzz", &[ORIGIN]).ok()?;
            RelyingParty::new(&configuration)
        })
        .as_ref()
}

fn registration(client_data_json: Option<&[u8]>, attestation_object: &[u8]) -> bool {
    let Some(relying_party) = relying_party() else {
        return false;
    };
    let user_handle = UserHandle([1; 16]);
    let Ok(begun) = relying_party.begin_registration(&user_handle, "Fuzz", Vec::new(), 1) else {
        return false;
    };
    let answers = client_data("webauthn.create", &begun.options.challenge);
    let credential = NewCredential {
        id: [1; 20].into(),
        attestation_object: attestation_object.into(),
        client_data_json: client_data_json.unwrap_or(&answers).into(),
        transports: Vec::new(),
    };
    let made = relying_party.finish_registration(&begun.state, ORIGIN, &credential, "Fuzz", 1);
    let Ok(passkey) = made else {
        return false;
    };
    assert!(client_data_json.is_none(), "accepted without the challenge");
    assert_eq!(passkey.id, credential.id);
    // The account's record takes whatever was accepted, and does not grow by what a stranger chose.
    let kept = cbor::encode(&passkey).unwrap_or_default();
    assert_eq!(cbor::decode::<Passkey>(&kept), Ok(passkey));
    assert!(kept.len() <= MAX_PASSKEY, "{} bytes are kept", kept.len());
    true
}

fn assertion(client_data_json: Option<&[u8]>, authenticator_data: &[u8]) {
    let Some(relying_party) = relying_party() else {
        return;
    };
    let Ok(begun) = relying_party.begin_assertion(Vec::new(), 1) else {
        return;
    };
    let answers = client_data("webauthn.get", &begun.options.challenge);
    let passkey = Passkey {
        id: [1; 20].into(),
        credential: Credential {
            key: PublicKey::Es256 {
                x: [1; 32].into(),
                y: [2; 32].into(),
            },
            backup_eligible: false,
            backed_up: false,
        },
        public_key_sha256: Hash32([0; 32]),
        name: String::new(),
        created_at: 0,
        used_at: None,
        counter: 0,
    };
    let answer = Assertion {
        credential_id: passkey.id.clone(),
        authenticator_data: authenticator_data.into(),
        client_data_json: client_data_json.unwrap_or(&answers).into(),
        signature: Bytes(vec![0x30, 0]),
        user_handle: None,
    };
    let user_handle = UserHandle([1; 16]);
    let verified =
        relying_party.finish_assertion(&begun.state, ORIGIN, &user_handle, &passkey, &answer);
    assert!(verified.is_err(), "accepted without a signature");
}

fn sealed(bytes: &[u8]) {
    let sealer = Sealer::new(RootKey::new(&[7; 32]), 1);
    let name = Name {
        kind: Kind::Account,
        id: b"fuzz",
        owner: b"fuzz",
    };
    assert!(sealer.open(&name, bytes).is_err(), "accepted a forgery");
    let ticket = sealer.redeem::<u64>(Kind::Token, 0, bytes);
    assert!(ticket.is_err(), "accepted a forgery");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many inputs of a corpus a target has, and how many it accepts.
    fn replay(name: &str, target: fn(&[u8]) -> bool) -> (usize, usize) {
        let corpus = format!("{}/../fuzz/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
        let inputs = std::fs::read_dir(corpus).unwrap();
        inputs.fold((0, 0), |(replayed, accepted), entry| {
            let input = std::fs::read(entry.unwrap().path()).unwrap();
            (replayed + 1, accepted + usize::from(target(&input)))
        })
    }

    #[test]
    fn the_corpus_is_replayed() {
        let (replayed, accepted) = replay("untrusted", untrusted);
        // A seed answers the challenge, so that mutations of it reach the rules behind that check.
        assert!(replayed >= 10 && accepted >= 1, "{accepted} of {replayed}");
    }

    #[test]
    fn h1_the_corpus_of_calls_is_replayed() {
        let (replayed, accepted) = replay("call", call);
        assert!(replayed >= 10 && accepted >= 8, "{accepted} of {replayed}");
        assert!(replayed > accepted, "a seed has too many items");
    }
}
