//! Answers of an authenticator that does what it is told, each with the sentence that refuses it.

use minicbor::Encoder;
use openkey_protocol::message::Hash32;
use p256::ecdsa::{DerSignature, SigningKey, signature::Signer};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::*;

const ORIGIN: &str = "http://localhost:7100";
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;
const EXTENDED: u8 = 0x80;
const ACCOUNT: UserHandle = UserHandle([7; 16]);

fn party() -> RelyingParty {
    let configuration = Configuration::new("localhost", "Here", &[ORIGIN]).unwrap();
    RelyingParty::new(&configuration).unwrap()
}

/// What an authenticator writes into its data.
struct Data {
    rp_id: &'static str,
    flags: u8,
    counter: u32,
    id: Vec<u8>,
    key: Vec<u8>,
    format: &'static str,
    statement: Vec<u8>,
    /// Behind everything else.
    behind: Vec<u8>,
    transports: Vec<String>,
}

fn signer() -> SigningKey {
    SigningKey::from_slice(&[9; 32]).unwrap()
}

fn data() -> Data {
    let point = signer().verifying_key().to_sec1_point(false);
    Data {
        rp_id: "localhost",
        flags: PRESENT | VERIFIED,
        counter: 0,
        id: vec![3; 20],
        key: cose(2, -7, 1, point.x().unwrap(), Some(point.y().unwrap())),
        format: "none",
        statement: vec![0xa0],
        behind: Vec::new(),
        transports: Vec::new(),
    }
}

fn cose(kind: i8, algorithm: i8, curve: i8, x: &[u8], y: Option<&[u8]>) -> Vec<u8> {
    let mut cose = Encoder::new(Vec::new());
    cose.map(if kind == 1 { 4 } else { 5 }).unwrap();
    cose.i8(1).unwrap().i8(kind).unwrap();
    cose.i8(3).unwrap().i8(algorithm).unwrap();
    cose.i8(-1).unwrap().i8(curve).unwrap();
    cose.i8(-2).unwrap().bytes(x).unwrap();
    match y {
        Some(y) => {
            cose.i8(-3).unwrap().bytes(y).unwrap();
        }
        // A compressed point says only which of two (RFC 9053 §7.1.1).
        None if kind == 2 => {
            cose.i8(-3).unwrap().bool(true).unwrap();
        }
        None => {}
    }
    cose.into_writer()
}

impl Data {
    fn head(&self, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp_id).to_vec();
        data.push(self.flags | flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn register(&self, party: &RelyingParty) -> Result<Passkey, Error> {
        self.register_as(party, &self.id)
    }

    fn register_as(&self, party: &RelyingParty, id: &[u8]) -> Result<Passkey, Error> {
        let begun = party.begin_registration(&ACCOUNT, "Ada", Vec::new(), 1000)?;
        let mut data = self.head(ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        data.extend(&self.key);
        data.extend(&self.behind);
        let mut object = Encoder::new(Vec::new());
        object.map(3).unwrap().str("fmt").unwrap();
        object.str(self.format).unwrap().str("attStmt").unwrap();
        let mut object = object.into_writer();
        object.extend(&self.statement);
        let mut object = Encoder::new(object);
        object.str("authData").unwrap().bytes(&data).unwrap();
        let credential = NewCredential {
            id: id.to_vec().into(),
            attestation_object: object.into_writer().into(),
            client_data_json: client_data("webauthn.create", &begun.options.challenge),
            transports: self.transports.clone(),
        };
        party.finish_registration(&begun.state, ORIGIN, &credential, "Phone", 1)
    }

    fn assert(
        &self,
        party: &RelyingParty,
        passkey: &Passkey,
        user_handle: Option<&[u8]>,
    ) -> Result<Verified, Error> {
        let (state, assertion) = self.answer(party, user_handle);
        party.finish_assertion(&state, ORIGIN, &ACCOUNT, passkey, &assertion)
    }

    /// The state of a ceremony, and an answer to it.
    fn answer(&self, party: &RelyingParty, user_handle: Option<&[u8]>) -> (String, Assertion) {
        let begun = party.begin_assertion(Vec::new(), 1000).unwrap();
        let client_data_json = client_data("webauthn.get", &begun.options.challenge);
        let mut data = self.head(0);
        data.extend(&self.behind);
        let hash = Sha256::digest(client_data_json.as_slice());
        let signature: DerSignature = signer().sign(&[data.as_slice(), &hash].concat());
        let assertion = Assertion {
            credential_id: self.id.clone().into(),
            authenticator_data: data.into(),
            client_data_json,
            signature: signature.as_bytes().to_vec().into(),
            user_handle: user_handle.map(|handle| handle.to_vec().into()),
        };
        (begun.state, assertion)
    }
}

fn client_data(ceremony: &str, challenge: &Bytes) -> Bytes {
    let challenge = Base64UrlUnpadded::encode_string(challenge.as_slice());
    format!(r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"{ORIGIN}"}}"#)
        .into_bytes()
        .into()
}

/// What `update` changes about a good registration.
fn registered(update: impl FnOnce(&mut Data)) -> Result<Passkey, Error> {
    let mut data = data();
    update(&mut data);
    data.register(&party())
}

fn said<T>(result: Result<T, Error>) -> (ErrorCode, String) {
    let error = result.err().unwrap();
    assert!(!error.advice.is_empty());
    (error.code, error.message)
}

/// Which sentence each case has to be told.
#[derive(Deserialize)]
struct Reason {
    name: String,
    code: ErrorCode,
    says: String,
}

fn reason(name: &str) -> (ErrorCode, String) {
    let vectors = include_str!("../../tests/data/webauthn-reasons.json");
    let reasons: Vec<Reason> = serde_json::from_str(vectors).unwrap();
    let found = reasons.into_iter().find(|reason| reason.name == name);
    let found = found.unwrap_or_else(|| panic!("{name}"));
    (found.code, found.says)
}

#[test]
fn s2_a_counter_that_went_back_is_told_as_that() {
    let party = party();
    let mut data = data();
    data.counter = 100;
    let passkey = data.register(&party).unwrap();
    assert_eq!(passkey.counter, 100);
    for counter in [50, 100, 0] {
        data.counter = counter;
        let refused = data.assert(&party, &passkey, None);
        assert_eq!(said(refused), reason("counter went back"), "{counter}");
    }
    data.counter = 101;
    assert_eq!(data.assert(&party, &passkey, None).unwrap().counter, 101);
}

#[test]
fn s2_a_person_who_was_not_verified_is_told_as_that() {
    let party = party();
    let mut data = data();
    let passkey = data.register(&party).unwrap();
    data.flags = PRESENT;
    let refused = data.assert(&party, &passkey, None);
    assert_eq!(said(refused), reason("not verified"));
    assert_eq!(
        said(data.register(&party)),
        reason("not verified at registration")
    );
}

#[test]
fn s2_keys_of_other_kinds_are_told_as_that() {
    let x = [5; 32];
    for (what, key) in [
        ("Ed25519", cose(1, -8, 6, &x, None)),
        ("ES384", cose(2, -35, 2, &[5; 48], Some(&[6; 48]))),
        ("a compressed point", cose(2, -7, 1, &x, None)),
        ("a short coordinate", cose(2, -7, 1, &x[..31], Some(&x))),
        ("another curve", cose(2, -7, 2, &x, Some(&x))),
    ] {
        let refused = registered(|data| data.key = key);
        assert_eq!(said(refused), reason("key of another kind"), "{what}");
    }
}

#[test]
fn s2_a_key_says_each_thing_once_and_in_one_way() {
    // Libraries take the first or the last of two coordinates.
    let twice = registered(|data| {
        data.key[0] += 1;
        data.key.extend([&[0x22, 0x58, 32][..], &[6; 32]].concat());
    });
    assert_eq!(said(twice), reason("parameter twice"));
    // The label 1 as a number of two bytes, and as one of three.
    for long in [&[0x18, 1][..], &[0x19, 0, 1]] {
        let refused = registered(|data| {
            data.key.splice(1..2, long.iter().copied());
        });
        assert_eq!(said(refused), reason("number not shortest"), "{long:?}");
    }
}

#[test]
fn s2_extensions_say_each_thing_once() {
    let behind = vec![0xa2, 0x61, b'x', 1, 0x61, b'x', 2];
    let party = party();
    let mut data = data();
    let passkey = data.register(&party).unwrap();
    data.flags |= EXTENDED;
    data.behind = behind;
    let refused = data.register(&party);
    assert_eq!(said(refused), reason("extension twice at registration"));
    let refused = data.assert(&party, &passkey, None);
    assert_eq!(said(refused), reason("extension twice"));
    data.behind = vec![0xa1, 0x61, b'x', 1];
    assert!(data.assert(&party, &passkey, None).is_ok());
}

#[test]
fn h4_nothing_that_is_kept_of_a_passkey_grows_with_what_it_says() {
    let size = |passkey: &Passkey| openkey_protocol::cbor::encode(passkey).unwrap().len();
    let plain = registered(|_| ()).unwrap();
    let hints = vec!["internal".to_owned(); MAX_TRANSPORTS];
    let hinted = registered(|data| data.transports = hints).unwrap();
    assert_eq!(size(&plain), size(&hinted));
    assert!(size(&plain) < 512, "{}", size(&plain));
    for transports in [vec![String::new(); 17], vec!["x".repeat(33)]] {
        let refused = registered(|data| data.transports = transports);
        assert_eq!(said(refused), reason("transports"));
    }
}

#[test]
fn s2_other_sites_and_other_ids_are_told_as_that() {
    let party = party();
    let mut data = data();
    let passkey = data.register(&party).unwrap();
    assert_eq!(
        said(data.register_as(&party, &[4; 20])),
        reason("another id")
    );
    data.rp_id = "elsewhere.example";
    assert_eq!(
        said(data.register(&party)),
        reason("another site at registration")
    );
    let refused = data.assert(&party, &passkey, None);
    assert_eq!(said(refused), reason("another site"));
}

#[test]
fn s2_nothing_stands_behind_authenticator_data() {
    let extensions = [0xa1, 0x61, b'x', 1];
    for behind in [vec![0], vec![0xa0], extensions.to_vec()] {
        let refused = registered(|data| data.behind = behind.clone());
        assert_eq!(said(refused), reason("more at registration"), "{behind:?}");
        let party = party();
        let mut data = data();
        let passkey = data.register(&party).unwrap();
        data.behind = behind;
        let refused = data.assert(&party, &passkey, None);
        assert_eq!(said(refused), reason("more"));
    }
    // What the flag announces has to be there, whole and alone.
    for behind in [vec![], vec![0], vec![0x80], vec![0xa0, 0], vec![0xa1, 0x61]] {
        let refused = registered(|data| {
            data.flags |= EXTENDED;
            data.behind = behind.clone();
        });
        assert_eq!(said(refused), reason("more at registration"), "{behind:?}");
    }
    let party = party();
    let mut data = data();
    let passkey = data.register(&party).unwrap();
    data.flags |= ATTESTED;
    assert_eq!(said(data.assert(&party, &passkey, None)), reason("more"));
}

#[test]
fn s2_an_attestation_of_the_kind_none_says_nothing() {
    let statement = vec![0xa1, 0x61, b'x', 1];
    let refused = registered(|data| data.statement = statement);
    assert_eq!(said(refused), reason("none with a statement"));
    let refused = registered(|data| data.statement = vec![0x80]);
    assert_eq!(said(refused), reason("more at registration"));
}

#[test]
fn s2_an_empty_user_handle_is_an_absent_one() {
    let party = party();
    let data = data();
    let passkey = data.register(&party).unwrap();
    assert_eq!(passkey.public_key_sha256.0.len(), Hash32([0; 32]).0.len());
    for handle in [None, Some(&[][..]), Some(&ACCOUNT.0[..])] {
        assert!(data.assert(&party, &passkey, handle).is_ok(), "{handle:?}");
    }
    let refused = data.assert(&party, &passkey, Some(&[0]));
    assert_eq!(said(refused), reason("another account"));
}

#[test]
fn s2_a_counter_must_go_up_unless_there_is_none() {
    assert!(check_counter(0, 0).is_ok());
    assert!(check_counter(0, 1).is_ok());
    assert!(check_counter(7, 8).is_ok());
    for (stored, counter) in [(7, 7), (7, 6), (7, 0)] {
        let refused = check_counter(stored, counter).unwrap_err();
        assert_eq!(refused.code, ErrorCode::AssertionRefused);
    }
}

/// What the account may have by the turn of an assertion that was proven before.
#[test]
fn s2_a_proven_assertion_is_judged_by_the_passkey_of_its_turn() {
    let party = party();
    let mut data = data();
    data.counter = 100;
    let passkey = data.register(&party).unwrap();
    data.counter = 101;
    let (state, assertion) = data.answer(&party, Some(&ACCOUNT.0));
    let prove = || party.prove(&state, ORIGIN, ACCOUNT, &passkey, &assertion);
    let with = |change: fn(&mut Passkey)| {
        let mut passkey = passkey.clone();
        change(&mut passkey);
        passkey
    };
    let judge = |whose, passkey: &Passkey| party.judge(&prove().unwrap(), whose, passkey);

    let verified = judge(&ACCOUNT, &passkey).unwrap();
    assert_eq!(verified.counter, 101);
    assert!(!verified.backup_eligible && !verified.backed_up);
    // The counter is not judged before the turn.
    let used = with(|passkey| passkey.counter = 101);
    assert!(
        party
            .prove(&state, ORIGIN, ACCOUNT, &used, &assertion)
            .is_ok()
    );
    assert_eq!(said(judge(&ACCOUNT, &used)), reason("counter went back"));

    let other = with(|passkey| {
        let point = SigningKey::from_slice(&[8; 32]).unwrap();
        let point = point.verifying_key().to_sec1_point(false);
        passkey.credential.key = PublicKey::Es256 {
            x: point.x().unwrap().to_vec().into(),
            y: point.y().unwrap().to_vec().into(),
        };
    });
    let refused = refuse(ErrorCode::AssertionRefused).message;
    let refused = (ErrorCode::AssertionRefused, refused);
    assert_eq!(said(judge(&ACCOUNT, &other)), refused);
    let copied = with(|passkey| passkey.credential.backup_eligible = true);
    assert_eq!(said(judge(&ACCOUNT, &copied)), refused);
    let renamed = with(|passkey| passkey.id = vec![4; 20].into());
    let unknown = said(judge(&ACCOUNT, &renamed)).0;
    assert_eq!(unknown, ErrorCode::UnknownPasskey);
    let foreign = judge(&UserHandle([8; 16]), &passkey);
    assert_eq!(said(foreign), reason("another account"));
}
