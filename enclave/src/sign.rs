//! Owner keys: secp256k1 (SEC 2), deterministic ECDSA (RFC 6979), Ethereum addresses.

use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use openkey_protocol::message::{AccountId, Address, Bytes, KeyId};
use sha3::{Digest, Keccak256};
use zeroize::Zeroizing;

use crate::seal::{Kind, NONCE, Name, SealError, Sealer};

/// The schema of sealed scalars.
const SCHEMA: u32 = 1;
/// A scalar never changes: there is one version of it.
const VERSION: u64 = 1;

/// Why a key does not sign. In each case nothing was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    /// The sealed scalar does not open in this place.
    #[error("the key does not open under its own name")]
    Sealed(#[from] SealError),
    /// The scalar is none, or belongs to another address.
    #[error("the key is not the one of its address")]
    OtherAddress,
    /// The signature does not recover to the key's address.
    #[error("the signature failed the check after signing")]
    SelfCheck,
}

/// A new key as its account keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedKey {
    pub(crate) address: Address,
    pub(crate) sealed: Bytes,
}

/// Makes a key of 32 secret bytes and seals it for its place.
///
/// # Errors
///
/// [`KeyError::OtherAddress`] if the bytes are no scalar: once in 2¹²⁸ keys.
pub(crate) fn make(
    sealer: &Sealer,
    account: &AccountId,
    key: KeyId,
    secret: &Zeroizing<[u8; 32]>,
    nonce: &[u8; NONCE],
) -> Result<SealedKey, KeyError> {
    let signer = SigningKey::from_slice(secret.as_slice()).map_err(|_| KeyError::OtherAddress)?;
    let address = address(signer.verifying_key());
    let id = place(key, &address);
    let name = name(account, &id);
    let sealed = sealer.seal(&name, SCHEMA, VERSION, nonce, secret.as_slice())?;
    Ok(SealedKey {
        address,
        sealed: sealed.into(),
    })
}

/// Signs a digest with a sealed key: r ‖ s ‖ v with s low and v 27 or 28. The key is open only here,
/// and the signature is checked by recovering the address from it before it is returned.
///
/// # Errors
///
/// [`KeyError`].
pub(crate) fn sign(
    sealer: &Sealer,
    account: &AccountId,
    key: KeyId,
    owned: &SealedKey,
    digest: &[u8; 32],
) -> Result<[u8; 65], KeyError> {
    let id = place(key, &owned.address);
    let opened = sealer.open(&name(account, &id), owned.sealed.as_slice())?;
    if (opened.schema, opened.version) != (SCHEMA, VERSION) {
        return Err(KeyError::OtherAddress);
    }
    let signer = SigningKey::from_slice(&opened.plaintext).map_err(|_| KeyError::OtherAddress)?;
    drop(opened);
    if address(signer.verifying_key()) != owned.address {
        return Err(KeyError::OtherAddress);
    }
    let (signature, recovery) = signer.sign_prehash_recoverable(digest);
    drop(signer);
    release(digest, &signature, recovery, &owned.address).ok_or(KeyError::SelfCheck)
}

/// The signature's bytes, if it is one of `address` with a low s.
fn release(
    digest: &[u8; 32],
    signature: &Signature,
    recovery: RecoveryId,
    expected: &Address,
) -> Option<[u8; 65]> {
    if signature.normalize_s() != *signature || recovery.is_x_reduced() {
        return None;
    }
    let key = VerifyingKey::recover_from_prehash(digest, signature, recovery).ok()?;
    if address(&key) != *expected {
        return None;
    }
    let mut bytes = [0; 65];
    let (rs, v) = bytes.split_first_chunk_mut::<64>()?;
    rs.copy_from_slice(&signature.to_bytes());
    v.copy_from_slice(&[27 + u8::from(recovery.is_y_odd())]);
    Some(bytes)
}

/// Keccak-256 of the uncompressed point without its first byte, the last 20 bytes.
fn address(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    let hash: [u8; 32] = Keccak256::digest(point.as_bytes().get(1..).unwrap_or_default()).into();
    Address(hash.last_chunk().copied().unwrap_or_default())
}

/// Index and address: a scalar sealed for one is not opened for another.
fn place(key: KeyId, address: &Address) -> [u8; 24] {
    let mut id = [0; 24];
    let (index, rest) = id.split_at_mut(4);
    index.copy_from_slice(&key.0.to_be_bytes());
    rest.copy_from_slice(&address.0);
    id
}

fn name<'a>(account: &'a AccountId, id: &'a [u8; 24]) -> Name<'a> {
    Name {
        kind: Kind::OwnerKey,
        id,
        owner: &account.0,
    }
}

#[cfg(test)]
mod tests {
    use sha2::Sha256;
    use zeroize::ZeroizeOnDrop;

    use super::*;
    use crate::root::RootKey;

    const ACCOUNT: AccountId = AccountId([1; 16]);

    fn sealer() -> Sealer {
        Sealer::new(RootKey::new(&[3; 32]))
    }

    fn secret(hex_digits: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(hex::decode(hex_digits).unwrap().try_into().unwrap())
    }

    fn signed(secret_hex: &str, digest: [u8; 32]) -> (Address, String) {
        let key = make(
            &sealer(),
            &ACCOUNT,
            KeyId(0),
            &secret(secret_hex),
            &[4; NONCE],
        )
        .unwrap();
        let signature = sign(&sealer(), &ACCOUNT, KeyId(0), &key, &digest).unwrap();
        (key.address, hex::encode(signature))
    }

    /// The RFC 6979 vector for secp256k1 that is in wide use (key 1, "Satoshi Nakamoto", SHA-256).
    #[test]
    fn signs_by_rfc_6979_with_low_s() {
        let one = format!("{:064x}", 1);
        let digest = Sha256::digest(b"Satoshi Nakamoto").into();
        let (_, signature) = signed(&one, digest);
        assert_eq!(
            &signature[..128],
            "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8\
             2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
        );
    }

    /// The example of the web3 documentation for `accounts.sign("Some data", …)`.
    #[test]
    fn signs_the_ethereum_example() {
        let digest =
            hex::decode("1da44b586eb0729ff70a73c326926f6ed5a25f5b056e7f47fbc6e58d86871655");
        let (address, signature) = signed(
            "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",
            digest.unwrap().try_into().unwrap(),
        );
        assert_eq!(
            hex::encode(address.0),
            "2c7536e3605d9c16a7a3d7b1898e529396a65c23"
        );
        assert_eq!(
            signature,
            "b91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd\
             6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a029\
             1c"
        );
    }

    #[test]
    fn e1_a_key_signs_in_its_own_place_only() {
        let sealer = sealer();
        let key = make(
            &sealer,
            &ACCOUNT,
            KeyId(0),
            &secret(&"11".repeat(32)),
            &[4; NONCE],
        )
        .unwrap();
        let other = make(
            &sealer,
            &ACCOUNT,
            KeyId(0),
            &secret(&"22".repeat(32)),
            &[5; NONCE],
        )
        .unwrap();
        let corrupt = Err(KeyError::Sealed(SealError::Corrupt));
        let digest = [9; 32];
        assert!(sign(&sealer, &ACCOUNT, KeyId(0), &key, &digest).is_ok());
        assert_eq!(sign(&sealer, &ACCOUNT, KeyId(1), &key, &digest), corrupt);
        assert_eq!(
            sign(&sealer, &AccountId([2; 16]), KeyId(0), &key, &digest),
            corrupt
        );
        let swapped = SealedKey {
            address: key.address,
            sealed: other.sealed,
        };
        assert_eq!(
            sign(&sealer, &ACCOUNT, KeyId(0), &swapped, &digest),
            corrupt
        );
    }

    #[test]
    fn a_wrong_signature_is_not_released() {
        let signer = SigningKey::from_slice(&[5; 32]).unwrap();
        let own = address(signer.verifying_key());
        let (signature, recovery) = signer.sign_prehash_recoverable(&[7; 32]);
        assert!(release(&[7; 32], &signature, recovery, &own).is_some());
        assert_eq!(release(&[8; 32], &signature, recovery, &own), None);
        assert_eq!(
            release(&[7; 32], &signature, recovery, &Address([0; 20])),
            None
        );
        let flipped = RecoveryId::new(!recovery.is_y_odd(), false);
        assert_eq!(release(&[7; 32], &signature, flipped, &own), None);
        // The same signature with a high s: valid mathematics, refused here.
        let (r, s) = signature.split_scalars();
        let high = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        let flipped = RecoveryId::new(!recovery.is_y_odd(), false);
        assert_eq!(release(&[7; 32], &high, flipped, &own), None);
    }

    #[test]
    fn zero_and_the_order_are_no_keys() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        for bad in ["00".repeat(32), order.to_owned()] {
            let made = make(&sealer(), &ACCOUNT, KeyId(0), &secret(&bad), &[4; NONCE]);
            assert_eq!(made, Err(KeyError::OtherAddress));
        }
    }

    #[test]
    fn e9_secret_types_wipe_themselves() {
        const fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<SigningKey>();
        wiped::<Zeroizing<[u8; 32]>>();
        wiped::<Zeroizing<Vec<u8>>>();
        wiped::<ed25519_dalek::SigningKey>();
    }
}
