//! Tests of [`super`].

use ed25519_dalek::{Signer, SigningKey};
use openkey_protocol::message::{KeyId, ReceiptCredential, ReceiptKey};

use super::*;

const NONCE: [u8; 32] = [7; 32];
const SPKI: &[u8] = b"what the authenticator returned";

fn receipt() -> AccountReceipt {
    AccountReceipt {
        account: account_id(&UserHandle([1; 16]), &Hash32(Sha256::digest(SPKI).into())),
        user_handle: UserHandle([1; 16]),
        version: 1,
        issued_at: 1_700_000_000_000,
        rp_id: "localhost".into(),
        nonce: NONCE.into(),
        credentials: vec![ReceiptCredential {
            id: vec![2; 20].into(),
            public_key_sha256: Hash32(Sha256::digest(SPKI).into()),
        }],
        keys: vec![ReceiptKey {
            key: KeyId(0),
            address: Address([0x5a; 20]),
        }],
    }
}

fn signer() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn identity() -> IdentityKey {
    IdentityKey::from_evidence_verified_earlier(signer().verifying_key().as_bytes()).unwrap()
}

fn signed(receipt: &AccountReceipt) -> Signed<AccountReceipt> {
    Signed::new(receipt, |input| signer().sign(input).to_bytes()).unwrap()
}

fn registration() -> Registration<'static> {
    Registration {
        nonce: Some(&NONCE),
        credential_id: Some(&[2; 20]),
        public_key_spki: Some(SPKI),
    }
}

#[test]
fn the_receipt_of_this_registration_is_accepted() {
    let signed = signed(&receipt());
    let checked = check(&identity(), &signed, &registration()).unwrap();
    assert_eq!(checked.receipt, receipt());
    assert_eq!(
        checked.hash.0,
        <[u8; 32]>::from(Sha256::digest(signed.body.as_slice()))
    );
    assert!(check(&identity(), &signed, &Registration::default()).is_ok());
}

#[test]
fn f12_a_swapped_credential_is_noticed_by_the_client() {
    let judge = |change: fn(&mut AccountReceipt)| {
        let mut receipt = receipt();
        change(&mut receipt);
        check(&identity(), &signed(&receipt), &registration()).unwrap_err()
    };
    assert_eq!(
        judge(|r| r.credentials[0].public_key_sha256 = Hash32([0; 32])),
        ReceiptError::PublicKey
    );
    assert_eq!(
        judge(|r| r.credentials[0].id = vec![9; 20].into()),
        ReceiptError::Credential
    );
    assert_eq!(
        judge(|r| {
            let mut second = r.credentials[0].clone();
            second.public_key_sha256 = Hash32([0; 32]);
            r.credentials.push(second);
        }),
        ReceiptError::Passkeys
    );
    assert_eq!(judge(|r| r.credentials.clear()), ReceiptError::Passkeys);
    assert_eq!(judge(|r| r.keys.clear()), ReceiptError::Empty);
    assert_eq!(judge(|r| r.nonce = vec![8; 32].into()), ReceiptError::Nonce);
}

#[test]
fn a_receipt_of_another_enclave_is_refused() {
    let signed = Signed::new(&receipt(), |input| {
        SigningKey::from_bytes(&[4; 32]).sign(input).to_bytes()
    })
    .unwrap();
    assert_eq!(
        check(&identity(), &signed, &registration()),
        Err(ReceiptError::Statement(StatementError::Signature))
    );
}

/// The examples of EIP-55.
#[test]
fn addresses_are_shown_with_their_checksum() {
    for expected in [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ] {
        let address: Address = expected[2..].parse().unwrap();
        assert_eq!(checksummed(&address), expected);
    }
}
