//! For the fuzz targets, and for the test that replays their corpora: the parsers of outside bytes
//! that are no part of the public interface.

use std::sync::OnceLock;

use openkey_protocol::message::{Assertion, Bytes, Hash32, NewCredential, UserHandle};

use crate::{
    account::Passkey,
    configuration::Configuration,
    passkeys::{Credential, PublicKey, RelyingParty},
    root::RootKey,
    seal::{Kind, Name, Sealer},
};

const ORIGIN: &str = "http://localhost:7100";

/// What authenticators, browsers and the store send. The first byte chooses the parser.
pub fn untrusted(bytes: &[u8]) {
    let Some((parser, bytes)) = bytes.split_first() else {
        return;
    };
    match parser % 5 {
        0 => registration(client_data("webauthn.create"), bytes),
        1 => registration(bytes.to_vec(), &[]),
        2 => assertion(client_data("webauthn.get"), bytes),
        3 => assertion(bytes.to_vec(), &[0; 37]),
        _ => sealed(bytes),
    }
}

/// What comes as a KMS answer's CMS structure.
pub fn cms(bytes: &[u8]) {
    crate::root::kms::fuzzing::cms(bytes);
}

/// What comes as a KMS answer.
pub fn kms_reply(bytes: &[u8]) {
    crate::root::kms::fuzzing::reply(bytes);
}

fn client_data(ceremony: &str) -> Vec<u8> {
    format!(r#"{{"type":"{ceremony}","challenge":"AAAA","origin":"{ORIGIN}"}}"#).into_bytes()
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

fn registration(client_data_json: Vec<u8>, attestation_object: &[u8]) {
    let Some(relying_party) = relying_party() else {
        return;
    };
    let user_handle = UserHandle([1; 16]);
    let Ok(begun) = relying_party.begin_registration(&user_handle, "Fuzz", Vec::new(), 1) else {
        return;
    };
    let credential = NewCredential {
        id: [1; 20].into(),
        attestation_object: attestation_object.into(),
        client_data_json: client_data_json.into(),
        transports: Vec::new(),
    };
    let made = relying_party.finish_registration(&begun.state, ORIGIN, &credential, "Fuzz", 1);
    assert!(made.is_err(), "accepted without the challenge");
}

fn assertion(client_data_json: Vec<u8>, authenticator_data: &[u8]) {
    let Some(relying_party) = relying_party() else {
        return;
    };
    let Ok(begun) = relying_party.begin_assertion(Vec::new(), 1) else {
        return;
    };
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
        client_data_json: client_data_json.into(),
        signature: Bytes(vec![0x30, 0]),
        user_handle: None,
    };
    let user_handle = UserHandle([1; 16]);
    let verified =
        relying_party.finish_assertion(&begun.state, ORIGIN, &user_handle, &passkey, &answer);
    assert!(verified.is_err(), "accepted without the challenge");
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

    #[test]
    fn the_corpus_is_replayed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/untrusted");
        let mut replayed = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            untrusted(&std::fs::read(entry.unwrap().path()).unwrap());
            replayed += 1;
        }
        assert!(replayed >= 10);
    }
}
